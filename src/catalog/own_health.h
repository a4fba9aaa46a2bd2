// Hale's own health, published by control and read by anybody who answers /live and /ready: atomics, because
// the answer may not wait for the thread it speaks of.

#pragma once

#include <atomic>
#include <cstdint>

namespace hale::catalog {

struct OwnHealth {
    std::atomic<bool> ready{false};
    std::atomic<bool> stopping{false};
    std::atomic<bool> adoption_failed{false};  // A worker did not adopt a snapshot in time.
    std::atomic<bool> reload_failed{false};    // The file on disk is not the configuration in force.
    std::atomic<std::uint64_t> revision{0};    // Folded up to here.
    std::atomic<std::uint32_t> services{0}, services_healthy{0}, services_degraded{0}, services_unhealthy{0};
};

}  // namespace hale::catalog
