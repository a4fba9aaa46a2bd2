#include "proxy/answered.h"

#include <array>
#include <utility>

namespace hale::proxy {

namespace {
constexpr std::array<AnsweredFacts, 19> table{{
    {"", 200, "", 0},
    {"bad_request", 400, "The request is not valid HTTP, or two readers could understand it differently.", 0},
    {"no_route", 404, "No route matches this host and path.", 0},
    {"request_timeout", 408, "The request did not arrive in time.", 0},
    {"body_too_large", 413, "The request body is larger than allowed here.", 0},
    {"uri_too_long", 414, "The request line is longer than allowed here.", 0},
    {"headers_too_large", 431, "The header fields are larger or more than allowed here.", 0},
    {"upstream_connect", 502, "The service's instance could not be connected to.", 0},
    {"upstream_reset", 502, "The service's instance ended the connection before it had answered.", 0},
    {"upstream_timeout", 504, "The service's instance did not answer in time.", 0},
    {"no_eligible_instance", 503, "No instance of the service may receive requests now.", 5},
    {"maintenance", 503, "The service is under maintenance.", 30},
    {"paused", 503, "The service is paused and did not resume in time.", 5},
    {"https_redirect", 308, "This host is reached over HTTPS.", 0},
    {"client_certificate_missing", 403, "This host asks for a client certificate, and none was shown.", 0},
    {"misdirected", 421, "The TLS connection was made for another host.", 0},
    {"plain_http", 400, "A plain HTTP request came to a port that speaks HTTPS.", 0},
    {"unexpected_tls", 400, "A TLS handshake came to a port that speaks plain HTTP.", 0},
    {"", 200, "", 0},
}};
}  // namespace

const AnsweredFacts& facts(Answered reason) { return table[std::to_underlying(reason)]; }

}  // namespace hale::proxy
