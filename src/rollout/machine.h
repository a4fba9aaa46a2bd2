// The deployment machine: pure, resumable, and never without a deadline. Control feeds it with what was seen and carries
// out what it asks for; every command may be given twice, for a daemon that was killed gives the phase's commands again.
//
//   requested ──▶ pulling ──▶ creating ──▶ starting ──▶ verifying ──▶ switching ──▶ baking ──▶ draining ──▶ retiring ──▶ done
//       │            │            │            │            │             │            │
//       └────────────┴────────────┴────────────┴─────┬──────┴─────────────┴────────────┘
//                                 (a fault, an abort, a newer one)
//                                                    ▼
//                                              rolling_back ──▶ rolled_back, superseded
//                                                    └────────▶ failed: undoing it was not over in time; somebody has to look
//
// verifying: every container's own health ∥ every direct question; once all direct ones passed, the way through the proxy by
// a candidate route that users' requests never take. All words are kept from the start of the container on, so that a
// container that was healthy while another one started is not asked to be so again.
//
// The old version serves until `switching` is told to have happened, and again from `rolling_back` on; it is drained only
// after baking. So at each moment users reach one whole version (V5, V20). From draining on there is no way back: what
// fails then is said, and the deployment is done.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "rollout/plan.h"

namespace hale::rollout {

enum class Phase : std::uint8_t {
    requested,
    pulling,
    creating,
    starting,
    verifying,
    switching,
    baking,
    draining,
    retiring,
    rolling_back,
    done,
    rolled_back,
    superseded,
    failed,
};
constexpr bool over(Phase phase) { return phase >= Phase::done; }
// Users may be on the candidate by now.
constexpr bool switched(Phase phase) { return phase == Phase::baking || phase == Phase::draining || phase == Phase::retiring || phase == Phase::done; }

// Why a deployment did not become what it was meant to be. A closed list, spelled the same everywhere (words.h).
enum class Fault : std::uint8_t {
    none,
    preflight_failed,
    image_pull_failed,
    create_failed,
    start_failed,
    container_exited,
    crash_loop,
    container_oom,
    container_unhealthy,
    one_shot_failed,
    not_ready,      // The direct question was not answered rightly in time.
    route_missing,  // Right directly, 404 through the proxy.
    proxy_failed,   // Otherwise wrong through the proxy.
    route_changed,  // Somebody else moved the route: nothing is overwritten.
    bake_failed,
    timed_out,
    pre_existing,   // The version that serves fails the same check.
    aborted,
    superseded,
};

enum class Word : std::uint8_t { none, pass, fail };

struct Container {
    bool created = false;
    bool asked_to_start = false;
    bool started = false;
    bool ended = false;          // A one-shot container that ran to its end.
    Word health = Word::none;    // Of the container itself; may change until the deadline.
    Word direct = Word::none;
    bool operator==(const Container&) const = default;
};

// All that there is to know of a deployment under way; stored after each step.
struct Progress {
    Phase phase = Phase::requested;
    Utc entered{};
    Utc deadline{};  // Of the phase; Utc::max() once it is over.
    std::vector<Container> containers;
    Word proxy = Word::none;
    bool asked_proxy = false;
    bool users_switched = false;  // The route points at the candidate.
    Fault fault = Fault::none;
    std::string text;  // The sentence of the fault; the engine's or the probe's own words.
    bool operator==(const Progress&) const = default;
};

// ── What is seen ─────────────────────────────────────────────────────────────────────────────────────────

struct Began {};            // Once, or again after a restart: the phase's commands are given.
struct PreflightPassed {};
struct Pulled {};
struct Created { std::size_t container; };
struct Started { std::size_t container; };
struct Health { std::size_t container; bool healthy; std::string text; };
struct Ended { std::size_t container; int exit_code; bool oom; std::string text; };
struct Looping { std::size_t container; std::string text; };  // Ended three times in five minutes.
struct Direct { std::size_t container; bool passed; std::string text; };
struct Through { bool passed; bool missing; std::string text; };
struct Switched {};
struct Drained {};
struct Retired {};
struct RolledBack {};
// Of the command at hand, and final: unknown image, refused credentials, a name that is taken, a bake gone bad.
struct Failed { Fault fault; std::string text; };
struct Abort { Fault why; std::string text; };  // aborted or superseded
struct Tick {};                                 // Time passed.

using Event = std::variant<Began, PreflightPassed, Pulled, Created, Started, Health, Ended, Looping, Direct, Through, Switched, Drained, Retired, RolledBack,
                           Failed, Abort, Tick>;

// ── What is to be done ───────────────────────────────────────────────────────────────────────────────────

enum class Do : std::uint8_t {
    preflight,
    pull,
    create,          // One container,
    start,           // and so on; watched from then on.
    ask_directly,    // Until it passes, or the gate is closed.
    ask_through,     // Makes the candidate route, and asks through it.
    switch_route,    // Compare-and-swap against the revision the deployment began with.
    bake,
    drain_old,
    retire_old,
    roll_back,       // The route to the old version where it was moved; the candidate's containers away.
    close_gates,     // Nobody is asked any more.
};

struct Command {
    Do what;
    std::size_t container = 0;  // Of create, start, ask_directly.
    bool operator==(const Command&) const = default;
};

Progress begin(const Plan& plan, Utc now);

// What follows from `event`. Events that the phase has no use for change nothing; once it is over nothing does.
std::vector<Command> step(const Plan& plan, Progress& progress, const Event& event, Utc now);

// So long may the whole take, from its request to an end: the sum of the deadlines.
Duration longest(const Plan& plan);

}  // namespace hale::rollout
