// Where a socket is: an IPv4 or IPv6 address with a port, or a path of a unix socket. A value: no look-up,
// no socket, no system header. `os` turns it into a sockaddr.

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/shared_text.h"

namespace hale {

// 16 bytes; IPv4 is kept in its mapped form (::ffff:a.b.c.d), so that comparison is byte comparison.
struct Ip {
    std::array<std::uint8_t, 16> bytes{};

    static Ip v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
    static std::optional<Ip> parse(std::string_view text);  // "10.0.0.1", "::1"; no brackets, no zone.

    bool is_v4() const;
    bool is_loopback() const;
    bool is_link_local() const;   // 169.254/16, fe80::/10
    bool is_unspecified() const;  // 0.0.0.0, ::
    std::string text() const;     // RFC 5952 form.

    auto operator<=>(const Ip&) const = default;
};

struct SocketAddress {
    Ip ip{};
    std::uint16_t port = 0;
    SharedText path;  // Not empty: a unix socket, and ip and port mean nothing.

    // "10.0.0.1:80", "[::1]:80", "unix:/path".
    static std::optional<SocketAddress> parse(std::string_view text);

    bool is_unix() const { return !path.empty(); }
    std::string text() const;

    auto operator<=>(const SocketAddress&) const = default;
};

// A block of addresses, "10.0.0.0/8" or a bare address.
struct Cidr {
    Ip base{};
    int bits = 128;  // Of the mapped form: an IPv4 /8 is 104.

    static std::optional<Cidr> parse(std::string_view text);
    bool contains(const Ip& ip) const;
    std::string text() const;

    auto operator<=>(const Cidr&) const = default;
};

}  // namespace hale
