#include "os/handing.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "os/clock.h"
#include "os/socket_address.h"

namespace hale::os {

namespace {

std::unexpected<Error> failed(std::string_view attempted, int error) {
    const Code code = error == EPIPE || error == ECONNRESET || error == ENOTCONN ? Code::unavailable : Code::exhausted;
    return fail(code, fmt::format("{}: {}", attempted, system_text(error)), error);
}

Result<RawAddress> address_of(const std::string& path) {
    SocketAddress address;
    address.path = path;
    const RawAddress raw = raw_address(address);
    if (raw.size == 0) return fail(Code::invalid, fmt::format("{}: longer than the 107 bytes that a unix socket's path may have", path), ENAMETOOLONG);
    return raw;
}

Descriptor fresh_socket() { return Descriptor{socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)}; }

}  // namespace

Result<HandingSocket> HandingSocket::connect(const std::string& path) {
    HALE_ASSIGN(const RawAddress raw, address_of(path));
    Descriptor socket = fresh_socket();
    if (!socket) return failed("open a unix socket", errno);
    if (::connect(socket.get(), &raw.address.any, raw.size) != 0)
        return fail(Code::unavailable, fmt::format("connect to {}: {}", path, system_text(errno)), errno);
    return HandingSocket(std::move(socket));
}

Result<> HandingSocket::send(std::string_view text, std::span<const Descriptor> descriptors) {
    if (text.size() > most_bytes || descriptors.size() > most_descriptors)
        return fail(Code::exhausted, fmt::format("hand over {} bytes and {} descriptors: more than {} and {}", text.size(), descriptors.size(), most_bytes,
                                                 most_descriptors));
    iovec bytes{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_descriptors)> control{};
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
        cmsghdr* const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
            const int one = descriptors[i].get();
            std::memcpy(CMSG_DATA(head) + i * sizeof one, &one, sizeof one);
        }
    }
    if (sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0) return failed("hand over to the other process", errno);
    return {};
}

Result<std::optional<Handed>> HandingSocket::receive_now() {
    Handed got;
    got.text.resize(most_bytes + 1);
    iovec bytes{.iov_base = got.text.data(), .iov_len = got.text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (most_descriptors + 3))> control{};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (size < 0) {
        if (errno == EAGAIN || errno == EINTR) return std::optional<Handed>{};
        return failed("hear from the other process", errno);
    }
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int one = -1;
            std::memcpy(&one, CMSG_DATA(head) + i * sizeof one, sizeof one);
            got.descriptors.emplace_back(one);
        }
    }
    // No datagram of ours is empty.
    if (size == 0) return fail(Code::unavailable, "the other process closed the conversation");
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || got.descriptors.size() > most_descriptors)
        return fail(Code::invalid, fmt::format("the other process sent more than {} bytes and {} descriptors at once", most_bytes, most_descriptors));
    got.text.resize(static_cast<std::size_t>(size));
    return std::optional(std::move(got));
}

Result<Handed> HandingSocket::receive(Duration at_most) {
    const Instant until = monotonic_now() + at_most;
    for (;;) {
        HALE_ASSIGN(auto got, receive_now());
        if (got) return std::move(*got);
        const Duration left = until - monotonic_now();
        if (left <= Duration{0}) return fail(Code::timed_out, fmt::format("the other process said nothing for {}", human(at_most)));
        pollfd one{.fd = socket_.get(), .events = POLLIN};
        poll(&one, 1, static_cast<int>(duration_cast<std::chrono::milliseconds>(left).count()) + 1);
    }
}

Result<HandingSocket::Peer> HandingSocket::peer() const {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return failed("ask who the other process is", errno);
    return Peer{peer.pid, peer.uid};
}

Result<HandingListener> HandingListener::open(const std::string& path) {
    HALE_ASSIGN(const RawAddress raw, address_of(path));
    Descriptor socket = fresh_socket();
    if (!socket) return failed("open a unix socket", errno);
    unlink(path.c_str());  // Left by one that was killed; the directory is ours alone.
    if (::bind(socket.get(), &raw.address.any, raw.size) != 0) return failed(fmt::format("listen on {}", path), errno);
    HandingListener listener(std::move(socket), path);
    // Before listen(): until then nobody can connect, whatever the umask left open.
    if (chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), 4) != 0) return failed(fmt::format("listen on {}", path), errno);
    return listener;
}

HandingListener::~HandingListener() {
    if (!path_.empty()) unlink(path_.c_str());
}

std::optional<HandingSocket> HandingListener::accept_now() {
    Descriptor socket{accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) return std::nullopt;
    return HandingSocket(std::move(socket));
}

}  // namespace hale::os
