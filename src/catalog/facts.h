// What control tells the readers: immutable facts and the ordered deltas that carry them. Everything that
// lists, explains, streams or measures reads a View built from these deltas, and nothing else.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "catalog/checking.h"
#include "config/document.h"
#include "config/journal.h"
#include "config/service_spec.h"
#include "verdict/state.h"

namespace hale::catalog {

using Slot = std::uint32_t;  // Small stable number of an instance or of a service while it exists.

// A generation that is being probed beside the one that serves (make before break).
struct NextGeneration {
    std::uint16_t generation = 0;
    std::string address;
    verdict::State state = verdict::State::pending;
};

// Are checks of service scope judged on a row of their own? Not where the service is its one implicit instance.
bool judged_apart(const config::ServiceSpec& spec);
// The id of that row: it is probed by it, and its verdict is remembered by it.
std::string scope_id(std::string_view service);

// What mutations decide of an instance; replaced whole when one changes it.
struct InstanceFacts {
    Slot slot = 0;
    Slot service_slot = 0;
    SharedText id;
    SharedText service;
    SharedText name;
    SharedText declared;
    std::optional<SocketAddress> resolved;  // Nothing while unresolved or watched only.
    std::uint16_t generation = 0;
    verdict::Lifecycle lifecycle = verdict::Lifecycle::serving;
    std::uint32_t weight = 1;
    std::uint64_t revision = 0;  // Of the last mutation: its ETag. The verdict has another.
    config::Owner owner = config::Owner::file;
    bool unchecked = false;
    bool routed = false;
    std::shared_ptr<const config::Override> override;  // In force: the stronger of the instance's and the service's.
    std::shared_ptr<const config::CheckList> checks;
    std::shared_ptr<const NextGeneration> next;

    // Where it is: the address, or what was declared while there is none.
    std::string where() const { return resolved ? resolved->text() : declared.str(); }
};

// Of the checks that were added to a service one by one; all others are as old as it.
using CheckRevisions = std::vector<std::pair<std::string, std::uint64_t>>;

struct ServiceFacts {
    Slot slot = 0;
    SharedText name;
    config::Owner owner = config::Owner::file;
    std::shared_ptr<const config::ServiceSpec> spec;  // As declared, API additions merged in.
    std::shared_ptr<const config::Override> override;
    bool draining = false;
    std::optional<Utc> paused_until;
    std::uint64_t revision = 0;  // Of the last mutation: its ETag.
    CheckRevisions check_revisions;
};

struct Counts {
    std::uint32_t total = 0, eligible = 0, healthy = 0, degraded = 0, unhealthy = 0, pending = 0, unknown = 0, draining = 0;
    bool operator==(const Counts&) const = default;
};

// The folded verdict of a service.
struct ServiceStanding {
    verdict::State state = verdict::State::unknown;
    verdict::Reason reason = verdict::Reason::no_instances;
    std::string text;
    Counts counts;
    bool panic = false;
    bool suppressed = false;
    std::uint32_t version = 0;
    Utc since{};
};

struct RouteFacts {
    config::RouteSpec spec;
    std::uint64_t revision = 0;
};

// ---- Deltas, in the order in which they became true ----

struct ServicePut {
    std::shared_ptr<const ServiceFacts> facts;
    bool same = false;  // The same words in another document: nobody is told, and no revision moves.
};
struct ServiceGone { Slot slot; };
struct InstancePut { std::shared_ptr<const InstanceFacts> facts; };
struct InstanceGone { Slot slot; };
// The current generation's verdict changed, or its eligibility did (rule: of the eligibility table).
struct VerdictPut {
    Slot slot;
    std::shared_ptr<const InstanceRecord> record;
    bool eligible = false;
    std::uint8_t rule = 0;
};
struct SeenPut { Slot slot; Seen seen; };
struct StandingPut { Slot slot; ServiceStanding standing; };
struct RoutesPut { std::shared_ptr<const std::vector<RouteFacts>> routes; };
// Something that happened and is no object's state: reload results, suspicion, expiry, audit.
struct Notice {
    std::string kind;     // "config.reloaded", "suspect_self", "override.expired", …
    std::string subject;  // Name of the object, or empty.
    std::string text;
};
struct AuditPut { config::AuditEntry entry; };
struct ReloadState {
    bool ok = true;
    Utc at{};
    std::vector<std::string> problems;  // file:line:column lines when not ok.
    std::string source;
};
struct DocumentPut { std::shared_ptr<const config::Document> document; ReloadState reload; };
// A name that needs resolving could not be; empty: now it could.
struct LookupPut { std::string name, error; };
struct DeploymentPut { std::shared_ptr<const config::StoredDeployment> deployment; };
struct DeploymentGone { std::string id; };
// Stored and shadowed objects that `doctor` reports.
struct ShadowedPut { std::vector<std::string> lines; };

// The reader did not keep up: so many deltas of states were replaced by later ones of the same object.
struct DeltasSkipped { std::uint64_t count = 0; };

struct Delta {
    std::uint64_t revision = 0;  // 0: moves nothing visible (SeenPut).
    Utc at{};
    std::variant<ServicePut, ServiceGone, InstancePut, InstanceGone, VerdictPut, SeenPut, StandingPut, RoutesPut, Notice,
                 AuditPut, DocumentPut, DeploymentPut, DeploymentGone, LookupPut, ShadowedPut, DeltasSkipped>
        what;
};

// Where control posts its folded deltas: `app` carries them to the api thread in this order.
class Audience {
public:
    virtual ~Audience() = default;
    virtual void tell(std::vector<Delta> deltas) = 0;
};

}  // namespace hale::catalog
