// Connections kept between probes, by address. A connection is either in use by one probe or idle; idle ones
// are watched, so that one which the server closed, or spoke on unasked, is gone before the next probe.
//
// Connections end with a reset: every answer on them is complete, and a checker that closes politely piles up
// TIME_WAIT on its own side.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "io/loop.h"
#include "io/secure.h"
#include "probe/destination.h"
#include "probe/flight_queue.h"

namespace hale::probe {

class Pool;

struct PoolLimits {
    std::size_t most_kept = 8192;             // Beyond so many open ones none is kept: half the descriptor limit.
    std::uint32_t most_requests = 1'000'000;  // Then a connection is replaced, and
    Duration most_age = 10min;                // likewise.
    unsigned in_flight_per_address = 8;
};

// Who holds the connection now.
class ConnectionUser {
public:
    virtual void on_ready(io::Readiness ready) noexcept = 0;

protected:
    ~ConnectionUser() = default;
};

struct Lane;

class Connection final : public io::StreamHandler {
public:
    Connection(Pool& pool, std::unique_ptr<io::Stream> stream, Instant opened);
    ~Connection() override;

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;

    io::Stream& stream() { return *stream_; }
    // Puts TLS over the stream, or nothing changes and false.
    bool secure(io::Loop& loop, const io::ClientTls& tls, const std::string& name);
    // Null for what is not over TLS.
    io::SecureStream* secured() { return secured_; }
    // When the certificate that was shown ends; nothing: none was.
    std::optional<Utc> certificate_until() const { return certificate_until_; }
    void set_certificate_until(std::optional<Utc> until) { certificate_until_ = until; }
    // Closes in order, so that what was said last arrives. Needs: nothing is done with it afterwards.
    void leave() { stream_.reset(); }
    std::uint32_t requests() const { return requests_; }
    void count_request() { ++requests_; }

private:
    friend class Pool;
    Pool& pool_;
    std::unique_ptr<io::Stream> stream_;
    io::SecureStream* secured_ = nullptr;  // The same, when it is one.
    std::optional<Utc> certificate_until_;
    ConnectionUser* user_ = nullptr;
    Lane* lane_ = nullptr;  // While idle.
    Instant opened_;
    std::uint32_t requests_ = 0;
};

// One address: its idle connections, and the probes in flight to it, on kept connections or their own.
struct Lane {
    std::vector<std::unique_ptr<Connection>> idle;  // Newest last; at most in_flight_per_address.
    std::uint32_t in_flight = 0;
    FlightQueue waiting;
    bool empty() const { return idle.empty() && in_flight == 0 && waiting.empty(); }
};

class Pool {
public:
    static constexpr Duration sweep_interval = 1s;
    static constexpr std::size_t sweep_share = 64;  // Every lane is looked at once in so many sweeps.

    Pool(io::Loop& loop, const PoolLimits& limits);
    ~Pool();

    // Stable until forget() finds it empty.
    Lane& lane(const Destination& to);
    void forget_if_empty(const Destination& to, const Lane& lane);
    // Nobody asks there any more (or only by chance somebody else does, who connects anew).
    void close_idle(const Destination& to);

    // The newest idle connection that may carry another request; null without one.
    std::unique_ptr<Connection> take(Lane& lane, ConnectionUser& user);
    std::unique_ptr<Connection> adopt(std::unique_ptr<io::Stream> stream, ConnectionUser& user);
    // In step after a complete answer: kept, when there is room.
    void give_back(std::unique_ptr<Connection> connection, Lane& lane);
    // May a connection that is open now be kept?
    bool room() const { return open_ <= limits_.most_kept; }
    void close_all();
    void set_in_flight_per_address(unsigned most) { limits_.in_flight_per_address = most; }
    template <class Fn>
    void for_each_lane(Fn fn) {
        for (auto& [key, lane] : lanes_) fn(lane);
    }

    std::size_t open() const { return open_; }  // Streams that exist, used or idle.
    std::size_t kept() const { return kept_; }  // Idle.
    std::uint64_t closed_while_idle() const { return closed_while_idle_; }
    std::uint64_t spoke_while_idle() const { return spoke_while_idle_; }
    std::size_t lanes() const { return lanes_.size(); }

private:
    friend class Connection;
    struct Key {
        Ip ip;
        std::uint16_t port;
        std::string name;  // Short of most names; empty for a literal.
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    using Lanes = std::unordered_map<Key, Lane, KeyHash>;

    static Key key_of(const Destination& to);
    bool too_old(const Connection& connection) const;
    void on_idle(Connection& connection);
    void sweep() noexcept;

    io::Loop& loop_;
    PoolLimits limits_;
    Lanes lanes_;
    io::Timer sweeper_;
    std::size_t cursor_ = 0;
    std::size_t open_ = 0;
    std::size_t kept_ = 0;
    std::uint64_t closed_while_idle_ = 0;
    std::uint64_t spoke_while_idle_ = 0;
};

}  // namespace hale::probe
