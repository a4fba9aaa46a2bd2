// Goal: nothing that serves is touched, nothing an operator or a deployment has in hand, no two of one service at once, and nobody
// more often than the back-off says; whoever is sick and in nobody's hand is healed.
// Method: every combination of what may be true of two patients of one or two services, against the rules said once more; time by
// steps for the back-off; every number of sick ones for the mass.

#include "fleet/healing.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

namespace hale::fleet {
namespace {

constexpr Instant now{24h};
constexpr Utc utc{std::chrono::hours(1'000'000)};

Patient sick(std::string service, std::string name, Duration since = 40s) {
    Patient out;
    out.service = std::move(service);
    out.name = std::move(name);
    out.heal = {.policy = config::HealPolicy::restart, .after = 30s, .backoff_first = 10s, .backoff_max = 60s};
    out.unhealthy = true;
    out.since = utc - since;
    out.serving = true;
    return out;
}

constexpr unsigned facts = 9;
Patient with(Patient one, unsigned bits) {
    if (bits & 1) one.eligible = true;
    if (bits & 2) one.serving = false;
    if (bits & 4) one.overridden = true;
    if (bits & 8) one.paused = true;
    if (bits & 16) one.deploying = true;
    if (bits & 32) one.in_hand = true;
    if (bits & 64) one.unhealthy = false;
    if (bits & 128) one.since = utc - 29s;
    if (bits & 256) one.heal.policy = config::HealPolicy::none;
    return one;
}

TEST(Healing, TouchesOnlyWhoIsSickAndInNobodysHand) {
    for (unsigned a = 0; a < 1u << facts; ++a)
        for (unsigned b = 0; b < 1u << facts; b += 1 + b % 3)
            for (const bool together : {true, false})
                for (const bool engine : {true, false}) {
                    Healing healing;
                    const std::vector<Patient> both{with(sick("web", "a"), a), with(sick(together ? "web" : "api", "b", 50s), b)};
                    const auto orders = healing.decide(both, engine, now, utc);
                    const bool a_may = engine && a == 0, b_may = engine && b == 0;
                    const std::size_t most = a_may && b_may && together ? 1u : std::size_t{a_may} + std::size_t{b_may};
                    ASSERT_EQ(orders.size(), most) << a << " " << b;
                    for (const auto& order : orders) {
                        EXPECT_TRUE(order.name == "a" ? a_may : b_may);
                        EXPECT_EQ(order.what, config::HealPolicy::restart);
                    }
                    if (together && a_may && b_may) EXPECT_EQ(orders.front().name, "b") << "who is sick longest comes first";
                    EXPECT_TRUE(healing.decide(both, engine, now, utc).size() == 0) << "what was begun is not begun again";
                }
}

TEST(Healing, OneOfAServiceAtATime) {
    Healing healing;
    const std::vector<Patient> both{sick("web", "a"), sick("web", "b")};
    ASSERT_EQ(healing.decide(both, true, now, utc).size(), 1u);
    EXPECT_TRUE(healing.acting());
    EXPECT_TRUE(healing.decide(both, true, now + 1h, utc).empty());
    healing.ended("web", "b", now);  // Not the one.
    EXPECT_TRUE(healing.decide(both, true, now + 1h, utc).empty());
    healing.ended("web", "a", now);
    const auto next = healing.decide(both, true, now, utc);
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next.front().name, "b") << "the first one waits";
}

TEST(Healing, WaitsLongerAfterEachTryUpToTheMost) {
    Healing healing;
    const std::vector<Patient> one{sick("web", "a")};
    Instant at = now;
    std::uint32_t tries = 0;
    for (const Duration pause : {10s, 20s, 40s, 60s, 60s}) {
        const auto orders = healing.decide(one, true, at, utc);
        ASSERT_EQ(orders.size(), 1u);
        EXPECT_EQ(orders.front().tried, tries++);
        at += 3s;
        healing.ended("web", "a", at);
        EXPECT_TRUE(healing.decide(one, true, at + pause - 1ns, utc).empty()) << human(pause);
        at += pause;
    }
}

TEST(Healing, OnceWellForLongItIsAnotherIllness) {
    for (const bool long_well : {true, false}) {
        Healing healing;
        std::vector<Patient> one{sick("web", "a")};
        ASSERT_EQ(healing.decide(one, true, now, utc).size(), 1u);
        healing.ended("web", "a", now);
        one.front().unhealthy = false;
        EXPECT_TRUE(healing.decide(one, true, now + (long_well ? 20s : 19s), utc).empty());
        one.front().unhealthy = true;
        const auto orders = healing.decide(one, true, now + 25s, utc);
        ASSERT_EQ(orders.size(), 1u);
        EXPECT_EQ(orders.front().tried, long_well ? 0u : 1u);
    }
}

TEST(Healing, NothingIsDoneWhenMostTurnBadTogether) {
    for (std::size_t all = 1; all <= 9; ++all)
        for (std::size_t bad = 1; bad <= all; ++bad)
            for (const bool together : {true, false}) {
                std::vector<Patient> patients;
                for (std::size_t i = 0; i < all; ++i) {
                    patients.push_back(sick(fmt::format("s{}", i), "a", together ? 40s + i * 2s : 40s + i * 61s));
                    patients.back().unhealthy = i < bad;
                }
                Healing healing;
                const auto orders = healing.decide(patients, true, now, utc);
                const bool mass = together && bad >= 3 && bad * 2 > all;
                EXPECT_EQ(orders.empty(), mass) << bad << " of " << all;
                EXPECT_EQ(healing.held().empty(), !mass);
                if (!mass) EXPECT_EQ(orders.size(), bad) << "each is of a service of its own";
                else EXPECT_EQ(healing.decide(patients, true, now + mass_hold, utc + mass_hold).size(), bad) << "a hold ends";
            }
}

TEST(Healing, WhoLeavesWhileItIsTreatedIsForgottenInTime) {
    Healing healing;
    const std::vector<Patient> one{sick("web", "a")}, none;
    ASSERT_EQ(healing.decide(one, true, now, utc).size(), 1u);
    healing.ended("web", "a", now);
    EXPECT_TRUE(healing.decide(none, true, now + 1h, utc).empty());
    EXPECT_EQ(healing.decide(one, true, now + 1h, utc).front().tried, 0u);
}

}  // namespace
}  // namespace hale::fleet
