#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace hale {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string lower(std::string_view text) {
    std::string out{text};
    for (char& c : out) c = lower(c);
    return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(at);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
    std::uint64_t value = 0;
    if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

namespace {
struct DurationUnit {
    std::string_view name;
    std::int64_t ns;
};
constexpr std::array<DurationUnit, 7> duration_units{{{"d", 86'400'000'000'000},
                                                      {"h", 3'600'000'000'000},
                                                      {"m", 60'000'000'000},
                                                      {"s", 1'000'000'000},
                                                      {"ms", 1'000'000},
                                                      {"us", 1'000},
                                                      {"ns", 1}}};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array<SizeUnit, 7> size_units{{{"GiB", 1u << 30},
                                              {"MiB", 1u << 20},
                                              {"KiB", 1u << 10},
                                              {"GB", 1'000'000'000},
                                              {"MB", 1'000'000},
                                              {"KB", 1'000},
                                              {"B", 1}}};

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text == "0") return Duration{0};
    std::int64_t total = 0;
    std::size_t from = 0;  // Units must come in falling size.
    while (!text.empty()) {
        std::size_t digits = 0;
        while (digits < text.size() && digit(text[digits])) ++digits;
        std::size_t letters = digits;
        while (letters < text.size() && letter(text[letters])) ++letters;
        const auto value = parse_unsigned(text.substr(0, digits));
        const auto unit = text.substr(digits, letters - digits);
        const auto found = std::find_if(duration_units.begin() + static_cast<std::ptrdiff_t>(from), duration_units.end(),
                                        [&](const DurationUnit& u) { return u.name == unit; });
        if (!value || found == duration_units.end()) return std::nullopt;
        const std::int64_t room = (std::numeric_limits<std::int64_t>::max() - total) / found->ns;
        if (*value > static_cast<std::uint64_t>(room)) return std::nullopt;
        total += static_cast<std::int64_t>(*value) * found->ns;
        from = static_cast<std::size_t>(found - duration_units.begin()) + 1;
        text.remove_prefix(letters);
    }
    return Duration{total};
}

std::string duration_text(Duration d) {
    std::int64_t left = d.count();
    if (left == 0) return "0s";
    std::string out;
    if (left < 0) out = "-", left = -left;
    for (const auto& unit : duration_units) {
        if (left < unit.ns) continue;
        out += fmt::format("{}{}", left / unit.ns, unit.name);
        left %= unit.ns;
    }
    return out;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t factor = 1;
    for (const auto& unit : size_units) {
        if (!text.ends_with(unit.name)) continue;
        factor = unit.bytes;
        text.remove_suffix(unit.name.size());
        break;
    }
    const auto value = parse_unsigned(text);
    if (!value || *value > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    return *value * factor;
}

std::string size_text(std::uint64_t bytes) {
    for (const auto& unit : size_units)
        if (bytes >= unit.bytes && bytes % unit.bytes == 0 && unit.name != "B")
            return fmt::format("{}{}", bytes / unit.bytes, unit.name);
    return fmt::format("{}B", bytes);
}

namespace {
// Length of the valid UTF-8 sequence at the front of `text`, 0 when it is not one (RFC 3629).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;
        if (first == 0xed && byte(1) > 0x9f) return 0;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}
}  // namespace

std::string escaped(std::string_view text, std::size_t most) {
    std::string out;
    const bool cut = text.size() > most;
    text = text.substr(0, most);
    while (!text.empty()) {
        const auto c = static_cast<unsigned char>(text[0]);
        std::size_t used = 1;
        if (c == '\n') out += "\\n";
        else if (c == '\r') out += "\\r";
        else if (c == '\t') out += "\\t";
        else if (c == '"' || c == '\\') out += {'\\', static_cast<char>(c)};
        else if (c < 0x20 || c == 0x7f) out += fmt::format("\\x{:02x}", c);
        else if (const auto length = utf8_length(text); length == 0) out += fmt::format("\\x{:02x}", c);
        else if (length == 2 && c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0)  // C1 controls.
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[1])), used = 2;
        else out += text.substr(0, length), used = length;
        text.remove_prefix(used);
    }
    if (cut) out += "…";
    return out;
}

bool looks_secret(std::string_view name) {
    static constexpr std::array<std::string_view, 8> parts{"authorization", "cookie", "token",   "secret",
                                                           "key",           "passw",  "session", "signature"};
    const std::string folded = lower(name);
    return std::ranges::any_of(parts, [&](std::string_view part) { return folded.contains(part); });
}

std::string redacted_url(std::string_view url) {
    std::string out;
    const auto scheme = url.find("://");
    if (scheme != std::string_view::npos) {
        out = url.substr(0, scheme + 3);
        url.remove_prefix(scheme + 3);
        const auto authority = url.substr(0, url.find_first_of("/?#"));
        if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
            out += "***@";
            url.remove_prefix(at + 1);
        }
    }
    const auto query = url.find('?');
    out += url.substr(0, query);
    if (query == std::string_view::npos) return out;
    char before = '?';
    for (const auto pair : split(url.substr(query + 1), '&')) {
        out += before;
        before = '&';
        const auto equals = pair.find('=');
        if (equals != std::string_view::npos && looks_secret(pair.substr(0, equals)))
            out += fmt::format("{}=***", pair.substr(0, equals));
        else out += pair;
    }
    return out;
}

void append_json_escaped(std::string& out, std::string_view text) {
    static constexpr std::string_view hex = "0123456789abcdef";
    while (!text.empty()) {
        const auto c = static_cast<unsigned char>(text[0]);
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            out += text[0];
            text.remove_prefix(1);
            continue;
        }
        std::size_t used = 1;
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                if (c < 0x20) {
                    out += "\\u00";
                    out += hex[c >> 4];
                    out += hex[c & 15];
                } else if (const auto length = utf8_length(text); length == 0) out += "\xef\xbf\xbd";
                else out += text.substr(0, length), used = length;
        }
        text.remove_prefix(used);
    }
}

}  // namespace hale
