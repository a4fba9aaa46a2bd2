// Goal: the service manager hears what it is told, at a path or an abstract name, and a daemon without one is silent.
// Method: a datagram socket of this process plays it.

#include "os/supervisor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "os/descriptor.h"
#include "os/testing.h"

namespace hale::os {
namespace {

TEST(Supervisor, HearsEveryWordAtAPathAndAtAnAbstractName) {
    TemporaryDirectory folder;
    for (const std::string& name : {folder / "notify", fmt::format("@hale-test-{}", getpid())}) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path, name.data(), name.size());
        if (name[0] == '@') at.sun_path[0] = '\0';
        const Descriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0));
        ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
        const Supervisor supervisor(name.c_str());
        EXPECT_TRUE(supervisor.there());
        const auto told = supervisor.tell("READY=1\nSTATUS=serves 3 services");
        ASSERT_TRUE(told) << told.error().text;
        char heard[100];
        const auto length = read(socket.get(), heard, sizeof heard);
        EXPECT_EQ(std::string(heard, length > 0 ? static_cast<std::size_t>(length) : 0), "READY=1\nSTATUS=serves 3 services");
    }
}

TEST(Supervisor, IsNotMissed) {
    EXPECT_FALSE(Supervisor(nullptr).there());
    EXPECT_TRUE(Supervisor("").tell("READY=1"));
    EXPECT_EQ(Supervisor("relative").tell("READY=1").error().code, Code::invalid);
    EXPECT_EQ(Supervisor(("/" + std::string(200, 'x')).c_str()).tell("READY=1").error().code, Code::invalid);
    EXPECT_EQ(Supervisor("/nowhere/at/all").tell("READY=1").error().code, Code::unavailable);
}

TEST(Supervisor, WantsSignsOfLifeFromTheProcessItMeans) {
    const std::string us = fmt::format("{}", getpid());
    EXPECT_FALSE(watchdog_interval(nullptr, nullptr));
    EXPECT_EQ(watchdog_interval("30000000", us.c_str()), 30s);
    EXPECT_EQ(watchdog_interval("30000000", nullptr), 30s);
    EXPECT_FALSE(watchdog_interval("30000000", "1"));
    for (const char* broken : {"0", "-1", "x", "", "99999999999999999999"}) EXPECT_FALSE(watchdog_interval(broken, nullptr)) << broken;
}

}  // namespace
}  // namespace hale::os
