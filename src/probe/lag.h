// How late probes begin after their time: counted in buckets, so that a p99 can be told and not only the worst.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace hale::probe {

struct ScheduleLag {
    // Upper bounds in microseconds; one more bucket counts what is beyond the last.
    static constexpr std::array<std::uint32_t, 11> bounds_us{500,    1'000,   2'500,   5'000,     10'000,   20'000,
                                                             50'000, 100'000, 500'000, 1'000'000, 5'000'000};
    std::array<std::uint64_t, bounds_us.size() + 1> counts{};
    Duration sum{};
    Duration worst{};

    void add(Duration late) {
        std::size_t bucket = 0;
        while (bucket < bounds_us.size() && late > std::chrono::microseconds(bounds_us[bucket])) ++bucket;
        ++counts[bucket];
        sum += late;
        if (late > worst) worst = late;
    }
};

}  // namespace hale::probe
