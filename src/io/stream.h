// A byte stream as readiness: who owns it tries to read or write, and is told when trying again makes
// sense. `os` gives sockets, `sim` gives pipes with latency and faults, a TLS layer is a Stream over a
// Stream. Belongs to one loop's thread.
//
// Notification is edge-triggered: after `would_block` (or a read shorter than the buffer, which means the
// same) exactly one further notice comes when the state changed. Whoever stops early must read on later by
// itself. Errors and the end of the stream arrive as readiness; read() then tells which.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/datagrams.h"

namespace hale::io {

enum class IoStatus : std::uint8_t { ok, would_block, end, failed };

struct IoResult {
    IoStatus status = IoStatus::ok;
    std::size_t bytes = 0;  // ok: at least 1 for a non-empty buffer.
    int error = 0;          // failed: errno.
};

// Laid out as struct iovec, so that os passes an array of them on unchanged.
struct Slice {
    const char* data;
    std::size_t size;
};

struct Readiness {
    bool readable = false;
    bool writable = false;
};

// Who asked over a unix socket (SO_PEERCRED, SO_PEERGROUPS).
struct PeerCredentials {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;
    bool ourselves = false;  // The other end is this very process.
};

class Stream;

class StreamHandler {
public:
    virtual ~StreamHandler() = default;
    // May destroy the stream, and the handler itself.
    virtual void on_ready(Stream& stream, Readiness ready) noexcept = 0;
};

class Stream {
public:
    virtual ~Stream() = default;  // Closes (FIN) when still open.

    // Replaces the handler; no notice is lost: readiness that came before is told in the next turn.
    virtual void set_handler(StreamHandler* handler) = 0;

    virtual IoResult read(std::span<char> into) = 0;
    virtual IoResult write(std::span<const Slice> slices) = 0;
    IoResult write(std::string_view bytes) {
        const Slice one{bytes.data(), bytes.size()};
        return write(std::span<const Slice>(&one, 1));
    }

    // After connect(): the first notice says writable, and then this is 0 or the errno of the failure.
    virtual int connect_error() = 0;

    // For whoever connected and lets the peer speak first: without it the peer may hear of the connection 200 ms late.
    virtual void acknowledge_now() {}

    virtual void shutdown_write() = 0;
    // Ends the connection with a reset (SO_LINGER 0): no TIME_WAIT on our side, bytes in flight are dropped.
    // The stream is closed afterwards; no further notice comes.
    virtual void reset() = 0;

    virtual const SocketAddress& peer() const = 0;
    virtual SocketAddress local() const = 0;
    virtual std::optional<PeerCredentials> credentials() const { return std::nullopt; }
    // Why it broke, for people, where the stream knows more than an errno: after read() said so.
    virtual std::string last_words() const { return {}; }
};

struct ListenOptions {
    SocketAddress address;  // Port 0: any free one, see Listener::local().
    bool reuse_port = false;
    int backlog = 4096;
    int unix_mode = 0600;
};

class AcceptHandler {
public:
    virtual ~AcceptHandler() = default;
    virtual void on_accept(std::unique_ptr<Stream> stream) noexcept = 0;
};

class Listener {
public:
    virtual ~Listener() = default;  // Stops listening.
    virtual SocketAddress local() const = 0;
};

// Connections to and from the outside.
class Net {
public:
    virtual ~Net() = default;

    // Begins to connect; fails at once only for our own reasons (no descriptors, no local port, no route),
    // whose errno is in Error::system. See Stream::connect_error for the rest.
    virtual Result<std::unique_ptr<Stream>> connect(const SocketAddress& to) = 0;

    // For datagrams with that peer alone, from a port of its own. Fails at once for our own reasons, as connect() does.
    // Needs: no unix socket.
    virtual Result<std::unique_ptr<Datagrams>> datagrams(const SocketAddress& with, DatagramHandler& handler) = 0;

    // Does this machine know a way out to addresses of that family? Asked after ENETUNREACH, to say whose fault it is.
    virtual bool has_default_route(const Ip&) { return true; }

    // Accepts at most 64 connections a turn. Out of descriptors it waits 100 ms and says so once.
    virtual Result<std::unique_ptr<Listener>> listen(const ListenOptions& options, AcceptHandler& handler) = 0;
};

}  // namespace hale::io
