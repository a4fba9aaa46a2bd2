// The words of a verdict: state, lifecycle, outcome, flags. Spelled by to_text exactly as everywhere else.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hale::verdict {

enum class State : std::uint8_t { pending, healthy, degraded, unhealthy, unknown };
enum class Lifecycle : std::uint8_t { starting, serving, draining, retired };
enum class Outcome : std::uint8_t { pass, warn, fail, error };  // error: the check could not be run; never counted.
enum class Phase : std::uint8_t { none, dns, connect, tls, first_byte, total };
enum class Trigger : std::uint8_t { scheduled, confirmation, on_demand, traffic, gate };
enum class Vehicle : std::uint8_t { none, pooled, fresh };  // What the probe travelled on.
enum class OverrideState : std::uint8_t { up, down, maintenance };

// Flags from the ledger, a bit each. (`overridden` and `suppressed` exist only in the folded view.)
enum class Flag : std::uint8_t { stale = 1, held = 2, checking = 4, flapping = 8, suspect = 16, ejected = 32 };

struct Flags {
    std::uint8_t bits = 0;

    bool has(Flag flag) const { return (bits & static_cast<std::uint8_t>(flag)) != 0; }
    void set(Flag flag, bool on = true) {
        bits = static_cast<std::uint8_t>(on ? bits | static_cast<std::uint8_t>(flag) : bits & ~static_cast<std::uint8_t>(flag));
    }
    bool operator==(const Flags&) const = default;
};

std::string_view to_text(State state);
std::string_view to_text(Lifecycle lifecycle);
std::string_view to_text(Outcome outcome);
std::string_view to_text(Phase phase);
std::string_view to_text(Trigger trigger);
std::string_view to_text(Vehicle vehicle);
std::string_view to_text(OverrideState state);
std::string_view to_text(Flag flag);
std::optional<State> parse_state(std::string_view text);
std::optional<OverrideState> parse_override_state(std::string_view text);

}  // namespace hale::verdict
