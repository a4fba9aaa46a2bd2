// How a check is timed and judged. A value: `config` fills it, the judge and the cadence read it with every
// call, so a reload that changes only these numbers keeps verdict and counters.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hale::verdict {

// What a scheduled slot means that brought no answer (an `error`, or no probe at all).
enum class Missing : std::uint8_t {
    ignore,         // As if the slot had not been.
    breaching,      // As a failure.
    not_breaching,  // As no failure.
    missing,        // Neither; n of them in a row and nothing is known any more.
};

// Down when at least m of the last n scheduled slots failed. Replaces `fall`; recovery stays `rise`.
struct MofN {
    std::uint8_t m = 3;
    std::uint8_t n = 5;
    Missing missing = Missing::ignore;
    bool operator==(const MofN&) const = default;
};

// Only for what was never judged.
enum class Initial : std::uint8_t { pending, up };

struct JudgePolicy {
    std::uint16_t rise = 2;
    std::uint16_t fall = 3;
    Duration interval = 5s;
    Duration timeout = 2s;
    Duration confirm_interval = 500ms;
    Duration down_interval_max{0};  // Zero, or less than `interval`: no back-off while unhealthy.
    Duration start_period{0};       // From the generation's start; failures before the first pass prove nothing.
    Duration start_interval = 500ms;
    Initial initial = Initial::pending;
    std::optional<MofN> m_of_n;

    bool operator==(const JudgePolicy&) const = default;
};

inline constexpr Duration least_interval = 100ms;  // Also of start_interval.
inline constexpr Duration least_confirm_interval = 10ms;
inline constexpr Duration least_timeout = 1ms;
inline constexpr Duration longest_setting = 24h * 366;  // Of any duration here; keeps sums of them in range.
inline constexpr std::uint16_t most_rise_or_fall = 1000;
inline constexpr std::uint8_t most_slots = 64;

// The first setting that is out of its limits: its key, and a sentence of what is allowed.
struct PolicyFault {
    std::string_view key;  // "interval", "m_of_n.m"
    std::string allowed;   // "at least 100ms"
};
std::optional<PolicyFault> fault_in(const JudgePolicy& policy);

std::string_view to_text(Missing missing);
std::string_view to_text(Initial initial);
std::optional<Missing> parse_missing(std::string_view text);
std::optional<Initial> parse_initial(std::string_view text);

}  // namespace hale::verdict
