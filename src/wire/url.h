// URLs, and what Hale holds equal about hosts and paths before it routes by them. Text in, text out; nothing is
// resolved or fetched.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hale::wire {

// An absolute URL with an authority (RFC 3986). The fragment is dropped: it never goes over the wire.
struct Url {
    std::string scheme;    // Lower case.
    std::string userinfo;  // As written, without the '@'. A secret: show text(), which leaves it out.
    std::string host;      // As normal_host gives it; an IPv6 literal keeps its brackets.
    std::optional<std::uint16_t> port;
    std::string path;                  // As written: "" or begins with '/'.
    std::optional<std::string> query;  // As written, without the '?'.

    std::string_view bare_host() const;    // Without brackets: what to resolve or to parse as an address.
    std::uint16_t effective_port() const;  // The scheme's own when none is written; 0 for an unknown scheme.
    std::string authority() const;         // For the Host field: no userinfo, no default port.
    std::string origin_form() const;       // For the request line: "/path?query".
    std::string text() const;              // Without userinfo.

    bool operator==(const Url&) const = default;
};

std::uint16_t default_port(std::string_view scheme);  // 0 when unknown.

inline constexpr std::size_t max_url_bytes = 8 * 1024;

Result<Url> parse_url(std::string_view text);
// A redirect's Location against the URL it came from (RFC 3986 section 5.2), dot segments removed.
Result<Url> resolve_url(const Url& base, std::string_view reference);

// RFC 3986 section 5.2.4.
std::string remove_dot_segments(std::string_view path);

// What routing compares: lower case, no port, no trailing dot, IPv6 in its RFC 5952 form. Only ASCII: names in
// other scripts come as A-labels ("xn--..."), or are refused. Takes "host" or "host:port". The answer points
// into `host` when that is normal already, else into `scratch`. A refusal carries no text, so that a stranger
// can't make the hot path allocate; host_refusal says what was wrong.
using HostScratch = std::array<char, 256>;
std::optional<std::string_view> normal_host(std::string_view host, HostScratch& scratch);
std::string_view host_refusal(std::string_view host);  // "" when normal_host accepts it.

struct MatchPath {
    std::string_view path;
    // With %2F and %5C read as slashes, as the service behind may read them; "" when there is none. When it
    // matches another route than `path`, the request is to be refused: nobody knows which was meant.
    std::string_view other_reading;
};
enum class PathFault : std::uint8_t { none, not_a_path, bad_escape, nul, backslash, dot_segment };
std::string_view path_fault_text(PathFault fault);

// The path that routes are matched against: percent-escapes of unreserved characters decoded, the others in
// upper case. Refused are dot segments (plain, escaped, or behind an escaped slash, with ";parameters" too),
// %00, backslashes and broken escapes. `raw` may carry a query, which is cut off. The caller forwards the
// original bytes. Points into `raw` when nothing had to be decoded, else into `scratch`.
PathFault path_for_match(std::string_view raw, std::string& scratch, MatchPath& match);

}  // namespace hale::wire
