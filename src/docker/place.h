// Where a Docker Engine is, as an operator writes it: "unix:///var/run/docker.sock", "tcp://10.0.0.5:2375", "ssh://user@host".
// Values only; docker/conversation.h goes there.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hale::docker {

inline constexpr std::uint16_t engine_port = 2375;  // Of tcp:// without one.
inline constexpr std::string_view usual_socket = "/var/run/docker.sock";

struct Place {
    std::string shown;  // As written: for messages.
    std::string path;   // unix://
    std::string host;   // tcp:// and ssh://, without brackets.
    std::uint16_t port = 0;
    std::vector<std::string> command;  // ssh://: its input and output are the connection.
    std::string authority = "docker";  // For the Host field.

    bool operator==(const Place&) const = default;
};

Result<Place> parse_place(std::string_view text);

}  // namespace hale::docker
