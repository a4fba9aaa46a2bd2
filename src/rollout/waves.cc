#include "rollout/waves.h"

#include <algorithm>

namespace hale::rollout {

WaveLimits wave_limits(std::uint32_t desired, std::uint32_t max_percent, std::uint32_t min_percent) {
    const std::uint64_t all = desired;
    return {.most_running = static_cast<std::uint32_t>(all * max_percent / 100), .least_serving = static_cast<std::uint32_t>((all * min_percent + 99) / 100)};
}

std::uint32_t automatic_breaker(std::uint32_t desired) {
    constexpr std::uint32_t least = 3, most = 200;
    return std::clamp((desired + 1) / 2, least, most);
}

std::uint32_t room(const Plan& plan, const Fleet& fleet) {
    return fleet.running >= plan.most_running ? 0 : std::min(plan.most_running - fleet.running, fleet.missing());
}

std::uint32_t to_yield(const Plan& plan, const Fleet& fleet) {
    const std::uint32_t serving = fleet.old_serving + fleet.new_serving;
    const std::uint32_t spare = serving > plan.least_serving ? serving - plan.least_serving : 0;
    // Where more run than may, these are in the way too.
    const std::uint32_t over = fleet.running > plan.most_running ? fleet.running - plan.most_running : 0;
    return std::min({fleet.old_serving, spare, fleet.missing() + over});
}

std::uint32_t to_keep(const Fleet& fleet) { return std::min(fleet.old_serving, fleet.missing()); }

WaveCounts wave_counts(const Plan& plan) {
    WaveCounts counts;
    if (!plan.in_waves()) return counts;
    counts.waves = 0;
    Fleet fleet{.desired = static_cast<std::uint32_t>(plan.containers.size()), .new_serving = 0, .old_serving = static_cast<std::uint32_t>(plan.old.size()),
                .running = static_cast<std::uint32_t>(plan.old.size())};
    while (fleet.missing() > 0) {
        const std::uint32_t more = room(plan, fleet);
        if (more == 0) {
            const std::uint32_t gone = to_yield(plan, fleet);
            if (gone == 0) break;  // Refused where it is declared.
            ++counts.yields;
            fleet.old_serving -= gone;
            fleet.running -= gone;
            continue;
        }
        ++counts.waves;
        fleet.new_serving += more;
        fleet.running += more;
        const std::uint32_t kept = to_keep(fleet);
        if (fleet.missing() == 0 || kept == fleet.old_serving) continue;
        ++counts.yields;
        fleet.running -= fleet.old_serving - kept;
        fleet.old_serving = kept;
    }
    return counts;
}

}  // namespace hale::rollout
