// All that there is to know of one deployment: what it was asked for, what it is to do, how far it came, and what was seen
// on the way. Stored after each step as the JSON that people are shown, so that a daemon that was killed goes on from it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/journal.h"
#include "rollout/machine.h"
#include "rollout/plan.h"

namespace hale::deploy {

inline constexpr std::size_t most_observations = 5;  // Of each instance, the last.

// One instance of the new version; the n-th is the n-th container of the plan.
struct Candidate {
    std::string name;    // In the catalog.
    std::string target;  // Its address as declared.
    bool kept = false;   // It serves already: it is neither put nor taken away.
    std::vector<std::string> observations;  // The oldest first.
    std::vector<std::string> log;           // The last lines of a container that was taken back.
    bool operator==(const Candidate&) const = default;
};

struct PhaseNote {
    rollout::Phase phase = rollout::Phase::requested;
    Utc entered{}, deadline{};
    bool operator==(const PhaseNote&) const = default;
};

struct Record {
    std::string id, service, actor;
    std::uint64_t number = 0;
    Utc created{};
    bool verifying_said = false;  // How long its verification may take was asked for: nothing changes it.
    bool containers = false;  // Made here; else somebody else runs what is at the targets.
    std::string image;        // As it was asked for.
    std::string overrides;    // JSON, over the service's `deploy`. No secret: those are the declaration's.
    std::string service_json, route_json;  // What it makes beside its instances; empty: that was there.
    std::vector<Candidate> candidates;
    std::vector<std::string> from;  // Who served when it began, by name.
    std::vector<std::string> before;  // And at which addresses: what a rollback leads back to.
    std::vector<std::string> gone;  // Of these, who can be taken away: what the file declares stays, drained.
    rollout::Plan plan;
    rollout::Progress progress;
    std::vector<PhaseNote> phases;  // In order; the last is the present one.
    bool operator==(const Record&) const = default;
};

// Notes the present phase where it is another one than the last.
void note_phase(Record& record);

std::string to_json(const Record& record);
// What people are shown of it: all but what only a later process needs. `json` as to_json() writes it.
std::string shown(const std::string& json, std::optional<std::uint64_t> revision = {});
// Of one instance, as the catalog loads it.
std::string instance_json(const Record& record, const Candidate& candidate);
// For the audit.
std::string detail_json(const Record& record);
Result<Record> record_from(std::string_view json);
config::StoredDeployment stored(const Record& record);

}  // namespace hale::deploy
