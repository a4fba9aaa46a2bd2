// Real sockets on an EpollLoop. Belongs to the loop's thread; may be used before the loop runs.

#pragma once

#include <memory>

#include "base/result.h"
#include "io/stream.h"
#include "os/default_route.h"
#include "os/epoll_loop.h"

namespace hale::os {

class EpollNet final : public io::Net {
public:
    static constexpr int accepts_per_turn = 64;
    static constexpr Duration accept_pause = 100ms;  // After running out of descriptors.

    // Streams and listeners made here live at most as long as `loop`.
    explicit EpollNet(EpollLoop& loop) : loop_(loop) {}

    Result<std::unique_ptr<io::Stream>> connect(const SocketAddress& to) override;
    // A unix socket whose file is there already: replaced when nobody answers a connect, else Code::conflict.
    // "[::]:port" listens on IPv4 as well.
    Result<std::unique_ptr<io::Listener>> listen(const io::ListenOptions& options, io::AcceptHandler& handler) override;

    bool has_default_route(const Ip& to) override;

private:
    EpollLoop& loop_;
    DefaultRouteReader routes_;
};

}  // namespace hale::os
