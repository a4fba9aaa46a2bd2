// Where an instance is, as declared: "ip:port", "[v6]:port", "name:port", "http(s)://name[:port]" or
// "unix:/path". Resolving a name is done elsewhere; this only says what was meant.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/result.h"
#include "base/shared_text.h"

namespace hale::config {

struct Target {
    SharedText declared;                   // As written: the identity of an unnamed instance.
    SharedText host;                       // The name to look up, in lower case; empty for a literal.
    std::optional<SocketAddress> literal;  // An IP or a unix socket: no look-up is needed.
    std::uint16_t port = 0;
    bool tls = false;  // https://
    bool url = false;  // Written as a URL: Host is then the URL's authority.

    static Result<Target> parse(std::string_view text);
    // What to send as Host when nothing else says so: "name", "name:8080", "[::1]:8080", "localhost" for unix.
    std::string authority() const;
    // Over TLS: who is asked for, and whom the certificate must name.
    std::string tls_name() const { return literal ? literal->ip.text() : host.str(); }
    bool operator==(const Target&) const = default;
};

// Of a DNS server: "10.0.0.53", "ns.example:5353". Without a port it is 53.
Result<Target> dns_server(std::string_view text);

}  // namespace hale::config
