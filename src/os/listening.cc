#include "os/listening.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/socket_address.h"

namespace hale::os {

Result<SocketAddress> listening_at(int socket) {
    int listens = 0, type = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
        return fail(Code::invalid, fmt::format("descriptor {} is no socket: {}", socket, system_text(errno)), errno);
    size = sizeof type;
    if (listens == 0 || getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return fail(Code::invalid, fmt::format("descriptor {} is a socket that does not listen for streams", socket));
    RawAddress raw;
    raw.size = sizeof raw.address;
    if (getsockname(socket, &raw.address.any, &raw.size) != 0)
        return fail(Code::invalid, fmt::format("descriptor {}: {}", socket, system_text(errno)), errno);
    if (raw.family() != AF_INET && raw.family() != AF_INET6 && raw.family() != AF_UNIX)
        return fail(Code::invalid, fmt::format("descriptor {} listens on neither IP nor a unix socket", socket));
    SocketAddress local = socket_address(raw);
    if (raw.family() == AF_UNIX && local.path.empty())
        return fail(Code::invalid, fmt::format("descriptor {} listens on a unix socket without a path", socket));
    return local;
}

Result<Descriptor> duplicate(int descriptor) {
    Descriptor copy{fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
    if (!copy) return fail(Code::exhausted, fmt::format("can't copy a descriptor: {}", system_text(errno)), errno);
    return copy;
}

Result<std::vector<Activated>> activated_sockets(const char* pid, const char* count, const char* names, int first) {
    if (pid == nullptr || count == nullptr) return std::vector<Activated>{};
    const auto for_whom = parse_unsigned(pid), how_many = parse_unsigned(count);
    if (!for_whom || !how_many) return fail(Code::invalid, fmt::format("LISTEN_PID={} LISTEN_FDS={}: not numbers", escaped(pid), escaped(count)));
    if (*for_whom != static_cast<std::uint64_t>(getpid())) return std::vector<Activated>{};
    if (*how_many > most_activated) return fail(Code::invalid, fmt::format("LISTEN_FDS={}: more than {} sockets", *how_many, most_activated));
    const auto called = split(names == nullptr ? "" : names, ':');
    // Ours from here on, whatever is wrong with one of them.
    std::vector<Descriptor> sockets;
    for (int i = 0; i < static_cast<int>(*how_many); ++i) sockets.emplace_back(first + i);
    std::vector<Activated> all;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        fcntl(sockets[i].get(), F_SETFD, FD_CLOEXEC);
        HALE_ASSIGN(const SocketAddress local, listening_at(sockets[i].get()));
        all.push_back({i < called.size() ? std::string(called[i]) : "", {std::move(sockets[i]), local}});
    }
    return all;
}

}  // namespace hale::os
