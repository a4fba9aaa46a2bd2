// Services, instances, routes and overrides as declared: by the file, or through the API.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shared_text.h"
#include "base/time.h"
#include "config/check_spec.h"
#include "config/deploy_spec.h"
#include "config/target.h"
#include "verdict/state.h"

namespace hale::config {

enum class Owner : std::uint8_t { file, api, labels };  // labels: of containers that somebody else made.
std::string_view to_text(Owner owner);

// Where in the file (or "api") something was said. Line 0: nowhere.
struct Mark {
    SharedText file;
    int line = 0;
    int column = 0;
    std::string text() const;  // "hale.yml:12:5"
    bool operator==(const Mark&) const = default;
};

struct InstanceSpec {
    SharedText name;  // Given, or "<service>-<n>".
    bool named = false;
    Target target;
    std::uint32_t weight = 1;
    Owner owner = Owner::file;
    // Null: the service's checks. Set: the service's with this instance's overlay merged in.
    std::shared_ptr<const CheckList> checks;
    SharedText deployment;  // Its id, where a deployment made it.
    Mark mark;
};

// How clients reach a route over TLS.
struct RouteTls {
    std::uint16_t redirect = 308;  // What answers a request without TLS; 0: it is served.
    Duration hsts{};               // Of Strict-Transport-Security; 0: it is not sent.
    bool client_required = false;  // Clients show a certificate that client_ca_pem signed.
    std::string client_ca_pem;
    bool operator==(const RouteTls&) const = default;
};

// What a route says of it: nothing, and then its service's word holds; or its own, null for none.
struct SaidTls {
    bool said = false;
    std::shared_ptr<const RouteTls> tls;
    const std::shared_ptr<const RouteTls>& or_else(const std::shared_ptr<const RouteTls>& services) const { return said ? tls : services; }
    bool operator==(const SaidTls& other) const { return said == other.said && same_behind(tls, other.tls); }
};

struct RouteSpec {
    std::string id;    // Stable: "r-" + hash of host and path.
    std::string host;  // Lower case, "*.example.org", or "*".
    std::string path = "/";
    bool strip = false;
    std::string service;
    std::string project;  // A label for people who keep several projects on one host.
    SaidTls tls;
    Owner owner = Owner::file;
    Mark mark;
    bool operator==(const RouteSpec&) const = default;
};

enum class BalanceKind : std::uint8_t { round_robin, least_requests, hash_header, hash_cookie, hash_address };
struct Balance {
    BalanceKind kind = BalanceKind::round_robin;
    std::string name;  // Of the header or cookie.
    bool operator==(const Balance&) const = default;
};

struct Timeouts {
    Duration connect = 1s;
    Duration first_byte = 30s;
    Duration idle = 60s;
    bool operator==(const Timeouts&) const = default;
};

struct Retry {
    std::uint32_t max = 1;
    std::uint32_t budget_percent = 10;  // Of the requests of the last 10 s, beyond 10 retries a second.
    bool operator==(const Retry&) const = default;
};

enum class PanicTarget : std::uint8_t { all, last_good };
struct Panic {
    std::uint32_t below_percent = 50;
    std::uint32_t min_instances = 3;
    PanicTarget to = PanicTarget::all;
    bool operator==(const Panic&) const = default;
};

enum class Resolve : std::uint8_t { first, each };

// What is done about a container whose instance stays unhealthy.
enum class HealPolicy : std::uint8_t { none, restart, replace };
std::string_view to_text(HealPolicy policy);
struct Heal {
    HealPolicy policy = HealPolicy::none;
    Duration after = 30s;
    Duration backoff_first = 10s, backoff_max = 5min;
    bool operator==(const Heal&) const = default;
};

struct ServiceSpec {
    std::string name;
    Owner owner = Owner::file;
    std::vector<InstanceSpec> instances;
    bool instances_fixed = false;  // The API may not add instances.
    std::shared_ptr<const CheckList> checks = std::make_shared<const CheckList>();
    Balance balance;
    Timeouts timeouts;
    Retry retry;
    std::optional<Panic> panic;
    std::shared_ptr<const RouteTls> tls;            // Of its routes that say nothing themselves; null: they ask for no certificate.
    std::shared_ptr<const io::TlsSpec> upstream_tls;  // To its https:// instances; null: verified against what this machine believes.
    Resolve resolve = Resolve::first;
    double degraded_weight = 1.0;  // A degraded instance's share against a healthy one's.
    Duration replace_timeout = 30s;
    std::vector<std::pair<std::string, std::string>> labels;
    Heal heal;
    std::shared_ptr<const DeploySpec> deploy;  // Null: its instances are not made by deployments.
    Mark mark;

    const std::vector<std::shared_ptr<const CheckSpec>>& checks_of(const InstanceSpec& instance) const {
        return instance.checks ? *instance.checks : *checks;
    }
};

// An operator's layer over a verdict; never a write to it.
struct Override {
    std::string service;
    std::string instance;  // Instance id; empty: the whole service.
    verdict::OverrideState state = verdict::OverrideState::down;
    std::string author;
    std::string reason;
    Utc created{};
    Utc expires{};
    std::uint64_t revision = 0;
};

}  // namespace hale::config
