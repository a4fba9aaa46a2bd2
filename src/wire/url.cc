#include "wire/url.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/text.h"
#include "wire/chars.h"
#include "wire/http1.h"

namespace hale::wire {

namespace {

bool letter(char c) { return (lower(c) >= 'a' && lower(c) <= 'z'); }

bool valid_scheme(std::string_view text) {
    return !text.empty() && letter(text[0]) && std::ranges::all_of(text, [](char c) {
        return letter(c) || chars::is(c, chars::digit) || c == '+' || c == '-' || c == '.';
    });
}

// The five parts of RFC 3986 appendix B, not yet judged.
struct Parts {
    std::optional<std::string_view> scheme, authority, query;
    std::string_view path;
};

Parts take_apart(std::string_view text) {
    Parts parts;
    text = text.substr(0, text.find('#'));
    const auto colon = text.find_first_of(":/?");
    if (colon != std::string_view::npos && text[colon] == ':' && valid_scheme(text.substr(0, colon))) {
        parts.scheme = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    if (text.starts_with("//")) {
        text.remove_prefix(2);
        const auto end = std::min(text.find_first_of("/?"), text.size());
        parts.authority = text.substr(0, end);
        text.remove_prefix(end);
    }
    if (const auto mark = text.find('?'); mark != std::string_view::npos) {
        parts.query = text.substr(mark + 1);
        text = text.substr(0, mark);
    }
    parts.path = text;
    return parts;
}

Result<void> check_characters(std::string_view text) {
    if (text.size() > max_url_bytes)
        return fail(Code::invalid, fmt::format("URL of {} bytes; at most {} are taken", text.size(), max_url_bytes));
    for (const char c : text)
        if (!(chars::is(c, chars::target) || c == '#') || c == '\\')
            return fail(Code::invalid, fmt::format("URL '{}' holds a blank, a backslash or a character that is not "
                                                   "ASCII; write it percent-encoded",
                                                   escaped(redacted_url(text))));
    return {};
}

Result<void> set_authority(Url& url, std::string_view authority) {
    const auto at = authority.rfind('@');
    if (at != std::string_view::npos) {
        url.userinfo = authority.substr(0, at);
        authority.remove_prefix(at + 1);
    }
    HostScratch scratch;
    const auto parsed = parse_authority(authority);
    const auto host = parsed ? normal_host(parsed->host, scratch) : std::nullopt;
    if (!host)
        return fail(Code::invalid, fmt::format("URL with host '{}': {}", escaped(authority), host_refusal(authority)));
    url.host = *host;
    url.port = parsed->port;
    return {};
}

// RFC 3986 section 5.2.3.
std::string merged(const Url& base, std::string_view path) {
    if (base.path.empty()) return fmt::format("/{}", path);
    return fmt::format("{}{}", base.path.substr(0, base.path.rfind('/') + 1), path);
}

std::optional<std::string> owned(std::optional<std::string_view> text) {
    if (!text) return std::nullopt;
    return std::string(*text);
}

}  // namespace

std::string_view Url::bare_host() const {
    const std::string_view all = host;
    return all.starts_with('[') ? all.substr(1, all.size() - 2) : all;
}

std::uint16_t default_port(std::string_view scheme) {
    if (scheme == "http" || scheme == "ws") return 80;
    if (scheme == "https" || scheme == "wss") return 443;
    return 0;
}

std::uint16_t Url::effective_port() const { return port.value_or(default_port(scheme)); }

std::string Url::authority() const {
    if (!port || *port == default_port(scheme)) return host;
    return fmt::format("{}:{}", host, *port);
}

std::string Url::origin_form() const {
    std::string out = path.empty() ? "/" : path;
    if (query) out.append("?").append(*query);
    return out;
}

std::string Url::text() const {
    std::string out = fmt::format("{}://{}{}", scheme, authority(), path);
    if (query) out.append("?").append(*query);
    return out;
}

Result<Url> parse_url(std::string_view text) {
    HALE_TRY(check_characters(text));
    const Parts parts = take_apart(text);
    if (!parts.scheme || !parts.authority)
        return fail(Code::invalid,
                    fmt::format("'{}' is not a URL; write scheme://host[:port][/path]", escaped(redacted_url(text))));
    Url url;
    url.scheme = lower(*parts.scheme);
    HALE_TRY(set_authority(url, *parts.authority));
    url.path = parts.path;
    url.query = owned(parts.query);
    return url;
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
    HALE_TRY(check_characters(reference));
    const Parts parts = take_apart(reference);
    if (parts.scheme) {
        HALE_ASSIGN(Url url, parse_url(reference));
        url.path = remove_dot_segments(url.path);
        return url;
    }
    Url url = base;
    if (parts.authority) {
        url.userinfo.clear();
        HALE_TRY(set_authority(url, *parts.authority));
        url.path = remove_dot_segments(parts.path);
        url.query = owned(parts.query);
        return url;
    }
    if (parts.path.empty()) {
        if (parts.query) url.query = owned(parts.query);
        return url;
    }
    url.path = remove_dot_segments(parts.path[0] == '/' ? std::string(parts.path) : merged(base, parts.path));
    url.query = owned(parts.query);
    return url;
}

// Segment by segment; the result begins with '/' exactly when the input does.
std::string remove_dot_segments(std::string_view path) {
    std::string out;
    const bool rooted = path.starts_with('/');
    if (rooted)
        path.remove_prefix(1);
    else if (path.empty())
        return out;
    for (;;) {
        const auto slash = path.find('/');
        const std::string_view segment = path.substr(0, slash);
        const bool last = slash == std::string_view::npos;
        if (segment == "..") out.resize(out.empty() ? 0 : out.rfind('/'));
        if (segment != "." && segment != "..")
            out.append("/").append(segment);
        else if (last)
            out.append("/");
        if (last) break;
        path.remove_prefix(slash + 1);
    }
    if (!rooted) out.erase(0, 1);
    return out;
}

}  // namespace hale::wire
