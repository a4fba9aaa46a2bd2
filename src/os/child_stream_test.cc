// Goal: a child's two pipes behave as one connection, and standard input and output as the far half of one. Method:
// real processes (cat) and sockets; standard_pipe runs on a thread over a socketpair put in place of descriptors
// 0 and 1.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "os/child_stream.h"
#include "os/descriptor.h"
#include "os/epoll_net.h"
#include "os/standard_pipe.h"
#include "os/threads.h"

namespace hale::os {
namespace {

struct Reader final : io::StreamHandler {
    std::string got;
    bool ended = false;
    void on_ready(io::Stream& stream, io::Readiness) noexcept override {
        std::array<char, 4096> buffer;
        for (;;) {
            const io::IoResult read = stream.read(buffer);
            if (read.status == io::IoStatus::would_block) return;
            if (read.status != io::IoStatus::ok) {
                ended = true;
                return;
            }
            got.append(buffer.data(), read.bytes);
        }
    }
};

TEST(ChildStream, CarriesBothWaysAndEndsWithTheChild) {
    auto loop = std::move(*EpollLoop::create());
    auto stream = connect_child(*loop, {"/bin/cat"});
    ASSERT_TRUE(stream) << stream.error().text;
    Reader reader;
    (*stream)->set_handler(&reader);
    EXPECT_EQ((*stream)->write("hello").bytes, 5u);
    EXPECT_TRUE(loop->run_until([&] { return reader.got == "hello"; }, 5s)) << reader.got;
    (*stream)->shutdown_write();
    EXPECT_TRUE(loop->run_until([&] { return reader.ended; }, 5s));
}

TEST(ChildStream, AMissingExecutableIsSaid) {
    auto loop = std::move(*EpollLoop::create());
    const auto stream = connect_child(*loop, {"/nowhere/ssh", "host"});
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().code, Code::not_found);
    EXPECT_NE(stream.error().text.find("/nowhere/ssh"), std::string::npos);
}

TEST(StandardPipe, CarriesBothWaysUntilThePeerEnds) {
    auto loop = std::move(*EpollLoop::create());
    EpollNet net(*loop);
    struct Accepted final : io::AcceptHandler {
        std::unique_ptr<io::Stream> stream;
        Reader reader;
        void on_accept(std::unique_ptr<io::Stream> one) noexcept override {
            stream = std::move(one);
            stream->set_handler(&reader);
        }
    } accepted;
    const auto listener = net.listen({.address = {.ip = Ip::v4(127, 0, 0, 1), .port = 0, .path = {}}}, accepted);
    ASSERT_TRUE(listener);
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const Descriptor far(pair[0]);
    Descriptor standard(pair[1]);
    const Descriptor old_in(dup(STDIN_FILENO)), old_out(dup(STDOUT_FILENO));
    fflush(stdout);
    dup2(standard.get(), STDIN_FILENO);
    dup2(standard.get(), STDOUT_FILENO);
    standard.close();

    // Nothing may be asserted, that is printed, before standard output is itself again.
    Result<> ended = fail(Code::internal, "still running");
    Thread thread;
    const bool started = thread.start("pipe", [&] { ended = pipe_standard((*listener)->local()); }).has_value();
    const bool sent = write(far.get(), "question", 8) == 8;
    const bool came = loop->run_until([&] { return accepted.reader.got == "question"; }, 5s);
    shutdown(far.get(), SHUT_WR);
    const bool end_came = loop->run_until([&] { return accepted.reader.ended; }, 5s);
    // An answer after the end of the input still arrives.
    if (accepted.stream) accepted.stream->write("answer");
    accepted.stream.reset();
    std::array<char, 16> buffer{};
    const ssize_t got = recv(far.get(), buffer.data(), 6, MSG_WAITALL);
    thread.join();
    dup2(old_in.get(), STDIN_FILENO);
    dup2(old_out.get(), STDOUT_FILENO);

    EXPECT_TRUE(started && sent && came && end_came);
    EXPECT_EQ(std::string(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))), "answer");
    EXPECT_TRUE(ended) << ended.error().text;
}

TEST(StandardPipe, NobodyThereIsSaid) {
    const auto ended = pipe_standard({.ip = {}, .port = 0, .path = "/nowhere/hale.sock"});
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::unavailable);
}

}  // namespace
}  // namespace hale::os
