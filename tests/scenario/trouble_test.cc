// Goal: one bad answer is nothing (V8), and our own trouble is never blamed on others (V9).
// Method: whole nodes on the simulator: a day with a bad probe in each thousand; descriptors that run out,
// threads that get no processor, clocks that step, a network of ours that goes dark.

#include "base/check.h"
#include "base/text.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

using verdict::State;

// Ten services at ten addresses, with the default thresholds.
struct Land : Site {
    explicit Land(std::uint64_t seed, int count = 10) : Site(seed) {
        yaml = "services:\n";
        for (int i = 0; i < count; ++i) {
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1)));
            yaml += fmt::format("  s{0}: {{hosts: [s{0}.example], check: {{http: /up}}, instances: [\"{1}\"]}}\n", i, backends.back()->address());
        }
    }
    void settle(Node& node) {
        ASSERT_TRUE(node.start(yaml));
        ASSERT_TRUE(world.run_until(
            [&] {
                for (std::size_t i = 0; i < backends.size(); ++i)
                    if (node.view().service(fmt::format("s{}", i))->standing.state != State::healthy) return false;
                return true;
            },
            30s));
        world.run_for(10s);
        node.transitions.clear();
    }
    // After the trouble: every service is healthy, every instance serves, and nothing was blamed on anybody.
    void expect_recovered(Node& node) {
        world.run_for(30s);
        EXPECT_EQ(went(node, State::unhealthy), 0u);
        for (std::size_t i = 0; i < backends.size(); ++i) {
            EXPECT_EQ(node.view().service(fmt::format("s{}", i))->standing.state, State::healthy) << i;
            EXPECT_TRUE(node.view().instance(fmt::format("s{}-1", i))->eligible) << i;
        }
    }
    static std::size_t went(const Node& node, State state) {
        return static_cast<std::size_t>(std::ranges::count(node.transitions, state, &Node::Transition::state));
    }
    std::string yaml;
    std::vector<std::unique_ptr<Backend>> backends;
};

TEST(Trouble, V8OneBadProbeInAThousandChangesNothingInADay) {
    Land land(sim::seed_from_environment(31), 3);
    Node node(land);
    land.settle(node);
    auto& random = land.world.random();
    std::uint64_t bad = 0;
    // Three kinds: a reset, an answer that never comes, an answer of 503. About one in a thousand probes.
    for (Duration day{0}; day < 24h; day += 5s) {
        for (auto& backend : land.backends) {
            backend->sick = false;
            if (random.below(1000) != 0) continue;
            ++bad;
            switch (random.below(3)) {
                case 0: backend->reset_health = 1; break;
                case 1: backend->stall_health = 1; break;
                case 2: backend->sick_once = true; break;
            }
        }
        land.world.run_for(5s);
    }
    EXPECT_GT(bad, 10u);
    EXPECT_TRUE(node.transitions.empty()) << node.transitions.size() << " transitions by " << bad << " bad probes";
}

TEST(Trouble, V9RunningOutOfDescriptorsMakesNothingUnhealthy) {
    Land land(sim::seed_from_environment(32));
    Node node(land);
    land.settle(node);
    // Every kept connection goes, and no new one can be made.
    land.network.limit_descriptors("hale", 1);
    for (auto& backend : land.backends) backend->drop_connections();
    land.world.run_for(2min);
    EXPECT_EQ(Land::went(node, State::unhealthy), 0u);
    EXPECT_GT(Land::went(node, State::unknown), 0u) << "and after a while we say that we do not know";
    for (const auto& transition : node.transitions)
        if (transition.state == State::unknown) EXPECT_TRUE(node.view().instance(transition.instance)->eligible) << "held as it was";
    land.network.limit_descriptors("hale", 1'000'000);
    land.expect_recovered(node);
}

TEST(Trouble, V9NoLocalPortsMakesNothingUnhealthy) {
    Land land(sim::seed_from_environment(33));
    Node node(land);
    land.settle(node);
    land.network.limit_local_ports("hale", 0);
    for (auto& backend : land.backends) backend->drop_connections();
    land.world.run_for(2min);
    EXPECT_EQ(Land::went(node, State::unhealthy), 0u);
    EXPECT_EQ(Land::went(node, State::unknown), land.backends.size()) << "no probe could be made: we say that we do not know";
    for (const auto& transition : node.transitions)
        if (transition.state == State::unknown) EXPECT_TRUE(node.view().instance(transition.instance)->eligible) << "held as it was";
    land.network.limit_local_ports("hale", 20'000);
    land.expect_recovered(node);
}

TEST(Trouble, V9AStalledCheckerBlamesNobody) {
    Land land(sim::seed_from_environment(34));
    Node node(land);
    land.settle(node);
    for (int i = 0; i < 20; ++i) {
        // One answer of another backend each time is lost. While nobody looks the time for it runs out unnoticed.
        land.backends[static_cast<std::size_t>(i) % land.backends.size()]->stall_health = 1;
        const auto stall = Duration{static_cast<std::int64_t>(land.world.random().below(4'000'000'000))};
        node.checker_loop(0).stall(stall);
        node.checker_loop(1).stall(stall);
        land.world.run_for(stall + Duration{static_cast<std::int64_t>(land.world.random().below(3'000'000'000))});
    }
    EXPECT_EQ(Land::went(node, State::unhealthy), 0u);
    EXPECT_GT(node.checker(0).stats().engine.late_timers + node.checker(1).stats().engine.late_timers, 0u) << "no timer was late: nothing was tried";
    land.expect_recovered(node);
}

TEST(Trouble, V9AClockThatStepsDecidesNothing) {
    Land land(sim::seed_from_environment(35));
    Node node(land);
    land.settle(node);
    for (const Duration step : {Duration{24h}, Duration{-48h}, Duration{1h}, Duration{-10s}, Duration{24h * 365}}) {
        land.world.step_wall(step);
        land.world.run_for(30s);
    }
    EXPECT_TRUE(node.transitions.empty());
}

TEST(Trouble, V9WhenEverybodyFailsAtOnceWeSuspectOurselvesFirst) {
    Land land(sim::seed_from_environment(36));
    Node node(land);
    land.settle(node);
    // Two seconds without a network of ours, as a switch that restarts: less than the suspicion holds.
    for (const auto& backend : land.backends) land.network.cut("hale", backend->name());
    land.world.run_for(6s);
    const bool suspected = std::ranges::any_of(node.notices, [](const auto& notice) { return notice.kind == "suspect_self"; });
    EXPECT_TRUE(suspected);
    EXPECT_EQ(Land::went(node, State::unhealthy), 0u);
    land.network.heal();
    land.world.run_for(1min);
    EXPECT_EQ(Land::went(node, State::unhealthy), 0u);
}

TEST(Trouble, V9WhatIsReallyDownIsSaidToBeDownAllTheSame) {
    Land land(sim::seed_from_environment(37));
    Node node(land);
    land.settle(node);
    for (const auto& backend : land.backends) backend->kill();
    land.world.run_for(30s);
    EXPECT_EQ(Land::went(node, State::unhealthy), land.backends.size());
}

TEST(Trouble, AStoreThatRefusesChangesNothingAndSaysSo) {
    Land land(sim::seed_from_environment(38), 2);
    Node node(land);
    land.settle(node);
    const std::string id = node.view().instance("s0-1")->facts->id.str();
    const auto revision = node.view().revision();
    node.journal().fail_next = 1;
    const auto refused = node.mutate(catalog::SetOverride{"", id, verdict::OverrideState::down, 1h, "test"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().error.code, Code::unavailable);
    EXPECT_FALSE(refused.error().adoption_revision.has_value());
    EXPECT_EQ(node.view().instance(id)->facts->override, nullptr);
    EXPECT_EQ(node.view().revision(), revision);
    EXPECT_EQ(Land::went(node, State::unhealthy) + Land::went(node, State::unknown), 0u);
    EXPECT_TRUE(node.mutate(catalog::SetOverride{"", id, verdict::OverrideState::down, 1h, "test"}).has_value());
}

TEST(Trouble, AWorkerThatDoesNotAdoptIsSaidAndTheMutationIsNotUndone) {
    Land land(sim::seed_from_environment(39), 2);
    Node node(land);
    land.settle(node);
    const std::string id = node.view().instance("s0-1")->facts->id.str();
    const auto bugs = bugs_seen();
    set_bugs_fatal(false);
    node.worker_loop(1).stall(5s);
    const Instant asked = land.world.now();
    const auto late = node.mutate(catalog::SetOverride{"", id, verdict::OverrideState::down, 1h, "test"});
    ASSERT_FALSE(late.has_value());
    EXPECT_LE(land.world.now() - asked, 2100ms);
    ASSERT_TRUE(late.error().adoption_revision.has_value());
    EXPECT_TRUE(node.own().adoption_failed.load());
    EXPECT_EQ(node.view().instance(id)->facts->override, nullptr) << "no reader is ahead of a router";
    land.world.run_for(5s);
    EXPECT_FALSE(node.own().adoption_failed.load());
    ASSERT_NE(node.view().instance(id)->facts->override, nullptr);
    EXPECT_GE(node.view().revision(), *late.error().adoption_revision);
    EXPECT_EQ(bugs_seen(), bugs + 1);
    set_bugs_fatal(true);
}

}  // namespace
}  // namespace hale::scenario
