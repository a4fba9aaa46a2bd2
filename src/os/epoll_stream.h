// A connected (or connecting) socket on an EpollLoop. Made by EpollNet and its listeners only.
//
// The socket is registered once, edge-triggered, for everything; no system call follows until it is closed.
// What has to be remembered between edges:
//
//   readable_   an edge came and no read has come up short since: a new handler is told.
//   ended_      the peer has closed or the socket broke. That edge may have come together with the last
//               bytes, whose reader stops at a short read; it is told again.

#pragma once

#include "io/stream.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"

namespace hale::os {

class EpollStream final : public io::Stream, private Watcher {
public:
    enum class Begin : std::uint8_t { connecting, connected };

    // Fails when the descriptor can't be watched.
    static Result<std::unique_ptr<EpollStream>> open(EpollLoop& loop, Descriptor socket, SocketAddress peer,
                                                     Begin begin);
    // Of a socket that was watched before, as the spare ones are.
    static std::unique_ptr<EpollStream> reopen(EpollLoop& loop, Descriptor socket, std::uint32_t place, SocketAddress peer, Begin begin);
    // A connection that failed at once for the target's reasons: told like one that failed later.
    static std::unique_ptr<EpollStream> failed(EpollLoop& loop, Descriptor socket, SocketAddress peer, int error);
    ~EpollStream() override;

    // For whoever connected: small writes must not wait for acknowledgements (TCP_NODELAY), but the first one never
    // does, and a connection that carries one request and no more saves the call.
    void no_delay_from_second_write() { delays_ = true; }
    // Ended by reset(), the socket may connect again.
    void spare_after_reset() { spared_ = true; }

    void set_handler(io::StreamHandler* handler) override;
    using io::Stream::write;
    io::IoResult read(std::span<char> into) override;
    io::IoResult write(std::span<const io::Slice> slices) override;
    int connect_error() override;
    void acknowledge_now() override;
    void shutdown_write() override;
    void reset() override;
    const SocketAddress& peer() const override { return peer_; }
    SocketAddress local() const override;
    std::optional<io::PeerCredentials> credentials() const override;

private:
    EpollStream(EpollLoop& loop, Descriptor socket, SocketAddress peer)
        : Watcher(loop), socket_(std::move(socket)), peer_(std::move(peer)) {}

    void on_events(std::uint32_t events) noexcept override;
    io::IoResult failure(int error);
    void stop_delaying();

    io::StreamHandler* handler_ = nullptr;
    Descriptor socket_;
    int connect_error_ = 0;
    bool spared_ = false;
    bool delays_ = false;  // TCP_NODELAY is still to be set,
    bool wrote_ = false;   // and the first write is over.
    bool ask_connect_error_ = false;  // The kernel may hold an error that nobody asked for yet.
    bool readable_ = false;
    bool writable_ = false;  // An edge came and no handler has been told.
    bool ended_ = false;
    SocketAddress peer_;
};

}  // namespace hale::os
