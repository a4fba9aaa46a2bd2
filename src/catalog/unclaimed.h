// Verdicts of an earlier life of the daemon, until the instance that they belong to is declared again and claims
// its own. A hundred thousand of them are met at each start: they are kept once, and found by two numbers.
//
// Pure; belongs to control's thread. Each verdict is given out once.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "config/journal.h"

namespace hale::catalog {

class Unclaimed {
public:
    void put(std::vector<config::StoredVerdict> verdicts);
    bool empty() const { return verdicts_.empty(); }

    // By the instance's name, or by its address as declared: one that has a name now may have been listed by its
    // address before.
    bool has_name(std::string_view service, std::string_view name) const { return find(Key::name, service, name) != nullptr; }
    bool has_address(std::string_view service, std::string_view declared) const { return find(Key::address, service, declared) != nullptr; }
    std::optional<config::StoredVerdict> claim_name(std::string_view service, std::string_view name);
    std::optional<config::StoredVerdict> claim_address(std::string_view service, std::string_view declared);
    // Names and addresses of the instances that were made of one declared name (`resolve: each`).
    std::vector<std::pair<std::string, SocketAddress>> made_of(std::string_view service, std::string_view declared) const;

    // Ids that nobody claimed; nothing is left then.
    std::vector<std::string> give_up();

private:
    enum class Key : std::uint64_t { name = 1, address = 2 };
    struct Place {
        std::uint64_t hash;
        std::uint32_t at;  // In verdicts_.
        auto operator<=>(const Place&) const = default;
    };
    static std::uint64_t hash_of(Key key, std::string_view service, std::string_view text);
    const config::StoredVerdict* find(Key key, std::string_view service, std::string_view text) const;
    std::optional<config::StoredVerdict> claim(const config::StoredVerdict* found);

    std::vector<config::StoredVerdict> verdicts_;  // Claimed ones have no instance any more.
    std::vector<Place> places_;                    // Two of each, by hash.
};

}  // namespace hale::catalog
