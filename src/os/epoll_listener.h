// A listening socket on an EpollLoop. Made by EpollNet only.

#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "io/loop.h"
#include "io/stream.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"

namespace hale::os {

class EpollListener;

// Those of one net that are open: each takes itself out when it closes.
using OpenListeners = std::shared_ptr<std::vector<EpollListener*>>;

class EpollListener final : public io::Listener, private Watcher {
public:
    static Result<std::unique_ptr<EpollListener>> open(EpollLoop& loop, const io::ListenOptions& options,
                                                       io::AcceptHandler& handler);
    // Goes on with a socket that listens already. `ours`: a unix socket's file is removed in the end.
    static Result<std::unique_ptr<EpollListener>> adopt(EpollLoop& loop, Descriptor socket, bool ours, io::AcceptHandler& handler);
    ~EpollListener() override;

    SocketAddress local() const override { return local_; }

    void enter(OpenListeners all);
    int descriptor() const { return socket_.get(); }
    void leave_file() { file_ = 0; }

private:
    EpollListener(EpollLoop& loop, io::AcceptHandler& handler)
        : Watcher(loop), handler_(handler), resume_(loop, io::member_fire<&EpollListener::accept_some>, this) {}

    Result<> bind(const io::ListenOptions& options);
    Result<> bind_unix(const io::ListenOptions& options);
    void on_events(std::uint32_t) noexcept override;
    void accept_some() noexcept;
    void pause(int error);

    io::AcceptHandler& handler_;
    Descriptor socket_;
    SocketAddress local_;
    io::Timer resume_;
    Instant said_out_at_ = Instant::min();
    bool* gone_ = nullptr;  // Set while on_accept runs: it may destroy the listener.
    ino_t file_ = 0;        // The unix socket's file, so that nobody else's is removed.
    Instant turn_{};    // In which
    int accepted_ = 0;  // so many were accepted.
    OpenListeners all_;
};

}  // namespace hale::os
