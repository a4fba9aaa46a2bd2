#include "os/standard_pipe.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/descriptor.h"
#include "os/socket_address.h"

namespace hale::os {

namespace {

bool write_all(int fd, const char* bytes, std::size_t size) {
    while (size > 0) {
        const ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        bytes += wrote;
        size -= static_cast<std::size_t>(wrote);
    }
    return true;
}

// False at the end of `from`, or when `to` takes no more.
bool carry(int from, int to) {
    std::array<char, 64 * 1024> buffer;
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    return got > 0 && write_all(to, buffer.data(), static_cast<std::size_t>(got));
}

}  // namespace

Result<> pipe_standard(const SocketAddress& to) {
    const RawAddress raw = raw_address(to);
    const Descriptor peer(socket(raw.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!peer || connect(peer.get(), &raw.address.any, raw.size) != 0) {
        return fail(Code::unavailable, fmt::format("{}: {}", to.text(), system_text(errno)), errno);
    }
    std::array<pollfd, 2> waits{
        {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}, {.fd = peer.get(), .events = POLLIN, .revents = 0}}};
    for (;;) {
        if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR)
            return fail(Code::internal, "poll failed", errno);
        if (waits[1].revents != 0 && !carry(peer.get(), STDOUT_FILENO)) return {};
        if (waits[0].revents != 0 && !carry(STDIN_FILENO, peer.get())) {
            shutdown(peer.get(), SHUT_WR);
            waits[0].fd = -1;  // poll leaves it out.
        }
    }
}

}  // namespace hale::os
