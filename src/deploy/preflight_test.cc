// Goal: what the engine's machine lacks is said before anything is touched, and nothing is said of what nobody can know.
// Method: each need just met and just not met; ports by every pair of addresses and protocols against an oracle.

#include "deploy/preflight.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hale::deploy {
namespace {

docker::Listed publishing(std::string ip, std::uint16_t host, std::string protocol) {
    docker::Listed out{.id = "c1", .names = {"web-1-1"}, .image = {}, .image_id = {}, .state = docker::ContainerState::running, .status = {}, .labels = {}, .created = {}, .published = {}};
    out.published.push_back({.port = {3000, std::move(protocol)}, .host_ip = std::move(ip), .host_port = host});
    return out;
}

Room with_memory(std::uint64_t bytes) { return {.memory_bytes = bytes, .disk = {}, .free_disk_bytes = {}, .containers = {}, .taken = {}}; }

TEST(Preflight, MemoryIsOfAllContainersTogether) {
    for (const std::size_t count : {1u, 3u}) {
        const std::vector<Need> needs(count, Need{.memory = 512u << 20, .ports = {}});
        const std::uint64_t needed = (std::uint64_t{512} << 20) * count;
        EXPECT_TRUE(missing_room(needs, with_memory(needed)).empty());
        EXPECT_TRUE(missing_room(needs, {}).empty()) << "it is not told";
        const auto missing = missing_room(needs, with_memory(needed - 1));
        ASSERT_EQ(missing.size(), 1u);
        EXPECT_NE(missing[0].find(fmt::format("may take {} MiB of memory together, and the engine's machine has", 512 * count)), std::string::npos) << missing[0];
    }
}

TEST(Preflight, DiskHasALeast) {
    const auto at = [](std::optional<std::uint64_t> bytes) { return missing_room({{}}, {.memory_bytes = 0, .disk = "/var/lib/docker", .free_disk_bytes = bytes, .containers = {}, .taken = {}}); };
    EXPECT_TRUE(at(std::nullopt).empty());
    EXPECT_TRUE(at(least_free_disk).empty());
    ASSERT_EQ(at(least_free_disk - 1).size(), 1u);
    EXPECT_EQ(at(900u << 10)[0], "only 900 KiB are free at /var/lib/docker, where the engine keeps images and containers; at least 64 MiB have to be");
}

TEST(Preflight, AHostsPortHasOneOwner) {
    const std::vector<std::string> addresses{"", "0.0.0.0", "127.0.0.1", "10.0.0.1"};
    for (const auto& mine : addresses)
        for (const auto& theirs : addresses)
            for (const bool udp : {false, true})
                for (const bool their_udp : {false, true})
                    for (const std::uint16_t port : {std::uint16_t{8080}, std::uint16_t{8081}}) {
                        const Need need{.memory = 0, .ports = {{.ip = mine, .host = 8080, .container = 3000, .udp = udp}}};
                        Room room;
                        room.containers.push_back(publishing(theirs, port, their_udp ? "udp" : "tcp"));
                        const bool wide = mine.empty() || theirs.empty() || mine == "0.0.0.0" || theirs == "0.0.0.0";
                        const bool clash = port == 8080 && udp == their_udp && (wide || mine == theirs);
                        const auto missing = missing_room({need}, room);
                        ASSERT_EQ(missing.size(), clash ? 1u : 0u) << mine << " " << theirs;
                        if (clash) EXPECT_NE(missing[0].find("port 8080 of the host is taken by container web-1-1; "), std::string::npos) << missing[0];
                    }
    const Need need{.memory = 0, .ports = {{.ip = {}, .host = 80, .container = 3000, .udp = false}}};
    Room room;
    room.taken = need.ports;
    EXPECT_EQ(missing_room({need}, room), std::vector<std::string>{"port 80 of the host is taken by a process of this machine"});
    ASSERT_EQ(missing_room({need, need}, {}).size(), 1u);
    EXPECT_NE(missing_room({need, need}, {})[0].find("can't lead to two containers at once"), std::string::npos);
}

}  // namespace
}  // namespace hale::deploy
