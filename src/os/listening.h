// A socket that listens already: given by another process, or about to be given to one.

#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "os/descriptor.h"

namespace hale::os {

struct Listening {
    Descriptor socket;
    SocketAddress local;
};

// Where the descriptor listens. Code::invalid when it is no stream socket that does.
Result<SocketAddress> listening_at(int socket);

// A second descriptor of the same socket, closed on exec.
Result<Descriptor> duplicate(int descriptor);

// Socket activation (sd_listen_fds(3)): what a supervisor opened for this very process.
struct Activated {
    std::string name;
    Listening listening;
};
// `pid`, `count` and `names` as the environment has them; descriptors are taken from `first` on, all of them, also when
// it fails. Without LISTEN_PID or with another process's: nothing.
inline constexpr int first_activated = 3;
inline constexpr int most_activated = 64;
Result<std::vector<Activated>> activated_sockets(const char* pid, const char* count, const char* names, int first = first_activated);

}  // namespace hale::os
