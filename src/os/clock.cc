#include "os/clock.h"

#include <ctime>

namespace hale::os {

namespace {
Duration read(clockid_t clock) {
    timespec at{};
    clock_gettime(clock, &at);
    return std::chrono::seconds{at.tv_sec} + std::chrono::nanoseconds{at.tv_nsec};
}
}  // namespace

Instant monotonic_now() { return Instant{read(CLOCK_MONOTONIC)}; }
Utc wall_now() { return Utc{read(CLOCK_REALTIME)}; }

}  // namespace hale::os
