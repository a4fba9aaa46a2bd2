// Where probes and traffic may go. Tested on every connect, after resolution, so that a name can't be turned
// against us between the test and the connection. One policy for both: what a probe may not reach, a request
// may not reach either.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace hale::catalog {

struct TargetPolicy {
    std::vector<Cidr> deny;          // Nobody goes there.
    std::vector<SocketAddress> own;  // Hale's own admin listeners, TCP and unix.

    // Why not, as the end of a sentence; nothing: it may. `trusted` targets (declared in the file) are only
    // held to `deny`.
    std::optional<std::string> refusal(const SocketAddress& to, bool trusted) const;
    bool operator==(const TargetPolicy&) const = default;
};

}  // namespace hale::catalog
