// What a deployment saw, kept with it: given to the machine again, it leads to the same end. So every decision can be
// repeated, and who doubts one sees which event made it.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "rollout/machine.h"

namespace hale::deploy {

inline constexpr std::size_t most_seen = 1'000;

struct Seen {
    Utc at{};
    std::string kind;  // As kind_of() spells it.
    std::size_t container = 0;
    bool yes = false;   // healthy, passed, oom
    bool more = false;  // missing
    int number = 0;     // exit code
    rollout::Fault fault = rollout::Fault::none;
    std::string text;
    bool operator==(const Seen&) const = default;
};

Seen seen(Utc at, const rollout::Event& event);
// Code::corrupt: this version knows no such event.
Result<rollout::Event> event_of(const Seen& seen);

// Adds it. What says the same of the same container as what was last said of it takes that one's place: an answer that fails a
// thousand times is one. False: there is no room left.
bool note_seen(std::vector<Seen>& list, Seen one);

// One step of a repetition.
struct Replayed {
    Seen seen;
    rollout::Phase phase = rollout::Phase::requested;  // After it.
};
struct Replay {
    std::vector<Replayed> steps;
    rollout::Progress end;
};
Result<Replay> replay(const rollout::Plan& plan, Utc created, const std::vector<Seen>& list);

}  // namespace hale::deploy
