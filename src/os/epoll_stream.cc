#include "os/epoll_stream.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "os/socket_address.h"

namespace hale::os {

namespace {

constexpr std::uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t reading = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t writing = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t ending = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::size_t slices_per_write = 1024;  // IOV_MAX of Linux.
constexpr std::size_t surely_one_segment = 1'200;  // What fits the smallest packet of IPv6.
constexpr std::size_t cheaper_copied = 512;        // So few bytes are put together sooner than the kernel gathers them.

static_assert(sizeof(io::Slice) == sizeof(iovec));
static_assert(offsetof(io::Slice, data) == offsetof(iovec, iov_base));
static_assert(offsetof(io::Slice, size) == offsetof(iovec, iov_len));

bool nothing_now(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Result<std::unique_ptr<EpollStream>> EpollStream::open(EpollLoop& loop, Descriptor socket, SocketAddress peer,
                                                       Begin begin) {
    std::unique_ptr<EpollStream> stream(new EpollStream(loop, std::move(socket), std::move(peer)));
    stream->ask_connect_error_ = begin == Begin::connecting;
    HALE_TRY(stream->watch(stream->socket_.get(), everything));
    return stream;
}

std::unique_ptr<EpollStream> EpollStream::reopen(EpollLoop& loop, Descriptor socket, std::uint32_t place, SocketAddress peer, Begin begin) {
    std::unique_ptr<EpollStream> stream(new EpollStream(loop, std::move(socket), std::move(peer)));
    stream->ask_connect_error_ = begin == Begin::connecting;
    stream->take_place(place);
    return stream;
}

std::unique_ptr<EpollStream> EpollStream::failed(EpollLoop& loop, Descriptor socket, SocketAddress peer, int error) {
    std::unique_ptr<EpollStream> stream(new EpollStream(loop, std::move(socket), std::move(peer)));
    stream->connect_error_ = error;
    stream->put_off(EPOLLERR);
    return stream;
}

EpollStream::~EpollStream() { unwatch(); }

void EpollStream::set_handler(io::StreamHandler* handler) {
    handler_ = handler;
    if (handler == nullptr) return;
    const std::uint32_t missed = (readable_ ? EPOLLIN : 0u) | (writable_ ? EPOLLOUT : 0u);
    if (missed != 0) put_off(missed);
}

void EpollStream::on_events(std::uint32_t events) noexcept {
    const io::Readiness ready{.readable = (events & reading) != 0, .writable = (events & writing) != 0};
    if ((events & ending) != 0) ended_ = true;
    // Without an error bit the connection stands, and the answer costs no system call.
    if ((events & writing) != 0) ask_connect_error_ = ask_connect_error_ && (events & EPOLLERR) != 0;
    readable_ = readable_ || ready.readable;
    if (handler_ == nullptr) {
        writable_ = writable_ || ready.writable;
        return;
    }
    writable_ = writable_ && !ready.writable;
    handler_->on_ready(*this, ready);  // `this` may be gone now.
}

io::IoResult EpollStream::failure(int error) {
    readable_ = false;
    return {.status = io::IoStatus::failed, .error = error};
}

io::IoResult EpollStream::read(std::span<char> into) {
    if (connect_error_ != 0) return failure(connect_error_);
    if (into.empty()) return {};
    for (;;) {
        const ssize_t got = recv(socket_.get(), into.data(), into.size(), 0);
        if (got > 0) {
            const auto bytes = static_cast<std::size_t>(got);
            if (bytes < into.size()) {
                readable_ = ended_;
                if (ended_) put_off(EPOLLIN);
            }
            return {.bytes = bytes};
        }
        if (got == 0) {
            readable_ = false;
            return {.status = io::IoStatus::end};
        }
        if (errno == EINTR) continue;
        if (!nothing_now(errno)) return failure(errno);
        readable_ = false;
        return {.status = io::IoStatus::would_block};
    }
}

io::IoResult EpollStream::write(std::span<const io::Slice> slices) {
    if (connect_error_ != 0) return failure(connect_error_);
    std::size_t total = 0;
    for (const io::Slice& slice : slices) total += slice.size;
    if (total == 0) return {};
    if (delays_ && (wrote_ || total > surely_one_segment)) stop_delaying();
    wrote_ = true;
    char together[cheaper_copied];
    io::Slice all{together, 0};
    if (slices.size() > 1 && total <= cheaper_copied) {
        for (const io::Slice& slice : slices) {
            if (slice.size != 0) std::memcpy(together + all.size, slice.data, slice.size);
            all.size += slice.size;
        }
        slices = std::span<const io::Slice>(&all, 1);
    }
    for (;;) {
        ssize_t sent = 0;
        if (slices.size() == 1) {
            sent = send(socket_.get(), slices[0].data, slices[0].size, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = reinterpret_cast<iovec*>(const_cast<io::Slice*>(slices.data()));
            message.msg_iovlen = std::min(slices.size(), slices_per_write);
            sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
        }
        if (sent > 0) return {.bytes = static_cast<std::size_t>(sent)};
        // The first 1,024 slices may all be empty.
        if (sent == 0)
            slices = slices.subspan(std::min(slices.size(), slices_per_write));
        else if (errno == EINTR)
            continue;
        else if (nothing_now(errno))
            return {.status = io::IoStatus::would_block};
        else
            return failure(errno);
    }
}

void EpollStream::stop_delaying() {
    delays_ = false;
    const int one = 1;
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void EpollStream::acknowledge_now() {
    const int one = 1;
    if (!peer_.is_unix()) setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}

int EpollStream::connect_error() {
    if (std::exchange(ask_connect_error_, false)) {
        socklen_t size = sizeof connect_error_;
        getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &connect_error_, &size);
    }
    return connect_error_;
}

void EpollStream::shutdown_write() { shutdown(socket_.get(), SHUT_WR); }

void EpollStream::reset() {
    if (!socket_) return;
    handler_ = nullptr;
    connect_error_ = EBADF;  // What reads and writes say from here on.
    if (spared_ && watches()) {
        const std::uint32_t place = leave_place();
        if (loop().spares().keep(socket_, place, peer_.ip.is_v4() ? AF_INET : AF_INET6)) return;
        take_place(place);
    }
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    unwatch();
    socket_.close();
}

SocketAddress EpollStream::local() const {
    RawAddress raw;
    raw.size = sizeof raw.address;
    if (getsockname(socket_.get(), &raw.address.any, &raw.size) != 0) return {};
    return socket_address(raw);
}

std::optional<io::PeerCredentials> EpollStream::credentials() const {
    if (!peer_.is_unix()) return std::nullopt;
    ucred who{};
    socklen_t size = sizeof who;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
    io::PeerCredentials credentials{.uid = who.uid, .gid = who.gid, .groups = {}, .ourselves = who.pid == getpid()};
    // Linux allows 65,536 groups; the first call says how many there are.
    socklen_t bytes = 0;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes) != 0 && errno == ERANGE) {
        credentials.groups.resize(bytes / sizeof(gid_t));
        if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERGROUPS, credentials.groups.data(), &bytes) != 0)
            credentials.groups.clear();
    }
    return credentials;
}

}  // namespace hale::os
