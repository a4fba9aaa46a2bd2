// Where a container answers, as somebody on Hale's machine reaches it. Pure.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "docker/place.h"
#include "docker/words.h"

namespace hale::docker {

// Its address in the network, for an engine on this machine (in the host's own network that is this machine's); else the port it
// publishes there. Code::not_found while it has none.
Result<std::string> address_of(const Inspected& container, const Place& engine, std::string_view network, std::uint16_t port);

// The network in which it is reached, where nobody said one: the only one, else the one it was made in. Code::invalid when neither says.
Result<std::string> network_of(const Inspected& container);

}  // namespace hale::docker
