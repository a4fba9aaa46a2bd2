// All that there is to know of one deployment: what it was asked for, what it is to do, how far it came, and what was seen
// on the way. Stored after each step as the JSON that people are shown, so that a daemon that was killed goes on from it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/journal.h"
#include "config/load.h"
#include "deploy/events.h"
#include "rollout/machine.h"
#include "rollout/plan.h"

namespace hale::deploy {

inline constexpr std::size_t most_observations = 5;  // Of each instance, the last.

// One container or target of the new version; the n-th is the n-th container of the plan.
struct Candidate {
    std::string name;       // Of the container, and in the catalog.
    std::string service;    // Whose instance it is; empty: nobody's (a one-shot container, or one that nothing is asked of).
    std::string container;  // In its compose file; empty: there is none.
    std::string target;     // Its address as declared.
    bool kept = false;      // It serves already: it is neither put nor taken away.
    bool reused = false;    // Its container was left for a way back: started again, and stopped again should this fail.
    std::string image;      // Whose, as the engine knows it: "web@sha256:…", or the image's id where no registry gave it.
    std::string unverified;  // Nobody asks it anything: why that is meant so.
    std::vector<std::string> observations;  // The oldest first.
    std::vector<std::string> log;           // The last lines of a container that was taken back.
    std::string address, host, path;        // Where it was asked last, and what for.
    bool operator==(const Candidate&) const = default;
};

// One service that it concerns.
struct Part {
    std::string service;
    std::string makes;     // What is put where it was not there, JSON; empty: it was.
    std::string declares;  // How it is declared from the switch on, JSON; empty: as it is.
    std::string declared;  // And until then; empty: it was not there.
    bool leaves = false;   // The new version has none of it.
    std::vector<std::string> from;    // Who served when it began, by name.
    std::vector<std::string> before;  // And at which addresses: what a rollback leads back to.
    std::vector<std::string> gone;    // Of these, who can be taken away: what the file declares stays, drained.
    bool operator==(const Part&) const = default;
};

struct PhaseNote {
    rollout::Phase phase = rollout::Phase::requested;
    Utc entered{}, deadline{};
    std::string reason;  // What led there.
    bool operator==(const PhaseNote&) const = default;
};

struct Record {
    std::string id, service, actor;  // Of a service, or of an application: several services that are deployed as one.
    std::uint64_t number = 0;
    Utc created{};
    bool verifying_said = false;  // How long its verification may take was asked for: nothing changes it.
    bool containers = false;  // Made here; else somebody else runs what is at the targets.
    bool keeps = false;       // Containers that would be made as they are stay.
    std::string image;        // As it was asked for.
    std::string overrides;    // JSON, over the service's `deploy`. No secret: those are the declaration's.
    std::string compose;      // The file of an application.
    config::Variables variables;  // Which it asks for.
    std::vector<std::pair<std::string, std::string>> way_back;  // Request::way_back.
    std::string route_json;   // What it makes beside; empty: that was there.
    std::vector<Candidate> candidates;
    std::vector<Part> parts;
    rollout::Plan plan;
    rollout::Progress progress;
    std::vector<PhaseNote> phases;  // In order; the last is the present one.
    std::vector<Seen> seen;         // What led to where it is (events.h).
    std::string doing;              // How far it is in its present phase, where that is told. A later process asks anew.
    std::string baked;              // What users met at the new version while it baked.
    bool seen_whole = true;         // False: there was more of it than is kept.

    bool of_application() const { return !compose.empty(); }
    Part* part(std::string_view service_name);
    const Part* part(std::string_view service_name) const { return const_cast<Record*>(this)->part(service_name); }
    std::vector<std::string> from() const;  // Of all parts.
    bool operator==(const Record&) const = default;
};

// Notes the present phase where it is another one than the last.
void note_phase(Record& record);

std::string to_json(const Record& record);
// What people are shown of it: all but what only a later process needs. `json` as to_json() writes it.
std::string shown(const std::string& json, std::optional<std::uint64_t> revision = {});
// Of one instance, as the catalog loads it. `checks`: what is asked of it beside what its service is asked until the switch.
std::string instance_json(const Record& record, const Candidate& candidate, const std::string& checks = {});
// Of one that served before, started again: of the deployment that made it.
std::string old_instance_json(const std::string& name, const std::string& address, const std::string& deployment);
// For the audit.
std::string detail_json(const Record& record);
Result<Record> record_from(std::string_view json);
config::StoredDeployment stored(const Record& record);

}  // namespace hale::deploy
