#include "verdict/panic.h"

#include <algorithm>

namespace hale::verdict {

bool covered_by_panic(const Standing& standing) {
    if (standing.lifecycle != Lifecycle::serving || standing.override) return false;
    switch (standing.word.state) {
        case State::healthy:
        case State::degraded:
        case State::unhealthy:
            return true;
        case State::pending:
            return false;
        case State::unknown:
            return standing.word.flags.has(Flag::held);
    }
    return false;
}

bool in_panic(const PanicPolicy& policy, std::uint32_t covered, std::uint32_t eligible, bool was_in_panic) {
    if (covered < policy.min_instances || covered == 0) return false;
    // At most 100: a threshold near the top must still be one that can be left.
    const std::uint32_t leave = std::min<std::uint32_t>(100, policy.below_percent + panic_left_above_percent);
    const std::uint64_t share = std::uint64_t{eligible} * 100;
    return share < std::uint64_t{was_in_panic ? leave : policy.below_percent} * covered;
}

}  // namespace hale::verdict
