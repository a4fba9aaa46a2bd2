#include "deploy/preflight.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace hale::deploy {

namespace {

std::string size_text(std::uint64_t bytes) { return bytes < (1u << 20) ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20); }

bool same_address(std::string_view a, std::string_view b) {
    const auto any = [](std::string_view ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; };
    return a == b || any(a) || any(b);
}

// Who has it; a container by its name.
std::string owner_of(const config::PublishedPort& port, const Room& room) {
    for (const auto& one : room.containers)
        for (const auto& other : one.published)
            if (other.host_port == port.host && (other.port.protocol == "udp") == port.udp && same_address(other.host_ip, port.ip)) return fmt::format("container {}", one.names.empty() ? one.id : one.names.front());
    const bool taken = std::ranges::any_of(room.taken, [&](const auto& other) { return other == port; });
    return taken ? "a process of this machine" : "";
}

}  // namespace

std::vector<std::string> missing_room(const std::vector<Need>& containers, const Room& room) {
    std::vector<std::string> out;
    double wanted = 0;
    for (const auto& one : containers) wanted += static_cast<double>(one.memory);
    if (room.memory_bytes > 0 && wanted > static_cast<double>(room.memory_bytes))
        out.push_back(fmt::format("its containers may take {} of memory together, and the engine's machine has {}", size_text(static_cast<std::uint64_t>(wanted)), size_text(room.memory_bytes)));
    if (room.free_disk_bytes && *room.free_disk_bytes < least_free_disk)
        out.push_back(fmt::format("only {} are free at {}, where the engine keeps images and containers; at least {} have to be", size_text(*room.free_disk_bytes), escaped(room.disk, 200), size_text(least_free_disk)));
    std::vector<config::PublishedPort> said;
    for (const auto& one : containers)
        for (const auto& port : one.ports) {
            if (std::ranges::find(said, port) != said.end()) {
                out.push_back(fmt::format("port {} of the host can't lead to two containers at once: Hale's own listener does that, without `ports`", port.host));
                continue;
            }
            said.push_back(port);
            if (const std::string owner = owner_of(port, room); !owner.empty())
                out.push_back(fmt::format("port {} of the host is taken by {}{}", port.host, owner, owner.starts_with("container") ? "; `ports` lead past Hale, where an old and a new version can't both be" : ""));
        }
    return out;
}

}  // namespace hale::deploy
