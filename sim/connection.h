// One connection of the simulated world, as TCP would behave: two ends, and between them packets that take
// time, get lost and come again. The machine under sim::Net and make_pipe; tests use those.
//
//   write ──▶ [ in flight ] ──▶ [ unread ] ──▶ read        One such flow each way. A flow holds at most `window`
//     ▲                                          │         bytes in flight or unread; what was read frees room
//     └───────────── room, one delay later ──────┘         at the writer one delay later.
//
// The ends keep the contract of io/stream.h to the letter and no more: a notice comes once after would_block or
// a short read and never otherwise. A short *write* is not would_block: whoever waits after one waits for ever.
// As with Linux: unread bytes turn a close into a reset; an error is told once, then reads end and writes fail
// with EPIPE; what had arrived before a reset can still be read.

#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "io/stream.h"
#include "sim/loop.h"

namespace hale::sim {

enum class Side : std::uint8_t { client, server };  // Who connected, who accepted.
constexpr Side other(Side side) { return side == Side::client ? Side::server : Side::client; }

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

// How far one read or write may go.
struct Permit {
    std::uint64_t most = no_limit;  // At least 1.
    int error = 0;                  // Not 0: the operation fails with it, and the connection is reset.
};

// What lies under a connection. Asked at each step, so that faults may change at any time.
class Path {
public:
    virtual ~Path() = default;
    virtual std::uint64_t window() = 0;
    virtual Duration delay(Side from) = 0;  // Of a packet leaving now.
    virtual bool lost(Side from) = 0;       // Whether a packet that should arrive now does not.
    virtual Permit permit_read(Side side) = 0;
    virtual Permit permit_write(Side side) = 0;
    virtual bool spurious_notice() { return false; }
    // The connection breaks (both ends: ECONNRESET) when so many bytes sent by that side have arrived.
    virtual std::uint64_t break_at(Side) { return no_limit; }
    // Before any byte of that side beyond this one arrives, the connection is told to be gone without a word:
    // vanished() is called, and lost() should hold from then on.
    virtual std::uint64_t vanish_at(Side) { return no_limit; }
    virtual void vanished() {}
    virtual void closed(Side) {}
};

// Where all bytes went. written == read + dropped + Connection::bytes_held() of all connections, always.
struct Totals {
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    std::uint64_t dropped_by_reset = 0;  // In flight when somebody reset, or arrived at an end that was reset.
    std::uint64_t dropped_by_close = 0;  // Unread at a close, or arrived after it.
    std::uint64_t dropped_by_loss = 0;   // Given up by a sender without acknowledgement.
    std::uint64_t streams_opened = 0;
    std::uint64_t streams_open = 0;
    std::uint64_t dropped() const { return dropped_by_reset + dropped_by_close + dropped_by_loss; }
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    // Linux gives up after 15 retransmissions, about 924 s.
    static constexpr Duration retransmit_first = 200ms;
    static constexpr Duration retransmit_most = 120s;
    static constexpr int retransmit_limit = 15;

    Connection(Loop& wire, std::unique_ptr<Path> path, std::shared_ptr<Totals> totals);

    struct Identity {
        SocketAddress local, peer;
        std::optional<io::PeerCredentials> credentials;
    };
    // The side belongs to that loop from now on; what arrives waits for its stream.
    void place(Side side, Loop& loop) { end(side).loop = &loop; }
    // Makes the side's stream. Needs: once per side, placed.
    std::unique_ptr<io::Stream> open(Side side, Identity identity);

    void establish(Side side);     // From now on it reads and writes.
    void fail_connect(int error);  // The client's stream learns it.
    // The client's last packet of the handshake; `arrived` runs on the wire, before any byte of the client.
    void send_open(io::Task arrived);
    void refuse_opened();  // The listener went away before it accepted.
    bool client_gone() const { return end(Side::client).closed; }

    std::uint64_t bytes_held() const;
    Path& path() { return *path_; }

private:
    friend class End;
    enum class Kind : std::uint8_t { open, bytes, fin, rst };
    struct Packet {
        Kind kind;
        std::string bytes;
        io::Task arrived;
        Instant due;  // Not before it, nor before those ahead of it.
    };
    // What arrived and was not read. Taking from the front moves nothing until half of it is taken.
    class Unread {
    public:
        bool empty() const { return size() == 0; }
        std::size_t size() const { return bytes_.size() - taken_; }
        void append(std::string_view bytes) { bytes_ += bytes; }
        void take(std::span<char> into);
        std::size_t drop();  // All; returns how many.

    private:
        std::string bytes_;
        std::size_t taken_ = 0;
    };
    // From one side to the other.
    struct Flow {
        std::deque<Packet> in_flight;
        std::uint64_t flying = 0;    // Bytes of in_flight.
        std::uint64_t occupied = 0;  // Bytes in flight, unread, or read but not yet known to be.
        std::uint64_t delivered = 0;
        std::uint64_t epoch = 0;  // Moves when everything in flight is dropped.
        int lost_in_a_row = 0;
    };
    struct EndState {
        Loop* loop = nullptr;
        io::Stream* stream = nullptr;
        io::StreamHandler* handler = nullptr;
        Unread unread;
        io::Readiness latched;  // Became true and was not contradicted by would_block or a short read since.
        io::Readiness untold;   // Latched, and no notice of it was given yet.
        bool notice_scheduled = false;
        bool established = false;
        bool closed = false;  // By its owner.
        bool broken = false;  // By an error.
        bool ended = false;   // The peer's FIN came.
        bool write_shut = false;
        int error = 0;  // Not told yet.
        int connect_error = 0;
    };

    EndState& end(Side side) { return ends_[static_cast<std::size_t>(side)]; }
    const EndState& end(Side side) const { return ends_[static_cast<std::size_t>(side)]; }
    Flow& flow(Side from) { return flows_[static_cast<std::size_t>(from)]; }

    io::IoResult read(Side side, std::span<char> into);
    io::IoResult write(Side side, std::span<const io::Slice> slices);
    void set_handler(Side side, io::StreamHandler* handler);
    void shutdown_write(Side side);
    void reset(Side side);
    void close(Side side);

    void send(Side from, Kind kind, std::string bytes = {}, io::Task arrived = {});
    void schedule_first(Side from);
    void arrive(Side from);
    void deliver(Side from, std::string bytes);
    void acknowledge(Side reader, std::uint64_t bytes, int attempt);
    void drop_in_flight(Side from, std::uint64_t& into);
    void break_end(Side side, int error);
    void break_by(Side side);  // Its owner resets: the peer is told, bytes in flight are dropped.
    void raise(Side side, io::Readiness what);
    void schedule_notice(Side side);
    void notify(Side side);

    Loop& wire_;
    const std::unique_ptr<Path> path_;
    const std::shared_ptr<Totals> totals_;
    std::array<EndState, 2> ends_;
    std::array<Flow, 2> flows_;
};

}  // namespace hale::sim
