#include "verdict/cadence.h"

#include <algorithm>

#include "base/random.h"

namespace hale::verdict {

namespace {

// Slots are at phase + k * interval for every whole k; returns the k of the last slot at or before `at`.
std::int64_t slot_number(PhaseKey key, Duration interval, Instant at) {
    const std::int64_t length = interval.count();
    const auto phase = static_cast<std::int64_t>(key.hash % static_cast<std::uint64_t>(length));
    const std::int64_t since = at.time_since_epoch().count() - phase;
    return since >= 0 ? since / length : -((-since + length - 1) / length);
}

}  // namespace

PhaseKey PhaseKey::of(std::string_view check_id) { return {hash64(check_id)}; }

Instant next_slot(PhaseKey key, Duration interval, Instant after) {
    const auto phase = static_cast<std::int64_t>(key.hash % static_cast<std::uint64_t>(interval.count()));
    return Instant{Duration{phase} + (slot_number(key, interval, after) + 1) * interval};
}

std::uint64_t slots_within(PhaseKey key, Duration interval, Instant after, Instant until) {
    if (until <= after) return 0;
    return static_cast<std::uint64_t>(slot_number(key, interval, until) - slot_number(key, interval, after));
}

NextProbe next_probe(PhaseKey key, Duration interval, std::optional<Duration> pace, Instant last_end, Duration guard) {
    const Instant slot = next_slot(key, interval, last_end);
    if (!pace) return {slot, Trigger::scheduled, false};
    const Instant confirmation = last_end + *pace;
    const bool in_time = confirmation < slot && (guard == Duration{0} || confirmation + guard < slot);
    if (in_time) return {confirmation, Trigger::confirmation, true};
    return {slot, Trigger::scheduled, true};
}

NextProbe next_probe(const JudgePolicy& policy, const Judge& judge, PhaseKey key, Instant last_end) {
    const bool convicting = policy.m_of_n && judge.run(policy).outcome == Outcome::fail;
    return next_probe(key, judge.interval_in_force(policy), judge.pace(policy, last_end), last_end,
                      convicting ? policy.timeout : Duration{0});
}

Instant first_probe_restored(Instant now, std::uint64_t index, std::uint64_t n) {
    if (n == 0) return now;
    // In whole nanoseconds per probe: 100 µs each from 10,000 on, 1 s / n each below.
    const Duration apart = std::max(Duration{1s} / static_cast<std::int64_t>(n), Duration{100us});
    return now + static_cast<std::int64_t>(index % n) * apart;
}

Detection worst_case_detection(const JudgePolicy& p) {
    if (!p.m_of_n) {
        // The target dies just after a good answer: one interval to the first fail. Each further probe starts
        // at its pace or at a slot, whichever is earlier, after the end of the one before.
        const Duration gap = std::min(p.confirm_interval, p.interval);
        const auto fall = std::int64_t{p.fall};
        return {p.interval + (fall - 1) * gap, p.interval + fall * p.timeout + (fall - 1) * gap};
    }
    // Only slots convict. A silent probe swallows the slots it meets, up to the one at its very end; those count
    // as missing.
    const auto m = std::int64_t{p.m_of_n->m};
    const std::int64_t stride = p.timeout / p.interval + 1;
    const std::int64_t probed = (p.m_of_n->n - 1) / stride + 1;  // Of any n slots, those that had a probe.
    Detection worst{m * p.interval, p.interval + (m - 1) * stride * p.interval + p.timeout};
    if (p.m_of_n->missing == Missing::breaching)
        worst.silent = m * p.interval + p.timeout;
    else if (p.m_of_n->missing != Missing::ignore && probed < m)
        worst.silent = Duration::max();
    return worst;
}

}  // namespace hale::verdict
