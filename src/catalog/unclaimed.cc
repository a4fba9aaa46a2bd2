#include "catalog/unclaimed.h"

#include <algorithm>

#include "base/random.h"

namespace hale::catalog {

std::uint64_t Unclaimed::hash_of(Key key, std::string_view service, std::string_view text) {
    return hash64(text, hash64(service, static_cast<std::uint64_t>(key)));
}

void Unclaimed::put(std::vector<config::StoredVerdict> verdicts) {
    verdicts_ = std::move(verdicts);
    places_.clear();
    places_.reserve(verdicts_.size() * 2);
    for (std::uint32_t i = 0; i < verdicts_.size(); ++i) {
        places_.push_back({hash_of(Key::name, verdicts_[i].service, verdicts_[i].name), i});
        places_.push_back({hash_of(Key::address, verdicts_[i].service, verdicts_[i].declared), i});
    }
    std::ranges::sort(places_);
}

const config::StoredVerdict* Unclaimed::find(Key key, std::string_view service, std::string_view text) const {
    const std::uint64_t hash = hash_of(key, service, text);
    for (auto place = std::ranges::lower_bound(places_, hash, {}, &Place::hash); place != places_.end() && place->hash == hash; ++place) {
        const config::StoredVerdict& one = verdicts_[place->at];
        if (!one.instance.empty() && one.service == service && (key == Key::name ? one.name : one.declared) == text) return &one;
    }
    return nullptr;
}

std::optional<config::StoredVerdict> Unclaimed::claim(const config::StoredVerdict* found) {
    if (found == nullptr) return std::nullopt;
    config::StoredVerdict& one = verdicts_[static_cast<std::size_t>(found - verdicts_.data())];
    std::optional<config::StoredVerdict> claimed = std::move(one);
    one = {};
    return claimed;
}

std::optional<config::StoredVerdict> Unclaimed::claim_name(std::string_view service, std::string_view name) {
    return claim(find(Key::name, service, name));
}

std::optional<config::StoredVerdict> Unclaimed::claim_address(std::string_view service, std::string_view declared) {
    return claim(find(Key::address, service, declared));
}

std::vector<std::pair<std::string, SocketAddress>> Unclaimed::made_of(std::string_view service, std::string_view declared) const {
    std::vector<std::pair<std::string, SocketAddress>> made;
    const std::uint64_t hash = hash_of(Key::address, service, declared);
    for (auto place = std::ranges::lower_bound(places_, hash, {}, &Place::hash); place != places_.end() && place->hash == hash; ++place) {
        const config::StoredVerdict& one = verdicts_[place->at];
        if (one.instance.empty() || one.service != service || one.declared != declared || one.name.find('@') == std::string::npos) continue;
        if (auto address = SocketAddress::parse(one.resolved)) made.emplace_back(one.name, *address);
    }
    return made;
}

std::vector<std::string> Unclaimed::give_up() {
    std::vector<std::string> ids;
    for (auto& one : verdicts_)
        if (!one.instance.empty()) ids.push_back(std::move(one.instance));
    verdicts_ = {};
    places_ = {};
    return ids;
}

}  // namespace hale::catalog
