// Goal: every wanted host comes to its turn, none too often, none at an authority that asked to be left alone; what is
// told is what is so. Method: stories with a clock of numbers; then a seeded year of many hosts with failing authorities,
// held against the limits.

#include "acme/roster.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::acme {
namespace {

const Utc start{1'795'270'000s};
const Failure gone{.kind = FailureKind::unreachable, .text = "gone"};

RosterSettings settings() { return {.authorities = {"https://one.example", "https://two.example"}, .at_once = 2, .seed = 1}; }
Facts certificate(Utc from, Duration lifetime = 24h * 90) { return {.not_before = from, .not_after = from + lifetime, .issuer = "CN=One"}; }
State state(const Roster& roster, std::string_view host, Utc now) { return roster.status(host, now)->state; }

TEST(Roster, TellsEveryStateOfALife) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    EXPECT_EQ(state(roster, "www.example", start), State::pending);
    ASSERT_EQ(roster.due(start).size(), 1u);
    EXPECT_EQ(state(roster, "www.example", start), State::acquiring);
    roster.failed("www.example", gone, start);
    EXPECT_EQ(state(roster, "www.example", start), State::failed);
    EXPECT_EQ(roster.status("www.example", start)->reason, "gone");
    EXPECT_TRUE(roster.due(start + 1min).empty());
    const Utc again = *roster.next_due();
    ASSERT_EQ(roster.due(again).size(), 1u);
    roster.issued("www.example", certificate(again), again);
    EXPECT_EQ(state(roster, "www.example", again), State::active);
    EXPECT_EQ(roster.status("www.example", again)->reason, "");
    EXPECT_EQ(roster.status("www.example", again)->authority, "https://one.example");
    const Utc renewal = *roster.next_due();
    EXPECT_GT(renewal, again + 24h * 55);
    ASSERT_EQ(roster.due(renewal).size(), 1u);
    EXPECT_EQ(state(roster, "www.example", renewal), State::renewing);
    roster.failed("www.example", gone, renewal);
    EXPECT_EQ(state(roster, "www.example", renewal), State::active);  // Still served, and the reason beside it.
    EXPECT_EQ(roster.status("www.example", renewal)->reason, "gone");
    EXPECT_EQ(state(roster, "www.example", again + 24h * 91), State::expired);
}

TEST(Roster, TriesTheNextAuthorityAfterThreeFailuresAndBeginsWithTheFirstAfterASuccess) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    Utc now = start;
    std::vector<std::size_t> asked;
    for (int i = 0; i < 7; ++i) {
        now = *roster.next_due();
        const auto due = roster.due(now);
        ASSERT_EQ(due.size(), 1u);
        asked.push_back(due.front().authority);
        roster.failed("www.example", gone, now);
    }
    EXPECT_EQ(asked, (std::vector<std::size_t>{0, 0, 0, 1, 1, 1, 0}));
    for (int i = 0; i < 2; ++i) {
        now = *roster.next_due();
        roster.due(now);
        roster.failed("www.example", gone, now);
    }
    now = *roster.next_due();
    EXPECT_EQ(roster.due(now).front().authority, 1u);
    roster.issued("www.example", certificate(now), now);
    EXPECT_EQ(roster.status("www.example", now)->authority, "https://two.example");
    now = *roster.next_due();
    EXPECT_EQ(roster.due(now).front().authority, 0u);
}

TEST(Roster, AsksNoMoreThanSoManyAtOnce) {
    Roster roster(settings());
    std::vector<std::string> hosts;
    for (int i = 0; i < 20; ++i) hosts.push_back(fmt::format("h{:02}.example", i));
    roster.want(hosts, start);
    std::size_t done = 0;
    while (done < hosts.size()) {
        const auto due = roster.due(start);
        ASSERT_LE(due.size(), 2u);
        ASSERT_FALSE(due.empty());
        EXPECT_TRUE(roster.due(start).empty());
        for (const auto& one : due) roster.issued(one.host, certificate(start), start);
        done += due.size();
    }
}

TEST(Roster, LeavesALimitedHostAloneAndALimitedAuthorityAltogether) {
    Roster roster(settings());
    roster.want({"a.example", "b.example"}, start);
    roster.due(start);
    roster.failed("a.example", {.kind = FailureKind::rate_limited, .text = "slow down", .retry_after = 3h}, start);
    EXPECT_EQ(roster.status("a.example", start)->next_attempt, start + 3h);
    roster.failed("b.example", {.kind = FailureKind::rate_limited, .text = "all of you", .retry_after = 5h, .whole_authority = true}, start);
    EXPECT_TRUE(roster.due(start + 4h).empty());
    ASSERT_TRUE(roster.renew("a.example", start + 4h));
    EXPECT_TRUE(roster.due(start + 4h).empty());  // An operator's wish neither.
    EXPECT_EQ(roster.due(start + 5h).size(), 2u);
}

TEST(Roster, RenewsAtOnceWhenAskedAndRefusesStrangers) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    roster.due(start);
    roster.issued("www.example", certificate(start), start);
    EXPECT_TRUE(roster.due(start + 1h).empty());
    ASSERT_TRUE(roster.renew("www.example", start + 1h));
    EXPECT_EQ(roster.due(start + 1h).size(), 1u);
    const auto refused = roster.renew("other.example", start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_found);
}

TEST(Roster, KeepsItsPromisesAcrossARestart) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    for (int i = 0; i < 4; ++i) {
        const Utc now = *roster.next_due();
        roster.due(now);
        roster.failed("www.example", gone, now);
    }
    const HostRecord record = roster.record("www.example");
    const Utc next = *roster.next_due();
    Roster again(settings());
    const Utc restart = next - 1min;
    again.want({"www.example"}, restart);
    again.restore(record, {}, restart);
    EXPECT_TRUE(again.due(restart).empty());
    EXPECT_EQ(again.due(next).front().authority, 1u);
    EXPECT_EQ(again.status("www.example", next)->failures, 4u);
    // Written under a clock that was years ahead: bounded.
    HostRecord ahead = record;
    ahead.next_attempt = start + 24h * 3650;
    Roster third(settings());
    third.want({"www.example"}, start);
    third.restore(ahead, {}, start);
    EXPECT_LE(*third.next_due(), start + longest_rate_limit);
}

TEST(Roster, WhatOneAuthorityRefusedIsAskedOfAnotherAtOnce) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    roster.due(start);
    roster.failed("www.example", gone, start);
    const HostRecord record = roster.record("www.example");
    EXPECT_EQ(record.asked, "https://one.example");
    const RosterSettings elsewhere{.authorities = {"https://three.example"}, .at_once = 2, .seed = 1};
    // By a changed configuration, with a restart between or without.
    Roster restarted(elsewhere);
    restarted.want({"www.example"}, start + 1s);
    restarted.restore(record, {}, start + 1s);
    EXPECT_EQ(restarted.due(start + 1s).size(), 1u);
    EXPECT_EQ(restarted.status("www.example", start + 1s)->failures, 0u);
    EXPECT_TRUE(roster.due(start + 1s).empty());
    roster.set(elsewhere);
    EXPECT_EQ(roster.due(start + 1s).size(), 1u);
}

TEST(Roster, KeepsWhatItHasThroughAChangeOfHostsAndAuthorities) {
    Roster roster(settings());
    roster.want({"a.example", "b.example"}, start);
    roster.due(start);
    roster.issued("a.example", certificate(start), start);
    EXPECT_EQ(roster.want({"a.example", "c.example"}, start), std::vector<std::string>{"b.example"});
    EXPECT_EQ(state(roster, "a.example", start), State::active);
    EXPECT_FALSE(roster.wanted("b.example"));
    RosterSettings other = settings();
    other.authorities = {"https://three.example"};
    roster.set(other);
    EXPECT_EQ(roster.due(start).front().authority, 0u);
    EXPECT_EQ(state(roster, "a.example", start), State::active);
}

TEST(Roster, TakesTheAuthoritysWindow) {
    Roster roster(settings());
    roster.want({"www.example"}, start);
    roster.due(start);
    roster.issued("www.example", certificate(start), start);
    roster.suggest("www.example", {.start = start + 1h, .end = start + 2h}, start);
    EXPECT_GE(*roster.next_due(), start + 1h);
    EXPECT_LE(*roster.next_due(), start + 2h);
}

TEST(Roster, LivesThroughAYear) {
    const auto seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    Roster roster(settings());
    std::vector<std::string> hosts;
    for (int i = 0; i < 50; ++i) hosts.push_back(fmt::format("h{:02}.example", i));
    roster.want(hosts, start);
    std::map<std::string, std::vector<Utc>> attempts;
    std::map<std::string, std::size_t> under_way;
    Utc now = start;
    while (now < start + 24h * 365) {
        for (const auto& one : roster.due(now)) {
            under_way.emplace(one.host, one.authority);
            attempts[one.host].push_back(now);
        }
        std::array<std::size_t, 2> busy{};
        for (const auto& [host, authority] : under_way) ASSERT_LE(++busy[authority], 2u);
        if (!under_way.empty()) {
            const std::string host = under_way.begin()->first;
            under_way.erase(under_way.begin());
            // The first authority is down for the first months.
            const bool good = now > start + 24h * 90 ? !random.one_in(4) : roster.status(host, now)->authority == "https://two.example" && !random.one_in(4);
            if (good) roster.issued(host, certificate(now), now);
            else roster.failed(host, gone, now);
            now += std::chrono::seconds(random.below(20));
            continue;
        }
        const auto next = roster.next_due();
        ASSERT_TRUE(next);
        now = std::max(now, *next);
    }
    for (const Status& one : roster.list(now)) {
        EXPECT_TRUE(one.state == State::active) << one.host << " " << text(one.state) << " " << one.reason;
        // Renewed some six times, each with a few failures: nobody was asked without pause.
        EXPECT_LT(attempts[one.host].size(), 80u);
    }
}

}  // namespace
}  // namespace hale::acme
