// Small things done to text, each in one place: case, trimming, escaping, redacting, sizes and durations.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace hale {

// ASCII only: header names, hosts and keywords are ASCII, and locale must never decide routing.
char lower(char c);
std::string lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

std::string_view trim(std::string_view text);  // Spaces and tabs.
std::vector<std::string_view> split(std::string_view text, char at);

// Digits only, no sign, no blanks; nothing on overflow.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// "500ms", "5s", "1m30s", "2h", "7d"; units ns us ms s m h d, largest first, each at most once.
std::optional<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration d);  // The shortest form that parse_duration reads back exactly.

// "64KiB", "1MB", "512B", "512".
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes);

// Control characters (ANSI escapes among them), quotes and backslashes spelled out; at most `most` bytes
// of input, then "…". Bytes above 127 pass only as valid UTF-8. For showing what a stranger sent.
std::string escaped(std::string_view text, std::size_t most = 200);

// True for names of headers and query keys whose values are secrets by their look: authorization, cookie,
// token, secret, key, password and the like as a part of the name.
bool looks_secret(std::string_view name);

// Hides URL userinfo and the values of secret-looking query keys: "https://***@h/p?token=***&a=1".
std::string redacted_url(std::string_view url);

// JSON string body without the quotes (RFC 8259 section 7); invalid UTF-8 becomes U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace hale
