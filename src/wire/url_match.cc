#include <algorithm>

#include "base/address.h"
#include "base/text.h"
#include "wire/chars.h"
#include "wire/http1.h"
#include "wire/url.h"

// The hot half of url.h: what every request passes through before it is routed. Neither function allocates for
// a host or a path that is normal already.

namespace hale::wire {

namespace {

constexpr std::size_t max_host = 253;  // RFC 1035 section 2.3.4, as text without the trailing dot.
constexpr std::size_t max_label = 63;

// '_' is no host name character, but service names of container networks have it.
bool label_character(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || chars::is(c, chars::digit) || c == '-' || c == '_';
}

bool valid_label(std::string_view label) {
    return !label.empty() && label.size() <= max_label && label.front() != '-' && label.back() != '-';
}

std::string_view name_refusal(std::string_view name) {
    if (name.empty()) return "the host is empty";
    if (name.size() > max_host) return "the host is longer than 253 characters";
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= name.size(); ++i) {
        if (i == name.size() || name[i] == '.') {
            if (!valid_label(name.substr(begin, i - begin)))
                return "a label of the host is empty, longer than 63 characters, or begins or ends in '-'";
            begin = i + 1;
        } else if (static_cast<unsigned char>(name[i]) >= 0x80) {
            return "the host is not ASCII; write it as A-labels (xn--...)";
        } else if (!label_character(name[i])) {
            return "the host has a character that is neither letter, digit, '-', '_' nor '.'";
        }
    }
    return "";
}

std::string_view without_port(std::string_view host) {
    const auto colon = host.rfind(':');
    return colon != std::string_view::npos && chars::all(host.substr(colon + 1), chars::digit) ? host.substr(0, colon)
                                                                                               : host;
}

std::string_view copied(std::string_view text, HostScratch& scratch) {
    std::ranges::transform(text, scratch.begin(), [](char c) { return lower(c); });
    return {scratch.data(), text.size()};
}

std::optional<std::string_view> normal_literal(std::string_view host, HostScratch& scratch) {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view inside = host.substr(1, close - 1);
    const auto ip = inside.find(':') == std::string_view::npos ? std::nullopt : Ip::parse(inside);
    if (!ip || !without_port(host).ends_with(']')) return std::nullopt;
    // The canonical text of an address is no longer than 45 characters: no allocation that matters.
    return copied("[" + ip->text() + "]", scratch);
}

bool dot_segment(std::string_view segment) {
    segment = segment.substr(0, segment.find(';'));  // "..;x" is ".." to servers that know path parameters.
    return segment == "." || segment == "..";
}

bool has_dot_segment(std::string_view path) {
    for (std::size_t at = path.find("/."); at != std::string_view::npos; at = path.find("/.", at + 1)) {
        const std::string_view rest = path.substr(at + 1);
        if (dot_segment(rest.substr(0, rest.find('/')))) return true;
    }
    return false;
}

// Decodes into `out`; says whether an escaped slash or backslash was among the rest.
PathFault decode(std::string_view path, std::string& out, bool& escaped_slash) {
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '%') {
            out += path[i];
            continue;
        }
        const int high = i + 2 < path.size() ? chars::hex_value(path[i + 1]) : -1;
        const int low = high < 0 ? -1 : chars::hex_value(path[i + 2]);
        if (low < 0) return PathFault::bad_escape;
        const char c = static_cast<char>(high << 4 | low);
        if (c == '\0') return PathFault::nul;
        if (chars::is(c, chars::unreserved))
            out += c;
        else {
            escaped_slash = escaped_slash || c == '/' || c == '\\';
            static constexpr std::string_view digits = "0123456789ABCDEF";
            out += {'%', digits[static_cast<std::size_t>(high)], digits[static_cast<std::size_t>(low)]};
        }
        i += 2;
    }
    return PathFault::none;
}

void append_with_slashes(std::string_view path, std::string& out) {
    for (std::size_t i = 0; i < path.size(); ++i) {
        const std::string_view escape = path.substr(i, 3);
        const bool slash = escape == "%2F" || escape == "%5C";
        out += slash ? '/' : path[i];
        if (slash) i += 2;
    }
}

}  // namespace

std::optional<std::string_view> normal_host(std::string_view host, HostScratch& scratch) {
    if (host.starts_with('[')) return normal_literal(host, scratch);
    host = without_port(host);
    if (host.ends_with('.')) host.remove_suffix(1);
    if (!name_refusal(host).empty()) return std::nullopt;
    if (std::ranges::none_of(host, [](char c) { return c >= 'A' && c <= 'Z'; })) return host;
    return copied(host, scratch);
}

std::string_view host_refusal(std::string_view host) {
    HostScratch scratch;
    if (normal_host(host, scratch)) return "";
    if (host.starts_with('[')) return "the brackets hold no IPv6 address";
    host = without_port(host);
    if (host.ends_with('.')) host.remove_suffix(1);
    return name_refusal(host);
}

std::string_view path_fault_text(PathFault fault) {
    switch (fault) {
        case PathFault::none:
            return "";
        case PathFault::not_a_path:
            return "the target is not a path";
        case PathFault::bad_escape:
            return "a percent sign without two hexadecimal digits";
        case PathFault::nul:
            return "an escaped NUL in the path";
        case PathFault::backslash:
            return "a backslash in the path";
        case PathFault::dot_segment:
            return "a dot segment in the path";
    }
    return "";
}

PathFault path_for_match(std::string_view raw, std::string& scratch, MatchPath& match) {
    match = {};
    raw = raw.substr(0, raw.find('?'));
    if (!raw.starts_with('/')) {
        match.path = raw;
        return raw == "*" ? PathFault::none : PathFault::not_a_path;
    }
    if (raw.find('\\') != std::string_view::npos) return PathFault::backslash;
    if (raw.find('%') == std::string_view::npos) {
        match.path = raw;
        return has_dot_segment(raw) ? PathFault::dot_segment : PathFault::none;
    }
    scratch.clear();
    scratch.reserve(2 * raw.size());  // Both readings, without moving the first.
    bool escaped_slash = false;
    if (const PathFault fault = decode(raw, scratch, escaped_slash); fault != PathFault::none) return fault;
    const std::size_t size = scratch.size();
    if (escaped_slash) append_with_slashes({scratch.data(), size}, scratch);
    const std::string_view all = scratch;
    match.path = all.substr(0, size);
    match.other_reading = all.substr(size);
    if (has_dot_segment(match.path) || has_dot_segment(match.other_reading)) return PathFault::dot_segment;
    return PathFault::none;
}

}  // namespace hale::wire
