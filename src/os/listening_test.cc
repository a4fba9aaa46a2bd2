// Goal: a socket that listens already is taken over with all that waits in its queue, and what a supervisor passes is
// taken for this process only, whole and checked.
// Method: sockets opened by one net and handed to another; environments as systemd writes them, and as it never would.

#include "os/listening.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/epoll_net.h"
#include "os/testing.h"

namespace hale::os {
namespace {

struct Counting final : io::AcceptHandler {
    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override { taken.push_back(std::move(stream)); }
    std::vector<std::unique_ptr<io::Stream>> taken;
};

class Handed : public ::testing::Test {
protected:
    std::unique_ptr<EpollLoop> loop = make_loop();
    EpollNet old{*loop}, fresh{*loop};
    Counting before, after;
    TemporaryDirectory folder;
};

TEST_F(Handed, KeepsWhatWaitsInTheQueueAndWhatComesLater) {
    for (const bool unix_socket : {false, true}) {
        SocketAddress where;
        if (unix_socket) where.path = folder / "sock";
        else where.ip = Ip::v4(127, 0, 0, 1);
        auto listener = old.listen({.address = where}, before);
        ASSERT_TRUE(listener) << listener.error().text;
        auto given = old.listening();
        ASSERT_TRUE(given);
        ASSERT_EQ(given->size(), 1u);
        const SocketAddress local = (*listener)->local();
        EXPECT_EQ(given->front().local, local);
        // Nobody's turn has come yet: all ten wait.
        std::vector<std::unique_ptr<io::Stream>> clients;
        for (int i = 0; i < 10; ++i) clients.push_back(std::move(*fresh.connect(local)));
        old.leave_files();
        listener->reset();
        EXPECT_TRUE(old.listening()->empty());
        fresh.inherit(std::move(given->front()), true);
        auto next = fresh.listen({.address = local}, after);
        ASSERT_TRUE(next) << next.error().text;
        clients.push_back(std::move(*fresh.connect(local)));
        EXPECT_TRUE(loop->run_until([&] { return after.taken.size() == 11; }, patience));
        EXPECT_TRUE(before.taken.empty());
        after.taken.clear();
        // Taken over once: the next one there is refused, as by any open socket.
        EXPECT_FALSE(fresh.listen({.address = local}, after));
        next->reset();
        struct stat file{};
        if (unix_socket) EXPECT_NE(stat(where.path.c_str(), &file), 0) << "the heir removes the file";
    }
}

TEST_F(Handed, LeavesTheFileOfASocketThatASupervisorOpened) {
    SocketAddress where;
    where.path = folder / "sock";
    auto listener = old.listen({.address = where}, before);
    auto given = old.listening();
    old.leave_files();
    listener->reset();
    fresh.inherit(std::move(given->front()), false);
    fresh.listen({.address = where}, after)->reset();
    struct stat file{};
    EXPECT_EQ(stat(where.path.c_str(), &file), 0);
}

TEST_F(Handed, ActivationTakesOnlyWhatIsForThisProcess) {
    const std::string us = fmt::format("{}", getpid());
    EXPECT_TRUE(activated_sockets(nullptr, nullptr, nullptr)->empty());
    EXPECT_TRUE(activated_sockets("1", "3", "http")->empty());
    EXPECT_FALSE(activated_sockets("x", "1", ""));
    EXPECT_FALSE(activated_sockets(us.c_str(), "-1", ""));
    EXPECT_FALSE(activated_sockets(us.c_str(), "65", ""));
    // Two at numbers of our choice, as a supervisor would at 3 and 4; then one of them is no listener.
    constexpr int first = 700;
    for (const bool listens : {true, false}) {
        SocketAddress where{.ip = Ip::v4(127, 0, 0, 1)};
        auto listener = old.listen({.address = where}, before);
        auto given = old.listening();
        ASSERT_EQ(dup2(given->front().socket.get(), first), first);
        ASSERT_EQ(dup2(listens ? given->front().socket.get() : STDERR_FILENO, first + 1), first + 1);
        const auto got = activated_sockets(us.c_str(), "2", "http:admin", first);
        ASSERT_EQ(got.has_value(), listens);
        if (got) {
            ASSERT_EQ(got->size(), 2u);
            EXPECT_EQ((*got)[0].name, "http");
            EXPECT_EQ((*got)[1].name, "admin");
            EXPECT_EQ((*got)[1].listening.local, (*listener)->local());
            EXPECT_EQ(fcntl(first, F_GETFD), FD_CLOEXEC);
        } else {
            EXPECT_EQ(fcntl(first, F_GETFD), -1) << "none stays open when one is refused";
            EXPECT_EQ(fcntl(first + 1, F_GETFD), -1);
        }
    }
}

}  // namespace
}  // namespace hale::os
