// May a request be sent once more? Only when it was provably not sent, or when sending it twice is harmless
// and nothing of an answer was seen; and only within a budget, so that retries never multiply an outage.

#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace hale::proxy {

enum class Loss : std::uint8_t {
    connect,  // No connection came about: nothing was sent.
    closed,   // The connection ended or broke before any byte of a response.
    timeout,  // Nothing came in time.
};

struct LostTry {
    Loss loss = Loss::connect;
    bool reused = false;      // On a kept-alive connection.
    bool sent = false;        // Some byte of the request was written.
    bool idempotent = false;
    bool replayable = false;  // Every byte of the request taken from the client is still here.
};

bool may_send_again(const LostTry& lost);

// Requests and retries of the last 10 s, in steps of one second; one for each service and worker.
class RetryBudget {
public:
    static constexpr std::uint32_t window_seconds = 10;
    // Whatever the share: a service with little traffic loses an instance like any other, and nobody falls over from
    // ten requests more in a second.
    static constexpr std::uint32_t always_allowed_a_second = 10;

    void count_request(Instant now) { ++at(now).requests; }
    // Takes one retry out of the budget when there is one left.
    bool take(Instant now, std::uint32_t percent);

private:
    struct Second {
        std::int64_t second = -1;
        std::uint32_t requests = 0;
        std::uint32_t retries = 0;
    };
    Second& at(Instant now);

    std::array<Second, window_seconds> seconds_{};
};

}  // namespace hale::proxy
