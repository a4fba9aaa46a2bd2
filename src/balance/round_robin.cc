#include "balance/round_robin.h"

#include <algorithm>
#include <utility>

namespace hale::balance {

void RoundRobin::rebuild(std::span<const Candidate> candidates) {
    std::vector<Turn> before = std::exchange(turns_, {});
    std::ranges::sort(before, {}, &Turn::id);
    turns_.reserve(candidates.size());
    for (const Candidate& c : candidates) {
        if (c.weight == 0) continue;
        const auto known = std::ranges::lower_bound(before, c.id, {}, &Turn::id);
        const bool kept = known != before.end() && known->id == c.id && known->weight == c.weight;
        turns_.push_back({c.id, c.weight, kept ? known->credit : 0});
    }
    equal_ = std::ranges::all_of(turns_, [&](const Turn& t) { return t.weight == turns_.front().weight; });
    if (equal_)
        for (Turn& t : turns_) t.credit = 0;
}

std::optional<std::uint32_t> RoundRobin::pick(Tried tried) {
    if (equal_) {
        const std::size_t n = turns_.size();
        if (n == 0) return std::nullopt;
        if (turn_ >= n) turn_ %= n;
        // Every tried id is met at most once, so this ends.
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t id = turns_[turn_].id;
            if (++turn_ == n) turn_ = 0;
            if (!is_in(tried, id)) return id;
        }
        return std::nullopt;
    }
    Turn* best = nullptr;
    std::int64_t sum = 0;
    for (Turn& t : turns_) {
        if (is_in(tried, t.id)) continue;
        t.credit += t.weight;
        sum += t.weight;
        if (best == nullptr || t.credit > best->credit) best = &t;
    }
    if (best == nullptr) return std::nullopt;
    best->credit -= sum;
    return best->id;
}

}  // namespace hale::balance
