// What is told of a host's certificate: to the API, the metrics, the log.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hale::acme {

// pending ──▶ acquiring ──▶ active ◀──▶ renewing
//    ▲            │            │            │
//    └── failed ◀─┘            └▶ expired ◀─┘    A failed renewal is active still, with the reason beside it.
enum class State : std::uint8_t {
    pending,    // Wanted, and waits for its turn.
    acquiring,  // The first one is being asked for.
    active,
    renewing,   // Active, and the next one is being asked for.
    failed,     // There is none, and the last attempt failed.
    expired,    // There is one, and its time is over.
};
std::string_view text(State state);

struct Status {
    std::string host;
    State state = State::pending;
    std::string reason;  // In words, the authority's own where it gave some; empty when there is nothing to say.
    std::optional<Utc> not_before, not_after;
    std::string issuer;       // Who signed it.
    std::string fingerprint;  // SHA-256, in hex.
    std::string authority;    // The directory that issued it, or is asked now.
    std::optional<Utc> next_attempt;
    unsigned failures = 0;  // In a row.
};

}  // namespace hale::acme
