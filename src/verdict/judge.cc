#include "verdict/judge.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace hale::verdict {

namespace {

constexpr Instant none = Instant::min();

std::uint32_t set_slots(std::uint64_t bits, const MofN& rule) {
    const std::uint64_t window = rule.n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rule.n) - 1;
    return static_cast<std::uint32_t>(std::popcount(bits & window));
}

Duration flapping_window(const JudgePolicy& policy) { return std::max(20 * policy.interval, flapping_window_least); }

}  // namespace

std::string_view to_text(Rule rule) {
    switch (rule) {
        case Rule::fails:
            return "fails";
        case Rule::slots:
            return "slots";
        case Rule::answers:
            return "answers";
        case Rule::not_passes:
            return "not_passes";
        case Rule::passes:
            return "passes";
        case Rule::silence:
            return "silence";
        case Rule::news:
            return "news";
    }
    std::unreachable();
}

Judge::Judge(const JudgePolicy& policy, Instant started, Instant now) : started_(started), clock_from_(now) {
    changes_.fill(none);
    if (policy.initial == Initial::up) {
        kept_ = State::healthy;
        reason_ = Reason::assumed;
        stale_ = true;
    }
}

Judge Judge::restored(const JudgePolicy& policy, const LastKnown& last, Duration max_age, Instant started,
                      Instant now) {
    if (!last.age) return Judge(policy, started, now);  // Never looked at: `initial` is for such.
    Judge judge(policy, started, now);
    judge.stale_ = false;
    judge.kept_ = State::pending;
    judge.reason_ = Reason::stale;
    const bool backed_off = last.state == State::unhealthy;
    const Duration interval = backed_off ? std::max(policy.interval, policy.down_interval_max) : policy.interval;
    const Duration unknown_after = 2 * (2 * interval + policy.timeout);
    if (*last.age > std::max(max_age, unknown_after)) return judge;

    judge.stale_ = true;
    judge.reason_ = judge.not_pass_reason_ = last.reason;
    if (last.state == State::unknown) {
        // Of what lay beneath only the eligibility is known; a pending one is as little eligible as an unhealthy.
        judge.kept_ = last.was_eligible ? State::healthy : State::pending;
        judge.lost_ = true;
        if (last.was_eligible) judge.reason_ = Reason::ok;
    } else {
        judge.kept_ = last.state;
    }
    judge.judged_ = judge.kept_ != State::pending && last.reason != Reason::assumed;
    judge.spoken_ = judge.judged_;
    return judge;
}

Judge Judge::joined(const JudgePolicy& policy, State kept, Reason reason, Instant started, Instant now) {
    Judge judge(policy, started, now);
    judge.kept_ = kept;
    judge.reason_ = judge.not_pass_reason_ = reason;
    judge.stale_ = reason == Reason::assumed;
    judge.judged_ = judge.spoken_ = reason != Reason::assumed;
    judge.checking_ = true;
    return judge;
}

Judgement Judge::observe(const JudgePolicy& policy, const Probed& probed) {
    const Shown before = shown();
    end_flapping(policy, probed.ended);
    last_eligible_ = probed.last_eligible;

    const bool counted = counts(policy, probed);
    const bool first_failure = counted && up() && probed.outcome == Outcome::fail && fails_ == 0;
    const bool was_down = kept_ == State::unhealthy;
    bool slot = false;
    if (counted) {
        count(policy, probed);
        slot = probed.trigger == Trigger::scheduled;
    } else if (probed.outcome == Outcome::error && probed.trigger == Trigger::scheduled) {
        slot = miss_slot(policy, probed.ended, probed.reason);
    }

    const State kept_before = kept_;
    std::optional<Decision> decided;
    if (counted || slot) {
        decided = decide(policy, slot);
        if (decided) obey(policy, *decided, probed.ended);
        if (!judged_ && answers_ >= rise_in_force(policy)) judged_ = true;  // What was assumed is now known.
    }
    if (const auto released = pass_time(policy, probed.ended)) decided = released;

    // A failed slot while down backs off one step further; the slot that took it down does not.
    if (counted && slot && was_down && kept_ == State::unhealthy && probed.outcome == Outcome::fail &&
        interval_in_force(policy) < policy.down_interval_max)
        ++doublings_;

    if (kept_ == State::pending) {
        reason_ = probed.reason;  // Whatever was seen last says best why it is still pending.
    } else if (counted && kept_ == kept_before) {
        // Only what agrees with the state speaks for it: a single fail does not explain a healthy instance.
        const bool agrees = (kept_ == State::healthy && probed.outcome == Outcome::pass) ||
                            (kept_ == State::degraded && probed.outcome == Outcome::warn) ||
                            (kept_ == State::unhealthy && probed.outcome == Outcome::fail);
        if (agrees) reason_ = probed.reason;
    } else if (kept_ == State::healthy && kept_ != kept_before) {
        reason_ = probed.reason;
    }

    Judgement judgement = compare(before, decided);
    judgement.counted = counted;
    judgement.first_failure = first_failure;
    return judgement;
}

Judgement Judge::missed_slot(const JudgePolicy& policy, Instant now) {
    const Shown before = shown();
    end_flapping(policy, now);
    std::optional<Decision> decided;
    if (miss_slot(policy, now, Reason::check_error)) {
        decided = decide(policy, true);
        if (decided) obey(policy, *decided, now);
    }
    if (const auto released = pass_time(policy, now)) decided = released;
    return compare(before, decided);
}

Judgement Judge::tick(const JudgePolicy& policy, Instant now) {
    const Shown before = shown();
    const auto released = pass_time(policy, now);
    return compare(before, released);
}

Judgement Judge::question_changed(const JudgePolicy& policy, Instant now) {
    const Shown before = shown();
    end_flapping(policy, now);
    forget_runs();
    checking_ = true;
    clock_from_ = std::max(clock_from_, now);
    return compare(before, std::nullopt);
}

Judgement Judge::hold_unhealthy(Instant now, Instant until) {
    const Shown before = shown();
    const bool spent = hold_spent_ && fails_ > 0;
    if (hold_until_ == none && !spent && kept_ != State::unhealthy && until > now)
        hold_until_ = std::min(until, now + longest_hold);
    return compare(before, std::nullopt);
}

bool Judge::in_start_period(const JudgePolicy& policy, Instant at) const {
    return !spoken_ && at < started_ + policy.start_period;
}

// A fail whose probe began within the start period is forgiven even when it ended after: it saw that period.
bool Judge::counts(const JudgePolicy& policy, const Probed& probed) const {
    if (probed.outcome == Outcome::error) return false;
    if (probed.outcome == Outcome::fail && in_start_period(policy, probed.started)) return false;
    switch (probed.trigger) {
        case Trigger::scheduled:
        case Trigger::confirmation:
            return true;
        case Trigger::gate:
            if (probed.outcome == Outcome::pass) return true;
            [[fallthrough]];
        case Trigger::on_demand:
        case Trigger::traffic:
            // From the end of the counted one to the start of this: whoever asks in a tight loop can't make a
            // run of fails shorter than confirmations would.
            return counted_at_ == none || probed.started - counted_at_ >= policy.confirm_interval;
    }
    std::unreachable();
}

void Judge::count(const JudgePolicy& policy, const Probed& probed) {
    const Outcome outcome = probed.outcome;
    fails_ = outcome == Outcome::fail ? fails_ + 1 : 0;
    not_passes_ = outcome != Outcome::pass ? not_passes_ + 1 : 0;
    answers_ = outcome != Outcome::fail ? answers_ + 1 : 0;
    passes_ = outcome == Outcome::pass ? passes_ + 1 : 0;
    last_ = outcome;
    if (outcome == Outcome::pass) spoken_ = true;
    if (outcome != Outcome::pass) not_pass_reason_ = probed.reason;
    if (outcome != Outcome::fail) withheld_ = hold_spent_ = false;
    if (policy.m_of_n && probed.trigger == Trigger::scheduled)
        fill_slot(outcome == Outcome::fail, outcome != Outcome::pass, false);
    clock_from_ = counted_at_ = probed.ended;
    stale_ = lost_ = false;
}

void Judge::fill_slot(bool failed, bool not_passed, bool missing) {
    failed_slots_ = failed_slots_ << 1 | (failed ? 1u : 0u);
    not_passed_slots_ = not_passed_slots_ << 1 | (not_passed ? 1u : 0u);
    missing_slots_ = missing_slots_ << 1 | (missing ? 1u : 0u);
}

// Returns whether the slot is one to decide by.
bool Judge::miss_slot(const JudgePolicy& policy, Instant at, Reason reason) {
    if (!policy.m_of_n || in_start_period(policy, at)) return false;
    switch (policy.m_of_n->missing) {
        case Missing::ignore:
            return false;
        case Missing::breaching:
            fill_slot(true, true, false);
            not_pass_reason_ = reason;
            return true;
        case Missing::not_breaching:
            fill_slot(false, false, false);
            return true;
        case Missing::missing:
            fill_slot(false, false, true);
            if (set_slots(missing_slots_, *policy.m_of_n) >= policy.m_of_n->n) stale_ = lost_ = true;
            return true;
    }
    std::unreachable();
}

// Every edge of the diagram is a line below. `slot`: the newest slot was filled just now; m_of_n convicts only
// then and only by a slot that is bad itself, or a recovered instance would fall again over what it outlived.
std::optional<Judge::Decision> Judge::decide(const JudgePolicy& policy, bool slot) const {
    const std::uint32_t rise = rise_in_force(policy);
    if (policy.m_of_n) {
        const std::uint32_t failed = set_slots(failed_slots_, *policy.m_of_n);
        if (slot && (failed_slots_ & 1) != 0 && failed >= policy.m_of_n->m)
            return Decision{State::unhealthy, Rule::slots, failed, policy.m_of_n->m};
    } else if (fails_ >= policy.fall) {
        return Decision{State::unhealthy, Rule::fails, fails_, policy.fall};
    }
    if ((!up() || checking_) && answers_ >= rise)
        return Decision{passes_ >= rise ? State::healthy : State::degraded, Rule::answers, answers_, rise};
    if (kept_ == State::healthy && policy.m_of_n) {
        const std::uint32_t not_passed = set_slots(not_passed_slots_, *policy.m_of_n);
        if (slot && (not_passed_slots_ & 1) != 0 && not_passed >= policy.m_of_n->m)
            return Decision{State::degraded, Rule::not_passes, not_passed, policy.m_of_n->m};
    } else if (kept_ == State::healthy && not_passes_ >= policy.fall) {
        return Decision{State::degraded, Rule::not_passes, not_passes_, policy.fall};
    }
    if (kept_ == State::degraded && passes_ >= rise) return Decision{State::healthy, Rule::passes, passes_, rise};
    return std::nullopt;
}

void Judge::obey(const JudgePolicy& policy, const Decision& decision, Instant at) {
    if (decision.to == State::unhealthy && kept_ != State::unhealthy && at < hold_until_) {
        withheld_ = hold_spent_ = true;
        return;
    }
    judged_ = true;
    checking_ = false;
    withheld_ = false;
    if (decision.to == kept_) return;
    kept_ = decision.to;
    if (kept_ != State::healthy) reason_ = not_pass_reason_;
    // Only what comes after it may contradict a fall: answers from before breaching slots don't.
    if (kept_ == State::unhealthy) answers_ = passes_ = 0;
    doublings_ = 0;
    remember_change(policy, at);
}

// Everything that happens without news. Returns the verdict that a hold let go of.
std::optional<Judge::Decision> Judge::pass_time(const JudgePolicy& policy, Instant now) {
    end_flapping(policy, now);
    const Duration quiet = now - quiet_since(policy);
    if (quiet >= stale_after(policy)) stale_ = true;
    if (quiet >= 2 * stale_after(policy)) lost_ = true;
    if (now < hold_until_ || hold_until_ == none) return std::nullopt;
    hold_until_ = none;
    if (!withheld_) return std::nullopt;
    const Decision released = policy.m_of_n ? Decision{State::unhealthy, Rule::slots,
                                                       set_slots(failed_slots_, *policy.m_of_n), policy.m_of_n->m}
                                            : Decision{State::unhealthy, Rule::fails, fails_, policy.fall};
    obey(policy, released, now);
    return released;
}

void Judge::remember_change(const JudgePolicy& policy, Instant at) {
    changes_[change_at_] = at;
    change_at_ = static_cast<std::uint8_t>((change_at_ + 1) % flapping_changes);
    if (flapping_) {
        if ((1u << flapping_doublings_) < flapping_rise_factor_max) ++flapping_doublings_;
        return;
    }
    const Instant oldest = changes_[change_at_];
    flapping_ = oldest != none && at - oldest <= flapping_window(policy);
}

void Judge::end_flapping(const JudgePolicy& policy, Instant now) {
    if (!flapping_ || now - last_change() < flapping_window(policy)) return;
    flapping_ = false;
    flapping_doublings_ = 0;
    changes_.fill(none);
}

void Judge::forget_runs() {
    fails_ = not_passes_ = answers_ = passes_ = 0;
    failed_slots_ = not_passed_slots_ = missing_slots_ = 0;
    last_ = Outcome::error;
    withheld_ = hold_spent_ = false;
}

std::uint32_t Judge::rise_in_force(const JudgePolicy& policy) const {
    return flapping_ && !last_eligible_ ? std::uint32_t{policy.rise} << flapping_doublings_ : policy.rise;
}

// Within the start period silence is expected: the clock starts at its end.
Instant Judge::quiet_since(const JudgePolicy& policy) const {
    return spoken_ ? clock_from_ : std::max(clock_from_, started_ + policy.start_period);
}

Judgement Judge::compare(const Shown& before, const std::optional<Decision>& decided) const {
    const Shown after = shown();
    Judgement judgement;
    judgement.flags_changed = before.flags != after.flags;
    judgement.reason_changed = before.reason != after.reason;
    if (before.state == after.state) return judgement;
    if (after.state == State::unknown)
        judgement.change = Change{before.state, after.state, Rule::silence, 0, 0};
    else if (decided)
        judgement.change = Change{before.state, after.state, decided->rule, decided->length, decided->needed};
    else
        judgement.change = Change{before.state, after.state, Rule::news, 0, 0};
    return judgement;
}

Instant Judge::next_horizon(const JudgePolicy& policy) const {
    Instant next = never;
    if (!stale_) next = std::min(next, quiet_since(policy) + stale_after(policy));
    if (!lost_) next = std::min(next, quiet_since(policy) + 2 * stale_after(policy));
    if (flapping_) next = std::min(next, last_change() + flapping_window(policy));
    if (hold_until_ != none) next = std::min(next, hold_until_);
    return next;
}

Flags Judge::flags() const {
    Flags flags;
    flags.set(Flag::stale, stale_);
    flags.set(Flag::checking, checking_);
    flags.set(Flag::flapping, flapping_);
    flags.set(Flag::suspect, hold_until_ != none);
    return flags;
}

Run Judge::run(const JudgePolicy& policy) const {
    const std::uint32_t rise = rise_in_force(policy);
    const bool rising = !up() || checking_;
    switch (last_) {
        case Outcome::pass:
            return {last_, rising ? answers_ : passes_, rise};
        case Outcome::warn:
            if (rising) return {last_, answers_, rise};
            if (policy.m_of_n) return {last_, set_slots(not_passed_slots_, *policy.m_of_n), policy.m_of_n->m};
            return {last_, not_passes_, policy.fall};
        case Outcome::fail:
            if (policy.m_of_n) return {last_, set_slots(failed_slots_, *policy.m_of_n), policy.m_of_n->m};
            return {last_, fails_, policy.fall};
        case Outcome::error:
            return {last_, 0, rise};
    }
    std::unreachable();
}

std::optional<Instant> Judge::counted_at() const {
    if (counted_at_ == none) return std::nullopt;
    return counted_at_;
}

std::optional<Duration> Judge::pace(const JudgePolicy& policy, Instant now) const {
    if (kept_ == State::pending && in_start_period(policy, now)) return policy.start_interval;
    const bool contradicted = (kept_ == State::healthy && not_passes_ > 0) ||
                              (kept_ == State::degraded && (fails_ > 0 || passes_ > 0)) ||
                              (kept_ == State::unhealthy && answers_ > 0);
    if (kept_ == State::pending || checking_ || contradicted) return policy.confirm_interval;
    return std::nullopt;
}

Duration Judge::interval_in_force(const JudgePolicy& policy) const {
    if (kept_ != State::unhealthy || policy.down_interval_max <= policy.interval) return policy.interval;
    Duration interval = policy.interval;
    for (int i = 0; i < doublings_ && interval < policy.down_interval_max; ++i) interval *= 2;
    return std::min(interval, policy.down_interval_max);
}

Duration Judge::stale_after(const JudgePolicy& policy) const { return 2 * interval_in_force(policy) + policy.timeout; }

}  // namespace hale::verdict
