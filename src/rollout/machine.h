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
// requested: what is needed is looked at, then the hooks before are asked: nothing was touched when one refuses.
// baking: first the hooks after the switch, then the watch of users' requests.
//
// In waves (Plan::most_running) there is a loop between pulling and baking, as long as some of the new ones do not serve:
//
//      ┌──▶ yielding ──▶ creating ──▶ starting ──▶ verifying ──▶ switching ──▶ baking (all serve)
//      │   (some old ones stop serving, drain and are stopped;           │
//      │    left out while there is room beside them)                    │
//      └─────────────────────────────────────────────────────────────────┘
//
// From there rolling_back goes the same way back: what never served is taken away, what was stopped is started again as room
// permits, and only then users are led back to all old ones.
//
// With a breaker (Plan::breaker) a container that fails before it serves is taken away and made anew, until so many failed.
//
// verifying: every container's own health ∥ every direct question; once all direct ones passed, the way through the proxy by
// a candidate route that users' requests never take. All words are kept from the start of the container on, so that a
// container that was healthy while another one started is not asked to be so again.
//
// The old version serves until `switching` is told to have happened, and again from `rolling_back` on; it is drained only
// after baking. So at each moment users reach one whole version (V5, V20); in waves, which somebody has to ask for, verified
// ones of both. From draining on there is no way back: what fails then is said, and the deployment is done.

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
    yielding,
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
    dependency_missing,  // A service or an address that it needs.
    engine_unavailable,  // It could not be asked, or did not answer in time.
    hook_failed,
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
    bool in_wave = false;   // Of those that are made at present; all, where there are no waves.
    bool serving = false;   // Switched to.
    bool removing = false;  // It failed, or all is undone.
    Utc since{};            // Started.
    bool operator==(const Container&) const = default;
};

// One of those that served before, in waves.
struct Old {
    bool leaving = false;    // Out of traffic, or about to be.
    bool stopped = false;
    bool restoring = false;  // On its way back.
    bool operator==(const Old&) const = default;
};

// All that there is to know of a deployment under way; stored after each step.
struct Progress {
    Phase phase = Phase::requested;
    Utc entered{};
    Utc deadline{};  // Of the phase; Utc::max() once it is over.
    std::vector<Container> containers;
    std::vector<Old> old;  // As Plan::old.
    Word proxy = Word::none;
    bool asked_proxy = false;
    bool users_switched = false;  // The route points at the candidate, or at some of it.
    bool asked_hooks = false;     // Hooks are under way: those of the phase.
    bool hooked = false;          // Those after the switch have passed.
    bool accepted = false;        // Switched to although a check fails: it fails on the serving version too.
    bool leading_back = false;    // Undoing has come to its last step.
    std::uint32_t failures = 0;   // Containers that failed, for the breaker.
    std::uint32_t wave = 0;       // Which it is, counted from 1; without waves 0.
    Fault fault = Fault::none;
    std::string text;  // The sentence of the fault; the engine's or the probe's own words.
    bool operator==(const Progress&) const = default;
};

inline constexpr std::size_t nobody = static_cast<std::size_t>(-1);

// ── What is seen ─────────────────────────────────────────────────────────────────────────────────────────

struct Began {};            // Once, or again after a restart: the phase's commands are given.
struct PreflightPassed {};
struct HooksPassed {};
struct Pulled {};
struct Created { std::size_t container; };
struct Started { std::size_t container; };
struct Health { std::size_t container; bool healthy; std::string text; };
struct Ended { std::size_t container; int exit_code; bool oom; std::string text; };
struct Looping { std::size_t container; std::string text; };  // Ended three times in five minutes.
struct Direct { std::size_t container; bool passed; std::string text; };
struct Through { bool passed; bool missing; std::string text; };
// The check fails, and on the version that serves as well.
struct PreExisting { std::string text; };
struct Switched {};
struct Yielded {};                            // All old ones that are leaving are stopped.
struct Removed { std::size_t container; };    // It is gone, from traffic and from the engine.
struct Restored { std::size_t container; };   // Of the old ones: it runs and serves again.
struct Drained {};
struct Retired {};
struct RolledBack {};
// Of the command at hand, and final: unknown image, refused credentials, a name that is taken, a bake gone bad.
// `container`: whose failure it is, where another try may help.
struct Failed { Fault fault; std::string text; std::size_t container = nobody; };
struct Abort { Fault why; std::string text; };  // aborted or superseded
struct Tick {};                                 // Time passed.

using Event = std::variant<Began, PreflightPassed, HooksPassed, Pulled, Created, Started, Health, Ended, Looping, Direct, Through, PreExisting, Switched, Yielded,
                           Removed, Restored, Drained, Retired, RolledBack, Failed, Abort, Tick>;

// ── What is to be done ───────────────────────────────────────────────────────────────────────────────────

enum class Do : std::uint8_t {
    preflight,
    run_hooks,       // Those before the switch, or after it, as the phase is.
    pull,
    yield_old,       // Those that are leaving: out of traffic, drained, stopped.
    create,          // One container,
    start,           // and so on; watched from then on.
    ask_directly,    // Until it passes, or the gate is closed.
    ask_through,     // Makes the candidate route, and asks through it.
    switch_route,    // Compare-and-swap against what served: to all of the wave, away from who is leaving.
    bake,
    drain_old,
    retire_old,
    remove,          // One container: out of traffic, and away.
    restore_old,     // Started again, and into traffic.
    roll_back,       // The route to the old version where it was moved; the candidate's containers away.
    close_gates,     // Nobody is asked any more; who is still to be is named anew.
};

struct Command {
    Do what;
    std::size_t container = 0;  // Of create, start, ask_directly, remove; of restore_old: its place in Plan::old.
    bool operator==(const Command&) const = default;
};

Progress begin(const Plan& plan, Utc now);

// What follows from `event`. Events that the phase has no use for change nothing; once it is over nothing does.
std::vector<Command> step(const Plan& plan, Progress& progress, const Event& event, Utc now);

// When it has to be told the time next: at the deadline, or before it for a container that did not prove itself.
Utc next_look(const Plan& plan, const Progress& progress);

// So long may the whole take, from its request to an end: the sum of the deadlines.
Duration longest(const Plan& plan);

}  // namespace hale::rollout
