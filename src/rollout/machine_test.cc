// Goal: whatever happens in whatever order, and whenever the daemon is killed, a deployment ends within its deadlines, users
// reach one whole version at each moment, and nothing unverified is ever switched to.
// Method: all events in all states that can be reached, against rules that are stated without the machine; then ten thousand
// random worlds that carry commands out late, wrongly, twice or never, with kills. The seed is printed when one fails.

#include "rollout/machine.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/random.h"
#include "rollout/words.h"
#include "tests/support/seed.h"

namespace hale::rollout {
namespace {

const Utc epoch = *parse_rfc3339("2027-03-01T00:00:00Z");

// A web application, its database's migration before it, and a worker beside it.
Plan three() {
    Plan plan;
    plan.containers = {
        {.name = "web", .container_health = true, .after = {{1, Needs::completed}}},
        {.name = "migrate", .one_shot = true, .direct = false, .routed = false},
        {.name = "worker", .container_health = true, .direct = false, .routed = false, .after = {{0, Needs::healthy}}},
    };
    plan.deadlines.baking = 20s;
    return plan;
}

Plan two() {
    Plan plan = three();
    plan.containers.pop_back();
    return plan;
}

std::vector<Plan> plans() {
    Plan target;  // Somebody else's process: nothing is made.
    target.containers = {{.name = "web", .external = true}};
    target.pull = false;
    Plan first = target;  // Nothing serves yet.
    first.has_old = false;
    Plan unchecked;
    unchecked.containers = {{.name = "worker", .direct = false, .routed = false}};
    unchecked.retire_old = false;
    Plan hooked = target;  // Asked before and after, and the serving version's own failures are nobody's reason to stop.
    hooked.hooks_before = hooked.hooks_after = hooked.accept_pre_existing = true;
    hooked.deadlines.hooks_after = 40s;
    Plan baked = hooked;
    baked.deadlines.baking = 20s;
    Plan again;  // What fails is made anew, twice.
    again.containers = {{.name = "web", .container_health = true}};
    again.breaker = 3;
    again.replace_after = 20s;
    Plan waves;  // One beside two, and two serve always.
    waves.containers = {{.name = "new-1"}, {.name = "new-2", .direct = false, .routed = false}};
    waves.most_running = 3;
    waves.least_serving = 2;
    waves.old = {"old-1", "old-2"};
    waves.deadlines.baking = 20s;
    waves.deadlines.yielding = 60s;
    Plan swaps = waves;  // None beside two: one after the other gives its place.
    swaps.containers[0].direct = swaps.containers[0].routed = false;
    swaps.most_running = 2;
    swaps.least_serving = 1;
    swaps.breaker = 2;
    return {three(), target, first, unchecked, hooked, baked, again, waves, swaps};
}

std::vector<Event> alphabet(const Plan& plan) {
    std::vector<Event> all{Began{}, PreflightPassed{}, Pulled{}, Through{true, false, ""}, Through{false, true, "404"}, Through{false, false, "500"}, Switched{}, Drained{}, Retired{},
                           RolledBack{}, Failed{Fault::create_failed, "no"}, Abort{Fault::aborted, "somebody"}, Abort{Fault::superseded, "d-2"}, Tick{}, HooksPassed{}, PreExisting{"so does the old one"}, Yielded{}};
    for (std::size_t i = 0; i <= plan.old.size(); ++i) all.push_back(Restored{i});
    for (std::size_t i = 0; i <= plan.containers.size(); ++i) {  // One too many: nobody knows it.
        all.push_back(Created{i});
        all.push_back(Started{i});
        all.push_back(Health{i, true, ""});
        all.push_back(Health{i, false, "exit 1"});
        all.push_back(Ended{i, 0, false, ""});
        all.push_back(Ended{i, 1, false, "boom"});
        all.push_back(Ended{i, 137, true, "oom"});
        all.push_back(Looping{i, "thrice"});
        all.push_back(Removed{i});
        all.push_back(Failed{Fault::start_failed, "no such command", i});
        all.push_back(Direct{i, true, ""});
        all.push_back(Direct{i, false, "500"});
    }
    return all;
}

bool verified(const Plan& plan, const Progress& p) {
    bool routed = false;
    for (std::size_t i = 0; i < plan.containers.size(); ++i) {
        const auto& its = plan.containers[i];
        const auto& one = p.containers[i];
        if (!one.in_wave && !one.serving) continue;  // Of a later wave.
        routed |= its.routed && one.in_wave;
        if (one.removing) return false;
        if (its.one_shot && !one.ended) return false;
        if (!its.one_shot && its.direct && one.direct != Word::pass) return false;
        if (!its.one_shot && its.container_health && one.health != Word::pass) return false;
        if (!one.started) return false;
    }
    return !routed || p.proxy == Word::pass;
}

bool all_serve(const Progress& p) { return std::ranges::all_of(p.containers, &Container::serving); }

bool says(const std::vector<Command>& commands, Do what) { return std::ranges::find(commands, what, &Command::what) != commands.end(); }

// What holds of every step from `before` to `after`.
void hold(const Plan& plan, const Progress& before, const Progress& after, const std::vector<Command>& commands, Utc now) {
    if (over(before.phase)) {
        EXPECT_EQ(before, after) << "an end is an end";
        EXPECT_TRUE(commands.empty());
        return;
    }
    if (!over(after.phase)) { EXPECT_LE(after.deadline, now + 300s) << "every phase has a deadline"; }
    if (after.phase != before.phase) { EXPECT_EQ(after.entered, now); }
    if (says(commands, Do::switch_route)) { EXPECT_TRUE(verified(plan, after) || (after.accepted && plan.accept_pre_existing)) << "nothing unverified is switched to"; }
    if (says(commands, Do::pull) || says(commands, Do::create) || says(commands, Do::yield_old)) { EXPECT_NE(after.phase, Phase::requested); }
    if (before.phase == Phase::requested && after.phase != Phase::requested && after.phase != Phase::rolling_back) { EXPECT_EQ(before.asked_hooks, plan.hooks_before) << "no hook is passed by"; }
    if (after.phase > Phase::baking && after.phase <= Phase::retiring) { EXPECT_TRUE(after.hooked || !plan.hooks_after); }
    if (plan.breaker > 0 && !over(after.phase) && after.phase != Phase::rolling_back) { EXPECT_LT(after.failures, plan.breaker); }
    if (plan.breaker == 0) { EXPECT_EQ(after.failures, 0u); }
    if (says(commands, Do::drain_old) || says(commands, Do::retire_old)) {
        EXPECT_TRUE(after.users_switched && plan.has_old);
        EXPECT_GE(after.phase, Phase::draining);
    }
    if (says(commands, Do::roll_back)) { EXPECT_EQ(after.phase, Phase::rolling_back); }
    if (before.phase >= Phase::draining && before.phase <= Phase::retiring) { EXPECT_NE(after.phase, Phase::rolling_back) << "there is no way back from here"; }
    switch (after.phase) {
        case Phase::done: EXPECT_TRUE(after.users_switched && after.fault == Fault::none && (verified(plan, after) || after.accepted) && all_serve(after)); break;
        case Phase::rolled_back: EXPECT_TRUE(!after.users_switched && after.fault != Fault::none && after.fault != Fault::superseded); break;
        case Phase::superseded: EXPECT_TRUE(!after.users_switched && after.fault == Fault::superseded); break;
        case Phase::baking:
        case Phase::draining:
        case Phase::retiring: EXPECT_TRUE(after.users_switched); break;
        case Phase::rolling_back: break;
        case Phase::failed: EXPECT_NE(after.fault, Fault::none); break;
        default: EXPECT_TRUE(!after.users_switched || plan.in_waves()) << "users stay where they are until the switch";
    }
}

std::string key_of(const Progress& p) {
    std::string key = fmt::format("{} {} {} {} {} {}{}{}{} {}", std::to_underlying(p.phase), std::to_underlying(p.proxy), p.asked_proxy, p.users_switched, std::to_underlying(p.fault),
                                  p.asked_hooks, p.hooked, p.accepted, p.leading_back, p.failures);
    for (const auto& one : p.containers)
        key += fmt::format("|{}{}{}{}{}{}{}{}{}", one.created, one.asked_to_start, one.started, one.ended, std::to_underlying(one.health), std::to_underlying(one.direct), one.in_wave, one.serving,
                           one.removing);
    for (const auto& one : p.old) key += fmt::format("/{}{}{}", one.leaving, one.stopped, one.restoring);
    return key;
}

// To the end by time alone.
void runs_out(const Plan& plan, Progress p, Utc now) {
    for (int ticks = 0; !over(p.phase); ++ticks) {
        ASSERT_LE(ticks, 10) << "stuck in " << text(p.phase);
        now = std::max(now, p.deadline);
        const Phase before = p.phase;
        step(plan, p, Tick{}, now);
        ASSERT_NE(p.phase, before) << "a deadline that ends nothing";
    }
}

TEST(Rollout, V14EveryEventInEveryStateKeepsTheRulesAndEndsInTime) {
    auto all = plans();
    all.front() = two();  // A third container adds no rule, and a hundred times the states.
    for (const Plan& plan : all) {
        const auto events = alphabet(plan);
        std::set<std::string> known;
        std::deque<Progress> open{begin(plan, epoch)};
        known.insert(key_of(open.front()));
        std::set<Phase> ends;
        while (!open.empty() && !::testing::Test::HasFailure()) {
            const Progress before = open.front();
            open.pop_front();
            runs_out(plan, before, epoch);
            const auto look = [&](const Event& event, Utc now) {
                Progress after = before;
                const auto commands = step(plan, after, event, now);
                hold(plan, before, after, commands, now);
                EXPECT_FALSE(::testing::Test::HasFailure()) << "event " << event.index() << " in " << text(before.phase) << " to " << text(after.phase);
                if (over(after.phase)) ends.insert(after.phase);
                after.text.clear();
                if (known.insert(key_of(after)).second) open.push_back(std::move(after));
            };
            for (const Event& event : events) look(event, epoch + 1s);
            if (!over(before.phase)) look(Tick{}, before.deadline);
            if (next_look(plan, before) < before.deadline) look(Tick{}, next_look(plan, before));
            // A restart changes nothing but gives the commands again, and twice is as good as once.
            Progress again = before;
            step(plan, again, Began{}, epoch + 1s);
            Progress twice = again;
            step(plan, twice, Began{}, epoch + 1s);
            EXPECT_EQ(again, twice);
            EXPECT_EQ(again.phase, before.phase);
        }
        EXPECT_LT(known.size(), 200'000u);
        EXPECT_EQ(ends, (std::set<Phase>{Phase::done, Phase::rolled_back, Phase::superseded, Phase::failed}));
    }
}

TEST(Rollout, NothingToDeployIsNoSuccess) {
    const Plan plan;
    Progress p = begin(plan, epoch);
    step(plan, p, PreflightPassed{}, epoch);
    EXPECT_EQ(p.phase, Phase::rolling_back);
    EXPECT_EQ(p.fault, Fault::preflight_failed);
}

// The way of a deployment that goes well, command by command.
TEST(Rollout, AGoodOneAsksForEachThingOnceAndInOrder) {
    const Plan plan = three();
    Progress p = begin(plan, epoch);
    using Commands = std::vector<Command>;
    const auto after = [&](const Event& event) { return step(plan, p, event, epoch); };
    EXPECT_EQ(after(Began{}), Commands{{Do::preflight}});
    EXPECT_EQ(after(PreflightPassed{}), Commands{{Do::pull}});
    EXPECT_EQ(after(Pulled{}), (Commands{{Do::create, 0}, {Do::create, 1}, {Do::create, 2}}));
    EXPECT_EQ(after(Created{0}), Commands{});
    EXPECT_EQ(after(Created{2}), Commands{});
    EXPECT_EQ(after(Created{1}), (Commands{{Do::start, 1}})) << "the others wait for it";
    EXPECT_EQ(after(Started{1}), Commands{});
    EXPECT_EQ(after(Ended{1, 0, false, ""}), (Commands{{Do::start, 0}}));
    EXPECT_EQ(after(Started{0}), (Commands{{Do::ask_directly, 0}}));
    EXPECT_EQ(after(Health{0, false, "starting"}), Commands{}) << "unhealthy within its budget is no end";
    EXPECT_EQ(after(Health{0, true, ""}), (Commands{{Do::start, 2}}));
    EXPECT_EQ(after(Started{2}), Commands{});
    EXPECT_EQ(p.phase, Phase::verifying);
    EXPECT_EQ(after(Direct{0, false, "connect refused"}), Commands{});
    EXPECT_EQ(after(Direct{0, true, ""}), Commands{{Do::ask_through}});
    EXPECT_EQ(after(Through{true, false, ""}), Commands{}) << "the worker is not healthy yet";
    EXPECT_EQ(after(Health{2, true, ""}), (Commands{{Do::close_gates}, {Do::switch_route}}));
    EXPECT_EQ(after(Switched{}), Commands{{Do::bake}});
    EXPECT_EQ(step(plan, p, Tick{}, p.deadline), Commands{{Do::drain_old}});
    EXPECT_EQ(after(Drained{}), Commands{{Do::retire_old}});
    EXPECT_EQ(after(Retired{}), Commands{});
    EXPECT_EQ(p.phase, Phase::done);
}

// What was missing is said, not that time was over; and what can't get better ends at once.
TEST(Rollout, AFailureNamesWhatWasMissing) {
    struct Case {
        std::string what;
        std::vector<Event> seen;
        Fault fault;
    };
    const std::vector<Event> up{PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Created{2}, Ended{1, 0, false, ""}, Started{0}, Health{0, true, ""}, Started{2}, Health{2, true, ""}};
    const auto then = [&](std::vector<Event> more) {
        auto all = up;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const std::vector<Case> cases{
        {"nobody listens", then({Tick{}}), Fault::not_ready},
        {"Docker's own check fails to the end", then({Health{0, false, "exit 1"}, Direct{0, true, ""}, Through{true, false, ""}, Tick{}}), Fault::container_unhealthy},
        {"404 through the proxy", then({Direct{0, true, ""}, Through{false, true, "404"}, Tick{}}), Fault::route_missing},
        {"500 through the proxy", then({Direct{0, true, ""}, Through{false, false, "500"}, Tick{}}), Fault::proxy_failed},
        {"it exits", then({Ended{0, 1, false, "boom"}}), Fault::container_exited},
        {"it exits well, and was to stay", then({Ended{0, 0, false, ""}}), Fault::container_exited},
        {"out of memory", then({Ended{0, 137, true, "oom"}}), Fault::container_oom},
        {"again and again", then({Looping{0, "thrice"}}), Fault::crash_loop},
        {"the migration fails", {PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Created{2}, Ended{1, 3, false, "SQL"}}, Fault::one_shot_failed},
        {"no image", {PreflightPassed{}, Failed{Fault::image_pull_failed, "manifest unknown"}}, Fault::image_pull_failed},
        {"the engine is gone", {PreflightPassed{}, Pulled{}, Tick{}}, Fault::timed_out},
    };
    for (const Case& one : cases) {
        const Plan plan = three();
        Progress p = begin(plan, epoch);
        for (const Event& event : one.seen) step(plan, p, event, std::holds_alternative<Tick>(event) ? p.deadline : epoch);
        EXPECT_EQ(p.phase, Phase::rolling_back) << one.what;
        EXPECT_EQ(code(p.fault), code(one.fault)) << one.what;
        step(plan, p, RolledBack{}, epoch);
        EXPECT_EQ(p.phase, Phase::rolled_back) << one.what;
    }
}

// ── Strategies ──

// Feeds them, each Tick at the time that the machine asked for.
void feed(const Plan& plan, Progress& p, const std::vector<Event>& events, std::vector<Command>* said = nullptr) {
    for (const Event& event : events) {
        const auto commands = step(plan, p, event, std::holds_alternative<Tick>(event) ? next_look(plan, p) : p.entered);
        if (said != nullptr) said->insert(said->end(), commands.begin(), commands.end());
    }
}

// What the hooks before refuse was never begun; what those after refuse is undone; and their time is a part of baking's.
TEST(Rollout, HooksStandBeforeTheFirstStepAndBehindTheSwitch) {
    Plan plan = two();
    plan.hooks_before = plan.hooks_after = true;
    plan.deadlines.hooks_after = 7s;
    Progress p = begin(plan, epoch);
    using Commands = std::vector<Command>;
    EXPECT_EQ(step(plan, p, HooksPassed{}, epoch), Commands{}) << "nobody asked yet";
    EXPECT_EQ(step(plan, p, PreflightPassed{}, epoch), Commands{{Do::run_hooks}});
    Progress refused = p;
    EXPECT_EQ(step(plan, refused, Failed{Fault::hook_failed, "not today"}, epoch), Commands{{Do::roll_back}});
    Progress late = p;
    step(plan, late, Tick{}, late.deadline);
    EXPECT_EQ(late.fault, Fault::hook_failed);
    EXPECT_EQ(step(plan, p, HooksPassed{}, epoch), Commands{{Do::pull}});
    feed(plan, p, {Pulled{}, Created{0}, Created{1}, Ended{1, 0, false, ""}, Started{1}, Started{0}, Health{0, true, ""}, Direct{0, true, ""}, Through{true, false, ""}});
    EXPECT_EQ(step(plan, p, Switched{}, epoch), Commands{{Do::run_hooks}});
    EXPECT_EQ(p.deadline, epoch + 7s);
    EXPECT_EQ(step(plan, p, Began{}, epoch), Commands{{Do::run_hooks}}) << "a daemon that was killed asks them again";
    late = p;
    EXPECT_EQ(step(plan, late, Tick{}, late.deadline), Commands{{Do::roll_back}});
    EXPECT_EQ(late.fault, Fault::hook_failed);
    EXPECT_EQ(step(plan, p, HooksPassed{}, epoch + 3s), Commands{{Do::bake}});
    EXPECT_EQ(p.deadline, epoch + 23s);
    EXPECT_EQ(step(plan, p, Began{}, epoch + 4s), Commands{{Do::bake}}) << "they have passed";
    EXPECT_EQ(step(plan, p, Tick{}, p.deadline), Commands{{Do::drain_old}});
    EXPECT_EQ(longest(plan) - longest(two()), 7s);
}

TEST(Rollout, ABreakerMakesAnewWhatFailsUntilSoManyFailed) {
    Plan plan;
    plan.containers = {{.name = "web-1"}, {.name = "web-2"}};
    plan.breaker = 3;
    plan.replace_after = 10s;
    const std::vector<Event> up{PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Started{0}, Started{1}};
    Progress p = begin(plan, epoch);
    feed(plan, p, up);
    using Commands = std::vector<Command>;
    EXPECT_EQ(step(plan, p, Ended{1, 1, false, "boom"}, epoch), (Commands{{Do::close_gates}, {Do::remove, 1}, {Do::ask_directly, 0}}));
    EXPECT_EQ(step(plan, p, Ended{1, 1, false, "boom"}, epoch), Commands{}) << "told twice, it is one failure";
    EXPECT_EQ(step(plan, p, Failed{Fault::start_failed, "ended at once", 1}, epoch), Commands{}) << "nor does its start's failure count again";
    EXPECT_EQ(step(plan, p, Removed{1}, epoch), (Commands{{Do::create, 1}}));
    EXPECT_EQ(step(plan, p, Direct{0, true, ""}, epoch), Commands{}) << "the other one is not there";
    EXPECT_EQ(step(plan, p, Created{1}, epoch), (Commands{{Do::start, 1}}));
    EXPECT_EQ(step(plan, p, Started{1}, epoch + 1s), (Commands{{Do::ask_directly, 1}}));
    // The first is proven; the second stays silent, and its patience is over before the phase's.
    EXPECT_EQ(next_look(plan, p), epoch + 11s);
    EXPECT_EQ(step(plan, p, Tick{}, epoch + 10s), Commands{});
    EXPECT_TRUE(says(step(plan, p, Tick{}, epoch + 11s), Do::remove));
    EXPECT_EQ(p.failures, 2u);
    Progress well = p;
    feed(plan, well, {Removed{1}, Created{1}, Started{1}, Direct{1, true, ""}, Through{true, false, ""}});
    EXPECT_EQ(well.phase, Phase::switching);
    feed(plan, p, {Removed{1}, Created{1}, Failed{Fault::start_failed, "no such command", 1}});
    EXPECT_EQ(p.phase, Phase::rolling_back);
    EXPECT_EQ(code(p.fault), "start_failed");
    EXPECT_EQ(p.text, "3 of 3 failures: circuit breaker; the last: no such command");
    // The deadline holds all the same, and without a breaker the first failure is the end.
    Progress slow = begin(plan, epoch);
    feed(plan, slow, {PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Started{0}, Started{1}, Ended{1, 1, false, "boom"}});
    step(plan, slow, Tick{}, slow.deadline);
    EXPECT_EQ(slow.phase, Phase::rolling_back);
    plan.breaker = 0;
    Progress bare = begin(plan, epoch);
    feed(plan, bare, up);
    EXPECT_EQ(next_look(plan, bare), bare.deadline);
    feed(plan, bare, {Ended{1, 1, false, "boom"}});
    EXPECT_EQ(bare.text, "boom");
}

// Nothing is asked of it, and still it has to be there.
TEST(Rollout, NobodyIsSwitchedToWhileOneIsMadeAnew) {
    Plan plan;
    plan.containers = {{.name = "web-1"}, {.name = "worker", .direct = false, .routed = false}};
    plan.breaker = 3;
    Progress p = begin(plan, epoch);
    feed(plan, p, {PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Started{0}, Started{1}, Ended{1, 1, false, "boom"}, Direct{0, true, ""}, Through{true, false, ""}});
    EXPECT_EQ(p.phase, Phase::verifying);
    feed(plan, p, {Removed{1}, Created{1}, Started{1}, Through{true, false, ""}});
    EXPECT_EQ(p.phase, Phase::switching);
}

// What was asked through the proxy meant the containers that were there.
TEST(Rollout, WhatIsMadeAnewIsAskedForThroughTheProxyAnew) {
    Plan plan;
    plan.containers = {{.name = "web-1"}, {.name = "worker", .container_health = true, .direct = false}};
    plan.breaker = 3;
    Progress p = begin(plan, epoch);
    feed(plan, p, {PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Started{0}, Started{1}, Direct{0, true, ""}, Through{true, false, ""}, Ended{1, 1, false, "boom"}, Removed{1}, Created{1}, Started{1}});
    EXPECT_TRUE(says(step(plan, p, Health{1, true, ""}, epoch), Do::ask_through) || p.asked_proxy);
    EXPECT_EQ(p.phase, Phase::verifying);
    feed(plan, p, {Through{true, false, ""}});
    EXPECT_EQ(p.phase, Phase::switching);
}

TEST(Rollout, WhatFailsOnTheServingVersionTooStopsItUnlessThatIsAccepted) {
    for (const bool accept : {false, true}) {
        Plan plan = two();
        plan.accept_pre_existing = accept;
        Progress p = begin(plan, epoch);
        feed(plan, p, {PreflightPassed{}, Pulled{}, Created{0}, Created{1}, Ended{1, 0, false, ""}, Started{1}, Started{0}, Direct{0, false, "500"}});
        Progress sick = p;
        feed(plan, sick, {PreExisting{"so does the old one"}});
        EXPECT_EQ(sick.phase, Phase::rolling_back) << "its own health is its own";
        feed(plan, p, {Health{0, true, ""}, PreExisting{"so does the old one"}});
        EXPECT_EQ(p.accepted, accept);
        EXPECT_EQ(p.phase, accept ? Phase::switching : Phase::rolling_back);
        if (!accept) { EXPECT_EQ(p.fault, Fault::pre_existing); }
        feed(plan, p, {Switched{}});
        EXPECT_EQ(p.text, "so does the old one") << "said to the end";
    }
}

// ── Random worlds ──

struct Pending {
    Utc at;
    Event event;
};

// Carries commands out, late or wrongly, and remembers what is really so.
struct World {
    World(const Plan& p, std::uint64_t seed) : plan(p), random(seed), clumsiness(random.below(4) == 0 ? 0 : random.below(30)) {}

    void carry_out(const Command& command) {
        if (random.below(100) < clumsiness) return;  // Lost: a deadline has to tell.
        const bool wrong = random.below(100) < clumsiness;
        const auto soon = [&](Event event) { pending.push_back({now + std::chrono::milliseconds(random.below(8'000)), std::move(event)}); };
        const std::size_t i = command.container;
        switch (command.what) {
            case Do::run_hooks: return soon(wrong ? Event{Failed{Fault::hook_failed, "no"}} : Event{HooksPassed{}});
            case Do::yield_old:
            case Do::restore_old: return;  // Of waves: see waves_test.cc.
            case Do::remove: return soon(Removed{i});
            case Do::preflight: return soon(wrong ? Event{Failed{Fault::preflight_failed, "no"}} : Event{PreflightPassed{}});
            case Do::pull: return soon(wrong ? Event{Failed{Fault::image_pull_failed, "no"}} : Event{Pulled{}});
            case Do::create: return soon(wrong ? Event{Failed{Fault::create_failed, "no"}} : Event{Created{i}});
            case Do::start:
                soon(Started{i});
                if (plan.containers[i].one_shot) return soon(Ended{i, wrong ? 1 : 0, false, ""});
                if (wrong) return soon(Ended{i, 1, random.below(2) == 0, "boom"});
                if (random.below(3) == 0) soon(Health{i, false, "starting"});
                return soon(Health{i, true, ""});
            case Do::ask_directly: return soon(Direct{i, !wrong, "500"});
            case Do::ask_through: return soon(Through{!wrong, random.below(2) == 0, "404"});
            case Do::switch_route:
                if (wrong) return soon(Failed{Fault::route_changed, "somebody"});
                on_candidate = true;  // In force at once; told later, or never.
                return soon(Switched{});
            case Do::bake:
                if (wrong) soon(Failed{Fault::bake_failed, "5 % errors"});
                return;
            case Do::drain_old: return soon(Drained{});
            case Do::retire_old: old_there = false; return soon(Retired{});
            case Do::roll_back:
                on_candidate = false;
                candidate_there = false;
                return soon(RolledBack{});
            case Do::close_gates: return;
        }
    }

    const Plan& plan;
    Random random;
    std::uint64_t clumsiness;
    Utc now = epoch;
    std::deque<Pending> pending;
    bool on_candidate = false, old_there = true, candidate_there = true;
};

TEST(Rollout, V20InTenThousandWorldsUsersReachOneWholeVersion) {
    const std::uint64_t first = test_seed();
    SCOPED_TRACE(seed_text(first));
    auto all = plans();
    std::erase_if(all, &Plan::in_waves);
    std::set<Phase> ends;
    for (std::uint64_t seed = first; seed < first + 10'000; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        const Plan& plan = all[seed % all.size()];
        World world(plan, seed);
        Progress p = begin(plan, world.now);
        const auto take = [&](const Event& event) {
            const Progress before = p;
            const auto commands = step(plan, p, event, world.now);
            hold(plan, before, p, commands, world.now);
            for (const Command& one : commands) world.carry_out(one);
            // Whoever users are sent to is there.
            EXPECT_TRUE(world.on_candidate ? world.candidate_there : world.old_there || !plan.has_old);
        };
        take(Began{});
        while (!over(p.phase) && !::testing::Test::HasFailure()) {
            const auto next = std::ranges::min_element(world.pending, {}, &Pending::at);
            if (const Utc look = next_look(plan, p); next == world.pending.end() || next->at > look) {
                world.now = std::max(world.now, look);
                take(Tick{});
            } else {
                const Pending one = *next;
                world.pending.erase(next);
                world.now = std::max(world.now, one.at);
                take(one.event);
                if (world.random.below(10) == 0) take(one.event);  // Told twice.
            }
            if (world.random.below(200) == 0) take(Abort{world.random.below(2) == 0 ? Fault::aborted : Fault::superseded, "somebody"});
            if (world.random.below(50) == 0) {  // Killed: what was under way is forgotten, what was stored is not.
                world.pending.clear();
                take(Began{});
            }
        }
        ASSERT_FALSE(::testing::Test::HasFailure());
        ASSERT_LE(world.now - epoch, longest(plan));
        if (p.phase != Phase::failed) { EXPECT_EQ(world.on_candidate, p.phase == Phase::done); }
        ends.insert(p.phase);
    }
    EXPECT_EQ(ends.size(), 4u) << "every end was met";
}

TEST(Rollout, WordsAreOfOneKindEach) {
    for (Phase phase = Phase::requested; phase <= Phase::failed; phase = static_cast<Phase>(std::to_underlying(phase) + 1)) EXPECT_EQ(parse_phase(text(phase)), phase);
    for (Fault fault = Fault::none; fault <= Fault::superseded; fault = static_cast<Fault>(std::to_underlying(fault) + 1)) {
        EXPECT_EQ(facts(fault).fault, fault);
        EXPECT_EQ(parse_fault(code(fault)), fault);
    }
    EXPECT_FALSE(parse_phase("nowhere"));
    EXPECT_FALSE(parse_fault("nothing"));
    for (const int status : {301, 302, 307, 308, 400, 401, 403, 404}) EXPECT_FALSE(hint_for_status(status).empty());
    EXPECT_TRUE(hint_for_status(500).empty());
}

}  // namespace
}  // namespace hale::rollout
