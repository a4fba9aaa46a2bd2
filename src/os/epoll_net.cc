#include "os/epoll_net.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "os/epoll_datagrams.h"
#include "os/epoll_listener.h"
#include "os/epoll_stream.h"
#include "os/socket_address.h"

namespace hale::os {

namespace {

// What says something about this machine rather than about the target.
bool our_own(int error, bool unix_socket) {
    switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:
        case ENETUNREACH:
        case EAFNOSUPPORT:
            return true;
        case EAGAIN:
            return unix_socket;
        default:
            return false;
    }
}

std::unexpected<Error> cannot_connect(const SocketAddress& to, int error) {
    const Code code = error == ENETUNREACH || error == EAFNOSUPPORT ? Code::unavailable : Code::exhausted;
    return fail(code, fmt::format("can't begin to connect to {}: {}", to.text(), system_text(error)), error);
}

}  // namespace

Result<std::unique_ptr<io::Stream>> EpollNet::connect(const SocketAddress& to) {
    const RawAddress raw = raw_address(to);
    if (raw.size == 0)
        return fail(Code::invalid, fmt::format("the path of {} is too long for a socket", to.text()), ENAMETOOLONG);
    auto spare = to.is_unix() ? std::nullopt : loop_.spares().take(raw.family());
    Descriptor socket = spare ? std::move(spare->socket) : Descriptor{::socket(raw.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket) return cannot_connect(to, errno);
    if (!to.is_unix()) {
        // Whoever connects speaks first, so the handshake's last acknowledgement may ride on its first bytes: one
        // packet less per connection. A peer that speaks first is heard up to a delayed
        // ACK (40 to 200 ms) later, unless acknowledge_now() is asked for.
        const int zero = 0;
        setsockopt(socket.get(), IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof zero);
    }
    auto begin = EpollStream::Begin::connected;
    if (::connect(socket.get(), &raw.address.any, raw.size) != 0) {
        const int error = errno;
        const bool ours = our_own(error, to.is_unix());
        if (spare && (ours || error != EINPROGRESS)) loop_.give_place_back(spare->place);
        if (ours) return cannot_connect(to, error);
        if (error != EINPROGRESS) return EpollStream::failed(loop_, std::move(socket), to, error);
        begin = EpollStream::Begin::connecting;
    }
    std::unique_ptr<EpollStream> stream;
    if (spare) {
        stream = EpollStream::reopen(loop_, std::move(socket), spare->place, to, begin);
    } else {
        // Watched only now: epoll calls a socket that has not begun to connect hung up.
        HALE_ASSIGN(stream, EpollStream::open(loop_, std::move(socket), to, begin));
    }
    if (!to.is_unix()) {
        stream->no_delay_from_second_write();
        stream->spare_after_reset();
    }
    return std::unique_ptr<io::Stream>(std::move(stream));
}

Result<std::unique_ptr<io::Listener>> EpollNet::listen(const io::ListenOptions& options, io::AcceptHandler& handler) {
    const auto inherited = std::ranges::find(inherited_, options.address, [](const Inherited& one) { return one.socket.local; });
    auto listener = inherited == inherited_.end() ? EpollListener::open(loop_, options, handler)
                                                  : EpollListener::adopt(loop_, std::move(inherited->socket.socket), inherited->ours, handler);
    if (inherited != inherited_.end()) inherited_.erase(inherited);
    if (!listener) return std::unexpected(std::move(listener.error()));
    (*listener)->enter(open_);
    return std::move(*listener);
}

void EpollNet::inherit(Listening socket, bool ours) { inherited_.push_back({std::move(socket), ours}); }

Result<std::vector<Listening>> EpollNet::listening() const {
    std::vector<Listening> all;
    for (const EpollListener* one : *open_) {
        HALE_ASSIGN(Descriptor copy, duplicate(one->descriptor()));
        all.push_back({std::move(copy), one->local()});
    }
    return all;
}

void EpollNet::leave_files() {
    for (EpollListener* one : *open_) one->leave_file();
}

Result<std::unique_ptr<io::Datagrams>> EpollNet::datagrams(const SocketAddress& with, io::DatagramHandler& handler) {
    const RawAddress raw = raw_address(with);
    Descriptor socket{::socket(raw.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    // Connecting sends nothing: it only says whom to hear.
    if (!socket || ::connect(socket.get(), &raw.address.any, raw.size) != 0) {
        const int error = errno;
        return fail(our_own(error, false) ? Code::exhausted : Code::unavailable, fmt::format("can't send to {}: {}", with.text(), system_text(error)), error);
    }
    auto made = EpollDatagrams::open(loop_, std::move(socket), with, handler);
    if (!made) return std::unexpected(std::move(made.error()));
    return std::move(*made);
}

bool EpollNet::has_default_route(const Ip& to) {
    const DefaultRoutes routes = routes_.now(loop_.now());
    return to.is_v4() ? routes.v4 : routes.v6;
}

}  // namespace hale::os
