// What may be asked of control, and what it answers. Everything that changes anything goes through these.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "catalog/checking.h"
#include "config/document.h"
#include "config/journal.h"
#include "config/service_spec.h"

namespace hale::catalog {

// The file (or what took its place) after it loaded without problems.
struct ApplyDocument { std::shared_ptr<const config::Document> document; };
// The file did not load: changes nothing, is told everywhere.
struct RejectDocument { std::vector<std::string> problems; std::string source; };

// API-owned objects: parsed by config, with the JSON that is stored.
struct PutApiService { config::ServiceSpec spec; std::vector<config::RouteSpec> routes; std::string json; };
struct RemoveApiService { std::string name; };
struct PutApiInstance { std::string service; config::InstanceSpec spec; std::string json; };
struct RemoveApiInstance { std::string service, name; };  // Name or id.
struct PutApiRoute { config::RouteSpec spec; std::string json; };
struct RemoveApiRoute { std::string id; };
struct PutApiCheck { std::string service; std::shared_ptr<const config::CheckSpec> spec; std::string json; };
struct RemoveApiCheck { std::string service, name; };
// `hale route add`: service (made when missing), its instances and the route in one step.
struct AddRoute {
    std::optional<PutApiService> service;
    std::vector<PutApiInstance> instances;
    PutApiRoute route;
};

// instance: id, or empty for the service.
// created: when it was asked; the epoch: when it is committed.
struct SetOverride { std::string service, instance; verdict::OverrideState state; Duration lasts{}; std::string reason; Utc created{}; };
struct ClearOverride { std::string service, instance; };
struct Drain { std::string service, instance; };
struct Pause { std::string service; Duration most{}; };
// Ends pause and drain, a service's for each of its instances too. `pause_only`: the pause's time is up.
struct Resume { std::string service, instance; bool pause_only = false; };
struct SetWeight { std::string instance; std::uint32_t weight = 1; };
struct PutApiToken { config::StoredToken token; };
struct RemoveApiToken { std::string name; };
// Changes nothing of what control owns: something else was done that the audit is to have.
struct Witness {};

// Everything that the labels of containers say of one service; it takes the place of what they said before. `service`: it is
// declared by them, with its routes and checks. Else the instances join a service of somebody else. Neither: all goes.
struct Discover {
    std::string name;
    std::optional<PutApiService> service;
    std::vector<PutApiInstance> instances;
};

// What a deployment changes, each in one step with its record. A deployment may concern several services; what it is of
// (config::StoredDeployment::service) need not be one of them. Instances by name.
//
// Its instances become known and are checked, without traffic: they are `starting`. Given again, it puts what is missing.
// `key`: a request that shows it is routed to them (RoutedService::candidate_key). services and route: made too.
struct Stage {
    config::StoredDeployment record;
    std::vector<PutApiInstance> candidates;
    std::string key;
    std::vector<PutApiService> services;
    std::optional<PutApiRoute> route;
    std::uint32_t wave = 0;  // From the second one on its instances are of wave_of(): those of earlier waves serve meanwhile.
};
// What instances of one wave of a deployment name as theirs: "d-1", from the second wave on "d-1.2".
std::string wave_of(const std::string& deployment, std::uint32_t wave);
// Which of its waves that is, and which deployment.
std::uint32_t wave_number(std::string_view wave);
std::string_view deployment_of(std::string_view wave);
// `to` serve and the others of `from`, who served until now, drain.
struct Turn {
    std::string service;
    std::vector<std::string> from, to;
};
// All turns at once, and these services are declared so from then on. Code::conflict when others served; Code::unavailable
// when one of `to` would get no traffic. `back`: from the candidate to those before it, whatever their verdicts.
struct Switch {
    config::StoredDeployment record;
    std::vector<Turn> turns;
    std::vector<PutApiService> declares;
    bool back = false;
    bool regardless = false;  // Whatever the verdicts of `to`.
    bool undo = false;        // Back in the midst of waves: whoever serves now, and who is staged stays so.
};
struct Named {
    std::string service, name;
};
// These go; they drain first. `services`: with all that hangs on them.
struct Unstage {
    config::StoredDeployment record;
    std::vector<Named> gone;
    std::vector<std::string> services;
    bool others_stay = false;  // Its other instances are candidates as before.
};
struct RecordDeployment {
    config::StoredDeployment record;
};

using Change = std::variant<ApplyDocument, RejectDocument, PutApiService, RemoveApiService, PutApiInstance, RemoveApiInstance,
                            PutApiRoute, RemoveApiRoute, PutApiCheck, RemoveApiCheck, AddRoute, SetOverride, ClearOverride,
                            Drain, Pause, Resume, SetWeight, PutApiToken, RemoveApiToken, Witness, Discover, Stage, Switch, Unstage, RecordDeployment>;

// What is stored beside the mutation for its Idempotency-Key. The answer is written on control's thread, once its
// revision (and the id of what it makes) is known: it may only use what it holds.
struct KeptAnswer {
    config::PutIdempotent put;
    std::function<std::string(std::uint64_t revision, const std::string& id)> body = {};
};

struct Mutation {
    Change change;
    std::string actor;   // Token name, "uid:0", "file", "hale".
    std::string action;  // For the audit: "PUT /api/v1/services/web/override".
    std::string object;
    std::string detail;  // Redacted JSON.
    std::optional<std::uint64_t> if_match;  // The object's revision as the caller knew it.
    std::optional<KeptAnswer> idempotent;  // Stored in the same commit.
};

struct MutationDone {
    std::uint64_t revision = 0;  // Everything at or after it holds what was asked.
    std::string id;              // Of the object made, where one was.
};

// A failed reply's Error codes: invalid, not_found, conflict (also if_match), unavailable (store), timed_out
// (committed, but a worker did not adopt in time; the revision is in `system`-free text and in adoption_revision).
struct MutationFailed {
    Error error;
    std::optional<std::uint64_t> adoption_revision;  // Set when it was committed all the same.
};
using MutationResult = std::expected<MutationDone, MutationFailed>;
using MutationReply = std::move_only_function<void(MutationResult)>;

// Immediate probes of every serving instance of the named objects, and what came of them.
struct VerifyRequest {
    std::string service;    // Set: all its serving instances.
    std::string instance;   // Set: this one (id).
    Duration timeout = 30s;
    bool as_if_serving = false;  // A candidate, and what drains, is judged as if it had been switched to.
};
struct Verified {
    std::string instance;  // Id.
    std::string name;
    GateOutcome outcome;
    bool eligible = false;
};
// upgrading: another process takes over; it is to be asked again.
enum class VerifyEnd : std::uint8_t { eligible, not_eligible, nothing_to_verify, timed_out, upgrading };
struct VerifyResult {
    VerifyEnd end = VerifyEnd::nothing_to_verify;
    std::vector<Verified> instances;
    std::uint64_t revision = 0;
};
using VerifyReply = std::move_only_function<void(VerifyResult)>;

// What is answered while another process takes over.
inline Error upgrading() { return {Code::upgrading, "a new process of Hale takes over right now; ask it again in a moment"}; }

}  // namespace hale::catalog
