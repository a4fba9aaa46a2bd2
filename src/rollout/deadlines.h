// How long verification may take, computed instead of guessed: from what the images' own health checks promise and from
// the direct check's pace. Containers are verified beside each other, so the longest counts, not the sum (K4).

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"

namespace hale::rollout {

// An image's HEALTHCHECK, with Docker's own figures where it says none.
struct HealthCheck {
    Duration start_period = 0s;
    Duration interval = 30s;
    Duration timeout = 30s;
    std::uint32_t retries = 3;
};

// A direct check: so many answers in a row, at this pace.
struct DirectCheck {
    Duration start_period = 0s;
    Duration interval = 500ms;
    Duration timeout = 2s;
    std::uint32_t rise = 2;
};

struct Verified {
    std::optional<HealthCheck> health;
    std::optional<DirectCheck> direct;
};

// For what lies between: events, look-ups, a busy engine.
inline constexpr Duration verification_margin = 5s;
// However little is declared: an application takes its time to listen.
inline constexpr Duration least_verification = 30s;
inline constexpr Duration longest_verification = 3600s;

// start period + retries × (interval + timeout) + margin: by then Docker itself has said healthy or unhealthy.
Duration health_budget(const HealthCheck& check);
Duration direct_budget(const DirectCheck& check);
// Of all containers beside each other.
Duration verification_deadline(std::span<const Verified> containers);

}  // namespace hale::rollout
