// What the tests of this folder share: a loop, handlers that record, pairs of streams, a directory that goes away.

#pragma once

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "os/epoll_loop.h"
#include "os/descriptor.h"
#include "os/epoll_net.h"
#include "os/epoll_stream.h"
#include "os/socket_address.h"

namespace hale::os {

inline constexpr Duration patience = 10s;  // A test that waits longer has failed.

inline std::unique_ptr<EpollLoop> make_loop() {
    auto loop = EpollLoop::create();
    HALE_CHECK(loop.has_value());
    return std::move(*loop);
}

inline SocketAddress loopback() { return {.ip = Ip::v4(127, 0, 0, 1)}; }

struct Ready final : io::StreamHandler {
    int notices = 0;
    int readable = 0;
    int writable = 0;
    std::move_only_function<void(io::Stream&, io::Readiness)> then = [](io::Stream&, io::Readiness) {};

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override {
        ++notices, readable += ready.readable, writable += ready.writable;
        then(stream, ready);
    }
};

struct Accepted final : io::AcceptHandler {
    std::vector<std::unique_ptr<io::Stream>> streams;
    std::move_only_function<void()> then = [] {};

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        streams.push_back(std::move(stream));
        then();
    }
};

// A connected pair over a real socket, without handlers.
struct Pair {
    std::unique_ptr<io::Stream> client, server;
};

// As EpollNet::connect, but the handshake ends at once: there its last acknowledgement waits for the connector's first
// bytes (or 40 ms and more), and a pair that begins by listening would wait with it.
inline Result<std::unique_ptr<EpollStream>> connect_eagerly(EpollLoop& loop, const SocketAddress& to) {
    const RawAddress raw = raw_address(to);
    Descriptor socket{::socket(raw.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    HALE_CHECK(static_cast<bool>(socket));
    const int one = 1;
    if (!to.is_unix()) HALE_CHECK(setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    const bool now = ::connect(socket.get(), &raw.address.any, raw.size) == 0;
    HALE_CHECK(now || errno == EINPROGRESS);
    return EpollStream::open(loop, std::move(socket), to,
                             now ? EpollStream::Begin::connected : EpollStream::Begin::connecting);
}

inline Pair make_pair(EpollLoop& loop, const SocketAddress& at = loopback()) {
    EpollNet net(loop);
    Accepted accepted;
    auto listener = net.listen({.address = at}, accepted);
    HALE_CHECK(listener.has_value());
    auto client = connect_eagerly(loop, (*listener)->local());
    HALE_CHECK(client.has_value());
    HALE_CHECK(loop.run_until([&] { return !accepted.streams.empty(); }, patience));
    return {std::move(*client), std::move(accepted.streams.front())};
}

// Reads all there is now; "!" and the errno for a failure, "." for the end.
inline std::string drain(io::Stream& stream) {
    std::string all;
    char buffer[64 * 1024];
    for (;;) {
        const io::IoResult got = stream.read(buffer);
        if (got.status == io::IoStatus::would_block) return all;
        if (got.status == io::IoStatus::end) return all + ".";
        if (got.status == io::IoStatus::failed) return all + "!" + std::to_string(got.error);
        all.append(buffer, got.bytes);
    }
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/hale-os-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace hale::os
