// Where a daemon may be spoken to, as an operator writes it: "http(s)://10.0.0.5:4253", "10.0.0.5:4253", "unix:/path",
// "ssh://user@host".

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace hale::cli {

inline constexpr std::uint16_t admin_port = 4253;

struct Place {
    std::string shown;                     // For messages.
    std::optional<SocketAddress> address;  // Nothing: `name` is to be resolved, or there is a command.
    std::string name;
    std::uint16_t port = 0;
    std::string authority;             // For the Host field.
    bool tls = false;
    std::string ca_pem;                // Whom to believe over TLS; empty: whom this machine believes.
    std::vector<std::string> command;  // Not empty: its stdin and stdout are the connection.
};

Result<Place> parse_place(std::string_view text);
Place place_of(const SocketAddress& address);

}  // namespace hale::cli
