// Classes of characters in HTTP and URLs, and the scans over them. Inside wire only.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hale::wire::chars {

enum Class : std::uint8_t {
    token = 1,       // tchar, RFC 9110 section 5.6.2
    target = 2,      // What a request target may hold: visible ASCII without '#'.
    host = 4,        // reg-name but '%': unreserved and sub-delims, RFC 3986 section 3.2.2
    unreserved = 8,  // RFC 3986 section 2.3
    digit = 16,
    hex = 32,
    value = 64,  // field-value: visible, blank, tab, obs-text
};

constexpr std::array<std::uint8_t, 256> make_table() {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&](std::string_view which, std::uint8_t as) {
        for (const char c : which) table[static_cast<unsigned char>(c)] |= as;
    };
    for (int c = 0; c < 256; ++c) {
        std::uint8_t& bits = table[static_cast<std::size_t>(c)];
        const bool is_digit = c >= '0' && c <= '9';
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (is_digit) bits |= digit;
        if (is_digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= hex;
        if (is_digit || letter) bits |= token | host | unreserved;
        if (c > 0x20 && c < 0x7f && c != '#') bits |= target;
        if ((c >= 0x20 && c != 0x7f) || c == '\t') bits |= value;
    }
    mark("!#$%&'*+-.^_`|~", token);
    mark("-._~", unreserved | host);
    mark("!$&'()*+,;=", host);
    return table;
}
inline constexpr std::array<std::uint8_t, 256> table = make_table();

inline bool is(char c, std::uint8_t which) { return (table[static_cast<unsigned char>(c)] & which) != 0; }

inline bool all(std::string_view text, std::uint8_t which) {
    for (const char c : text)
        if (!is(c, which)) return false;
    return true;
}

inline int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// First byte in [at, end) that can't be part of a field value (so: CR, LF or something forbidden), or end.
const char* end_of_value(const char* at, const char* end);

}  // namespace hale::wire::chars
