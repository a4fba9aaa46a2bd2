#include "probe/memory.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::probe {

using verdict::Outcome;
using verdict::Reason;
using verdict::State;

namespace {

struct Count {
    std::uint32_t healthy = 0;
    std::uint32_t degraded = 0;
    std::uint32_t down = 0;
    std::uint32_t unknown = 0;
    std::string names;  // Of those that are not healthy: "db is unhealthy, cache is unknown".
};

constexpr std::size_t most_named = 8;

Count count(std::span<const std::string> wanted, std::span<const catalog::MemberState> members) {
    Count out;
    std::size_t named = 0;
    for (const std::string& name : wanted) {
        const auto found = std::ranges::find(members, name, &catalog::MemberState::member);
        const State state = found == members.end() ? State::unknown : found->state;
        switch (state) {
            case State::healthy:
                ++out.healthy;
                continue;
            case State::degraded:
                ++out.degraded;
                break;
            case State::unhealthy:
                ++out.down;
                break;
            case State::pending:
            case State::unknown:
                ++out.unknown;
                break;
        }
        if (++named > most_named) continue;
        out.names += fmt::format("{}{} is {}", out.names.empty() ? "" : ", ", name, verdict::to_text(state));
    }
    if (named > most_named) out.names += fmt::format(" and {} more", named - most_named);
    return out;
}

Outcome outcome_of(const config::CompositeCheck& check, const Count& members) {
    std::uint32_t needed = 0;
    switch (check.need) {
        case config::Need::all:
            if (members.down > 0) return Outcome::fail;
            if (members.unknown > 0) return Outcome::error;
            return members.degraded > 0 ? Outcome::warn : Outcome::pass;
        case config::Need::any:
            needed = 1;
            break;
        case config::Need::quorum:
            needed = check.quorum;
            break;
    }
    if (members.healthy >= needed) return Outcome::pass;
    if (members.healthy + members.degraded >= needed) return Outcome::warn;
    if (members.healthy + members.degraded + members.unknown >= needed) return Outcome::error;
    return Outcome::fail;
}

}  // namespace

Instant missed_at(const config::HeartbeatCheck& check, const Beat& beat) {
    return beat.last + check.every + check.grace;
}

Look look(const config::HeartbeatCheck& check, const Beat& beat, Instant now) {
    if (now >= missed_at(check, beat))
        return {Outcome::fail, Reason::heartbeat_missed,
                fmt::format("{} for {}", beat.ever ? "no beat" : "never a beat", human(now - beat.last))};
    if (!beat.ever) return {Outcome::error, Reason::never_checked, "no beat yet"};
    if (beat.reported == Outcome::pass) return {Outcome::pass, Reason::ok, {}};
    return {beat.reported, Reason::heartbeat_reported,
            fmt::format("the beat reported {}{}{}", verdict::to_text(beat.reported), beat.text.empty() ? "" : ": ",
                        beat.text)};
}

Look look(const config::CompositeCheck& check, std::span<const catalog::MemberState> members) {
    // Without members, or asking for none of them, nothing is known.
    if (check.of.empty()) return {Outcome::error, Reason::dependency_unknown, "it has no members"};
    const Count critical = count(check.of, members);
    const Outcome outcome = outcome_of(check, critical);
    if (outcome == Outcome::error) return {outcome, Reason::dependency_unknown, critical.names};
    if (outcome != Outcome::pass) return {outcome, Reason::dependency_failed, critical.names};
    const Count advisory = count(check.advisory, members);
    if (advisory.down + advisory.degraded > 0) return {Outcome::warn, Reason::dependency_failed, advisory.names};
    return {Outcome::pass, Reason::ok, {}};
}

}  // namespace hale::probe
