// Datagrams that carry descriptors between two processes of one machine (SOCK_SEQPACKET, SCM_RIGHTS): how a daemon
// hands its listening sockets to its successor. Both sides are bounded, and the opener is asked who it is.

#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/descriptor.h"

namespace hale::os {

struct Handed {
    std::string text;
    std::vector<Descriptor> descriptors;
};

class HandingSocket {
public:
    static constexpr std::size_t most_bytes = 64 * 1024;
    static constexpr std::size_t most_descriptors = 250;  // The kernel takes 253 at once.

    HandingSocket() = default;
    explicit HandingSocket(Descriptor socket) : socket_(std::move(socket)) {}
    static Result<HandingSocket> connect(const std::string& path);

    explicit operator bool() const { return static_cast<bool>(socket_); }
    int get() const { return socket_.get(); }
    void close() { socket_.close(); }

    // Never waits: a peer that does not read what little it is sent is no peer.
    Result<> send(std::string_view text, std::span<const Descriptor> descriptors = {});

    // What has come. `nothing`: nothing yet. Code::unavailable: the other side closed; Code::invalid: longer than the limits.
    Result<std::optional<Handed>> receive_now();
    // Waits for it. Code::timed_out beyond `at_most`. Start-up only.
    Result<Handed> receive(Duration at_most);

    struct Peer {
        pid_t process = -1;
        uid_t user = static_cast<uid_t>(-1);
    };
    Result<Peer> peer() const;

private:
    Descriptor socket_;
};

// Where it is reached: a file of mode 0600, removed in the end.
class HandingListener {
public:
    static Result<HandingListener> open(const std::string& path);
    HandingListener(HandingListener&& other) noexcept : socket_(std::move(other.socket_)), path_(std::exchange(other.path_, {})) {}
    HandingListener& operator=(HandingListener&&) = delete;
    ~HandingListener();

    int get() const { return socket_.get(); }
    // Nothing: nobody waits.
    std::optional<HandingSocket> accept_now();

private:
    HandingListener(Descriptor socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}

    Descriptor socket_;
    std::string path_;
};

}  // namespace hale::os
