#include <array>

#include "base/address.h"
#include "wire/chars.h"
#include "wire/http1.h"

// The single words of a head that need no position in it: methods, and the authority.

namespace hale::wire {

Method method_of(std::string_view text) {
    switch (text.size()) {
        case 3:
            return text == "GET" ? Method::get : text == "PUT" ? Method::put : Method::other;
        case 4:
            return text == "HEAD" ? Method::head : text == "POST" ? Method::post : Method::other;
        case 5:
            return text == "PATCH" ? Method::patch : text == "TRACE" ? Method::trace : Method::other;
        case 6:
            return text == "DELETE" ? Method::delete_ : Method::other;
        case 7:
            return text == "OPTIONS" ? Method::options : text == "CONNECT" ? Method::connect : Method::other;
        default:
            return Method::other;
    }
}

std::string_view method_text(Method method) {
    static constexpr std::array<std::string_view, 10> texts{"",       "GET",     "HEAD",    "POST",  "PUT",
                                                            "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return texts[static_cast<std::size_t>(method)];
}

bool idempotent(Method method) {
    switch (method) {
        case Method::get:
        case Method::head:
        case Method::put:
        case Method::delete_:
        case Method::options:
        case Method::trace:
            return true;
        default:
            return false;
    }
}

std::optional<HostPort> parse_authority(std::string_view text) {
    if (text.empty()) return std::nullopt;
    std::size_t host = 0;
    if (text[0] == '[') {
        host = text.find(']');
        if (host == std::string_view::npos) return std::nullopt;
        const std::string_view inside = text.substr(1, host - 1);
        if (inside.find(':') == std::string_view::npos || !Ip::parse(inside)) return std::nullopt;
        ++host;
    } else {
        const auto escape = [&] {
            return host + 2 < text.size() && text[host] == '%' && chars::all(text.substr(host + 1, 2), chars::hex);
        };
        while (host < text.size()) {
            if (chars::is(text[host], chars::host))
                ++host;
            else if (escape())
                host += 3;
            else
                break;
        }
    }
    if (host == 0) return std::nullopt;
    HostPort result{.host = text.substr(0, host), .port = std::nullopt};
    if (host == text.size()) return result;
    const std::string_view port = text.substr(host + 1);
    if (text[host] != ':' || port.size() > 5 || !chars::all(port, chars::digit)) return std::nullopt;
    if (port.empty()) return result;  // "host:" is allowed and means the default.
    unsigned value = 0;
    for (const char c : port) value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > 65535) return std::nullopt;
    result.port = static_cast<std::uint16_t>(value);
    return result;
}

}  // namespace hale::wire
