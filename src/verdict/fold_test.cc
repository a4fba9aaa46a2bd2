// Goal: the folds say what their rules say, for every small combination.
// Method: enumerate all lists of up to three checks and of up to three instances, in every state that matters,
// and compare with oracles that count and read the rules in order.

#include "verdict/fold.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace hale::verdict {
namespace {

using enum State;

std::vector<CheckView> every_check() {
    std::vector<CheckView> all;
    for (const bool critical : {true, false}) {
        for (const State s : {pending, healthy, degraded, unhealthy})
            all.push_back({s, s, s != pending, critical, Reason::ok});
        for (const State kept : {healthy, degraded, unhealthy})
            all.push_back({unknown, kept, true, critical, Reason::stale});
        all.push_back({unknown, pending, false, critical, Reason::stale});
        all.push_back({unknown, healthy, false, critical, Reason::stale});  // Assumed up, never judged.
    }
    return all;
}

State oracle(const std::vector<State>& states, const std::vector<bool>& critical) {
    int c[5] = {}, a[5] = {};
    for (std::size_t i = 0; i < states.size(); ++i) ++(critical[i] ? c : a)[static_cast<int>(states[i])];
    const auto of = [](State s) { return static_cast<int>(s); };
    if (c[of(unhealthy)] > 0) return unhealthy;
    if (c[of(pending)] > 0) return pending;
    if (c[of(unknown)] > 0) return unknown;
    if (c[of(degraded)] > 0 || a[of(unhealthy)] > 0 || a[of(degraded)] > 0) return degraded;
    const bool only_advisory = c[of(healthy)] == 0;
    if (only_advisory && a[of(healthy)] == 0) return unknown;  // None judged.
    return healthy;
}

void check_one(const std::vector<CheckView>& checks) {
    std::vector<State> shown, before;
    std::vector<bool> critical;
    for (const CheckView& c : checks) {
        shown.push_back(c.state);
        before.push_back(c.state != unknown ? c.state : c.judged ? c.kept : pending);
        critical.push_back(c.critical);
    }
    const InstanceVerdict v = fold_checks(checks);
    const State then = oracle(before, critical);
    ASSERT_EQ(v.state, oracle(shown, critical));
    ASSERT_EQ(v.was_eligible, then == healthy || then == degraded);
    ASSERT_EQ(v.held, v.state == unknown && then != pending && then != unknown);
    ASSERT_EQ(v.check.has_value(), !checks.empty());
    if (!v.check) return;
    const CheckView& decider = checks[*v.check];
    ASSERT_EQ(v.reason, decider.reason);
    if (v.state == unhealthy || v.state == pending) ASSERT_TRUE(decider.critical && decider.state == v.state);
    if (v.state == degraded && decider.critical) ASSERT_EQ(decider.state, degraded);
    if (v.state == degraded && !decider.critical) ASSERT_TRUE(decider.state == degraded || decider.state == unhealthy);
    if (v.state == healthy) ASSERT_EQ(decider.state, healthy);
}

TEST(Fold, ChecksIntoAnInstanceForEveryCombinationOfThree) {
    const auto all = every_check();
    check_one({});
    for (const auto& a : all) {
        check_one({a});
        for (const auto& b : all) {
            check_one({a, b});
            for (const auto& c : all) {
                check_one({a, b, c});
                if (HasFatalFailure()) return;
            }
        }
    }
}

std::vector<InstanceView> every_instance() {
    std::vector<InstanceView> all;
    for (const Lifecycle lifecycle : {Lifecycle::serving, Lifecycle::draining, Lifecycle::starting})
        for (const std::optional<OverrideState> override :
             {std::optional<OverrideState>{}, std::optional{OverrideState::maintenance},
              std::optional{OverrideState::down}, std::optional{OverrideState::up}}) {
            const auto add = [&](Word word, bool unchecked = false) {
                all.push_back({{lifecycle, override, word, unchecked}, Reason::connect_refused});
            };
            for (const State s : {pending, healthy, degraded, unhealthy, unknown}) add({.state = s});
            Word ejected{.state = healthy};
            ejected.flags.set(Flag::ejected);
            add(ejected);
            Word held{.state = unknown, .was_eligible = true};
            held.flags.set(Flag::held);
            add(held);
            add({.state = unknown}, true);
        }
    return all;
}

State oracle(const std::vector<InstanceView>& instances) {
    int considered = 0, eligible = 0, healthy_ones = 0, unhealthy_ones = 0, pending_ones = 0;
    for (const auto& i : instances) {
        if (i.standing.lifecycle != Lifecycle::serving) continue;
        if (i.standing.override == OverrideState::maintenance) continue;
        ++considered;
        const Word& w = i.standing.word;
        const bool may = !w.flags.has(Flag::ejected) &&
                         (w.state == healthy || w.state == degraded ||
                          (w.state == unknown && (w.flags.has(Flag::held) ? w.was_eligible : i.standing.unchecked)));
        eligible += may;
        healthy_ones += w.state == healthy;
        unhealthy_ones += w.state == unhealthy;
        pending_ones += w.state == pending;
    }
    if (considered == 0) return unknown;
    if (eligible > 0 && healthy_ones == considered) return healthy;
    if (eligible > 0) return degraded;
    if (unhealthy_ones > 0) return unhealthy;
    if (pending_ones == considered) return pending;
    return unknown;
}

void check_service(const std::vector<InstanceView>& instances) {
    const ServiceVerdict v = fold_service(instances, {});
    ASSERT_EQ(v.state, oracle(instances));
    const InstanceCounts& c = v.counts;
    ASSERT_EQ(c.total, instances.size());
    ASSERT_EQ(c.total, c.healthy + c.degraded + c.unhealthy + c.pending + c.unknown + c.draining);
    ASSERT_EQ(c.eligible,
              std::ranges::count_if(instances, [](const InstanceView& i) { return eligibility(i.standing).eligible; }));
    if (v.instance) {
        const Standing& decider = instances[*v.instance].standing;
        ASSERT_EQ(decider.lifecycle, Lifecycle::serving);
        ASSERT_NE(decider.override, OverrideState::maintenance);
        if (v.state == degraded) ASSERT_FALSE(decider.word.state == healthy);
        if (v.state == healthy || v.state == unhealthy || v.state == pending) ASSERT_EQ(decider.word.state, v.state);
    } else {
        ASSERT_EQ(v.reason, Reason::no_instances);
    }
}

TEST(Fold, InstancesIntoAServiceForEveryCombinationOfThree) {
    const auto all = every_instance();
    check_service({});
    std::vector<InstanceView> three(3);
    for (const auto& a : all) {
        check_service({a});
        three[0] = a;
        for (const auto& b : all) {
            check_service({a, b});
            three[1] = b;
            for (const auto& c : all) {
                three[2] = c;
                check_service(three);
                if (HasFatalFailure()) return;
            }
        }
    }
}

TEST(Fold, ServiceScopeChecksWorsenTheServiceAndNothingElse) {
    for (const State instance : {pending, healthy, degraded, unhealthy, unknown})
        for (const auto& a : every_check())
            for (const auto& b : every_check()) {
                const std::vector<InstanceView> instances{{{.word = {.state = instance}}, Reason::ok}};
                const std::vector<CheckView> checks{a, b};
                const ServiceVerdict bare = fold_service(instances, {});
                const ServiceVerdict v = fold_service(instances, checks);
                const auto any = [&](auto matches) { return std::ranges::any_of(checks, matches); };
                State expected = bare.state;
                if (any([](const CheckView& c) { return c.critical && c.state == unhealthy; }))
                    expected = unhealthy;
                else if (bare.state == healthy &&
                         any([](const CheckView& c) { return c.state == unhealthy || c.state == degraded; }))
                    expected = degraded;
                ASSERT_EQ(v.state, expected);
                ASSERT_EQ(v.counts, bare.counts);
                ASSERT_EQ(v.check.has_value(), expected != bare.state);
                if (v.check) ASSERT_EQ(v.reason, checks[*v.check].reason);
            }
}

}  // namespace
}  // namespace hale::verdict
