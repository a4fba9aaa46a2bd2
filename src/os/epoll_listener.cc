#include "os/epoll_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "os/epoll_net.h"
#include "os/epoll_stream.h"
#include "os/listening.h"
#include "os/socket_address.h"

namespace hale::os {

namespace {

constexpr Duration say_again_after = 60s;

std::unexpected<Error> cannot_listen(const io::ListenOptions& options, int error) {
    const Code code = error == EADDRINUSE ? Code::conflict
                      : error == EACCES   ? Code::denied
                      : error == EMFILE   ? Code::exhausted
                      : error == ENFILE   ? Code::exhausted
                                          : Code::unavailable;
    return fail(code, fmt::format("can't listen on {}: {}", options.address.text(), system_text(error)), error);
}

void switch_on(int socket, int level, int option) {
    const int one = 1;
    setsockopt(socket, level, option, &one, sizeof one);
}

bool out_of_room(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

// True when a connect to the path is refused: its owner is gone.
bool nobody_answers(const RawAddress& address) {
    const Descriptor probe{socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    return probe && connect(probe.get(), &address.address.any, address.size) != 0 && errno == ECONNREFUSED;
}

}  // namespace

Result<std::unique_ptr<EpollListener>> EpollListener::open(EpollLoop& loop, const io::ListenOptions& options,
                                                           io::AcceptHandler& handler) {
    std::unique_ptr<EpollListener> listener(new EpollListener(loop, handler));
    HALE_TRY(options.address.is_unix() ? listener->bind_unix(options) : listener->bind(options));
    if (::listen(listener->socket_.get(), options.backlog) != 0) return cannot_listen(options, errno);
    HALE_TRY(listener->watch(listener->socket_.get(), EPOLLIN | EPOLLET));
    return listener;
}

Result<std::unique_ptr<EpollListener>> EpollListener::adopt(EpollLoop& loop, Descriptor socket, bool ours, io::AcceptHandler& handler) {
    HALE_ASSIGN(const SocketAddress local, listening_at(socket.get()));
    std::unique_ptr<EpollListener> listener(new EpollListener(loop, handler));
    listener->local_ = local;
    // Whoever opened it may have left it blocking, or kept it for its children.
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    if (!local.is_unix()) switch_on(socket.get(), IPPROTO_TCP, TCP_NODELAY);
    struct stat there{};
    if (ours && local.is_unix() && lstat(local.path.c_str(), &there) == 0) listener->file_ = there.st_ino;
    listener->socket_ = std::move(socket);
    // Connections that wait already are an edge of their own.
    HALE_TRY(listener->watch(listener->socket_.get(), EPOLLIN | EPOLLET));
    return listener;
}

void EpollListener::enter(OpenListeners all) {
    all_ = std::move(all);
    all_->push_back(this);
}

Result<> EpollListener::bind(const io::ListenOptions& options) {
    RawAddress raw = raw_address(options.address);
    socket_ = Descriptor{socket(raw.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket_) return cannot_listen(options, errno);
    switch_on(socket_.get(), SOL_SOCKET, SO_REUSEADDR);
    if (options.reuse_port) switch_on(socket_.get(), SOL_SOCKET, SO_REUSEPORT);
    // Accepted sockets inherit it: one call for all of them.
    switch_on(socket_.get(), IPPROTO_TCP, TCP_NODELAY);
    if (raw.family() == AF_INET6) {
        const int off = 0;
        setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (::bind(socket_.get(), &raw.address.any, raw.size) != 0) return cannot_listen(options, errno);
    raw.size = sizeof raw.address;
    if (getsockname(socket_.get(), &raw.address.any, &raw.size) != 0) return cannot_listen(options, errno);
    local_ = socket_address(raw);
    return {};
}

Result<> EpollListener::bind_unix(const io::ListenOptions& options) {
    const RawAddress raw = raw_address(options.address);
    if (raw.size == 0) return cannot_listen(options, ENAMETOOLONG);
    const char* const path = options.address.path.c_str();
    socket_ = Descriptor{socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket_) return cannot_listen(options, errno);
    if (::bind(socket_.get(), &raw.address.any, raw.size) != 0) {
        const int error = errno;
        struct stat there{};
        const bool stale =
            error == EADDRINUSE && lstat(path, &there) == 0 && S_ISSOCK(there.st_mode) && nobody_answers(raw);
        if (!stale) return cannot_listen(options, error);
        unlink(path);
        if (::bind(socket_.get(), &raw.address.any, raw.size) != 0) return cannot_listen(options, errno);
    }
    // Before listen(): until then nobody can connect, whatever the umask left open.
    struct stat made{};
    if (chmod(path, static_cast<mode_t>(options.unix_mode)) != 0 || lstat(path, &made) != 0)
        return cannot_listen(options, errno);
    file_ = made.st_ino;
    local_ = options.address;
    return {};
}

EpollListener::~EpollListener() {
    if (all_) std::erase(*all_, this);
    if (gone_ != nullptr) *gone_ = true;
    unwatch();
    struct stat there{};
    if (file_ != 0 && lstat(local_.path.c_str(), &there) == 0 && there.st_ino == file_) unlink(local_.path.c_str());
}

void EpollListener::on_events(std::uint32_t) noexcept {
    if (!resume_.armed()) accept_some();
}

void EpollListener::accept_some() noexcept {
    bool gone = false;
    // A turn may bring both what was put off and a new edge: they share one allowance. A turn is known by its instant.
    if (std::exchange(turn_, loop().now()) != loop().now()) accepted_ = 0;
    for (; accepted_ < EpollNet::accepts_per_turn; ++accepted_) {
        RawAddress raw;
        raw.size = sizeof raw.address;
        Descriptor socket{accept4(socket_.get(), &raw.address.any, &raw.size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (!socket) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return;
            if (out_of_room(errno)) return pause(errno);
            continue;  // That one connection broke before it was taken (ECONNABORTED and the like).
        }
        // Who connects to a unix socket has no name of its own; it is known by ours.
        SocketAddress peer = local_.is_unix() ? local_ : socket_address(raw);
        auto stream = EpollStream::open(loop(), std::move(socket), std::move(peer), EpollStream::Begin::connected);
        if (!stream) return pause(stream.error().system);
        gone_ = &gone;
        handler_.on_accept(std::move(*stream));
        if (gone) return;
        gone_ = nullptr;
    }
    // More may be waiting, and the edge that told of them has passed.
    put_off(EPOLLIN);
}

void EpollListener::pause(int error) {
    resume_.arm(loop().now() + EpollNet::accept_pause);
    if (said_out_at_ != Instant::min() && loop().now() - said_out_at_ < say_again_after) return;
    said_out_at_ = loop().now();
    log(LogLevel::error,
        fmt::format("can't accept connections on {}: {}; trying again every {}. Raise the limit of open files "
                    "(LimitNOFILE, ulimit -n).",
                    local_.text(), system_text(error), human(EpollNet::accept_pause)));
}

}  // namespace hale::os
