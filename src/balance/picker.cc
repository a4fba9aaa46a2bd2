#include "balance/picker.h"

#include <utility>

namespace hale::balance {

namespace {

std::variant<RoundRobin, LeastRequests, Ring> way_of(Method method, std::uint64_t seed) {
    switch (method) {
        case Method::round_robin:
            return RoundRobin(seed);
        case Method::least_requests:
            return LeastRequests(seed);
        case Method::hash:
            return Ring();
    }
    std::unreachable();
}

}  // namespace

Picker::Picker(Method method, std::uint64_t seed) : way_(way_of(method, seed)), random_(seed) {}

void Picker::rebuild(std::span<const Candidate> candidates) {
    std::visit([&](auto& way) { way.rebuild(candidates); }, way_);
}

std::optional<std::uint32_t> Picker::pick(std::optional<std::uint64_t> hash, Tried tried) {
    if (auto* way = std::get_if<RoundRobin>(&way_)) return way->pick(tried);
    if (auto* way = std::get_if<LeastRequests>(&way_)) return way->pick(tried);
    return std::get<Ring>(way_).pick(hash ? *hash : random_.next(), tried);
}

}  // namespace hale::balance
