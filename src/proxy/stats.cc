#include "proxy/stats.h"

#include <numeric>

namespace hale::proxy {

std::size_t Histogram::bucket_of(Duration d) {
    const auto us = static_cast<std::uint64_t>(d.count()) / 1'000;
    std::size_t bucket = 0;
    while (bucket < bounds_us.size() && us > bounds_us[bucket]) ++bucket;
    return bucket;
}

void Histogram::add(Duration d, std::size_t bucket) {
    ++counts[bucket];
    sum += d;
}

std::uint64_t Histogram::total() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

}  // namespace hale::proxy
