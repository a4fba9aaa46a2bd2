// What is believed of one check on one instance, decided from what its probes saw.
//
// Pure: no clock, no I/O, no allocation. The caller says what happened and when; the judge says what is now
// believed, and until when it may be believed without news. One judge per check and generation, owned by the
// instance's checker; the policy is handed in with every call.
//
//   pending ──▶ healthy ◀──▶ degraded      up:      `rise` answers (pass or warn) in a row
//      │           │             │         down:    `fall` fails in a row, or m of the last n slots
//      └───────────┴──────▶ unhealthy      worse:   `fall` not-passes in a row; better: `rise` passes
//                               (and back up by `rise`)
//
// Two things lie over that machine and never touch it. `unknown` covers the kept state when no observation
// was counted for too long; the first counted one lifts it. A hold (we suspect ourselves) withholds a new
// `unhealthy` for one confirmation round, then lets it through. `error` touches nothing.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "verdict/policy.h"
#include "verdict/reason.h"
#include "verdict/state.h"

namespace hale::verdict {

// One finished probe, as far as judging goes.
struct Probed {
    Outcome outcome = Outcome::error;
    Reason reason = Reason::ok;
    Trigger trigger = Trigger::scheduled;  // scheduled: it stood for a slot.
    Instant started{};
    Instant ended{};
    bool last_eligible = false;  // Is this instance the last eligible one of its service? Flapping spares it.
};

// Which line of the diagram decided.
enum class Rule : std::uint8_t {
    fails,       // fails >= fall
    slots,       // failed slots >= m
    answers,     // answers >= rise
    not_passes,  // not-passes >= fall (or not-passed slots >= m)
    passes,      // passes >= rise
    silence,     // nothing counted up to the unknown horizon, or all n slots missing
    news,        // the first counted observation lifted `unknown`, and nothing else changed
};
std::string_view to_text(Rule rule);

struct Change {
    State from, to;  // As shown, so `unknown` appears here.
    Rule rule;
    std::uint32_t length;  // The run that decided and what it needed: "3 of 3 fails". Zero for silence and news.
    std::uint32_t needed;
};

struct Judgement {
    bool counted = false;        // Did the observation touch a run?
    bool first_failure = false;  // The first fail of a check that was passing: control wants to hear of it.
    bool flags_changed = false;
    bool reason_changed = false;
    std::optional<Change> change;

    // Anything that moves the instance's version, should the instance's folded verdict show it.
    bool visible() const { return change || flags_changed || reason_changed; }
};

// The run that counts now, for people: "fail, 2 of 3".
struct Run {
    Outcome outcome = Outcome::error;  // Of the last counted observation; error: none yet.
    std::uint32_t length = 0;
    std::uint32_t needed = 0;  // The length at which this outcome decides.
};

// What the store remembers of a check (or of its instance) from before a restart.
struct LastKnown {
    State state = State::pending;
    bool was_eligible = false;    // Read only when the state is unknown.
    std::optional<Duration> age;  // Of the last counted evidence; nothing: there never was any.
    Reason reason = Reason::ok;
};

inline constexpr Duration last_known_max_age_default = 10min;
inline constexpr Duration longest_hold = 5s;
inline constexpr std::size_t flapping_changes = 5;
inline constexpr std::uint32_t flapping_rise_factor_max = 8;
inline constexpr Duration flapping_window_least = 60s;

class Judge {
public:
    // A generation never judged. `started`: the generation's start (of the container, for containers).
    Judge(const JudgePolicy& policy, Instant started, Instant now);
    // After a restart of Hale: keeps state and eligibility, flagged stale, unless the evidence is older than
    // `max_age` (and than the check's own unknown horizon); then it is as new, but never assumed up.
    static Judge restored(const JudgePolicy& policy, const LastKnown& last, Duration max_age, Instant started,
                          Instant now);

    // A check that joins an instance which is judged already: believed as the instance is, flagged checking, and
    // judged at confirmation pace. Assumed only where the instance served without any check.
    static Judge joined(const JudgePolicy& policy, State kept, Reason reason, Instant started, Instant now);

    // Takes one finished probe of this generation and question. Late ones of an older are the caller's to drop.
    Judgement observe(const JudgePolicy& policy, const Probed& probed);
    // A scheduled slot passed without a probe. Matters to m_of_n alone.
    Judgement missed_slot(const JudgePolicy& policy, Instant now);
    // Time passed: call it at next_horizon(). Earlier is harmless, later is only late.
    Judgement tick(const JudgePolicy& policy, Instant now);
    // Other path, expectations, headers or port: keeps the verdict, forgets the runs, judges anew.
    Judgement question_changed(const JudgePolicy& policy, Instant now);
    // We suspect ourselves: a new `unhealthy` waits until `until` (at most longest_hold away), flag suspect.
    // Without effect while a hold lasts, and for a run of fails that was held before: then it is judged.
    Judgement hold_unhealthy(Instant now, Instant until);

    // The next instant at which tick() may have something to say; `never` if none.
    Instant next_horizon(const JudgePolicy& policy) const;

    State state() const { return lost_ ? State::unknown : kept_; }
    State kept() const { return kept_; }     // What lies under `unknown`; never unknown itself.
    bool judged() const { return judged_; }  // Has a rule ever decided? False for pending and for assumed.
    bool checking() const { return checking_; }
    Reason reason() const { return lost_ ? Reason::stale : reason_; }
    Flags flags() const;  // stale, checking, flapping, suspect. `held` and `ejected` are the instance's.
    Run run(const JudgePolicy& policy) const;
    std::optional<Instant> counted_at() const;  // The end of the last counted probe since this judge began.

    // How soon after the end of a probe the next one is wanted, besides the scheduled slots; nothing: at the
    // next slot. While this is set, probes travel on fresh connections.
    std::optional<Duration> pace(const JudgePolicy& policy, Instant now) const;
    // `interval`, or longer while backing off from an unhealthy instance.
    Duration interval_in_force(const JudgePolicy& policy) const;
    Duration stale_after(const JudgePolicy& policy) const;  // `unknown` at twice that.

private:
    // A rule that fired, whether or not it says anything new.
    struct Decision {
        State to;
        Rule rule;
        std::uint32_t length;
        std::uint32_t needed;
    };
    // What readers see; compared before and after to say what became visible.
    struct Shown {
        State state;
        Flags flags;
        Reason reason;
    };
    bool up() const { return kept_ == State::healthy || kept_ == State::degraded; }
    bool in_start_period(const JudgePolicy& policy, Instant at) const;
    bool counts(const JudgePolicy& policy, const Probed& probed) const;
    void count(const JudgePolicy& policy, const Probed& probed);
    void fill_slot(bool failed, bool not_passed, bool missing);
    bool miss_slot(const JudgePolicy& policy, Instant at, Reason reason);
    std::optional<Decision> decide(const JudgePolicy& policy, bool slot) const;
    void obey(const JudgePolicy& policy, const Decision& decision, Instant at);
    std::optional<Decision> pass_time(const JudgePolicy& policy, Instant now);
    void remember_change(const JudgePolicy& policy, Instant at);
    void end_flapping(const JudgePolicy& policy, Instant now);
    void forget_runs();
    std::uint32_t rise_in_force(const JudgePolicy& policy) const;
    Instant quiet_since(const JudgePolicy& policy) const;
    Instant last_change() const { return changes_[(change_at_ + flapping_changes - 1) % flapping_changes]; }
    Shown shown() const { return {state(), flags(), reason()}; }
    Judgement compare(const Shown& before, const std::optional<Decision>& decided) const;

    Instant started_;
    Instant clock_from_;  // The last counted observation, or when this judge began.
    Instant counted_at_ = Instant::min();
    Instant hold_until_ = Instant::min();
    std::array<Instant, flapping_changes> changes_;  // The latest changes of the kept state, a ring; min: none.
    // The latest scheduled slots, newest in bit 0.
    std::uint64_t failed_slots_ = 0;
    std::uint64_t not_passed_slots_ = 0;
    std::uint64_t missing_slots_ = 0;
    // Runs ending with the last counted observation.
    std::uint32_t fails_ = 0;
    std::uint32_t not_passes_ = 0;  // Warns and fails.
    std::uint32_t answers_ = 0;     // Passes and warns.
    std::uint32_t passes_ = 0;
    State kept_ = State::pending;
    Reason reason_ = Reason::never_checked;
    Reason not_pass_reason_ = Reason::never_checked;  // Of the last counted warn or fail.
    Outcome last_ = Outcome::error;                   // Counted; error: none yet.
    std::uint8_t change_at_ = 0;                      // Where in the ring the next change goes.
    std::uint8_t doublings_ = 0;                      // Of the interval, while unhealthy.
    std::uint8_t flapping_doublings_ = 0;             // Of `rise`, while flapping.
    bool judged_ = false;
    bool spoken_ = false;  // Passed once: the start period is over.
    bool lost_ = false;    // `unknown` lies over the kept state.
    bool stale_ = false;
    bool checking_ = false;
    bool flapping_ = false;
    bool withheld_ = false;    // An `unhealthy` waits for the end of the hold.
    bool hold_spent_ = false;  // This run of fails was held once.
    bool last_eligible_ = false;
};

}  // namespace hale::verdict
