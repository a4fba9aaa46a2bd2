#include "rollout/deadlines.h"

#include <algorithm>

namespace hale::rollout {

namespace {
// No sum of declared figures overflows or outlasts the longest.
Duration bounded(Duration d) { return std::clamp<Duration>(d, Duration{0}, longest_verification); }
}  // namespace

Duration health_budget(const HealthCheck& check) {
    const Duration round = bounded(bounded(check.interval) + bounded(check.timeout));
    const auto rounds = std::min<std::uint32_t>(std::max(1u, check.retries), 1000);
    return bounded(bounded(check.start_period) + rounds * round + verification_margin);
}

Duration direct_budget(const DirectCheck& check) {
    const Duration round = bounded(bounded(check.interval) + bounded(check.timeout));
    const auto rounds = std::min<std::uint32_t>(std::max(1u, check.rise), 1000);
    return bounded(bounded(check.start_period) + rounds * round + verification_margin);
}

Duration verification_deadline(std::span<const Verified> containers) {
    Duration longest = least_verification;
    for (const Verified& one : containers) {
        if (one.health) longest = std::max(longest, health_budget(*one.health));
        if (one.direct) longest = std::max(longest, direct_budget(*one.direct));
    }
    return longest;
}

}  // namespace hale::rollout
