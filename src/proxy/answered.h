// Why Hale answered a client itself: the closed list of Hale-Reason, each with its status and the sentence
// that a stranger may read.

#pragma once

#include <cstdint>
#include <string_view>

namespace hale::proxy {

enum class Answered : std::uint8_t {
    none,  // The upstream answered.
    bad_request,
    no_route,
    request_timeout,
    body_too_large,
    uri_too_long,
    headers_too_large,
    upstream_connect,
    upstream_reset,
    upstream_timeout,
    no_eligible_instance,
    maintenance,
    paused,
    https_redirect,
    client_certificate_missing,
    misdirected,
    plain_http,
    unexpected_tls,
    health,  // A public health alias or an authority's proof; carries no Hale-Reason, because nothing was refused.
};

struct AnsweredFacts {
    std::string_view code;
    std::uint16_t status;
    std::string_view sentence;
    std::uint16_t retry_after_seconds;  // 0: none. Set on every 503.
};

const AnsweredFacts& facts(Answered reason);

}  // namespace hale::proxy
