// The settings of a judge: what one check asks of time and repetition. Defaults are the product's; the
// configuration refuses what the named limits here forbid.

#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hale::verdict {

inline constexpr Duration least_interval = 100ms;
inline constexpr std::uint8_t most_slots = 64;  // n of m-of-n: a history is one 64-bit word per bit.

enum class Initial : std::uint8_t { pending, up };
// What an interval without evidence counts as (Amazon CloudWatch's words and meanings).
enum class Missing : std::uint8_t { ignore, breaching, not_breaching, missing };

struct MofN {
    std::uint8_t m = 3;
    std::uint8_t n = 5;
    Missing missing = Missing::missing;
    bool operator==(const MofN&) const = default;
};

struct JudgePolicy {
    Duration interval = 5s;
    Duration timeout = 2s;
    Duration confirm_interval = 500ms;
    Duration down_interval_max{0};  // 0: the interval, that is no back-off while unhealthy.
    Duration start_period{0};
    Duration start_interval = 500ms;
    std::uint16_t rise = 2;
    std::uint16_t fall = 3;
    Initial initial = Initial::pending;
    std::optional<MofN> m_of_n;
    bool operator==(const JudgePolicy&) const = default;
};

}  // namespace hale::verdict
