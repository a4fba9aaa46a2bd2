// Goal: a replacement in waves never runs more than it may, never serves with fewer than it must, comes to its end whatever the
// figures, and goes the same way back.
// Method: all figures of small fleets against the two limits, stated without the machine; then random worlds for each, in which
// commands are carried out late, in halves, twice or never, with kills. The seed is printed when one fails.

#include "rollout/waves.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/random.h"
#include "rollout/machine.h"
#include "rollout/words.h"
#include "tests/support/seed.h"

namespace hale::rollout {
namespace {

const Utc wave_epoch = *parse_rfc3339("2027-03-01T00:00:00Z");

Plan in_waves(std::uint32_t old, std::uint32_t desired, WaveLimits limits) {
    Plan plan;
    for (std::uint32_t i = 0; i < desired; ++i) plan.containers.push_back({.name = fmt::format("new-{}", i), .direct = false, .routed = false});
    for (std::uint32_t i = 0; i < old; ++i) plan.old.push_back(fmt::format("old-{}", i));
    plan.most_running = limits.most_running;
    plan.least_serving = limits.least_serving;
    plan.pull = false;
    plan.has_old = old > 0;
    plan.deadlines.baking = 10s;
    plan.deadlines.yielding = 60s;
    plan.deadlines.rolling_back = 3600s;
    return plan;
}

TEST(Waves, LimitsAreRoundedToTheSafeSide) {
    for (std::uint32_t desired = 1; desired <= 64; ++desired)
        for (std::uint32_t max = 100; max <= 200; max += 5)
            for (std::uint32_t min = 0; min <= 100; min += 5) {
                const auto limits = wave_limits(desired, max, min);
                EXPECT_LE(limits.most_running * 100, desired * max);
                EXPECT_GT((limits.most_running + 1) * 100, desired * max);
                EXPECT_GE(limits.least_serving * 100, desired * min);
                EXPECT_TRUE(limits.least_serving == 0 || (limits.least_serving - 1) * 100 < desired * min);
                EXPECT_EQ(limits.progress(), limits.most_running > desired || limits.least_serving < desired);
            }
}

TEST(Waves, TheBreakerOfNobodysChoiceIsHalfWithinItsBounds) {
    EXPECT_EQ(automatic_breaker(1), 3u);
    EXPECT_EQ(automatic_breaker(6), 3u);
    EXPECT_EQ(automatic_breaker(7), 4u);
    EXPECT_EQ(automatic_breaker(64), 32u);
    EXPECT_EQ(automatic_breaker(1'000), 200u);
}

// Who really runs and serves.
struct Ship {
    bool runs = false, serves = false;
};

struct Harbour {
    Harbour(const Plan& p, std::uint64_t seed) : plan(p), random(seed), clumsiness(random.below(3) == 0 ? 0 : random.below(20)), fresh(p.containers.size()), old(p.old.size(), {true, true}) {}

    void carry_out(const Command& command, const Progress& p) {
        if (random.below(100) < clumsiness) return;  // Lost.
        const bool wrong = random.below(100) < clumsiness;
        const auto soon = [&](Event event) { pending.push_back({now + std::chrono::milliseconds(random.below(8'000)), std::move(event)}); };
        const std::size_t i = command.container;
        switch (command.what) {
            case Do::preflight: return soon(PreflightPassed{});
            case Do::create: return soon(wrong ? Event{Failed{Fault::create_failed, "no"}} : Event{Created{i}});
            case Do::start:
                fresh[i].runs = true;
                soon(Started{i});
                if (wrong) soon(Ended{i, 1, false, "boom"});
                return;
            case Do::switch_route:
                if (wrong) return soon(Failed{Fault::route_changed, "somebody"});
                for (std::size_t n = 0; n < fresh.size(); ++n) fresh[n].serves = p.containers[n].serving || p.containers[n].in_wave;
                for (std::size_t n = 0; n < old.size(); ++n) old[n].serves = !p.old[n].leaving;
                return soon(Switched{});
            case Do::yield_old:
                for (std::size_t n = 0; n < old.size(); ++n) {
                    if (!p.old[n].leaving) continue;
                    if (wrong && random.below(2) == 0) return;  // In halves.
                    old[n] = {};
                }
                return soon(wrong ? Event{Failed{Fault::timed_out, "the engine is gone"}} : Event{Yielded{}});
            case Do::remove: fresh[i] = {}; return soon(Removed{i});
            case Do::restore_old: old[i] = {true, true}; return soon(Restored{i});
            case Do::bake:
                if (wrong) soon(Failed{Fault::bake_failed, "5 % errors"});
                return;
            case Do::drain_old:
                for (Ship& one : old) one.serves = false;
                return soon(Drained{});
            case Do::retire_old:
                for (Ship& one : old) one = {};
                return soon(Retired{});
            case Do::roll_back:
                for (Ship& one : old) {
                    EXPECT_TRUE(one.runs) << "users are led to who runs";
                    one.serves = true;
                }
                std::ranges::fill(fresh, Ship{});
                return soon(RolledBack{});
            default: return;
        }
    }

    std::size_t running() const { return count(&Ship::runs); }
    std::size_t serving() const { return count(&Ship::serves); }
    std::size_t count(bool Ship::*which) const { return static_cast<std::size_t>(std::ranges::count_if(old, which) + std::ranges::count_if(fresh, which)); }

    struct Pending {
        Utc at;
        Event event;
    };
    const Plan& plan;
    Random random;
    std::uint64_t clumsiness;
    Utc now = wave_epoch;
    std::deque<Pending> pending;
    std::vector<Ship> fresh, old;
};

// One deployment to its end; which it was.
Phase sail(const Plan& plan, std::uint64_t seed) {
    Harbour world(plan, seed);
    Progress p = begin(plan, world.now);
    const std::size_t most = std::max<std::size_t>(plan.most_running, plan.old.size()), least = std::min<std::size_t>(plan.least_serving, plan.old.size());
    const auto take = [&](const Event& event) {
        for (const Command& one : step(plan, p, event, world.now)) {
            world.carry_out(one, p);
            EXPECT_LE(world.running(), most) << "in " << text(p.phase);
            EXPECT_GE(world.serving(), least) << "in " << text(p.phase);
        }
        for (const auto& all : {world.old, world.fresh})
            for (const Ship& one : all) EXPECT_TRUE(one.runs || !one.serves) << "users are sent to who is stopped";
    };
    take(Began{});
    while (!over(p.phase) && !::testing::Test::HasFailure()) {
        const auto next = std::ranges::min_element(world.pending, {}, &Harbour::Pending::at);
        if (next == world.pending.end() || next->at > p.deadline) {
            world.now = std::max(world.now, p.deadline);
            take(Tick{});
        } else {
            const auto one = *next;
            world.pending.erase(next);
            world.now = std::max(world.now, one.at);
            take(one.event);
            if (world.random.below(10) == 0) take(one.event);  // Told twice.
        }
        if (world.clumsiness > 0 && world.random.below(200) == 0) take(Abort{Fault::aborted, "somebody"});
        if (world.clumsiness > 0 && world.random.below(50) == 0) {  // Killed.
            world.pending.clear();
            take(Began{});
        }
    }
    EXPECT_LE(world.now - wave_epoch, longest(plan));
    if (world.clumsiness == 0) { EXPECT_EQ(p.phase, Phase::done); }
    if (p.phase == Phase::done) {
        for (const Ship& one : world.fresh) EXPECT_TRUE(one.runs && one.serves);
        if (world.clumsiness == 0)
            for (const Ship& one : world.old) EXPECT_FALSE(one.runs || one.serves);
    }
    if (p.phase == Phase::rolled_back) {
        for (const Ship& one : world.old) EXPECT_TRUE(one.runs && one.serves);
        for (const Ship& one : world.fresh) EXPECT_FALSE(one.runs || one.serves);
    }
    return p.phase;
}

TEST(Waves, V20AllFiguresOfSmallFleetsKeepBothLimitsThereAndBack) {
    const std::uint64_t first = test_seed();
    SCOPED_TRACE(seed_text(first));
    std::set<Phase> ends;
    std::uint64_t seed = first;
    for (std::uint32_t old = 1; old <= 5; ++old)
        for (std::uint32_t desired = 1; desired <= 5; ++desired)
            for (const std::uint32_t max : {100u, 125u, 150u, 200u})
                for (const std::uint32_t min : {0u, 50u, 75u, 100u}) {
                    const auto limits = wave_limits(desired, max, min);
                    if (!limits.progress()) continue;
                    const Plan plan = in_waves(old, desired, limits);
                    for (int n = 0; n < 60; ++n) {
                        SCOPED_TRACE(fmt::format("{} old, {} desired, {} % to {} %, seed {}", old, desired, max, min, ++seed));
                        ends.insert(sail(plan, seed));
                        ASSERT_FALSE(::testing::Test::HasFailure());
                    }
                }
    EXPECT_EQ(ends, (std::set<Phase>{Phase::done, Phase::rolled_back, Phase::failed}));
}

// Four of four, at most six at once: two beside four, their places, and two more.
TEST(Waves, AGoodOneGoesStepByStep) {
    const Plan plan = in_waves(4, 4, wave_limits(4, 150, 100));
    EXPECT_EQ(wave_counts(plan).waves, 2u);
    EXPECT_EQ(wave_counts(plan).yields, 1u);
    Progress p = begin(plan, wave_epoch);
    using Commands = std::vector<Command>;
    const auto after = [&](const Event& event) { return step(plan, p, event, wave_epoch); };
    EXPECT_EQ(after(PreflightPassed{}), (Commands{{Do::create, 0}, {Do::create, 1}}));
    after(Created{0});
    EXPECT_EQ(after(Created{1}), (Commands{{Do::start, 0}, {Do::start, 1}}));
    after(Started{0});
    EXPECT_EQ(after(Started{1}), (Commands{{Do::close_gates}, {Do::switch_route}}));
    EXPECT_TRUE(p.old[0].leaving && p.old[1].leaving && !p.old[2].leaving && !p.old[3].leaving);
    EXPECT_EQ(after(Switched{}), Commands{{Do::yield_old}});
    EXPECT_EQ(after(Yielded{}), (Commands{{Do::create, 2}, {Do::create, 3}}));
    // One that serves already ends: there is no next wave.
    Progress broken = p;
    EXPECT_EQ(step(plan, broken, Ended{0, 1, false, "boom"}, wave_epoch), (Commands{{Do::remove, 2}, {Do::remove, 3}}));
    EXPECT_EQ(step(plan, broken, Removed{2}, wave_epoch), Commands{});
    EXPECT_EQ(step(plan, broken, Removed{3}, wave_epoch), (Commands{{Do::restore_old, 0}, {Do::restore_old, 1}})) << "there is room for both";
    step(plan, broken, Restored{0}, wave_epoch);
    EXPECT_EQ(step(plan, broken, Restored{1}, wave_epoch), Commands{{Do::roll_back}});
    for (const std::size_t i : {2u, 3u}) after(Created{i});
    after(Started{2});
    EXPECT_EQ(after(Started{3}), (Commands{{Do::close_gates}, {Do::switch_route}}));
    EXPECT_EQ(after(Switched{}), Commands{{Do::bake}});
    // Back from here: those that only left first, then as many places as nobody misses.
    Progress bad = p;
    EXPECT_EQ(step(plan, bad, Failed{Fault::bake_failed, "5 %"}, wave_epoch), (Commands{{Do::restore_old, 2}, {Do::restore_old, 3}}));
    step(plan, bad, Restored{2}, wave_epoch);
    EXPECT_EQ(step(plan, bad, Restored{3}, wave_epoch), (Commands{{Do::remove, 0}, {Do::remove, 1}}));
    EXPECT_EQ(step(plan, bad, Removed{0}, wave_epoch), Commands{});
    EXPECT_EQ(step(plan, bad, Removed{1}, wave_epoch), (Commands{{Do::restore_old, 0}, {Do::restore_old, 1}}));
    step(plan, bad, Restored{0}, wave_epoch);
    EXPECT_EQ(step(plan, bad, Restored{1}, wave_epoch), Commands{{Do::roll_back}});
    EXPECT_EQ(step(plan, p, Tick{}, p.deadline), Commands{{Do::drain_old}});
}

}  // namespace
}  // namespace hale::rollout
