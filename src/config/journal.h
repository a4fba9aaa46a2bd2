// What must be on disk before a mutation is acknowledged. `catalog` commits through this; `store`
// implements it on state.db. One ordered writer: batches are committed in the order they were given.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/service_spec.h"
#include "verdict/state.h"

namespace hale::config {

// API-owned objects are stored as the JSON they were posted as, and loaded through the same validation as
// at first: a stored object that a newer version refuses is reported by name, never dropped.
struct StoredObject {
    std::string kind;  // "service", "instance", "route", "check"
    std::string key;   // Unique within its kind: service name, "service/instance", route id, "service/check".
    std::string json;
    std::uint64_t revision = 0;
};

struct StoredVerdict {
    std::string instance;  // Id.
    std::string service;
    std::string name;
    std::string declared;  // Address as declared; with service or name it finds the id again.
    std::uint16_t generation = 0;
    verdict::State state = verdict::State::pending;
    bool was_eligible = false;
    std::uint32_t version = 0;
    std::string reason;  // Code.
    std::string text;
    Utc since{};
    Utc observed{};  // Last counted evidence; epoch: never.
    std::string resolved;  // The address last probed, so that a restart routes where it verified.
};

// Since when a service has been in its state: its instances' own verdicts don't tell, for they came and went.
struct StoredStanding {
    std::string service;
    verdict::State state = verdict::State::pending;
    Utc since{};
};

// Run-time traffic state of a service or instance that outlives a reload and a restart.
struct StoredTraffic {
    std::string key;  // "service" or an instance id.
    std::optional<std::uint32_t> weight;
    bool draining = false;
    std::optional<Utc> paused_until;
};

// A deployment, under way or over. What it is belongs to whoever carries it out; here it is kept.
struct StoredDeployment {
    std::string id;  // "d-" and 12 characters.
    std::string service;
    std::uint64_t number = 0;  // Of its service, from 1 on.
    bool over = false;
    std::uint32_t candidate = 0;  // Its instances of this wave are known and checked, and out of traffic; 0: none, 1: all that are of no later one.
    Utc created{};
    std::string json;  // All that there is to know, as it is shown.
};

struct AuditEntry {
    std::uint64_t revision = 0;
    Utc at{};
    std::string actor;   // Token name, "uid:0", "file".
    std::string action;  // "PUT /api/v1/services/web/override"
    std::string object;
    std::string detail;  // Redacted JSON.
};

struct StoredToken {
    std::string name;
    std::string sha256;  // Hex.
    std::string role;    // "read", "operate", "admin"
    Utc created{};
    std::optional<Utc> expires;
};

struct PutObject { StoredObject object; };
struct RemoveObject { std::string kind, key; };
struct PutOverride { Override override; };
struct RemoveOverride { std::string service, instance; };
struct PutVerdict { StoredVerdict verdict; };
struct RemoveVerdict { std::string instance; };
struct PutStanding { StoredStanding standing; };
struct RemoveStanding { std::string service; };
struct PutTraffic { StoredTraffic traffic; };
struct PutToken { StoredToken token; };
struct RemoveToken { std::string name; };
struct PutAudit { AuditEntry entry; };
struct PutDeployment { StoredDeployment deployment; };
struct RemoveDeployment { std::string id; };
// Idempotency-Key → the answer that was given, kept 24 h.
struct PutIdempotent { std::string key, actor; int status; std::string body; Utc at; };
// No number at or below is ever handed out again: revisions and versions are reserved in blocks.
struct ReserveRevisions { std::uint64_t up_to; };
struct ReserveVersions { std::uint32_t up_to; };

using Change = std::variant<PutObject, RemoveObject, PutOverride, RemoveOverride, PutVerdict, RemoveVerdict, PutStanding,
                            RemoveStanding, PutTraffic,
                            PutToken, RemoveToken, PutAudit, PutDeployment, RemoveDeployment, PutIdempotent, ReserveRevisions, ReserveVersions>;

// Everything state.db held at start.
struct Restored {
    std::vector<StoredObject> objects;
    std::vector<Override> overrides;
    std::vector<StoredVerdict> verdicts;
    std::vector<StoredStanding> standings;
    std::vector<StoredTraffic> traffic;
    std::vector<StoredToken> tokens;
    std::vector<StoredDeployment> deployments;
    std::uint64_t revisions_reserved = 0;
    std::uint32_t versions_reserved = 0;
};

class Journal {
public:
    virtual ~Journal() = default;

    // durable: fsynced before `done`. Otherwise written soon, in order with the rest (last verdicts). The whole
    // batch is one transaction. `done` runs on the caller's loop. Fails with Code::exhausted through `done`
    // when more than the implementation's named limit of batches wait.
    virtual void commit(std::vector<Change> batch, bool durable, std::move_only_function<void(Result<>)> done) = 0;
};

}  // namespace hale::config
