// What one probe (or heartbeat, or composite) saw. A value: made once, then only read.

#pragma once

#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/time.h"
#include "verdict/reason.h"
#include "verdict/state.h"

namespace hale::verdict {

// Each phase's own length; negative: not reached.
struct Timings {
    Duration dns{-1};
    Duration connect{-1};
    Duration tls{-1};
    Duration first_byte{-1};  // From the request's last byte to the answer's first.
    Duration total{-1};       // From the start to the end of the answer, or to the failure.
};

struct Observation {
    Outcome outcome = Outcome::error;
    Reason reason = Reason::never_checked;
    Phase phase = Phase::none;  // The phase that decided, for fail and error.
    Trigger trigger = Trigger::scheduled;
    Vehicle vehicle = Vehicle::none;
    bool counted = false;       // Set by the judge: did it touch a run?
    std::uint16_t status = 0;   // HTTP status, 0 without one.
    std::uint16_t generation = 0;
    std::uint32_t certificate_until = 0;  // Seconds since 1970, UTC; 0: none was shown.
    Instant started{};
    Instant ended{};
    Utc at{};                   // When it ended.
    Timings timings;
    SocketAddress address;      // Where the probe really went.
    // One sentence: "GET http://10.0.0.4:3000/up: connect refused after 0.4 ms". Empty for a plain pass,
    // whose sentence follows from the rest; so a fleet of healthy instances keeps no text.
    std::string text;
    // What was received or compared, escaped and redacted at capture, at most 200 bytes.
    std::string evidence;
};

}  // namespace hale::verdict
