// The first administrator's token, which the command line takes from the state directory without being asked: for
// the daemon that runs on that directory and for nobody else. Whoever listens elsewhere would be handed the keys.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/place.h"

namespace hale::cli {

// What the daemon of one state directory wrote down of where it listens, and where it may be without having to.
struct OwnPlaces {
    std::optional<SocketAddress> admin;  // Really bound; may be unspecified (every address).
    std::vector<std::string> sockets;
};
OwnPlaces own_places(const std::string& state, const std::string& configured_socket);

// A socket of this daemon, or a loopback address that its admin listener takes.
bool is_own(const Place& place, const OwnPlaces& own);
// Not over a socket: there the kernel says who asks, and a token that was removed would only stand in the way.
bool is_shown_own_token(const Place& place, const OwnPlaces& own);

struct OwnToken {
    std::string text;     // "" when there is none.
    std::string trouble;  // Then: why.
};
OwnToken own_token(const std::string& state);

}  // namespace hale::cli
