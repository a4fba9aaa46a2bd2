// What a deployment is to bring about, settled before it begins: it is stored with the deployment, so that a daemon that was
// killed goes on by the same plan. Only what an image says of its own health (container_health, and how long verifying may take)
// is settled once the image is here, before anything is created.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace hale::rollout {

// When a container may be started, as a compose file's depends_on has it.
enum class Needs : std::uint8_t { started, healthy, completed };

struct Dependency {
    std::size_t container = 0;  // Its place in Plan::containers.
    Needs needs = Needs::started;
    bool operator==(const Dependency&) const = default;
};

// One container of the candidate, or one target that somebody else runs.
struct ContainerPlan {
    std::string name;
    bool external = false;          // Nothing is created or started: it is only verified.
    bool made = false;              // It is there, and only started.
    bool one_shot = false;          // Runs to its end; exit 0 is its pass.
    bool container_health = false;  // Its image has a HEALTHCHECK, and must say healthy.
    bool direct = true;             // Asked at its own address; false: `check: none` with its reason.
    bool routed = true;             // Users' requests will come here: the way through the proxy is verified too.
    std::vector<Dependency> after;
    bool operator==(const ContainerPlan&) const = default;
};

// How long each phase may take. Printed when the deployment starts, with their sum (V14).
struct Deadlines {
    Duration requested = 10s;  // Pre-flight, and the hooks before.
    Duration pulling = 300s;
    Duration yielding = 0s;   // In waves: of one wave's old ones, until they are stopped.
    Duration creating = 30s;
    Duration starting = 60s;
    Duration verifying = 60s;
    Duration switching = 10s;
    Duration hooks_after = 0s;  // The hooks after the switch: the first part of baking.
    Duration baking = 0s;       // The watch itself; 0: there is none.
    Duration draining = 30s;
    Duration retiring = 30s;
    Duration rolling_back = 60s;
    bool operator==(const Deadlines&) const = default;
};

struct Plan {
    static constexpr std::size_t most_containers = 256;

    std::vector<ContainerPlan> containers;
    Deadlines deadlines;
    bool pull = true;       // False: every image is here, or nothing has one.
    bool has_old = true;    // Something serves now, and is drained and retired.
    bool retire_old = true;  // False: the old version stays as it is, out of traffic, for an instant way back.
    bool hooks_before = false, hooks_after = false;
    bool accept_pre_existing = false;  // A check that the serving version fails too keeps nobody from switching.
    // So many failed containers end it; until then each is taken away and made anew. 0: the first one ends it.
    std::uint32_t breaker = 0;
    Duration replace_after{0};  // With a breaker: what did not prove itself so long after its start has failed.
    // In waves: no more containers than `most_running` run at once, and no fewer than `least_serving` serve, or as many as
    // served before where these are fewer. Of the new ones, which are `containers`, and the `old` ones, in the order in
    // which they leave. most_running 0: all new ones beside all old ones, and one switch.
    std::uint32_t most_running = 0;
    std::uint32_t least_serving = 0;
    std::vector<std::string> old;
    bool in_waves() const { return most_running > 0; }
    bool operator==(const Plan&) const = default;
};

}  // namespace hale::rollout
