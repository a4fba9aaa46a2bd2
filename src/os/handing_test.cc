// Goal: what one process hands to another arrives whole or not at all, the other side is known, and a successor's end is
// always seen.
// Method: both ends in this process; every number of descriptors around the limits; programs of this machine as successors.

#include "os/handing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/readable.h"
#include "os/successor.h"
#include "os/testing.h"

namespace hale::os {
namespace {

class Handing : public ::testing::Test {
protected:
    void SetUp() override {
        auto opened = HandingListener::open(path);
        ASSERT_TRUE(opened) << opened.error().text;
        listener = std::make_unique<HandingListener>(std::move(*opened));
        auto connected = HandingSocket::connect(path);
        ASSERT_TRUE(connected) << connected.error().text;
        there = std::move(*connected);
        auto accepted = listener->accept_now();
        ASSERT_TRUE(accepted);
        here = std::move(*accepted);
    }

    TemporaryDirectory folder;
    std::string path = folder / "hand";
    std::unique_ptr<HandingListener> listener;
    HandingSocket here, there;
};

TEST_F(Handing, CarriesAnyNumberOfDescriptorsUpToItsLimit) {
    for (const std::size_t count : {0u, 1u, 2u, 63u, 249u, 250u, 251u}) {
        std::vector<Descriptor> sent;
        for (std::size_t i = 0; i < count; ++i) sent.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
        const auto done = here.send("sockets", sent);
        ASSERT_EQ(done.has_value(), count <= HandingSocket::most_descriptors) << count;
        if (!done) continue;
        const auto got = there.receive(patience);
        ASSERT_TRUE(got) << got.error().text;
        EXPECT_EQ(got->text, "sockets");
        ASSERT_EQ(got->descriptors.size(), count);
        for (const auto& one : got->descriptors) EXPECT_EQ(fcntl(one.get(), F_GETFD), FD_CLOEXEC);
    }
}

TEST_F(Handing, KeepsDatagramsApartAndRefusesWhatIsTooLong) {
    ASSERT_TRUE(here.send("one"));
    ASSERT_TRUE(here.send(std::string(HandingSocket::most_bytes, 'x')));
    EXPECT_FALSE(here.send(std::string(HandingSocket::most_bytes + 1, 'x')));
    EXPECT_EQ(there.receive(patience)->text, "one");
    EXPECT_EQ(there.receive(patience)->text.size(), HandingSocket::most_bytes);
    // Past our own limit, as another program might send.
    const std::string longer(HandingSocket::most_bytes + 1, 'x');
    ASSERT_EQ(send(here.get(), longer.data(), longer.size(), 0), static_cast<ssize_t>(longer.size()));
    EXPECT_EQ(there.receive(patience).error().code, Code::invalid);
}

TEST_F(Handing, TellsOfSilenceOfTheEndAndOfWhoItIs) {
    const auto nothing = there.receive_now();
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(*nothing);
    EXPECT_EQ(there.receive(5ms).error().code, Code::timed_out);
    EXPECT_EQ(here.peer()->process, getpid());
    EXPECT_EQ(here.peer()->user, geteuid());
    here.close();
    EXPECT_EQ(there.receive(patience).error().code, Code::unavailable);
    EXPECT_EQ(there.send("x").error().code, Code::unavailable);
}

TEST_F(Handing, IsReachedByItsFileAlone) {
    struct stat file{};
    ASSERT_EQ(stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777u, 0600u);
    EXPECT_FALSE(listener->accept_now());
    listener.reset();
    EXPECT_NE(stat(path.c_str(), &file), 0);
    EXPECT_FALSE(HandingSocket::connect(path));
    EXPECT_EQ(HandingListener::open("/" + std::string(200, 'x')).error().code, Code::invalid);
    // What a killed one left there is in nobody's way.
    ASSERT_EQ(close(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    EXPECT_TRUE(HandingListener::open(path));
}

TEST(Successor, IsSeenToEndHoweverItDoes) {
    auto loop = make_loop();
    const auto end_of = [&](Successor& one) {
        bool told = false;
        auto watch = Readable::watch_descriptor(*loop, one.get(), [&] { told = true; });
        EXPECT_TRUE(watch);
        EXPECT_TRUE(loop->run_until([&] { return told; }, patience));
        return one.ended();
    };
    auto three = Successor::start("/bin/sh", {"-c", "exit 3"});
    ASSERT_TRUE(three) << three.error().text;
    EXPECT_EQ(end_of(*three), "ended with 3");
    auto lasting = Successor::start("/bin/sh", {"-c", "read nothing < /dev/zero"});
    ASSERT_TRUE(lasting);
    EXPECT_FALSE(lasting->ended());
    auto same = Successor::of(lasting->process());
    ASSERT_TRUE(same);
    same->kill();
    EXPECT_EQ(end_of(*same), "ended");
    EXPECT_EQ(end_of(*lasting), "was killed by signal 9");
    EXPECT_EQ(Successor::start("/nowhere/hale", {}).error().system, ENOENT);
}

TEST(Successor, IsFoundWhereItWasCalled) {
    EXPECT_EQ(program_path("/a/link/hale"), "/a/link/hale");
    EXPECT_EQ(program_path("here/hale"), std::filesystem::current_path().string() + "/here/hale");
    EXPECT_TRUE(program_path("sh").ends_with("/sh"));
    EXPECT_TRUE(program_path("no-such-program").ends_with("os_test"));  // What runs now.
}

}  // namespace
}  // namespace hale::os
