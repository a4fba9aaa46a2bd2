#include "verdict/fold.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hale::verdict {

namespace {

constexpr bool serves(State state) { return state == State::healthy || state == State::degraded; }
constexpr bool known(State state) { return state != State::pending && state != State::unknown; }

struct Folded {
    State state;
    std::optional<std::size_t> check;
};

// The first line that matches, and the first check that makes it match. `of` says which state of a check to
// read: the shown one, or what is believed beneath `unknown`.
Folded fold(std::span<const CheckView> checks, State (*of)(const CheckView&)) {
    const auto first = [&](auto matches) -> std::optional<std::size_t> {
        const auto found = std::ranges::find_if(checks, matches);
        if (found == checks.end()) return std::nullopt;
        return static_cast<std::size_t>(found - checks.begin());
    };
    const auto critical = [&](State state) {
        return first([&](const CheckView& c) { return c.critical && of(c) == state; });
    };
    for (const State state : {State::unhealthy, State::pending, State::unknown, State::degraded})
        if (const auto at = critical(state)) return {state, at};
    const auto advised = first(
        [&](const CheckView& c) { return !c.critical && (of(c) == State::unhealthy || of(c) == State::degraded); });
    if (advised) return {State::degraded, advised};
    if (const auto at = critical(State::healthy)) return {State::healthy, at};
    if (const auto at = first([&](const CheckView& c) { return known(of(c)); })) return {State::healthy, at};
    return {State::unknown, checks.empty() ? std::nullopt : std::optional<std::size_t>{0}};
}

State shown_state(const CheckView& check) { return check.state; }

// What was only assumed is no belief to fall back on: never judged reads as pending.
State beneath(const CheckView& check) {
    if (check.state != State::unknown) return check.state;
    return check.judged ? check.kept : State::pending;
}

}  // namespace

CheckView view(const Judge& judge, bool critical) {
    return {judge.state(), judge.kept(), judge.judged(), critical, judge.reason()};
}

InstanceVerdict fold_checks(std::span<const CheckView> checks) {
    const Folded shown = fold(checks, shown_state);
    const Folded before = fold(checks, beneath);
    return {.state = shown.state,
            .reason = shown.check ? checks[*shown.check].reason : Reason::unchecked,
            .check = shown.check,
            .held = shown.state == State::unknown && known(before.state),
            .was_eligible = serves(before.state)};
}

ServiceVerdict fold_service(std::span<const InstanceView> instances, std::span<const CheckView> checks) {
    ServiceVerdict verdict;
    std::size_t considered = 0;
    bool any_eligible = false;
    std::array<std::optional<std::size_t>, 5> first_of;  // By state, of the instances considered.
    for (std::size_t i = 0; i < instances.size(); ++i) {
        const Standing& standing = instances[i].standing;
        InstanceCounts& counts = verdict.counts;
        ++counts.total;
        if (eligibility(standing).eligible) ++counts.eligible;
        const bool leaving = standing.lifecycle == Lifecycle::draining || standing.lifecycle == Lifecycle::retired;
        if (leaving) {
            ++counts.draining;
            continue;
        }
        switch (standing.word.state) {
            case State::healthy:
                ++counts.healthy;
                break;
            case State::degraded:
                ++counts.degraded;
                break;
            case State::unhealthy:
                ++counts.unhealthy;
                break;
            case State::pending:
                ++counts.pending;
                break;
            case State::unknown:
                ++counts.unknown;
                break;
        }
        if (standing.lifecycle != Lifecycle::serving || standing.override == OverrideState::maintenance) continue;
        ++considered;
        Standing bare = standing;
        bare.override = std::nullopt;
        any_eligible = any_eligible || eligibility(bare).eligible;
        auto& first = first_of[std::to_underlying(standing.word.state)];
        if (!first) first = i;
    }

    const auto at = [&](State state) { return first_of[std::to_underlying(state)]; };
    const auto any_but = [&](State state) {
        std::optional<std::size_t> found;
        for (const State other : {State::unhealthy, State::unknown, State::pending, State::degraded, State::healthy})
            if (other != state && !found) found = at(other);
        return found;
    };
    const auto conclude = [&](State state, std::optional<std::size_t> instance) {
        verdict.state = state;
        verdict.instance = instance;
        if (instance) verdict.reason = instances[*instance].reason;
    };
    if (considered == 0)
        conclude(State::unknown, std::nullopt);
    else if (any_eligible && !any_but(State::healthy))
        conclude(State::healthy, at(State::healthy));
    else if (any_eligible)
        conclude(State::degraded, any_but(State::healthy));
    else if (at(State::unhealthy))
        conclude(State::unhealthy, at(State::unhealthy));
    else if (!any_but(State::pending))
        conclude(State::pending, at(State::pending));
    else
        conclude(State::unknown, any_but(State::pending));

    // A critical service-scope check that is unhealthy decides; any other trouble takes away `healthy` alone.
    for (std::size_t i = 0; i < checks.size(); ++i) {
        const CheckView& check = checks[i];
        const bool worse = check.state == State::unhealthy || check.state == State::degraded;
        const bool decides = check.critical && check.state == State::unhealthy;
        if (!worse || verdict.state == State::unhealthy || (!decides && verdict.state != State::healthy)) continue;
        verdict.state = decides ? State::unhealthy : State::degraded;
        verdict.reason = check.reason;
        verdict.instance = std::nullopt;
        verdict.check = i;
    }
    return verdict;
}

}  // namespace hale::verdict
