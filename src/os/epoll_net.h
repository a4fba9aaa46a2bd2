// Real sockets on an EpollLoop. Belongs to the loop's thread; may be used before the loop runs.

#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "io/stream.h"
#include "os/default_route.h"
#include "os/epoll_loop.h"
#include "os/listening.h"

namespace hale::os {

class EpollListener;
using OpenListeners = std::shared_ptr<std::vector<EpollListener*>>;

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

    Result<std::unique_ptr<io::Datagrams>> datagrams(const SocketAddress& with, io::DatagramHandler& handler) override;

    bool has_default_route(const Ip& to) override;

    // The next listen() on its address goes on with this socket instead of opening one. `ours`: its file, if it has
    // one, is removed when it is closed.
    void inherit(Listening socket, bool ours);
    // Copies of all that listen here, to be handed to another process.
    Result<std::vector<Listening>> listening() const;
    // Another process listens on them now: files of unix sockets stay when they are closed here.
    void leave_files();

private:
    struct Inherited {
        Listening socket;
        bool ours;
    };

    EpollLoop& loop_;
    DefaultRouteReader routes_;
    std::vector<Inherited> inherited_;
    OpenListeners open_ = std::make_shared<std::vector<EpollListener*>>();
};

}  // namespace hale::os
