// Chooses which of a service's eligible instances gets the next request. One per service and worker, used by
// that worker alone. rebuild() may allocate and is called when the eligible list changed; pick() does not
// allocate and takes no lock.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "balance/candidate.h"
#include "balance/least_requests.h"
#include "balance/ring.h"
#include "balance/round_robin.h"
#include "base/random.h"

namespace hale::balance {

enum class Method : std::uint8_t { round_robin, least_requests, hash };

class Picker {
public:
    // `seed` differs between workers, so that they don't move in step.
    Picker(Method method, std::uint64_t seed);

    void rebuild(std::span<const Candidate> candidates);

    // The id of the chosen one; nothing when there is none (left). `hash`: what the request sticks to (hash64 of
    // the header, cookie or client address), read by Method::hash alone; without one, any instance by weight.
    std::optional<std::uint32_t> pick(std::optional<std::uint64_t> hash = std::nullopt, Tried tried = {});

private:
    std::variant<RoundRobin, LeastRequests, Ring> way_;
    Random random_;
};

}  // namespace hale::balance
