// Goal: each way of choosing keeps its promise: shares by weight, few requests, keys that stay where they are.
// Method: exact cycles for round robin; chi-square-like bounds over seeded draws for the random one; for the ring
// every key followed through random comings and goings. Retries against all of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "balance/picker.h"

namespace hale::balance {
namespace {

constexpr Method methods[] = {Method::round_robin, Method::least_requests, Method::hash};

struct Fleet {
    std::vector<std::unique_ptr<std::atomic<std::uint32_t>>> in_flight;
    std::vector<Candidate> candidates;

    explicit Fleet(std::vector<std::uint32_t> weights) {
        for (const std::uint32_t w : weights) add(w);
    }
    void add(std::uint32_t weight) {
        const auto id = static_cast<std::uint32_t>(100 + in_flight.size());
        in_flight.push_back(std::make_unique<std::atomic<std::uint32_t>>(0));
        candidates.push_back({id, weight, hash64("i-" + std::to_string(id)), in_flight.back().get()});
    }
};

TEST(RoundRobin, GivesEachItsWeightInEveryCycleAndSpreadsTheHeavyOne) {
    for (std::uint32_t a = 0; a <= 5; ++a)
        for (std::uint32_t b = 0; b <= 5; ++b)
            for (std::uint32_t c = 0; c <= 5; ++c) {
                Fleet fleet({a, b, c});
                RoundRobin rr(7);
                rr.rebuild(fleet.candidates);
                const std::uint32_t sum = a + b + c;
                if (sum == 0) {
                    EXPECT_EQ(rr.pick({}), std::nullopt);
                    continue;
                }
                for (int cycle = 0; cycle < 3; ++cycle) {
                    std::map<std::uint32_t, std::uint32_t> got;
                    for (std::uint32_t i = 0; i < sum; ++i) ++got[*rr.pick({})];
                    EXPECT_EQ(got[100], a);
                    EXPECT_EQ(got[101], b);
                    EXPECT_EQ(got[102], c);
                }
            }
    Fleet fleet({5, 1, 1});
    RoundRobin rr(0);
    rr.rebuild(fleet.candidates);
    std::string order;
    for (int i = 0; i < 7; ++i) order += static_cast<char>('a' + *rr.pick({}) - 100);
    EXPECT_EQ(order, "aabacaa");
}

TEST(RoundRobin, FrequentRebuildsDoNotFavourAnyone) {
    for (const bool equal : {true, false}) {
        Fleet fleet(equal ? std::vector<std::uint32_t>{1, 1, 1, 1} : std::vector<std::uint32_t>{3, 2, 2, 1});
        RoundRobin rr(1);
        std::map<std::uint32_t, int> got;
        for (int i = 0; i < 800; ++i) {
            rr.rebuild(fleet.candidates);
            ++got[*rr.pick({})];
        }
        for (const Candidate& c : fleet.candidates)
            EXPECT_EQ(got[c.id], equal ? 200 : static_cast<int>(c.weight) * 100) << c.id;
    }
}

TEST(LeastRequests, ServesAnIdleServiceByWeight) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Fleet fleet({1, 2, 3, 10, 0, 4});
        LeastRequests lr(seed);
        lr.rebuild(fleet.candidates);
        std::map<std::uint32_t, int> got;
        constexpr int draws = 40'000;
        for (int i = 0; i < draws; ++i) ++got[*lr.pick({})];
        for (const Candidate& c : fleet.candidates) {
            const double expected = draws * c.weight / 20.0;
            EXPECT_NEAR(got[c.id], expected, 6 * std::sqrt(expected) + 1e-9) << "seed " << seed << " id " << c.id;
        }
    }
}

TEST(LeastRequests, KeepsLoadPerWeightEvenWhileRequestsLast) {
    // 1,000 requests in flight, each new one replaces a random old one.
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        Fleet fleet({1, 1, 1, 1, 2, 2, 4, 4});
        LeastRequests lr(seed);
        lr.rebuild(fleet.candidates);
        Random random(seed);
        std::vector<std::uint32_t> at;
        for (int i = 0; i < 40'000; ++i) {
            if (at.size() == 1600) {
                const std::size_t done = random.below(at.size());
                --*fleet.in_flight[at[done] - 100];
                at[done] = at.back();
                at.pop_back();
            }
            at.push_back(*lr.pick({}));
            ++*fleet.in_flight[at.back() - 100];
        }
        for (const Candidate& c : fleet.candidates) EXPECT_NEAR(c.in_flight->load(), 100.0 * c.weight, 12.0 * c.weight);
    }
}

TEST(LeastRequests, OfTwoTakesTheFreerOneAlways) {
    Fleet fleet({1, 1});
    *fleet.in_flight[0] = 1;
    LeastRequests lr(1);
    lr.rebuild(fleet.candidates);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(lr.pick({}), 101u);
}

TEST(Ring, NobodyElsesKeysMoveWhenSomeoneComesOrGoes) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Fleet fleet(std::vector<std::uint32_t>(40, 1));
        for (Candidate& c : fleet.candidates) c.weight = static_cast<std::uint32_t>(4 + random.below(4));
        std::vector<bool> in(40, true);
        Ring ring;
        const auto rebuild = [&](Ring& r) {
            std::vector<Candidate> list;
            for (std::size_t i = 0; i < 40; ++i)
                if (in[i]) list.push_back(fleet.candidates[i]);
            std::shuffle(list.begin(), list.end(), random);  // The order given does not matter.
            r.rebuild(list);
        };
        rebuild(ring);
        constexpr std::uint64_t keys = 2000;
        std::vector<std::uint32_t> home(keys);
        for (std::uint64_t k = 0; k < keys; ++k) home[k] = *ring.pick(k, {});
        for (int step = 0; step < 60; ++step) {
            const std::size_t who = random.below(40);
            if (in[who] && std::ranges::count(in, true) == 1) continue;
            in[who] = !in[who];
            rebuild(ring);
            Ring fresh;
            rebuild(fresh);
            ASSERT_EQ(ring.points(), fresh.points());
            for (std::uint64_t k = 0; k < keys; ++k) {
                const std::uint32_t now = *ring.pick(k, {});
                ASSERT_EQ(now, *fresh.pick(k, {})) << "merged and built anew must agree";
                if (now != home[k]) ASSERT_TRUE((in[who] ? now : home[k]) == fleet.candidates[who].id);
                home[k] = now;
            }
        }
    }
}

TEST(Ring, SharesFollowWeightsRoughly) {
    Fleet fleet({1, 1, 1, 1, 1, 1, 2, 2, 4, 0});
    Ring ring;
    ring.rebuild(fleet.candidates);
    std::map<std::uint32_t, double> got;
    constexpr std::uint64_t keys = 100'000;
    for (std::uint64_t k = 0; k < keys; ++k) got[*ring.pick(hash64(std::to_string(k)), {})] += 1;
    for (const Candidate& c : fleet.candidates)
        EXPECT_NEAR(got[c.id] / keys, c.weight / 14.0, 0.4 * c.weight / 14.0) << c.id;
}

TEST(Ring, StaysBoundedWithManyCandidates) {
    Fleet fleet(std::vector<std::uint32_t>(5000, 100));
    Ring ring;
    ring.rebuild(fleet.candidates);
    EXPECT_LE(ring.points(), ring_points_in_all);
    std::set<std::uint32_t> met;
    for (std::uint64_t k = 0; k < 100'000; ++k) met.insert(*ring.pick(k, {}));
    EXPECT_GT(met.size(), 4900u);
}

TEST(Ring, ATriedOneGivesWayToWhereItsKeysWouldGoWithoutIt) {
    Fleet fleet({1, 1, 1, 1, 1});
    Ring all;
    all.rebuild(fleet.candidates);
    for (std::uint64_t k = 0; k < 500; ++k) {
        const std::uint32_t first = *all.pick(k, {});
        std::vector<Candidate> others = fleet.candidates;
        std::erase_if(others, [&](const Candidate& c) { return c.id == first; });
        Ring rest;
        rest.rebuild(others);
        const std::array tried{first};
        EXPECT_EQ(all.pick(k, tried), rest.pick(k, {}));
    }
}

TEST(Picker, NeverPicksTheTriedNorTheWeightlessAndGivesUpWhenAllWereTried) {
    for (const Method method : methods)
        for (std::size_t n = 0; n <= 6; ++n)
            for (const std::uint32_t heavy : {1u, 3u}) {
                Fleet fleet(std::vector<std::uint32_t>(n, 1));
                if (n > 0) fleet.candidates.front().weight = heavy;
                fleet.add(0);
                Picker picker(method, 42);
                picker.rebuild(fleet.candidates);
                for (unsigned mask = 0; mask < 1u << n; ++mask) {
                    std::vector<std::uint32_t> tried;
                    for (std::size_t i = 0; i < n; ++i)
                        if (mask >> i & 1) tried.push_back(fleet.candidates[i].id);
                    std::set<std::uint32_t> met;
                    for (std::uint64_t k = 0; k < 200; ++k) {
                        const auto got = k % 2 == 0 ? picker.pick(hash64(std::to_string(k)), tried)
                                                    : picker.pick(std::nullopt, tried);
                        ASSERT_EQ(got.has_value(), tried.size() < n);
                        if (got) met.insert(*got);
                    }
                    EXPECT_EQ(met.size(), n - tried.size()) << "everyone else gets some";
                    for (const std::uint32_t id : tried) EXPECT_FALSE(met.contains(id));
                    EXPECT_FALSE(met.contains(fleet.candidates.back().id));
                }
            }
}

TEST(Picker, RetriesUntilEveryoneWasTriedOnce) {
    for (const Method method : methods) {
        Fleet fleet({1, 2, 3, 4, 5, 6, 7, 8});
        Picker picker(method, 3);
        picker.rebuild(fleet.candidates);
        std::vector<std::uint32_t> tried;
        while (const auto next = picker.pick(99, tried)) tried.push_back(*next);
        EXPECT_EQ(std::set<std::uint32_t>(tried.begin(), tried.end()).size(), 8u);
        EXPECT_EQ(tried.size(), 8u);
    }
}

}  // namespace
}  // namespace hale::balance
