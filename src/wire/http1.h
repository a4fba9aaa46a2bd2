// HTTP/1.1 heads, read strictly (RFC 9112) and without copying: every view points into the caller's bytes and
// lives as long as they stay where they are. No socket, no clock, no allocation. A head is 5 KiB of fields:
// keep one per thread and reuse it, keep only the HeadScan per connection.
//
// What two readers could understand differently is refused, not repaired: bare CR or LF, folded lines, blanks
// before the colon, more than one Content-Length or Host, Content-Length beside Transfer-Encoding, any coding
// but one `chunked`. Bodies: http1_body.h. Writing: http1_write.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "wire/fields.h"

namespace hale::wire {

enum class Method : std::uint8_t { other, get, head, post, put, delete_, connect, options, trace, patch };
Method method_of(std::string_view text);      // Case-sensitive, as methods are.
std::string_view method_text(Method method);  // "" for other.
bool idempotent(Method method);               // RFC 9110 section 9.2.2; other is not.

// RFC 9112 section 3.2; asterisk comes only with OPTIONS, authority only with CONNECT.
enum class TargetForm : std::uint8_t { origin, absolute, authority, asterisk };

enum class BodyKind : std::uint8_t {
    none,
    length,  // Exactly Framing::length bytes, at least 1.
    chunked,
    until_close,  // Responses only.
};
struct Framing {
    BodyKind kind = BodyKind::none;
    std::uint64_t length = 0;
    bool operator==(const Framing&) const = default;
};

struct HeadLimits {
    std::size_t max_request_line = 8 * 1024;  // Beyond: 414.
    std::size_t max_head_bytes = 64 * 1024;   // Start line, fields and the empty line. Beyond: 431.
    std::size_t max_fields = 100;             // Beyond: 431. Fields::capacity is the ceiling.
};

enum class ParseStatus : std::uint8_t { need_more, done, bad };
struct HeadResult {
    ParseStatus status = ParseStatus::need_more;
    std::size_t consumed = 0;   // done: bytes of the head, a leading empty line included.
    std::uint16_t answer = 0;   // bad: 400, 414, 431, 501 or 505 for a request; 502 for a response.
    std::string_view why = {};  // bad: a sentence, static.
};

// Remembers how far an incomplete head was looked at, so that a head arriving byte by byte costs one pass.
// Belongs to one message: reset it (= {}) after done.
struct HeadScan {
    std::uint32_t scanned = 0;  // Everything before is known to hold no end of the head.
    std::uint32_t line_start = 0;
};

struct RequestHead {
    Method method = Method::other;
    TargetForm form = TargetForm::origin;
    std::uint8_t minor = 1;           // 0 or 1; HTTP/1.2 and up is read as 1.1 (RFC 9110 section 2.5).
    bool keep_alive = false;          // What the client asked for.
    bool expect_continue = false;     // Waits for 100 before the body; only in HTTP/1.1, only with a body.
    bool upgrade = false;             // "Connection: upgrade" with an Upgrade field; HTTP/1.1 only.
    Framing framing;                  // Never until_close.
    std::string_view method_name;     // As sent.
    std::string_view target;          // As sent: forward this (or path_and_query).
    std::string_view path_and_query;  // Origin form of the target; "*" for asterisk, "" for authority form.
    std::string_view authority;       // host[:port] in force, as sent; "" only in HTTP/1.0 without Host.
    std::string_view host;            // Without the port, with the brackets of an IPv6 literal; as sent.
    std::optional<std::uint16_t> port;
    Fields fields;
};

struct ResponseHead {
    std::uint16_t status = 0;  // 100-999
    std::uint8_t minor = 1;
    bool keep_alive = false;                      // The connection is in step after the body.
    bool interim = false;                         // 1xx but 101: another head follows on the same connection.
    bool tunnel = false;                          // 101, or 2xx to CONNECT: what follows is not HTTP/1.
    Framing framing;                              // Of the bytes that follow: none for HEAD, 1xx, 204, 304.
    std::optional<std::uint64_t> content_length;  // As announced, also where no body follows.
    std::string_view reason;                      // May be empty.
    Fields fields;
};

// Reads the head at the front of `bytes`. After need_more call again with the same bytes and more of them
// (they may have moved), and the same scan. The verdict does not depend on how the bytes were split. After bad
// the head holds what was read before the fault, never the message before; after need_more nothing in it counts.
HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, HeadScan& scan, RequestHead& head);

// `request` is the method answered: it decides whether a body follows.
HeadResult parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request, HeadScan& scan,
                               ResponseHead& head);

// A run of field lines without the empty line that ends them, as BodyReader::trailers gives it. `bad` when it
// is not one.
HeadResult parse_field_lines(std::string_view bytes, std::size_t max_fields, Fields& fields);

struct HostPort {
    std::string_view host;  // With the brackets of an IPv6 literal.
    std::optional<std::uint16_t> port;
};
// `uri-host [":" port]` of RFC 9110 section 7.2; nothing when malformed or empty.
std::optional<HostPort> parse_authority(std::string_view text);

}  // namespace hale::wire
