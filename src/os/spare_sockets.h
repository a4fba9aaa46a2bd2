// Sockets whose connection was ended with a reset, ready to connect again. A check on a connection of its own makes and
// closes a socket each time; the kernel does the same work for "disconnect" (connect(2) with AF_UNSPEC: a reset goes
// out, port and state are given back) without making a new socket, a new file and a new entry in epoll, which is a
// sixth of what such a check costs.
//
// One per loop, and on its thread. A spare one stays in epoll: what epoll has still to say of its last connection must
// have been said, to nobody, before it begins another (EpollLoop::settled).

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.h"
#include "io/loop.h"
#include "os/descriptor.h"

namespace hale::os {

class EpollLoop;

class SpareSockets {
public:
    static constexpr std::size_t most_spare = 64;
    static constexpr Duration spare_for = 10s;  // Nobody having wanted it, it is closed.

    SpareSockets(io::Loop& loop, EpollLoop& places);
    ~SpareSockets();
    SpareSockets(const SpareSockets&) = delete;
    SpareSockets& operator=(const SpareSockets&) = delete;

    struct Spare {
        Descriptor socket;
        std::uint32_t place;  // In the loop's table of watchers.
        int family;
        std::uint64_t settled;
        Instant since;
    };
    // Disconnects it and keeps it; false when there are enough, or the kernel would not: close it.
    bool keep(Descriptor& socket, std::uint32_t place, int family);
    std::optional<Spare> take(int family);

private:
    void close_old() noexcept;

    EpollLoop& loop_;
    io::Timer timer_;
    std::deque<Spare> spare_;  // Oldest first.
};

}  // namespace hale::os
