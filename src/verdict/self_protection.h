// Are they all down, or are we? When many checks of unrelated services fail for the first time at once, the
// likelier culprit is the machine that looks. Control owns one detector, feeds it the first failures that the
// checkers post, and posts the suspicion back; the judges then hold new `unhealthy` verdicts for one round.
//
// Pure but for its own bounded memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "base/time.h"
#include "verdict/policy.h"

namespace hale::verdict {

struct FirstFailure {
    std::uint64_t service = 0;  // Any number that is the service's own.
    std::uint64_t address = 0;  // Likewise of the address probed, e.g. hash64 of its text.
    Instant at{};
    Duration timeout = 2s;  // Of the check: it belongs together with others up to timeout + 1 s later.
    Duration confirm_interval = 500ms;
};

struct Suspicion {
    std::size_t failures = 0;
    std::size_t passing = 0;  // Out of so many.
    std::size_t services = 0;
    std::size_t addresses = 0;
    Instant until{};  // For Judge::hold_unhealthy.
};

inline constexpr Duration suspicion_window_extra = 1s;  // Beyond the timeout.
inline constexpr std::size_t suspicion_failures_least = 5;
inline constexpr std::size_t suspicion_percent = 20;
inline constexpr std::size_t suspicion_services_least = 3;
inline constexpr std::size_t suspicion_addresses_least = 3;
inline constexpr std::size_t most_first_failures = 65536;  // Remembered; further ones push out the oldest.

class SelfProtection {
public:
    // `passing`: the checks that were passing before these failures, this one among them. Returns a suspicion
    // when this failure completes one; none while one lasts. Instants come in order.
    std::optional<Suspicion> first_failure(const FirstFailure& failure, std::size_t passing);
    bool suspecting(Instant now) const { return now < until_; }

private:
    struct Seen {
        std::uint64_t service;
        std::uint64_t address;
        Duration round;  // One confirmation of that check.
    };
    void forget_before(Instant now);
    void forget_oldest();

    std::multimap<Instant, Seen> recent_;  // By when it stops to belong with others.
    std::map<std::uint64_t, std::size_t> services_;
    std::map<std::uint64_t, std::size_t> addresses_;
    Instant until_ = Instant::min();
};

}  // namespace hale::verdict
