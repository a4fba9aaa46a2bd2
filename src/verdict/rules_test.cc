// Goal: whose fault it was, when we suspect ourselves, and which policies are refused.
// Method: enumerate the small ones; random streams of failures against an oracle that keeps the whole history.

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <vector>

#include "base/random.h"
#include "verdict/error_rule.h"
#include "verdict/judge.h"
#include "verdict/policy.h"
#include "verdict/self_protection.h"

namespace hale::verdict {
namespace {

constexpr Instant t0{Duration{1h}};

TEST(ErrorRule, OursAreDescriptorsBuffersPortsAndNoRouteAtAll) {
    const std::set<int> ours{EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
    for (int e = 0; e < 140; ++e)
        for (const bool route : {false, true})
            EXPECT_EQ(our_fault(e, route), ours.contains(e) || (e == ENETUNREACH && !route)) << e;
}

TEST(ErrorRule, ATimerLaterThanAQuarterOfTheTimeoutProvesNothing) {
    EXPECT_FALSE(timer_too_late(t0, t0, 2s));
    EXPECT_FALSE(timer_too_late(t0, t0 + 500ms, 2s));
    EXPECT_TRUE(timer_too_late(t0, t0 + 500ms + 1ns, 2s));
}

TEST(SelfProtection, SuspectsWhenTheHistoryOfFirstFailuresSaysSo) {
    int suspected = 0;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        SelfProtection protection;
        struct Past {
            FirstFailure failure;
            bool spent;
        };
        std::vector<Past> history;
        Instant until = Instant::min();
        const std::size_t passing = 1 + random.below(60);
        const std::uint64_t services = 1 + random.below(6), addresses = 1 + random.below(6);
        Instant now = t0;
        for (int i = 0; i < 60; ++i) {
            now += Duration{250ms} * static_cast<std::int64_t>(random.below(4));
            const FirstFailure f{random.below(services), random.below(addresses), now,
                                 random.one_in(2) ? Duration{2s} : Duration{10s}, 500ms};
            const auto got = protection.first_failure(f, passing);
            if (now < until) {
                ASSERT_FALSE(got);
                continue;
            }
            history.push_back({f, false});
            std::set<std::uint64_t> s, a;
            std::size_t n = 0;
            Duration round{0};
            for (const Past& p : history) {
                if (p.spent || now > p.failure.at + p.failure.timeout + 1s) continue;
                ++n;
                s.insert(p.failure.service);
                a.insert(p.failure.address);
                round = std::max(round, p.failure.timeout + 500ms);
            }
            const bool expected = n >= 5 && 5 * n >= passing && s.size() >= 3 && a.size() >= 3;
            ASSERT_EQ(got.has_value(), expected) << "step " << i;
            if (!got) continue;
            ++suspected;
            ASSERT_EQ(got->failures, n);
            ASSERT_EQ(got->services, s.size());
            ASSERT_EQ(got->addresses, a.size());
            ASSERT_EQ(got->until, now + std::min<Duration>(5s, round));
            until = got->until;
            for (Past& p : history) p.spent = true;
        }
    }
    EXPECT_GT(suspected, 200);
}

TEST(SelfProtection, RemembersABoundedNumberAndStillSeesALargeFleetFail) {
    SelfProtection protection;
    std::optional<Suspicion> suspicion;
    std::size_t n = 0;
    while (!suspicion && n < 30'000) {
        suspicion = protection.first_failure({n % 500, n, t0 + Duration{10us} * static_cast<std::int64_t>(n)}, 100'000);
        ++n;
    }
    EXPECT_EQ(n, 20'000u);
}

TEST(Policy, DefaultsAreFineAndEveryLimitIsNamed) {
    EXPECT_FALSE(fault_in({}));
    const auto key = [](JudgePolicy p) { return std::string(fault_in(p) ? fault_in(p)->key : "fine"); };
    EXPECT_EQ(key({.rise = 0}), "rise");
    EXPECT_EQ(key({.fall = 1001}), "fall");
    EXPECT_EQ(key({.interval = 99ms}), "interval");
    EXPECT_EQ(key({.interval = 100ms}), "fine");
    EXPECT_EQ(key({.timeout = 0ms}), "timeout");
    EXPECT_EQ(key({.confirm_interval = 1ms}), "confirm_interval");
    EXPECT_EQ(key({.timeout = 60s, .confirm_interval = 60s}), "fine");
    EXPECT_EQ(key({.down_interval_max = 4s}), "down_interval_max");
    EXPECT_EQ(key({.down_interval_max = 5s}), "fine");
    EXPECT_EQ(key({.start_period = -1s}), "start_period");
    EXPECT_EQ(key({.start_interval = 10ms}), "start_interval");
    EXPECT_EQ(key({.m_of_n = MofN{1, 65}}), "m_of_n.n");
    EXPECT_EQ(key({.m_of_n = MofN{4, 3}}), "m_of_n.m");
    EXPECT_EQ(key({.m_of_n = MofN{64, 64}}), "fine");
    EXPECT_EQ(fault_in({.interval = 1ms})->allowed.substr(0, 5), "100ms");
}

TEST(Policy, WordsAreReadBackAsWritten) {
    for (const Missing m : {Missing::ignore, Missing::breaching, Missing::not_breaching, Missing::missing})
        EXPECT_EQ(parse_missing(to_text(m)), m);
    for (const Initial i : {Initial::pending, Initial::up}) EXPECT_EQ(parse_initial(to_text(i)), i);
    EXPECT_FALSE(parse_missing("notBreaching"));
}

}  // namespace
}  // namespace hale::verdict
