// Goal: what was believed before a restart goes to whoever is declared as its owner, by name or by address, once,
// and what nobody claims is named at the end.
// Method: a few hundred verdicts of few services, names and addresses, against a list searched from the front.

#include "catalog/unclaimed.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/random.h"

namespace hale::catalog {
namespace {

config::StoredVerdict verdict(std::size_t number, Random& random) {
    const auto pick = [&](std::string_view what, std::uint64_t of) { return fmt::format("{}{}", what, random.below(of)); };
    return {.instance = fmt::format("i-{}", number), .service = pick("s", 4), .name = pick("n", 60), .declared = pick("10.0.0.", 60)};
}

TEST(Unclaimed, V11GivesEachVerdictOnceToItsNameOrAddress) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random(seed);
        std::vector<config::StoredVerdict> oracle;
        for (std::size_t i = 0; i < 300; ++i) oracle.push_back(verdict(i, random));
        Unclaimed unclaimed;
        unclaimed.put(oracle);
        for (int turn = 0; turn < 400; ++turn) {
            const auto wanted = verdict(0, random);
            const bool by_name = random.below(2) == 0;
            const auto found = std::ranges::find_if(oracle, [&](const auto& one) {
                return one.service == wanted.service && (by_name ? one.name == wanted.name : one.declared == wanted.declared);
            });
            const bool there = found != oracle.end();
            ASSERT_EQ(there, by_name ? unclaimed.has_name(wanted.service, wanted.name) : unclaimed.has_address(wanted.service, wanted.declared));
            const auto got = by_name ? unclaimed.claim_name(wanted.service, wanted.name) : unclaimed.claim_address(wanted.service, wanted.declared);
            ASSERT_EQ(there, got.has_value());
            if (!there) continue;
            ASSERT_EQ(found->instance, got->instance);
            oracle.erase(found);
        }
        std::set<std::string> left;
        for (const auto& one : oracle) left.insert(one.instance);
        const auto given_up = unclaimed.give_up();
        ASSERT_EQ(std::set(given_up.begin(), given_up.end()), left);
        ASSERT_TRUE(unclaimed.empty());
    }
}

TEST(Unclaimed, TheAddressesOfOneNameAreToldTogether) {
    Unclaimed unclaimed;
    unclaimed.put({{.instance = "i-a", .service = "web", .name = "web-1@10.0.0.7", .declared = "db:80", .resolved = "10.0.0.7:80"},
                   {.instance = "i-b", .service = "api", .name = "api-1@10.0.0.9", .declared = "db:80", .resolved = "10.0.0.9:80"},
                   {.instance = "i-c", .service = "web", .name = "web-1@10.0.0.8", .declared = "db:80", .resolved = "10.0.0.8:80"},
                   {.instance = "i-d", .service = "web", .name = "web-2", .declared = "db:80", .resolved = "10.0.0.6:80"}});
    const auto made = unclaimed.made_of("web", "db:80");
    ASSERT_EQ(made.size(), 2u);
    EXPECT_EQ(made[0].first, "web-1@10.0.0.7");
    EXPECT_EQ(made[1].second.text(), "10.0.0.8:80");
}

}  // namespace
}  // namespace hale::catalog
