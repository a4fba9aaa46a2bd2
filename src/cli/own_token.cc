#include "cli/own_token.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/json.h"
#include "os/files.h"

namespace hale::cli {

namespace {
constexpr std::size_t most_token_bytes = 4096;
constexpr std::size_t most_listen_bytes = 64 * 1024;
}  // namespace

OwnPlaces own_places(const std::string& state, const std::string& configured_socket) {
    OwnPlaces own;
    if (!configured_socket.empty()) own.sockets.push_back(configured_socket);
    const auto written = os::read_file(state + "/listen.json", most_listen_bytes);
    if (!written) return own;
    const Json listen = parse_json(*written);
    own.admin = SocketAddress::parse(text_at(listen, "admin"));
    if (std::string socket = text_at(listen, "socket"); !socket.empty()) own.sockets.push_back(std::move(socket));
    return own;
}

bool is_own(const Place& place, const OwnPlaces& own) {
    if (!place.command.empty()) return false;
    if (place.address && place.address->is_unix())
        return std::ranges::find(own.sockets, place.address->path) != own.sockets.end();
    if (!own.admin || own.admin->is_unix()) return false;
    // No resolver turns this one name into another machine (RFC 6761 §6.3).
    if (!place.address)
        return place.name == "localhost" && place.port == own.admin->port &&
               (own.admin->ip.is_loopback() || own.admin->ip.is_unspecified());
    if (!place.address->ip.is_loopback() || place.address->port != own.admin->port) return false;
    return own.admin->ip == place.address->ip || own.admin->ip.is_unspecified();
}

bool is_shown_own_token(const Place& place, const OwnPlaces& own) {
    return is_own(place, own) && !(place.address && place.address->is_unix());
}

OwnToken own_token(const std::string& state) {
    const std::string path = state + "/admin.token";
    const auto read = os::read_file(path, most_token_bytes);
    if (!read) return {.text = {}, .trouble = fmt::format("{}: {}", path, read.error().text)};
    OwnToken out{.text = std::string(trim(std::string_view(*read).substr(0, read->find_first_of("\r\n"))))};
    if (out.text.empty()) out.trouble = fmt::format("{} is empty", path);
    return out;
}

}  // namespace hale::cli
