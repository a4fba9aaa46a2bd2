// The answers Hale gives itself: problem+json for programs, a small page for browsers. Pure: appended to a
// buffer, head and body.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "catalog/own_health.h"
#include "catalog/routing.h"
#include "proxy/answered.h"
#include "wire/http1.h"

namespace hale::proxy {

struct OwnAnswer {
    Answered reason = Answered::bad_request;
    std::uint16_t status = 0;      // 0: the reason's own.
    std::string_view why;          // A further sentence without facts about the inside; may be empty.
    std::string_view request_id;
    std::string_view date;
    std::string_view details;      // JSON members that only the trusted may see, `"service":"web",…`; may be empty.
    std::string_view location;     // Of a redirect.
    std::uint32_t hsts = 0;        // Seconds of Strict-Transport-Security; 0: it is not sent.
    bool page = false;             // For a browser.
    bool without_body = false;     // HEAD.
    bool keep_alive = false;
    std::uint8_t client_minor = 1;
};
void append_answer(std::string& out, const OwnAnswer& answer);

// Does the client look like a browser? Accept names text/html.
bool wants_page(const wire::RequestHead& head);

// The facts behind a 503: service, instances with their addresses and states.
void append_details(std::string& out, const catalog::RoutedService& service);

// What an ACME authority looks for (RFC 8555 §8.3).
void append_proof(std::string& out, std::string_view proof, const OwnAnswer& answer);

// A public health alias, from published atomics. `published` null: not ready.
void append_health(std::string& out, const catalog::PublicHealth& alias, const catalog::OwnHealth* published,
                   const OwnAnswer& answer, std::uint16_t& status);

}  // namespace hale::proxy
