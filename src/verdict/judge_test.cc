// Goal: the judge agrees with its definition on every short history.
// Method: enumerate all outcome sequences (pass, warn, fail, error) for every small policy and compare after
// every step with a slow oracle that reads the rules literally off the whole history; the same for m_of_n over
// all sequences of slots. Then what time alone does, and the named promises: one bad answer changes nothing.

#include "verdict/judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"

namespace hale::verdict {
namespace {

using enum Outcome;
constexpr Instant t0{Duration{1h}};

static_assert(sizeof(Judge) <= 160, "a hundred thousand of these");

Probed probed(Outcome outcome, Instant at, Trigger trigger = Trigger::scheduled) {
    const Reason reason = outcome == pass   ? Reason::ok
                          : outcome == warn ? Reason::latency_exceeded
                          : outcome == fail ? Reason::connect_refused
                                            : Reason::check_error;
    return {.outcome = outcome, .reason = reason, .trigger = trigger, .started = at, .ended = at};
}

// Of the last eligible instance, whose `rise` flapping leaves alone.
Probed spared(Outcome outcome, Instant at) {
    Probed p = probed(outcome, at);
    p.last_eligible = true;
    return p;
}

// ---- Consecutive runs --------------------------------------------------------------------------------------

unsigned tail(const std::vector<Outcome>& seen, auto matches) {
    unsigned n = 0;
    for (auto it = seen.rbegin(); it != seen.rend() && matches(*it); ++it) ++n;
    return n;
}

// One step of the law: the state after `seen`, given the state before its last outcome.
State law(const JudgePolicy& p, State s, const std::vector<Outcome>& seen) {
    if (tail(seen, [](Outcome o) { return o == fail; }) >= p.fall) return State::unhealthy;
    if (s == State::pending || s == State::unhealthy) {
        if (tail(seen, [](Outcome o) { return o != fail; }) < p.rise) return s;
        const bool warned = std::find(seen.end() - p.rise, seen.end(), warn) != seen.end();
        return warned ? State::degraded : State::healthy;
    }
    if (s == State::healthy) return tail(seen, [](Outcome o) { return o != pass; }) >= p.fall ? State::degraded : s;
    return tail(seen, [](Outcome o) { return o == pass; }) >= p.rise ? State::healthy : s;
}

// Walks every sequence of `depth` outcomes, judge and oracle side by side.
struct Walk {
    JudgePolicy policy;
    int depth;
    Duration step;
    long steps = 0;

    void from(const Judge& judge, State state, std::vector<Outcome>& seen, bool passed, Instant now, int level) {
        if (level == depth || ::testing::Test::HasFatalFailure()) return;
        now += step;
        for (const Outcome o : {pass, warn, fail, error}) {
            Judge next = judge;
            const Judgement j = next.observe(policy, spared(o, now));
            const bool forgiven = o == fail && !passed && now < t0 + policy.start_period;
            const bool counted = o != error && !forgiven;
            State after = state;
            if (counted) {
                seen.push_back(o);
                after = law(policy, state, seen);
            }
            ++steps;
            ASSERT_EQ(next.state(), after) << "rise " << policy.rise << " fall " << policy.fall << " level " << level;
            ASSERT_EQ(j.counted, counted);
            ASSERT_EQ(j.change.has_value(), after != state);
            if (j.change) {
                ASSERT_EQ(j.change->from, state);
                ASSERT_EQ(j.change->to, after);
                ASSERT_GE(j.change->length, j.change->needed);
            }
            if (counted) {
                const Run run = next.run(policy);
                ASSERT_EQ(run.outcome, o);
                if (o == fail) ASSERT_EQ(run.length, tail(seen, [](Outcome x) { return x == fail; }));
            }
            from(next, after, seen, passed || o == pass, now, level + 1);
            if (counted) seen.pop_back();
        }
    }
};

TEST(Judge, AgreesWithTheDefinitionOnEveryShortHistory) {
    long steps = 0;
    for (std::uint16_t rise = 1; rise <= 3; ++rise)
        for (std::uint16_t fall = 1; fall <= 3; ++fall)
            for (const Duration grace : {Duration{0}, Duration{3500ms}}) {
                // An hour's interval keeps the horizons out; that of flapping, `last_eligible` does below.
                Walk walk{{.rise = rise, .fall = fall, .interval = 1h, .start_period = grace}, 9, 1s};
                std::vector<Outcome> seen;
                walk.from(Judge(walk.policy, t0, t0), State::pending, seen, false, t0, 0);
                if (HasFatalFailure()) return;
                steps += walk.steps;
            }
    EXPECT_GT(steps, 18 * 262144);
}

// ---- m of n ------------------------------------------------------------------------------------------------

struct SlotWalk {
    JudgePolicy policy;
    int depth;
    long steps = 0;

    struct Belief {
        State kept = State::pending;
        bool unknown = false;
        std::string slots;           // P, W, F or M each.
        std::vector<Outcome> since;  // Counted since it last fell.
    };

    Belief law(Belief b, Outcome o) const {
        const MofN& rule = *policy.m_of_n;
        char slot = o == pass ? 'P' : o == warn ? 'W' : 'F';
        if (o == error) {
            if (rule.missing == Missing::ignore) return b;
            slot = rule.missing == Missing::breaching ? 'F' : rule.missing == Missing::not_breaching ? 'P' : 'M';
        } else {
            b.since.push_back(o);
            b.unknown = false;
        }
        b.slots.push_back(slot);
        const std::string last_n = b.slots.size() > rule.n ? b.slots.substr(b.slots.size() - rule.n) : b.slots;
        const auto failed = std::ranges::count(last_n, 'F');
        const auto bad = failed + std::ranges::count(last_n, 'W');
        if (std::ranges::count(last_n, 'M') == rule.n) b.unknown = true;
        if (slot == 'F' && failed >= rule.m) {
            if (b.kept != State::unhealthy) b.since.clear();
            b.kept = State::unhealthy;
            return b;
        }
        const unsigned answers = tail(b.since, [](Outcome x) { return x != fail; });
        const unsigned passes = tail(b.since, [](Outcome x) { return x == pass; });
        if (b.kept == State::pending || b.kept == State::unhealthy) {
            if (answers >= policy.rise) b.kept = passes >= policy.rise ? State::healthy : State::degraded;
        } else if (b.kept == State::healthy) {
            if ((slot == 'F' || slot == 'W') && bad >= rule.m) b.kept = State::degraded;
        } else if (passes >= policy.rise) {
            b.kept = State::healthy;
        }
        return b;
    }

    void from(const Judge& judge, const Belief& belief, Instant now, int level) {
        if (level == depth || ::testing::Test::HasFatalFailure()) return;
        now += 1s;
        for (const Outcome o : {pass, warn, fail, error}) {
            Judge next = judge;
            // An error and a slot without a probe are the same missing slot.
            if (o == error && level % 2 == 0)
                next.missed_slot(policy, now);
            else
                next.observe(policy, spared(o, now));
            const Belief after = law(belief, o);
            ++steps;
            ASSERT_EQ(next.kept(), after.kept) << after.slots << " m " << int(policy.m_of_n->m) << " n "
                                               << int(policy.m_of_n->n) << " " << to_text(policy.m_of_n->missing);
            ASSERT_EQ(next.state(), after.unknown ? State::unknown : after.kept) << after.slots;
            from(next, after, now, level + 1);
        }
    }
};

TEST(Judge, CountsSlotsAsDefinedOverEverySequenceOfThem) {
    long steps = 0;
    for (const Missing missing : {Missing::ignore, Missing::breaching, Missing::not_breaching, Missing::missing})
        for (std::uint8_t n = 1; n <= 5; ++n)
            for (std::uint8_t m = 1; m <= n; ++m)
                for (std::uint16_t rise = 1; rise <= 2; ++rise) {
                    SlotWalk walk{{.rise = rise, .interval = 1h, .m_of_n = MofN{m, n, missing}}, n == 5 ? 7 : 6};
                    walk.from(Judge(walk.policy, t0, t0), {}, t0, 0);
                    if (HasFatalFailure()) return;
                    steps += walk.steps;
                }
    EXPECT_GT(steps, 100'000);
}

TEST(Judge, ConfirmationsRecoverButNeverConvictUnderMofN) {
    const JudgePolicy p{.rise = 2, .interval = 10s, .m_of_n = MofN{3, 5}};
    Judge judge(p, t0, t0);
    Instant now = t0;
    const auto see = [&](Outcome o, Trigger t) { judge.observe(p, probed(o, now += 500ms, t)); };
    see(pass, Trigger::scheduled);
    see(pass, Trigger::confirmation);
    EXPECT_EQ(judge.state(), State::healthy);
    for (int i = 0; i < 20; ++i) see(fail, Trigger::confirmation);
    EXPECT_EQ(judge.state(), State::healthy);
    for (int i = 0; i < 3; ++i) see(fail, Trigger::scheduled);
    EXPECT_EQ(judge.state(), State::unhealthy);
    see(pass, Trigger::confirmation);
    see(pass, Trigger::confirmation);
    EXPECT_EQ(judge.state(), State::healthy);
    see(pass, Trigger::scheduled);  // Three of the last five slots failed, but this one did not.
    EXPECT_EQ(judge.state(), State::healthy);
}

// ---- Who counts --------------------------------------------------------------------------------------------

TEST(Judge, OnDemandAndTrafficCountUnlessTheyFollowACountedOneTooSoon) {
    const JudgePolicy p;
    for (const Trigger t : {Trigger::on_demand, Trigger::traffic, Trigger::gate})
        for (const Outcome o : {pass, warn, fail})
            for (const Duration apart : {Duration{0}, Duration{499ms}, Duration{500ms}, Duration{2s}}) {
                Judge judge(p, t0, t0);
                EXPECT_TRUE(judge.observe(p, probed(o, t0, t)).counted) << "the first has none before it";
                const bool expected = apart >= 500ms || (t == Trigger::gate && o == pass);
                EXPECT_EQ(judge.observe(p, probed(o, t0 + apart, t)).counted, expected);
                EXPECT_TRUE(judge.observe(p, probed(o, t0 + apart, Trigger::scheduled)).counted);
                EXPECT_TRUE(judge.observe(p, probed(o, t0 + apart, Trigger::confirmation)).counted);
            }
}

TEST(Judge, AskingInATightLoopNeverConvictsFasterThanConfirmations) {
    const JudgePolicy p;
    Judge judge(p, t0, t0);
    judge.observe(p, probed(pass, t0));
    judge.observe(p, probed(pass, t0 + 1s));
    Instant now = t0 + 10s;
    const Instant began = now;
    while (judge.state() == State::healthy) {
        Probed silent = probed(fail, now, Trigger::on_demand);
        silent.ended = now += p.timeout;
        judge.observe(p, silent);
    }
    EXPECT_GE(now - began, 7s);
}

TEST(Judge, FirstFailureIsToldOncePerRunAndOnlyOfWhatPassed) {
    const JudgePolicy p;
    Judge judge(p, t0, t0);
    Instant now = t0;
    const auto first = [&](Outcome o) { return judge.observe(p, probed(o, now += 1s)).first_failure; };
    EXPECT_FALSE(first(fail));  // Pending: nothing passed yet.
    EXPECT_FALSE(first(pass));
    EXPECT_FALSE(first(pass));
    EXPECT_FALSE(first(error));
    EXPECT_TRUE(first(fail));
    EXPECT_FALSE(first(fail));
    EXPECT_FALSE(first(warn));
    EXPECT_TRUE(first(fail));
}

TEST(Judge, StartPeriodForgivesByWhenTheProbeBeganAndEndsAtTheFirstPass) {
    const JudgePolicy p{.fall = 1, .start_period = 60s};
    Judge judge(p, t0, t0 + 20s);  // Hale came 20 s after the container.
    Probed late = probed(fail, t0 + 59s);
    late.ended = t0 + 61s;
    EXPECT_FALSE(judge.observe(p, late).counted);
    EXPECT_TRUE(Judge(judge).observe(p, probed(fail, t0 + 60s)).counted);
    judge.observe(p, probed(pass, t0 + 59s));
    EXPECT_EQ(judge.observe(p, probed(fail, t0 + 59s)).change->to, State::unhealthy);
}

// ---- Time alone --------------------------------------------------------------------------------------------

TEST(Judge, GoesStaleThenUnknownExactlyAtItsHorizonsAndComesBackWithTheFirstCounted) {
    for (const Duration back_off : {Duration{0}, Duration{20s}}) {
        const JudgePolicy p{.down_interval_max = back_off};
        for (const Outcome o : {pass, warn, fail}) {
            Judge judge(p, t0, t0);
            Instant now = t0;
            for (int i = 0; i < 8; ++i) judge.observe(p, probed(o, now += 5s));
            const State kept = judge.state();
            // Down since the third fail, so five slots failed while down: 5, 10, 20, 20 s.
            const Duration interval = o == fail && back_off > 0s ? Duration{20s} : Duration{5s};
            const Duration horizon = 2 * interval + 2s;
            EXPECT_EQ(judge.interval_in_force(p), interval);
            EXPECT_EQ(judge.next_horizon(p), now + horizon);
            EXPECT_FALSE(judge.tick(p, now + horizon - 1ns).visible());
            EXPECT_TRUE(judge.tick(p, now + horizon).flags_changed);
            EXPECT_EQ(judge.state(), kept);
            EXPECT_TRUE(judge.flags().has(Flag::stale));
            judge.observe(p, probed(error, now + horizon + 1s));  // Our own trouble is no evidence.
            EXPECT_EQ(judge.next_horizon(p), now + 2 * horizon);
            EXPECT_FALSE(judge.tick(p, now + 2 * horizon - 1ns).visible());
            const Judgement lost = judge.tick(p, now + 2 * horizon);
            EXPECT_EQ(lost.change->to, State::unknown);
            EXPECT_EQ(lost.change->rule, Rule::silence);
            EXPECT_EQ(judge.reason(), Reason::stale);
            EXPECT_EQ(judge.kept(), kept);
            EXPECT_EQ(judge.next_horizon(p), never);
            const Judgement back = judge.observe(p, probed(o, now + 1h));
            EXPECT_EQ(back.change->to, kept);
            EXPECT_TRUE(judge.flags() == Flags{});
        }
    }
}

TEST(Judge, WaitsOutTheStartPeriodBeforeItMissesEvidence) {
    const JudgePolicy p{.start_period = 90s};
    Judge judge(p, t0, t0);
    EXPECT_EQ(judge.next_horizon(p), t0 + 90s + 12s);
    judge.observe(p, probed(fail, t0 + 80s));
    EXPECT_FALSE(judge.tick(p, t0 + 101s).visible());
    EXPECT_EQ(judge.state(), State::pending);
    EXPECT_EQ(judge.tick(p, t0 + 114s).change->to, State::unknown);
    EXPECT_FALSE(judge.judged());
}

TEST(Judge, FlapsAsTheHistoryOfItsChangesSays) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        const JudgePolicy p{.rise = 1, .fall = 1, .interval = seed % 2 == 0 ? Duration{2s} : Duration{6s}};
        const Duration window = std::max<Duration>(60s, 20 * p.interval);
        Judge judge(p, t0, t0);
        State state = State::pending;
        std::vector<Instant> changes;  // Since flapping last ended.
        std::optional<std::size_t> flapping_since;
        unsigned answers = 0;
        Instant now = t0;
        for (int i = 0; i < 400; ++i) {
            now += Duration{1s} * static_cast<std::int64_t>(random.below(random.one_in(40) ? 200 : 20));
            const bool spare = random.one_in(4);
            Probed seen = probed(random.one_in(2) ? pass : fail, now);
            seen.last_eligible = spare;
            if (flapping_since && now - changes.back() >= window) changes.clear(), flapping_since.reset();
            const std::size_t further = flapping_since ? changes.size() - *flapping_since : 0;
            const unsigned rise = spare ? 1 : std::min<unsigned>(8, 1u << std::min<std::size_t>(further, 3));
            answers = seen.outcome == pass ? answers + 1 : 0;
            const State before = state;
            if (seen.outcome == fail)
                state = State::unhealthy;
            else if (state != State::healthy && answers >= rise)
                state = State::healthy;
            if (state != before) changes.push_back(now);
            if (!flapping_since && changes.size() >= 5 && now == changes.back() &&
                now - changes[changes.size() - 5] <= window)
                flapping_since = changes.size();
            judge.observe(p, seen);
            ASSERT_EQ(judge.kept(), state) << "step " << i;
            ASSERT_EQ(judge.flags().has(Flag::flapping), flapping_since.has_value()) << "step " << i;
        }
    }
}

// ---- What the outside says ---------------------------------------------------------------------------------

Judge healthy_judge(const JudgePolicy& p, Instant now) {
    Judge judge(p, now, now);
    for (int i = 0; i < p.rise; ++i) judge.observe(p, probed(pass, now));
    return judge;
}

TEST(Judge, AHoldWithholdsANewFallForOneRoundThenLetsItThrough) {
    const JudgePolicy p;
    Judge judge = healthy_judge(p, t0);
    judge.observe(p, probed(fail, t0 + 1s));
    EXPECT_TRUE(judge.hold_unhealthy(t0 + 1s, t0 + 1h).flags_changed);
    EXPECT_TRUE(judge.flags().has(Flag::suspect));
    EXPECT_FALSE(judge.observe(p, probed(fail, t0 + 2s)).change);
    EXPECT_FALSE(judge.observe(p, probed(fail, t0 + 3s)).change);
    EXPECT_EQ(judge.state(), State::healthy) << "nor degraded";
    EXPECT_EQ(judge.next_horizon(p), t0 + 1s + longest_hold);

    Judge released = judge;
    const Judgement j = released.tick(p, t0 + 6s);
    EXPECT_EQ(j.change->to, State::unhealthy);
    EXPECT_EQ(j.change->length, 3u);
    EXPECT_TRUE(j.flags_changed);
    EXPECT_EQ(released.reason(), Reason::connect_refused);

    Judge again = judge;  // A second suspicion does not hold the same run once more.
    again.hold_unhealthy(t0 + 5s, t0 + 10s);
    EXPECT_EQ(again.tick(p, t0 + 6s).change->to, State::unhealthy);

    Judge another = again;  // But another run may be held again.
    another.observe(p, probed(pass, t0 + 7s));
    another.observe(p, probed(pass, t0 + 8s));
    another.observe(p, probed(fail, t0 + 9s));
    EXPECT_TRUE(another.hold_unhealthy(t0 + 9s, t0 + 12s).flags_changed);

    Judge late = judge;  // The timer is late and news comes first: judged by the news.
    EXPECT_FALSE(late.observe(p, probed(pass, t0 + 7s)).change);
    EXPECT_EQ(late.state(), State::healthy);
    EXPECT_FALSE(late.flags().has(Flag::suspect));
    Judge late_fail = judge;
    EXPECT_EQ(late_fail.observe(p, probed(fail, t0 + 7s)).change->to, State::unhealthy);
}

TEST(Judge, AHoldUnderMofNLetsGoOfItsSlots) {
    const JudgePolicy p{.m_of_n = MofN{2, 3}};
    Judge judge = healthy_judge(p, t0);
    judge.hold_unhealthy(t0, t0 + 4s);
    judge.observe(p, probed(fail, t0 + 1s));
    EXPECT_FALSE(judge.observe(p, probed(fail, t0 + 2s)).change);
    EXPECT_EQ(judge.tick(p, t0 + 4s).change->rule, Rule::slots);
}

TEST(Judge, AChangedQuestionKeepsTheVerdictAndIsJudgedAnew) {
    const JudgePolicy p;
    Judge judge = healthy_judge(p, t0);
    judge.observe(p, probed(fail, t0 + 1s));
    judge.observe(p, probed(fail, t0 + 2s));
    EXPECT_TRUE(judge.question_changed(p, t0 + 3s).flags_changed);
    EXPECT_EQ(judge.state(), State::healthy);
    EXPECT_EQ(judge.pace(p, t0 + 3s), p.confirm_interval);
    EXPECT_FALSE(judge.observe(p, probed(fail, t0 + 4s)).change) << "the two fails before answered something else";
    Judge good = judge;
    good.observe(p, probed(pass, t0 + 5s));
    EXPECT_TRUE(good.checking());
    const Judgement decided = good.observe(p, probed(pass, t0 + 6s));
    EXPECT_FALSE(decided.change);
    EXPECT_TRUE(decided.flags_changed);
    EXPECT_FALSE(good.checking());
    EXPECT_EQ(good.pace(p, t0 + 6s), std::nullopt);
    judge.observe(p, probed(fail, t0 + 5s));
    EXPECT_EQ(judge.observe(p, probed(fail, t0 + 6s)).change->to, State::unhealthy);
    EXPECT_FALSE(judge.checking());
}

TEST(Judge, RestoresWhatIsYoungEnoughAndFlagsItStale) {
    const JudgePolicy p;
    for (const State s : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
        for (const bool was : {false, true})
            for (const Duration age : {Duration{0}, Duration{10min}, Duration{10min + 1ns}}) {
                const Judge judge = Judge::restored(p, {s, was, age, Reason::ok}, 10min, t0, t0);
                const bool young = age <= 10min;
                EXPECT_EQ(judge.state(), young ? s : State::pending);
                EXPECT_EQ(judge.flags().has(Flag::stale), young);
                if (young && s == State::unknown) EXPECT_EQ(judge.kept() == State::healthy, was);
                if (young && s != State::unknown) EXPECT_EQ(judge.next_horizon(p), t0 + 24s);
            }
    const JudgePolicy rare{.interval = 15min, .timeout = 10s};
    const Duration unknown_after = 2 * (2 * 15min + 10s);
    EXPECT_EQ(Judge::restored(rare, {State::healthy, true, unknown_after, {}}, 10min, t0, t0).state(), State::healthy);
    EXPECT_EQ(Judge::restored(rare, {State::healthy, true, unknown_after + 1ns, {}}, 10min, t0, t0).state(),
              State::pending);
}

TEST(Judge, InitialUpIsAssumedAndOnlyForWhatWasNeverLookedAt) {
    const JudgePolicy p{.initial = Initial::up};
    Judge judge(p, t0, t0);
    EXPECT_EQ(judge.state(), State::healthy);
    EXPECT_EQ(judge.reason(), Reason::assumed);
    EXPECT_TRUE(judge.flags().has(Flag::stale));
    EXPECT_FALSE(judge.judged());
    judge.observe(p, probed(pass, t0 + 1s));
    EXPECT_EQ(judge.reason(), Reason::ok);
    EXPECT_FALSE(judge.judged());
    judge.observe(p, probed(pass, t0 + 2s));
    EXPECT_TRUE(judge.judged());
    EXPECT_EQ(Judge::restored(p, {State::healthy, true, 1h, Reason::ok}, 10min, t0, t0).state(), State::pending);
    EXPECT_EQ(Judge::restored(p, {}, 10min, t0, t0).state(), State::healthy);
}

TEST(Judge, AReloadOfThresholdsKeepsVerdictAndCounters) {
    const JudgePolicy before{.fall = 5};
    const JudgePolicy after{.fall = 3};
    Judge judge = healthy_judge(before, t0);
    for (int i = 1; i <= 3; ++i) judge.observe(before, probed(fail, t0 + i * 1s));
    EXPECT_EQ(judge.state(), State::healthy);
    EXPECT_EQ(judge.observe(after, probed(fail, t0 + 4s)).change->length, 4u);
}

TEST(Judge, ItsReasonSpeaksForItsState) {
    const JudgePolicy p;
    Judge judge = healthy_judge(p, t0);
    judge.observe(p, probed(fail, t0 + 1s));
    EXPECT_EQ(judge.reason(), Reason::ok) << "one fail does not explain a healthy one";
    judge.observe(p, probed(fail, t0 + 2s));
    EXPECT_TRUE(judge.observe(p, probed(fail, t0 + 3s)).reason_changed);
    EXPECT_EQ(judge.reason(), Reason::connect_refused);
    judge.observe(p, probed(warn, t0 + 4s));
    EXPECT_EQ(judge.reason(), Reason::connect_refused);
    judge.observe(p, probed(pass, t0 + 5s));
    EXPECT_EQ(judge.state(), State::degraded);
    EXPECT_EQ(judge.reason(), Reason::latency_exceeded) << "the warn degraded it, though a pass came last";
}

}  // namespace
}  // namespace hale::verdict
