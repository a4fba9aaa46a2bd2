// What the api asks of the rest of the daemon. `app` implements it by posting to control, checkers, workers and
// the store; every reply comes back on the api's loop, never inside the call.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/mutation.h"
#include "config/journal.h"
#include "deploy/by_hand.h"
#include "deploy/request.h"
#include "io/loop.h"
#include "proxy/stats.h"
#include "verdict/observation.h"

namespace hale::api {

// What /metrics says of one checker. Outcomes and durations of probes are counted here from the deltas.
struct CheckerMeasurement {
    unsigned checker = 0;
    std::size_t instances = 0;
    std::size_t in_flight = 0;
    std::size_t waiting = 0;
    std::uint64_t started = 0;
    std::uint64_t connects = 0;
    std::uint64_t reused = 0;
    std::uint64_t turned_away = 0;
    std::uint64_t discarded = 0;
    Duration worst_lag{0};  // Of the schedule, ever.
    std::vector<std::uint64_t> lag_counts;  // Of every probe; one more than lag_bounds_us.
    std::vector<std::uint32_t> lag_bounds_us;
    Duration lag_sum{0};
};

// A certificate that clients are shown for a host, or that is asked for.
struct CertificateFacts {
    std::string host;    // A name it covers.
    std::string state;   // pending, acquiring, active, renewing, failed, expired
    std::string reason;  // In words; may be empty.
    std::string source;  // "acme", or the path of the chain's file.
    std::optional<Utc> not_before, not_after;
    std::string issuer, fingerprint;
    std::string authority;  // The directory of the authority; empty for files.
    std::optional<Utc> next_attempt;
    unsigned failures = 0;  // In a row.
};

// Counters copied from their threads, for /metrics.
struct Measurements {
    std::vector<proxy::WorkerStats> workers;
    std::vector<CheckerMeasurement> checkers;
    std::uint64_t store_dropped = 0;
    std::uint64_t store_waiting = 0;
    std::uint64_t changes_skipped = 0;  // Coalesced while a mutation was under way.
    std::uint64_t late_discarded = 0;   // Observations of older generations.
    std::vector<CertificateFacts> certificates;
};

// A probe of a target that is no instance: /probe?target= and nothing else.
struct AdHocProbe {
    std::string target;  // "http://host:port/path" or "host:port"
    std::shared_ptr<const config::CheckSpec> check;
};

// Who took over.
struct Upgraded {
    std::uint64_t process = 0;
    std::string version;
    Duration took{};
};

class Backend {
public:
    virtual ~Backend() = default;

    virtual void mutate(catalog::Mutation mutation, catalog::MutationReply reply) = 0;
    virtual void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) = 0;
    using ProbeReply = std::move_only_function<void(Result<std::vector<catalog::ProbeAnswer>>)>;
    virtual void probe_now(std::string instance, std::string check, std::optional<Duration> max_age, ProbeReply reply) = 0;
    virtual void probe_target(AdHocProbe probe, std::move_only_function<void(Result<verdict::Observation>)> reply) = 0;
    virtual void heartbeat(std::string service, std::string check, verdict::Outcome outcome, std::string text,
                           std::move_only_function<void(Result<>)> reply) = 0;
    // Reads the configuration again and applies it; a file with problems is Code::invalid with one per line.
    virtual void reload(std::string actor, std::optional<catalog::KeptAnswer> kept, catalog::MutationReply reply) = 0;
    virtual void audit(std::size_t most, std::optional<std::uint64_t> before_revision,
                       std::move_only_function<void(Result<std::vector<config::AuditEntry>>)> reply) = 0;
    // The answer already given for this Idempotency-Key.
    virtual void answered(std::string key, std::string actor,
                          std::move_only_function<void(Result<std::optional<config::PutIdempotent>>)> reply) = 0;
    virtual void measure(std::move_only_function<void(Measurements)> reply) = 0;
    // Starts the program at this daemon's own path and hands everything over to it. Code::conflict while an upgrade is
    // under way, Code::unavailable when it failed: then this daemon goes on.
    using UpgradeReply = std::move_only_function<void(Result<Upgraded>)>;
    virtual void upgrade(std::string actor, UpgradeReply reply) = 0;
    // `dry`: planned and told, nothing begins.
    virtual void deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) = 0;
    virtual void rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) = 0;
    virtual void scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) = 0;
    virtual void abort_deployment(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) = 0;
    // ---- Containers by hand ----
    virtual void containers(std::string service, bool all, deploy::ContainersReply reply) = 0;
    virtual void run_command(deploy::CommandRequest request, deploy::CommandReply reply) = 0;
    virtual void act(deploy::HandRequest request, deploy::HandReply reply) = 0;
    // The hearing is told on the api's loop; where the reader is gone, nothing more.
    virtual std::unique_ptr<deploy::LogsReader> read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing) = 0;
    // By host.
    virtual void certificates(std::move_only_function<void(std::vector<CertificateFacts>)> reply) = 0;
    // Asks the authority for the next one now. Code::not_found for a host whose certificate comes from nowhere or a file.
    virtual void renew_certificate(std::string host, std::move_only_function<void(Result<>)> reply) = 0;
};

}  // namespace hale::api
