#include "os/supervisor.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/text.h"
#include "os/descriptor.h"

namespace hale::os {

Supervisor::Supervisor(const char* address) : address_(address == nullptr ? "" : address) {}

Result<> Supervisor::tell(std::string_view state) const {
    if (!there()) return {};
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if ((address_[0] != '/' && address_[0] != '@') || address_.size() >= sizeof to.sun_path)
        return fail(Code::invalid, fmt::format("NOTIFY_SOCKET={}: neither a path nor an abstract name", escaped(address_)));
    std::memcpy(to.sun_path, address_.data(), address_.size());
    // An abstract name begins with a NUL and has no end but the length.
    if (address_[0] == '@') to.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + (address_[0] == '/' ? 1 : 0));
    const Descriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket || ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size) < 0)
        return fail(Code::unavailable, fmt::format("tell the service manager at {}: {}", escaped(address_), system_text(errno)), errno);
    return {};
}

std::optional<Duration> watchdog_interval(const char* usec, const char* pid) {
    if (usec == nullptr) return std::nullopt;
    if (pid != nullptr && parse_unsigned(pid) != static_cast<std::uint64_t>(getpid())) return std::nullopt;
    const auto every = parse_unsigned(usec);
    if (!every || *every == 0 || *every > std::uint64_t{3600} * 1'000'000) return std::nullopt;
    return std::chrono::microseconds(*every);
}

}  // namespace hale::os
