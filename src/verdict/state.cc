#include "verdict/state.h"

#include <utility>

namespace hale::verdict {

std::string_view to_text(State state) {
    switch (state) {
        case State::pending: return "pending";
        case State::healthy: return "healthy";
        case State::degraded: return "degraded";
        case State::unhealthy: return "unhealthy";
        case State::unknown: return "unknown";
    }
    std::unreachable();
}

std::string_view to_text(Lifecycle lifecycle) {
    switch (lifecycle) {
        case Lifecycle::starting: return "starting";
        case Lifecycle::serving: return "serving";
        case Lifecycle::draining: return "draining";
        case Lifecycle::retired: return "retired";
    }
    std::unreachable();
}

std::string_view to_text(Outcome outcome) {
    switch (outcome) {
        case Outcome::pass: return "pass";
        case Outcome::warn: return "warn";
        case Outcome::fail: return "fail";
        case Outcome::error: return "error";
    }
    std::unreachable();
}

std::string_view to_text(Phase phase) {
    switch (phase) {
        case Phase::none: return "none";
        case Phase::dns: return "dns";
        case Phase::connect: return "connect";
        case Phase::tls: return "tls";
        case Phase::first_byte: return "first_byte";
        case Phase::total: return "total";
    }
    std::unreachable();
}

std::string_view to_text(Trigger trigger) {
    switch (trigger) {
        case Trigger::scheduled: return "scheduled";
        case Trigger::confirmation: return "confirmation";
        case Trigger::on_demand: return "on_demand";
        case Trigger::traffic: return "traffic";
        case Trigger::gate: return "gate";
    }
    std::unreachable();
}

std::string_view to_text(Vehicle vehicle) {
    switch (vehicle) {
        case Vehicle::none: return "none";
        case Vehicle::pooled: return "pooled";
        case Vehicle::fresh: return "fresh";
    }
    std::unreachable();
}

std::string_view to_text(OverrideState state) {
    switch (state) {
        case OverrideState::up: return "up";
        case OverrideState::down: return "down";
        case OverrideState::maintenance: return "maintenance";
    }
    std::unreachable();
}

std::string_view to_text(Flag flag) {
    switch (flag) {
        case Flag::stale: return "stale";
        case Flag::held: return "held";
        case Flag::checking: return "checking";
        case Flag::flapping: return "flapping";
        case Flag::suspect: return "suspect";
        case Flag::ejected: return "ejected";
    }
    std::unreachable();
}

std::optional<State> parse_state(std::string_view text) {
    for (const State s : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
        if (to_text(s) == text) return s;
    return std::nullopt;
}

std::optional<OverrideState> parse_override_state(std::string_view text) {
    for (const OverrideState s : {OverrideState::up, OverrideState::down, OverrideState::maintenance})
        if (to_text(s) == text) return s;
    return std::nullopt;
}

}  // namespace hale::verdict
