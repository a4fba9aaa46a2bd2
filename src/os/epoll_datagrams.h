// A connected UDP socket on an EpollLoop: the kernel lets nobody but the peer through, and tells when the peer's machine
// says that nobody listens. Made by EpollNet only.

#pragma once

#include "io/datagrams.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"

namespace hale::os {

class EpollDatagrams final : public io::Datagrams, private Watcher {
public:
    static constexpr int datagrams_per_turn = 64;

    // Fails when the descriptor can't be watched. Needs: `socket` is connected.
    static Result<std::unique_ptr<EpollDatagrams>> open(EpollLoop& loop, Descriptor socket, SocketAddress peer, io::DatagramHandler& handler);
    ~EpollDatagrams() override;

    int send(std::string_view bytes) override;
    const SocketAddress& peer() const override { return peer_; }

private:
    EpollDatagrams(EpollLoop& loop, Descriptor socket, SocketAddress peer, io::DatagramHandler& handler)
        : Watcher(loop), socket_(std::move(socket)), peer_(std::move(peer)), handler_(handler) {}

    void on_events(std::uint32_t events) noexcept override;

    Descriptor socket_;
    SocketAddress peer_;
    io::DatagramHandler& handler_;
    bool* gone_ = nullptr;  // Set by the destructor, for the loop over what lies in the socket.
};

}  // namespace hale::os
