#include "base/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hale {

namespace {
constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<int> number(std::string_view text, int most) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most) return std::nullopt;
    return value;
}
}  // namespace

Ip Ip::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    Ip ip;
    std::ranges::copy(mapped, ip.bytes.begin());
    ip.bytes[12] = a, ip.bytes[13] = b, ip.bytes[14] = c, ip.bytes[15] = d;
    return ip;
}

std::optional<Ip> Ip::parse(std::string_view text) {
    if (text.empty() || text.size() > 45) return std::nullopt;
    const std::string terminated{text};
    Ip ip;
    if (inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) == 1) return ip;
    std::array<std::uint8_t, 4> four{};
    if (inet_pton(AF_INET, terminated.c_str(), four.data()) == 1) return v4(four[0], four[1], four[2], four[3]);
    return std::nullopt;
}

bool Ip::is_v4() const { return std::memcmp(bytes.data(), mapped.data(), mapped.size()) == 0; }

bool Ip::is_loopback() const {
    if (is_v4()) return bytes[12] == 127;
    return *this == Ip{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
}

bool Ip::is_link_local() const {
    if (is_v4()) return bytes[12] == 169 && bytes[13] == 254;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool Ip::is_unspecified() const { return *this == Ip{} || *this == v4(0, 0, 0, 0); }

std::string Ip::text() const {
    char out[INET6_ADDRSTRLEN] = {};
    if (is_v4()) inet_ntop(AF_INET, bytes.data() + 12, out, sizeof out);
    else inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
    return out;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
    SocketAddress address;
    if (text.starts_with("unix:")) {
        address.path = text.substr(5);
        // The limit of sockaddr_un, with its terminator.
        if (address.path.empty() || address.path.size() > 107) return std::nullopt;
        return address;
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[')) {
        if (!host.ends_with(']')) return std::nullopt;
        host = host.substr(1, host.size() - 2);
        if (!host.contains(':')) return std::nullopt;
    } else if (host.contains(':')) {
        return std::nullopt;
    }
    const auto ip = Ip::parse(host);
    const auto port = number(text.substr(colon + 1), 65535);
    if (!ip || !port) return std::nullopt;
    address.ip = *ip;
    address.port = static_cast<std::uint16_t>(*port);
    return address;
}

std::string SocketAddress::text() const {
    if (is_unix()) return "unix:" + path.str();
    if (ip.is_v4()) return fmt::format("{}:{}", ip.text(), port);
    return fmt::format("[{}]:{}", ip.text(), port);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto ip = Ip::parse(text.substr(0, slash));
    if (!ip) return std::nullopt;
    Cidr block{*ip, 128};
    if (slash != std::string_view::npos) {
        const auto bits = number(text.substr(slash + 1), ip->is_v4() ? 32 : 128);
        if (!bits) return std::nullopt;
        block.bits = *bits + (ip->is_v4() ? 96 : 0);
    }
    return block;
}

bool Cidr::contains(const Ip& ip) const {
    const int whole = bits / 8, rest = bits % 8;
    if (std::memcmp(ip.bytes.data(), base.bytes.data(), static_cast<std::size_t>(whole)) != 0) return false;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    const auto at = static_cast<std::size_t>(whole);
    return (ip.bytes[at] & mask) == (base.bytes[at] & mask);
}

std::string Cidr::text() const { return fmt::format("{}/{}", base.text(), base.is_v4() ? bits - 96 : bits); }

}  // namespace hale
