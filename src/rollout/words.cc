#include "rollout/words.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hale::rollout {

namespace {

constexpr std::array<std::string_view, 15> phases{"requested", "pulling",  "yielding", "creating",     "starting", "verifying",   "switching",  "baking",
                                                  "draining",  "retiring", "rolling_back", "done",     "rolled_back", "superseded", "failed"};

constexpr std::array all_faults{
    FaultFacts{Fault::none, "none", "Nothing went wrong.", "", false},
    FaultFacts{Fault::preflight_failed, "preflight_failed", "What the deployment needs is not all there; nothing was touched.", "Bring what the sentence names, and deploy again.", false},
    FaultFacts{Fault::dependency_missing, "dependency_missing", "What it needs of others is not there; nothing was touched.", "Bring that back first, or take it out of `needs`.", true},
    FaultFacts{Fault::engine_unavailable, "engine_unavailable", "The Docker Engine could not be asked, or did not answer in time.", "Is the engine running, and is it where `docker.host` says?", true},
    FaultFacts{Fault::hook_failed, "hook_failed", "A hook of the deployment said no, or did not answer in time.", "Look at what the hook itself says: ask or run it by hand.", true},
    FaultFacts{Fault::image_pull_failed, "image_pull_failed", "The image could not be pulled.", "Look at the image's name, and at the registry's credentials.", true},
    FaultFacts{Fault::create_failed, "create_failed", "The engine refused to create a container.", "The engine's own sentence says why.", false},
    FaultFacts{Fault::start_failed, "start_failed", "The engine could not start a container.", "Look at command, ports and mounts; the engine's own sentence says why.", false},
    FaultFacts{Fault::container_exited, "container_exited", "A container ended that was to stay.", "Its last log lines say why; is its command a server in the foreground?", false},
    FaultFacts{Fault::crash_loop, "crash_loop", "A container ended again and again.", "Its last log lines say why.", false},
    FaultFacts{Fault::container_oom, "container_oom", "A container ran out of memory.", "Raise its memory limit, or look for what takes it.", false},
    FaultFacts{Fault::container_unhealthy, "container_unhealthy", "The container's own health check failed to the end of its time.", "Run its HEALTHCHECK by hand: hale exec.", true},
    FaultFacts{Fault::one_shot_failed, "one_shot_failed", "A container that runs once ended with another code than 0.", "Its last log lines say why.", false},
    FaultFacts{Fault::not_ready, "not_ready", "Asked directly, it did not answer as it should in time.", "Does it listen on all addresses, not on 127.0.0.1 alone, and on the port that is checked?", true},
    FaultFacts{Fault::route_missing, "route_missing", "Right directly, 404 through the proxy.", "Look at host, path and strip of its route.", false},
    FaultFacts{Fault::proxy_failed, "proxy_failed", "Right directly, wrong through the proxy.", "Ask the instance with the Host that users send.", true},
    FaultFacts{Fault::route_changed, "route_changed", "Somebody else moved the route meanwhile; nothing was overwritten.", "Look at hale deployments and hale route list, and deploy again.", true},
    FaultFacts{Fault::bake_failed, "bake_failed", "Under users' requests it did worse than it may.", "Compare error ratio and latency of both versions.", false},
    FaultFacts{Fault::timed_out, "timed_out", "A phase took longer than it may.", "Was the engine busy or down? Raise that phase's deadline if it needs the time.", true},
    FaultFacts{Fault::pre_existing, "pre_existing", "The version that serves fails the same check: it is not this deployment's doing.", "Mend what both depend on, or the check.", true},
    FaultFacts{Fault::aborted, "aborted", "Somebody ended it.", "", true},
    FaultFacts{Fault::superseded, "superseded", "A newer deployment of the service took its place.", "", false},
};

}  // namespace

std::string_view text(Phase phase) { return phases[std::to_underlying(phase)]; }

std::optional<Phase> parse_phase(std::string_view text) {
    const auto found = std::ranges::find(phases, text);
    if (found == phases.end()) return std::nullopt;
    return static_cast<Phase>(found - phases.begin());
}

const FaultFacts& facts(Fault fault) { return all_faults[std::to_underlying(fault)]; }

std::optional<Fault> parse_fault(std::string_view code) {
    const auto found = std::ranges::find(all_faults, code, &FaultFacts::code);
    if (found == all_faults.end()) return std::nullopt;
    return found->fault;
}

std::string_view hint_for_status(int status) {
    switch (status) {
        case 301:
        case 302:
        case 307:
        case 308: return "it redirects: is the Host right, and is a redirect to be accepted or followed?";
        case 400:
        case 403: return "does the application's list of allowed hosts name this Host?";
        case 401: return "the check's path wants a login: choose a path that is open, or expect 401";
        case 404: return "is the path right, and does the application know it by this Host?";
        default: return {};
    }
}

}  // namespace hale::rollout
