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

    // Ready to serve. Never depends on targets: a sick backend is no reason to restart its proxy.
    bool serving() const {
        return ready.load(std::memory_order_relaxed) && !stopping.load(std::memory_order_relaxed) &&
               !adoption_failed.load(std::memory_order_relaxed);
    }
};

}  // namespace hale::catalog
