// What a worker keeps of one service between requests: its list of candidates, its instances with their
// connections, its counters and its retry budget. The snapshot may be replaced at any time; what a request in
// progress needs is here, not there.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "balance/picker.h"
#include "base/address.h"
#include "catalog/routing.h"
#include "proxy/chain.h"
#include "proxy/eligible.h"
#include "proxy/retry.h"
#include "proxy/stats.h"

namespace hale::proxy {

class Client;
class Core;
class Service;
class Upstream;

// One generation of one instance, as this worker knows it. Lives until it left the snapshot and nothing of it
// is in progress any more.
struct Backend {
    Backend(Service& of, const catalog::Endpoint& endpoint);

    bool is(const catalog::Endpoint& endpoint) const;
    bool in_use() const { return active != 0 || connections != 0; }

    // A request begins and ends at it.
    void enter();
    void leave();
    // A user's request ended at it: with its answer, or for want of one.
    void answered(bool well, Duration took, std::size_t bucket);
    void lost();
    // It left the snapshot: the row may be somebody else's soon, so what is counted there is taken back now.
    void detach();

    Service& service;
    verdict::RowId row_id;
    std::uint16_t generation;
    bool trusted;
    bool refused = false;           // By the policy on targets: no connection is begun or kept.
    verdict::Row* row;  // Null once detached.
    SocketAddress address;
    bool tls;
    std::string id, name, address_text, authority, tls_name;
    std::uint32_t active = 0;       // Exchanges.
    std::uint32_t connections = 0;  // Idle ones included.
    std::vector<Upstream*> idle;    // The last one in is the first one out.
    bool wanted = false;            // A candidate of the current list,
    std::uint32_t version = 0;      // by this version of its verdict.
    std::unique_ptr<InstanceTally> tally;  // From its first request on: most instances of a large fleet see none for long.
};

class Service {
public:
    Service(Core& core, const catalog::RoutedService& routed);
    ~Service();

    // Its part of the snapshot in force; equal pointers change nothing.
    void adopt(const catalog::RoutedService& routed);
    // The policy on targets changed.
    void test_targets();
    // The snapshot in force has no route to it.
    void retire();
    const catalog::RoutedService* routed() const { return routed_; }
    bool in_use() const;

    // Rebuilds the list when the epoch moved: one load otherwise. Closes idle connections of instances that left it.
    void refresh();
    bool panic() const { return routed_ != nullptr && routed_->panic; }
    // Among the candidates but those already tried; null when none is left. `hash` counts where the policy says so.
    Backend* choose(std::uint64_t hash, std::span<Backend* const> tried);
    // The next of those that are starting: for requests that show the candidate's key.
    Backend* choose_candidate();
    bool chooses_by_hash() const { return method_ == balance::Method::hash; }

    // Drops instances that left and are no longer in use.
    void sweep(Instant idle_since_before);

    const std::string& name() const { return stats.service; }
    // Of each instance that requests came to.
    std::vector<InstanceTally> tallies() const;

    config::Timeouts timeouts;
    config::Retry retry;
    std::shared_ptr<const io::TlsSpec> upstream_tls;
    RetryBudget budget;
    ServiceStats stats;
    std::uint32_t exchanges = 0;

private:
    void let_go(std::unique_ptr<Backend> backend);
    void rebuild();

    Core& core_;
    const catalog::RoutedService* routed_ = nullptr;  // Lives in the worker's snapshot.
    std::vector<std::unique_ptr<Backend>> backends_;  // As routed_->endpoints.
    std::vector<std::unique_ptr<Backend>> left_;
    EligibleList list_;
    std::vector<balance::Candidate> weighed_;  // Scratch of rebuild.
    balance::Method method_ = balance::Method::round_robin;
    balance::Picker picker_;
    std::size_t next_candidate_ = 0;  // Where the search goes on.
    std::uint32_t epoch_ = 0;
    bool listed_ = false;
};

}  // namespace hale::proxy
