// Containers that run and are of a deployment which is not on record here: a Hale that lost its state, or was installed anew,
// finds by their labels what an earlier one deployed. Pure.
//
// Those of one version become instances again; of several versions it is the one that has an instance already, else the oldest:
// it is what served, and the newer one may never have been verified. Whoever is left out is told, and left running. So is what a
// Hale with another state folder made: it may be there still.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "docker/place.h"
#include "docker/words.h"
#include "fleet/discovery.h"

namespace hale::fleet {

struct Former {
    std::string container;   // And its instance: by the same name.
    std::string deployment;
    std::uint64_t number = 0;  // Of its deployment.
    std::string version;       // Containers that were made alike have the same.
    std::string home;          // Where the Hale that made it had its state.
    std::string address;       // Empty: it does not run.
    bool operator==(const Former&) const = default;
};

// Code::not_found: it is of no deployment, nobody comes to it, or it has no address yet. One that does not run needs none.
Result<Former> former_of(const docker::Inspected& container, const docker::Place& engine, bool runs);

struct TakenUp {
    std::vector<Former> back;  // Who become instances, in order of their names.
    std::vector<Refusal> left;
};
// `there`: of one service, which none of them is on record of. `instances`: who are its instances already.
TakenUp take_up(std::vector<Former> there, const std::set<std::string>& instances);

}  // namespace hale::fleet
