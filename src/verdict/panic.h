// Declared fail-open: when too few of a service's instances are eligible, send traffic to the others as well,
// because most of them failing at once says more about the check than about them. Opt-in, loud, and never a
// write to a verdict: `eligible` stays what it is.

#pragma once

#include <cstdint>

#include "verdict/ledger.h"

namespace hale::verdict {

enum class PanicTo : std::uint8_t {
    all,        // Every covered instance.
    last_good,  // The covered ones among those that were eligible within a minute before the panic; all where nobody knows.
};

struct PanicPolicy {
    std::uint32_t below_percent = 50;
    std::uint32_t min_instances = 3;  // Of covered ones; fewer never panic.
    PanicTo to = PanicTo::all;
    bool operator==(const PanicPolicy&) const = default;
};

inline constexpr std::uint32_t panic_left_above_percent = 10;  // Left this many points above `below_percent`.

// Serving, not overridden, and judged at some time. Only such are counted, and only such get panic traffic.
bool covered_by_panic(const Standing& standing);

// Whether the service is in panic now, given whether it was. `eligible` of the `covered` instances are eligible.
bool in_panic(const PanicPolicy& policy, std::uint32_t covered, std::uint32_t eligible, bool was_in_panic);

}  // namespace hale::verdict
