#include "docker/place.h"

#include <fmt/format.h>

#include "base/address.h"
#include "base/text.h"
#include "wire/url.h"

namespace hale::docker {

namespace {

constexpr std::string_view allowed = "allowed: unix:///PATH, tcp://HOST:PORT, ssh://USER@HOST";
constexpr std::size_t most_path_bytes = 107;  // Of struct sockaddr_un, without the NUL.

std::unexpected<Error> refused(std::string_view text, std::string_view why) {
    return fail(Code::invalid, fmt::format("\"{}\" is no place of a Docker Engine: {}; {}", redacted_url(escaped(text)), why, allowed));
}

// What ssh would take for an option is no name, and nothing here reaches a shell.
bool plain_name(std::string_view text) {
    if (text.empty() || text.front() == '-') return false;
    for (const char c : text) {
        const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!fine) return false;
    }
    return true;
}

Result<Place> ssh_place(std::string_view text) {
    std::string_view rest = text.substr(6);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    Place place{.shown = std::string(text)};
    // Nobody is there to type a password; no terminal; and a way that died is noticed.
    place.command = {"/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15"};
    std::string user;
    if (const std::size_t at = rest.find('@'); at != rest.npos) {
        user = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        if (user.find(':') != user.npos) return refused(text, "nobody is there to type a password; use a key");
        if (!plain_name(user)) return refused(text, "the user is no name");
    }
    std::string_view host = rest, port;
    bool bracketed = false;
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == rest.npos || !Ip::parse(rest.substr(1, end - 1))) return refused(text, "the host is no address");
        host = rest.substr(1, end - 1);
        bracketed = true;
        rest.remove_prefix(end + 1);
        if (!rest.empty() && !rest.starts_with(':')) return refused(text, "there is something after the host");
        if (!rest.empty()) port = rest.substr(1);
    } else if (const std::size_t colon = rest.find(':'); colon != rest.npos) {
        host = rest.substr(0, colon);
        port = rest.substr(colon + 1);
    }
    if (!bracketed && !plain_name(host)) return refused(text, host.find('/') == host.npos ? "the host is no name" : "there is a path after the host");
    if (port.data() != nullptr) {
        const auto number = parse_unsigned(port);
        if (!number || *number == 0 || *number > 65535) return refused(text, "the port is not 1 to 65535");
        place.command.insert(place.command.end(), {"-p", std::string(port)});
    }
    place.host = host;  // Where its containers publish their ports.
    place.command.push_back(user.empty() ? std::string(host) : fmt::format("{}@{}", user, host));
    place.command.insert(place.command.end(), {"docker", "system", "dial-stdio"});
    return place;
}

}  // namespace

Result<Place> parse_place(std::string_view text) {
    if (text.empty()) return refused(text, "it is empty");
    if (text.starts_with("unix://")) {
        const std::string_view path = text.substr(7);
        if (!path.starts_with('/') || path.ends_with('/')) return refused(text, "the path of the socket begins with / and does not end with it");
        if (path.size() > most_path_bytes) return refused(text, fmt::format("a socket's path has at most {} bytes", most_path_bytes));
        if (path.find('\0') != path.npos) return refused(text, "there is a NUL in the path");
        return Place{.shown = std::string(text), .path = std::string(path)};
    }
    if (text.starts_with("ssh://")) return ssh_place(text);
    if (text.starts_with("tcp://")) {
        const auto url = wire::parse_url(fmt::format("http://{}", text.substr(6)));
        if (!url) return refused(text, url.error().text);
        if (!url->userinfo.empty()) return refused(text, "there is no log-in over tcp");
        if ((!url->path.empty() && url->path != "/") || url->query) return refused(text, "there is a path after the host");
        Place place{.shown = std::string(text), .host = std::string(url->bare_host()), .port = url->port.value_or(engine_port)};
        if (place.port == 0) return refused(text, "the port is not 1 to 65535");
        place.authority = fmt::format("{}:{}", url->host, place.port);
        return place;
    }
    if (text.starts_with("https://") || text.starts_with("http://")) return refused(text, "write tcp:// for HTTP without TLS");
    return refused(text, "it begins with none of them");
}

}  // namespace hale::docker
