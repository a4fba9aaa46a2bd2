// How many at once: the arithmetic of a replacement in waves. Pure numbers; the machine keeps who they are.

#pragma once

#include <cstdint>

#include "rollout/plan.h"

namespace hale::rollout {

struct WaveLimits {
    std::uint32_t most_running = 0;
    std::uint32_t least_serving = 0;
    // Otherwise nothing can be added and nothing taken away, and it would wait for ever.
    bool progress() const { return most_running > least_serving; }
};

// Of so many desired ones. What may run is rounded down, what must serve is rounded up: neither limit is ever passed.
WaveLimits wave_limits(std::uint32_t desired, std::uint32_t max_percent, std::uint32_t min_percent);

// clamp(half of the desired ones, 3, 200), as ECS has it.
std::uint32_t automatic_breaker(std::uint32_t desired);

// Between two waves: who runs and who serves, by number.
struct Fleet {
    std::uint32_t desired = 0;
    std::uint32_t new_serving = 0;
    std::uint32_t old_serving = 0;
    std::uint32_t running = 0;  // Of both, whether they serve or not.
    std::uint32_t missing() const { return desired - new_serving; }
};

// So many new ones may be made now.
std::uint32_t room(const Plan& plan, const Fleet& fleet);
// So many old ones may stop serving so that there is room: no more than are in the way.
std::uint32_t to_yield(const Plan& plan, const Fleet& fleet);
// So many old ones go on serving once these new ones do: together as many as are desired.
std::uint32_t to_keep(const Fleet& fleet);

// How often each part of the loop is gone through.
struct WaveCounts {
    std::uint32_t waves = 1;
    std::uint32_t yields = 0;
};
WaveCounts wave_counts(const Plan& plan);

}  // namespace hale::rollout
