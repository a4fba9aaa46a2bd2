// Where an instance is, as declared: "ip:port", "[v6]:port", "name:port", "http(s)://name[:port]" or
// "unix:/path". Resolving a name is done elsewhere; this only says what was meant.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/result.h"

namespace hale::config {

struct Target {
    std::string declared;                    // As written: the identity of an unnamed instance.
    std::string host;                        // Name or literal, without brackets; empty for a unix socket.
    std::uint16_t port = 0;
    std::string unix_path;
    bool tls = false;                        // https://
    bool url = false;                        // Written as a URL: Host is then the URL's authority.
    std::optional<SocketAddress> literal;    // Set when no look-up is needed.

    static Result<Target> parse(std::string_view text);
    // What to send as Host when nothing else says so: "name", "name:8080", "[::1]:8080", "localhost" for unix.
    std::string authority() const;
    bool operator==(const Target&) const = default;
};

}  // namespace hale::config
