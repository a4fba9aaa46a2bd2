// Where probes may go. Tested on every connect, after resolution, so that a name can't be turned against us
// between the test and the connection.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace hale::probe {

struct TargetPolicy {
    std::vector<Cidr> deny;          // Nobody's probes go there.
    std::vector<SocketAddress> own;  // Hale's own admin listeners.

    // Why not, as the end of a sentence; nothing: it may. `trusted` targets (declared in the file) are only
    // held to `deny`.
    std::optional<std::string> refusal(const SocketAddress& to, bool trusted) const;
};

}  // namespace hale::probe
