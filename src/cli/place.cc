#include "cli/place.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/url.h"

namespace hale::cli {

namespace {

constexpr std::string_view allowed = "allowed: http(s)://HOST:PORT, HOST:PORT, unix:/PATH, ssh://USER@HOST";

// What ssh would take for an option is no host; and nothing here reaches a shell.
bool plain_host(std::string_view text) {
    if (text.empty() || text.front() == '-') return false;
    for (const char c : text) {
        const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                          c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
        if (!fine) return false;
    }
    return true;
}

Result<Place> ssh_place(std::string_view text) {
    std::string_view rest = text.substr(6);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const std::size_t at = rest.find('@');
    const std::string_view user = at == rest.npos ? "" : rest.substr(0, at);
    std::string_view host = at == rest.npos ? rest : rest.substr(at + 1);
    std::string_view port;
    if (const std::size_t colon = host.rfind(':'); colon != host.npos && host.find(']', colon) == host.npos) {
        port = host.substr(colon + 1);
        host = host.substr(0, colon);
    }
    if (!plain_host(host) || (at != rest.npos && !plain_host(user)) || (!port.empty() && !parse_unsigned(port))) {
        return fail(Code::invalid, fmt::format("{}: not a place to find a daemon; {}", escaped(text), allowed));
    }
    Place out;
    out.shown = std::string(text);
    out.authority = "localhost";
    // Nobody is there to type a password into a pipe; -T: no terminal.
    out.command = {"/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"};
    if (!port.empty()) out.command.insert(out.command.end(), {"-p", std::string(port)});
    out.command.insert(out.command.end(),
                       {user.empty() ? std::string(host) : fmt::format("{}@{}", user, host), "hale", "stdio"});
    return out;
}

}  // namespace

Place place_of(const SocketAddress& address) {
    Place out;
    out.shown = address.text();
    out.address = address;
    out.authority = address.is_unix() ? "localhost" : address.text();
    return out;
}

Result<Place> parse_place(std::string_view text) {
    if (text.starts_with("ssh://")) return ssh_place(text);
    if (text.starts_with("unix:") || text.starts_with("/")) {
        const auto address =
            SocketAddress::parse(text.starts_with('/') ? fmt::format("unix:{}", text) : std::string(text));
        if (address && address->is_unix()) return place_of(*address);
        return fail(Code::invalid, fmt::format("{}: not the path of a unix socket; {}", escaped(text), allowed));
    }
    const bool tls = text.starts_with("https://");
    const bool url = tls || text.starts_with("http://");
    if (auto parsed = wire::parse_url(url ? std::string(text) : fmt::format("http://{}", text)); parsed) {
        const bool bare = parsed->path.empty() || parsed->path == "/";
        if (bare && !parsed->query && parsed->userinfo.empty()) {
            const std::uint16_t port = parsed->port ? *parsed->port : url ? parsed->effective_port() : admin_port;
            Place out;
            out.shown = std::string(text);
            out.authority = fmt::format("{}:{}", parsed->host, port);
            out.port = port;
            out.tls = tls;
            if (const auto ip = Ip::parse(parsed->bare_host())) {
                out.address = SocketAddress{.ip = *ip, .port = port};
            } else {
                out.name = parsed->bare_host();
            }
            return out;
        }
    }
    return fail(Code::invalid, fmt::format("{}: not a place to find a daemon; {}", escaped(text), allowed));
}

}  // namespace hale::cli
