#include "proxy/retry.h"

#include <algorithm>

namespace hale::proxy {

bool may_send_again(const LostTry& lost) {
    if (!lost.replayable) return false;
    if (lost.loss == Loss::connect || !lost.sent) return true;
    // A server may close a kept-alive connection at any moment, and then never saw the request; but it may as
    // well have died working on it. Both look the same from here.
    return lost.idempotent;
}

RetryBudget::Second& RetryBudget::at(Instant now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    auto& slot = seconds_[static_cast<std::uint64_t>(second) % window_seconds];
    if (slot.second != second) slot = {.second = second};
    return slot;
}

bool RetryBudget::take(Instant now, std::uint32_t percent) {
    auto& current = at(now);
    std::uint64_t requests = 0, retries = 0;
    for (const auto& slot : seconds_) {
        if (slot.second <= current.second - std::int64_t{window_seconds}) continue;
        requests += slot.requests;
        retries += slot.retries;
    }
    if (retries >= std::uint64_t{always_allowed_a_second} * window_seconds + requests * percent / 100) return false;
    ++current.retries;
    return true;
}

}  // namespace hale::proxy
