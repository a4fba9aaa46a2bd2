// When to probe. Pure functions: the checker keeps an instant per check and asks here for the next.
//
// Slots are fixed-rate: phase + k x interval on the loop's clock, with a phase from the check's id, so load
// spreads and a slow probe shifts nothing. A slot met by a running probe is skipped. Between slots, while the
// judge asks for a pace, the next probe comes that long after the end of the last.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "verdict/judge.h"
#include "verdict/policy.h"
#include "verdict/state.h"

namespace hale::verdict {

// Keep one per check: where in any interval its slots fall.
struct PhaseKey {
    std::uint64_t hash = 0;
    static PhaseKey of(std::string_view check_id);  // Instance id and check name, generation left out.
};

// The first slot strictly after `after`. When the interval doubles (back-off), the slots of the longer one
// are a subset of the shorter one's.
Instant next_slot(PhaseKey key, Duration interval, Instant after);

// How many slots fall in (after, until]: those that a late or paused checker missed.
std::uint64_t slots_within(PhaseKey key, Duration interval, Instant after, Instant until);

struct NextProbe {
    Instant at{};
    Trigger trigger = Trigger::scheduled;  // scheduled: at a slot; confirmation: between them, at the judge's pace.
    bool fresh = false;                    // On a connection of its own, whatever the check's default.
};

// The earlier of the next slot and `last_end` + pace. A slot wins a tie, so that m_of_n sees it.
// `guard`: a confirmation that could last this long is not begun when it might meet the next slot.
NextProbe next_probe(PhaseKey key, Duration interval, std::optional<Duration> pace, Instant last_end,
                     Duration guard = Duration{0});
// The same, with what the judge wants now. While m_of_n counts failing slots, its confirmations are guarded
// by the timeout: otherwise a silent target's confirmations would swallow the very slots that must convict it.
NextProbe next_probe(const JudgePolicy& policy, const Judge& judge, PhaseKey key, Instant last_end);

// First probes after a restart: the index-th of n checks, spread evenly over max(1 s, n / 10,000 s). A new
// instance is not spread: probe it at once.
Instant first_probe_restored(Instant now, std::uint64_t index, std::uint64_t n);

// The longest time from a target's death to `unhealthy`, from healthy, our own lateness aside.
struct Detection {
    Duration refused{};  // Every connection is refused at once.
    Duration silent{};   // Nothing ever answers; Duration::max() when m_of_n can never see enough slots.
};
Detection worst_case_detection(const JudgePolicy& policy);

}  // namespace hale::verdict
