// What a worker routes by: an immutable snapshot of hosts, paths, services and their endpoints, published
// by control and adopted by each worker between two events. The verdict itself is not in here: an endpoint
// points at its ledger word, so a turn of the verdict is seen without a new snapshot.
//
// Copy-on-write per service: a snapshot shares every RoutedService that did not change with its predecessor.
// The last reference must not die on a worker: workers hand replaced snapshots back (Routing::publish).

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "catalog/target_policy.h"
#include "config/service_spec.h"
#include "io/loop.h"
#include "verdict/ledger.h"

namespace hale::catalog {

struct Endpoint {
    verdict::RowId row_id = 0;
    verdict::Row* row = nullptr;  // Stable; outlives every snapshot that names it.
    std::uint16_t generation = 0;
    verdict::Lifecycle lifecycle = verdict::Lifecycle::serving;
    std::optional<verdict::OverrideState> override;  // The instance's and the service's, the stronger.
    bool unchecked = false;
    bool trusted = false;  // Declared in the file: held to `deny` alone.
    bool in_panic = false;  // Declared fail-open is in force and reaches this one, should it be covered by it.
    bool tls = false;  // Spoken to over TLS, by its service's upstream_tls,
    std::uint32_t weight = 1;
    SocketAddress address;
    SharedText id;
    SharedText name;
    SharedText address_text;  // For logs and X-headers, spelled once.
    SharedText tls_name;      // and by this name where that says none.
    SharedText authority;     // Upstream's own Host, for targets declared as URLs.
};

struct RoutedService {
    std::string name;
    std::vector<Endpoint> endpoints;
    const verdict::Epoch* epoch = nullptr;
    config::Balance balance;
    config::Timeouts timeouts;
    config::Retry retry;
    std::shared_ptr<const io::TlsSpec> upstream_tls;  // Null: verified against what this machine believes.
    bool panic = false;  // Declared fail-open is in force: control decides, so that everybody sees the same.
    double degraded_weight = 1.0;
    std::optional<verdict::OverrideState> override;  // The service's own, for the answer's reason.
    std::optional<Instant> paused_until;
    // A request whose Hale-Candidate field is this goes to an endpoint that is `starting`, and no other does. Empty: there is none.
    std::string candidate_key;
    bool only_candidates = false;  // Nobody serves for it, or did: requests without the key take the route they had before.
    std::uint64_t revision = 0;  // Of the mutation that last changed it.
    std::uint32_t index = 0;     // Stable small number of the service name, for workers' own tables.
};

struct Route {
    std::string id;
    std::string host;  // As declared: exact, "*.example.org" or "*".
    std::string path;  // Prefix, matched at segment borders.
    bool strip = false;
    std::shared_ptr<const RoutedService> service;
    std::shared_ptr<const config::RouteTls> tls;  // How clients reach it over TLS; null: nobody asks for that.
};

// Answered on the traffic listener from published health, only where the configuration asked for it.
struct PublicHealth {
    std::string method;
    std::string path;
    std::string action;  // health, live, ready
    std::string shape;
};

// "/api" covers "/api" and "/api/x", not "/apix"; "/api/" covers "/api/x" only.
bool covers(std::string_view prefix, std::string_view path);

class RouteTable {
public:
    // Routes of one host are tried longest prefix first; exact host before one-level wildcard before "*".
    explicit RouteTable(std::vector<Route> routes);
    RouteTable() = default;

    // `host` in lower case without port and trailing dot; `path` normalised for matching. No allocation.
    // Routes of services that have candidates alone are hidden: they are taken by who shows the key, or where there is no other.
    const Route* find(std::string_view host, std::string_view path, std::string_view key = {}) const;
    bool hides() const { return hides_; }
    // Fn(const Route&) -> bool, for each route that requests for this host may meet, until one says true.
    template <class Fn>
    bool any_of_host(std::string_view host, Fn fn) const {
        for (const Longest* list : lists_of(host)) {
            if (list == nullptr) continue;
            for (const std::uint32_t index : *list)
                if (fn(routes_[index])) return true;
        }
        return false;
    }
    const std::vector<Route>& all() const { return routes_; }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Longest = std::vector<std::uint32_t>;  // Indices into routes_, longest path first.

    const Route* find_unhidden(std::string_view host, std::string_view path, std::string_view key) const;
    // Exact, wildcard, any; null: there is none.
    std::array<const Longest*, 3> lists_of(std::string_view host) const;

    std::vector<Route> routes_;
    std::unordered_map<std::string, Longest, Hash, std::equal_to<>> exact_;
    std::unordered_map<std::string, Longest, Hash, std::equal_to<>> wildcard_;  // Keyed by what follows "*.".
    Longest any_;
    bool hides_ = false;
};

struct RoutingSnapshot {
    std::uint64_t revision = 0;
    RouteTable table;
    std::shared_ptr<const TargetPolicy> targets;  // Null: denies nothing, and nothing is Hale's own.
    std::optional<std::uint64_t> max_body;         // Of a request, in bytes.
    std::vector<Cidr> trusted_proxies;
    std::vector<Cidr> errors_detail_for;
    std::vector<PublicHealth> public_health;
};

using Snapshot = std::shared_ptr<const RoutingSnapshot>;

// Control's door to the workers. `adopted` runs on control's loop once every worker routes by this snapshot
// (or a later one).
class Routing {
public:
    virtual ~Routing() = default;
    virtual void publish(Snapshot snapshot, io::Task adopted) = 0;
};

}  // namespace hale::catalog
