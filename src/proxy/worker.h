// The data plane of one thread: an HTTP/1.1 reverse proxy that routes by the snapshot it adopted and by the
// ledger's words, read as they are at the moment of the request.
//
// A worker belongs to one loop; every function is called on that loop's thread, between events. Nothing
// starts in the constructor: adopt() a snapshot, then listen(). It ends by drain() or stop(); the destructor
// needs one of them to have finished. What it learns about instances from traffic it hands to a sink; it
// never judges.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/checking.h"
#include "catalog/own_health.h"
#include "catalog/routing.h"
#include "io/loop.h"
#include "io/secure.h"
#include "io/stream.h"
#include "proxy/access_log.h"
#include "proxy/stats.h"

namespace hale::proxy {

struct WorkerOptions {
    unsigned index = 0;
    std::uint64_t seed = 1;  // Of request ids and of choices by chance.

    // Towards clients.
    Duration header_timeout = 10s;      // From the first byte of a head to its end; then 408.
    Duration body_timeout = 30s;        // Between two pieces of a request body; then 408.
    Duration keep_alive_timeout = 75s;  // Without a request.
    Duration linger = 2s;               // For a client that still sends what nobody will read.
    std::size_t max_request_line = 8 * 1024;
    std::size_t max_head_bytes = 32 * 1024;
    std::size_t max_clients = 50'000;
    std::size_t max_parked = 1'000;  // Requests that wait for paused services: this worker's share.

    // Towards upstreams.
    Duration upstream_idle = 30s;
    std::size_t max_idle_per_instance = 1'024;
    std::size_t max_response_head_bytes = 64 * 1024;

    // Bytes taken by one read, and bytes that may wait for a slow peer before the other side is no longer read.
    std::size_t read_bytes = 64 * 1024;
    std::size_t buffer_bytes = 16 * 1024;
};

// What a worker is given besides its loop. Null and empty ones are simply not used.
struct WorkerDoors {
    io::ServerTls* server_tls = nullptr;  // Without it listen_secure() fails.
    io::TlsDoors* client_tls = nullptr;   // Without it instances over TLS can't be connected to.
    // Called at most once per turn, with at most Worker::max_passive_batch signals.
    std::function<void(std::vector<catalog::Passive>)> passive;
    LogSink* log = nullptr;
    const catalog::OwnHealth* health = nullptr;
};

class Core;

class Worker {
public:
    static constexpr std::size_t max_passive_batch = 256;
    static constexpr std::size_t max_tries = 11;        // Of one request: one and the most that retry.max may say.
    static constexpr std::size_t max_proofs = 256;      // Beyond, the first goes.
    static constexpr Duration drain_idle_grace = 1s;    // A draining worker serves idle connections once more.

    Worker(io::Loop& loop, io::Net& net, WorkerOptions options, WorkerDoors doors);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Every request that begins from now on is routed by `snapshot`. Returns the one it replaces (null the first
    // time), which must not die on this thread. Requests in progress finish where they are.
    [[nodiscard]] catalog::Snapshot adopt(catalog::Snapshot snapshot);

    // Opens a traffic listener (SO_REUSEPORT); says where, which matters for port 0.
    Result<SocketAddress> listen(const SocketAddress& address);

    // The same over TLS. Requests that should have come over TLS are sent to its port.
    Result<SocketAddress> listen_secure(const SocketAddress& address);

    // Stops accepting, lets requests in progress and one more per idle connection finish, and ends everything
    // after `at_most`. `drained` then runs once, on this loop.
    void drain(Duration at_most, io::Task drained);
    // Ends everything now.
    void stop();
    bool stopped() const;

    // What an ACME authority finds at /.well-known/acme-challenge/TOKEN, whatever the host, before any route; empty takes
    // it back. Other tokens are the services'.
    void set_proof(std::string token, std::string proof);

    WorkerStats stats() const;
    // Of each instance of a service that requests came to; only what this worker saw.
    std::vector<InstanceTally> tallies(std::string_view service) const;
    void reopen_log();

private:
    std::unique_ptr<Core> core_;
};

}  // namespace hale::proxy
