// What a worker counts: plain numbers that it alone writes, copied out whole by Worker::stats() on its thread.
// Counters only grow while their service is routed, and vanish with it.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace hale::proxy {

enum class Source : std::uint8_t { upstream, hale };

struct Histogram {
    // Upper bounds in microseconds; one more bucket counts what is beyond the last.
    static constexpr std::array<std::uint32_t, 14> bounds_us{500,     1'000,   2'500,   5'000,     10'000,    25'000,    50'000,
                                                             100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
    std::array<std::uint64_t, bounds_us.size() + 1> counts{};
    Duration sum{};

    static std::size_t bucket_of(Duration d);
    void add(Duration d) { add(d, bucket_of(d)); }
    // Needs: the bucket is the duration's.
    void add(Duration d, std::size_t bucket);
    std::uint64_t total() const;
};

// What one instance made of the requests that came to it; since it last became known at its address.
struct InstanceTally {
    std::string name;
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;  // 5xx, or no answer, or only a part of one; a retry elsewhere makes it no success.
    Histogram durations;       // Of those that were answered well.
};

struct ServiceStats {
    std::string service;  // "": answered by Hale before a service was found.
    // [status / 100 - 1][source]
    std::array<std::array<std::uint64_t, 2>, 5> requests{};
    Histogram durations;
    std::uint64_t bytes_in = 0;   // Request bodies.
    std::uint64_t bytes_out = 0;  // Everything sent to clients.
    std::uint64_t retries = 0;
    std::uint64_t retries_over_budget = 0;
    std::uint64_t connect_failures = 0;
    std::uint64_t upstream_resets = 0;     // Answers lost by the upstream, before or inside them.
    std::uint64_t unsafe_not_retried = 0;  // Of these: sent, not idempotent, so answered 502.
    std::uint64_t timeouts = 0;
    std::uint64_t client_aborts = 0;
    std::uint64_t panic_requests = 0;  // Sent under declared fail-open.
    bool panic = false;
};

struct WorkerStats {
    unsigned worker = 0;
    std::uint64_t revision = 0;  // Of the snapshot in force.
    std::vector<ServiceStats> services;
    std::uint64_t accepted = 0;
    std::uint64_t handshakes = 0;          // TLS with clients: full,
    std::uint64_t handshakes_resumed = 0;  // resumed,
    std::uint64_t handshakes_failed = 0;   // and failed ones.
    std::uint64_t refused_clients = 0;  // Over the worker's limit of connections.
    std::uint64_t clients = 0;          // Open now.
    std::uint64_t exchanges = 0;        // Requests in progress now.
    std::uint64_t parked = 0;           // Waiting for a paused service now.
    std::uint64_t tunnels = 0;          // Open now.
    std::uint64_t upstream_connections = 0;  // Open now, idle ones included.
    std::uint64_t upstream_idle = 0;
    std::uint64_t upstream_connects = 0;
    std::uint64_t upstream_reuses = 0;
    std::uint64_t refused_targets = 0;       // Connects that the policy on targets forbade.
    std::uint64_t unsolicited_closes = 0;
    std::uint64_t passive_signals = 0;
    std::uint64_t passive_dropped = 0;
    std::uint64_t log_lines = 0;
    std::uint64_t log_dropped = 0;
};

}  // namespace hale::proxy
