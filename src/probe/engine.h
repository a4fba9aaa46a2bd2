// The one probe engine: scheduled, confirming, on demand, for a gate or from the command line, every probe is
// run here, by the same code, under the same limits. Belongs to one loop's thread.
//
//   start ──▶ waiting ──▶ launched ──▶ ended: the sink is told
//               (in order, while an address or the engine has its fill)

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/target_policy.h"
#include "expect/response.h"
#include "http/client_exchange.h"
#include "io/blocking.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/secure.h"
#include "io/stream.h"
#include "probe/flight.h"
#include "probe/pool.h"
#include "probe/salted_passwords.h"
#include "probe/words.h"

namespace hale::probe {

struct EngineOptions {
    PoolLimits pool;
    std::size_t in_flight = 4096;  // In all; more wait in order.
    std::size_t exec_in_flight = 16;
    std::shared_ptr<const catalog::TargetPolicy> targets = std::make_shared<const catalog::TargetPolicy>();
    io::TlsDoors* tls = nullptr;  // Without it probes over TLS end as errors.
    // So many bytes that nobody can guess, for nonces and ids. Without it SCRAM logins and dns checks end as errors.
    std::function<std::string(std::size_t)> secret_bytes;
    std::string exec_user;  // For exec checks that name none; empty: the daemon's own.
};

struct EngineStats {
    std::uint64_t started = 0;
    std::uint64_t ended = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t connects = 0;
    std::uint64_t reused = 0;    // Requests on a connection that had carried one before.
    std::uint64_t repeated = 0;  // On a fresh connection, since the kept one had died unnoticed.
    std::uint64_t refused_targets = 0;
    std::uint64_t late_timers = 0;
    std::uint64_t turned_away = 0;  // The queue was full.
    std::size_t in_flight = 0;
    std::size_t waiting = 0;
    Duration worst_wait{0};  // In the queue, ever.
};

class Engine {
public:
    static constexpr std::size_t most_waiting = 1u << 17;
    static constexpr std::size_t most_spare = 512;  // Finished http probes kept for the next ones.

    // `spawner` null: exec checks end as errors.
    Engine(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::Spawner* spawner, EngineOptions options);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // The returned flight is the engine's; it ends with the sink's call, or with cancel().
    Flight* start(Order order, ProbeSink& sink);
    // The sink is not told. What the probe held is given back at once.
    void cancel(Flight* flight);
    // Closes what is kept towards an address that is probed no longer.
    void close_idle(const Destination& to) { pool_.close_idle(to); }
    // Closes what is kept. Needs: no flights.
    void close();

    // Whoever waits is admitted at once where there is more room now; where there is less, nothing is taken away.
    void set_limits(std::size_t in_flight, unsigned per_address);
    // From the next probe on.
    void set_targets(std::shared_ptr<const catalog::TargetPolicy> targets) { options_.targets = std::move(targets); }

    const EngineStats& stats() const { return stats_; }
    const Pool& pool() const { return pool_; }
    const EngineOptions& options() const { return options_; }

private:
    friend class Flight;
    friend class Outbound;
    friend class HttpProbe;
    friend class TcpProbe;
    friend class Conversation;
    friend class TlsProbe;
    friend class PostgresProbe;
    friend class DnsProbe;
    friend class ExecProbe;

    std::unique_ptr<Flight> make(const Order& order);
    ConnectFault fault_of(int error, const SocketAddress& to);
    // The places a probe needs: its address (or, for a program, the exec limit), then the engine; where one is
    // taken, it waits.
    void admit(Flight& flight);
    void admit_to_exec(Flight& flight);
    void admit_to_engine(Flight& flight);
    void wait(Flight& flight, FlightQueue& queue);
    Flight* next_of(FlightQueue& queue);
    void launch(Flight& flight);
    // The end of a flight: its sink is told, its places go to the next.
    void ended(Flight& flight);
    void leave(Flight& flight);
    void recycle(Flight& flight);

    io::Loop& loop_;
    io::Net& net_;
    io::Resolver& resolver_;
    io::Spawner* spawner_;
    EngineOptions options_;
    EngineStats stats_;
    Pool pool_;
    std::unique_ptr<http::Scratch> scratch_;
    SaltedPasswords salted_passwords_;
    std::array<expect::Header, wire::Fields::capacity> headers_;
    std::string host_text_;
    FlightQueue waiting_;
    FlightQueue exec_waiting_;
    std::size_t exec_in_flight_ = 0;
    std::vector<std::unique_ptr<Flight>> spare_;  // All of them HttpProbes.
};

}  // namespace hale::probe
