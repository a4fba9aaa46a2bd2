// What an expectation is evaluated against: one answer as the probe saw it. Only views; whoever owns the
// bytes keeps them alive for the length of one evaluation.

#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/address.h"
#include "verdict/observation.h"

namespace hale::expect {

struct Header {
    std::string_view name;
    std::string_view value;
};

// Whatever was not there stays at its default and reads as "absent": a comparison with it never holds.
struct Response {
    int status = 0;  // 0: no HTTP answer.
    bool connected = false;
    std::span<const Header> headers;  // Names in any case; the first of equal names counts.
    std::string_view body;            // At most the check's body limit; the caller cuts.
    bool body_truncated = false;      // There was more than `body` holds.
    Ip ip{};                          // Unspecified: none (a unix socket, nothing resolved).
    std::optional<Duration> certificate_left;  // [CERTIFICATE_EXPIRATION]: until the peer's certificate ends; negative when it has.
    std::string_view rcode;           // [DNS_RCODE]: "NXDOMAIN"; empty: no DNS answer.
    verdict::Timings timings;         // [RESPONSE_TIME] is timings.total.
};

}  // namespace hale::expect
