// Goal: probes come when the schedule says, and a dead target is noticed within the times we print.
// Method: slots against their definition; then a target of any behaviour, probed by judge and cadence together
// on made-up time, over many phases, moments of death and policies (seeded, printed).

#include "verdict/cadence.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "base/text.h"

namespace hale::verdict {
namespace {

constexpr Instant t0{Duration{1h}};

// What a probe meets that starts at this instant, and how long it takes.
struct Answer {
    Outcome outcome;
    Duration takes;
};

struct Course {
    Instant down = never;       // When it became unhealthy.
    Instant first_bad = never;  // When the first failing probe began.
    int transitions = 0;        // After it had become healthy.
    long probes = 0;
};

// Probes a check from t0 until `end`, or until it is down if `until_down`.
template <class Target>
Course probe(const JudgePolicy& p, PhaseKey key, Instant end, bool until_down, Target target) {
    Course run;
    Judge judge(p, t0, t0);
    NextProbe next{t0, Trigger::scheduled, true};
    bool was_healthy = false;
    while (next.at < end && !(until_down && run.down != never)) {
        const Answer answer = target(next.at, run.probes++, next.fresh);
        if (answer.outcome == Outcome::fail) run.first_bad = std::min(run.first_bad, next.at);
        const Instant ended = next.at + answer.takes;
        // Slots that a running probe met, and those passed before it began.
        for (std::uint64_t n = slots_within(key, p.interval, next.at, ended); n > 0; --n) judge.missed_slot(p, ended);
        const Judgement j = judge.observe(p, {answer.outcome, Reason::ok, next.trigger, next.at, ended, false});
        if (j.change && was_healthy) ++run.transitions;
        was_healthy = was_healthy || judge.state() == State::healthy;
        if (judge.state() == State::unhealthy && was_healthy) run.down = std::min(run.down, ended);
        const NextProbe after = next_probe(p, judge, key, ended);
        EXPECT_GT(after.at, ended) << "never two in flight";
        EXPECT_LE(after.at, next_slot(key, judge.interval_in_force(p), ended));
        next = after;
    }
    return run;
}

TEST(Cadence, SlotsAreFixedRateAndNestWhenTheIntervalDoubles) {
    Random random(7);
    for (int i = 0; i < 20'000; ++i) {
        const PhaseKey key{random.next()};
        const Duration interval = Duration{1} * static_cast<std::int64_t>(1 + random.below(1'000'000'000'000));
        const Instant at{Duration{static_cast<std::int64_t>(random.below(1'000'000'000'000'000)) - 1'000'000'000}};
        const Instant slot = next_slot(key, interval, at);
        ASSERT_GT(slot, at);
        ASSERT_LE(slot - at, interval);
        ASSERT_EQ(next_slot(key, interval, slot), slot + interval);
        ASSERT_EQ(next_slot(key, interval, slot - 1ns), slot);
        const Instant longer = next_slot(key, 2 * interval, at);
        ASSERT_TRUE(longer == slot || longer == slot + interval);
        ASSERT_EQ(slots_within(key, interval, slot - 1ns, slot), 1u);
        ASSERT_EQ(slots_within(key, interval, slot, slot + 3 * interval), 3u);
        ASSERT_EQ(slots_within(key, interval, slot, slot), 0u);
    }
}

TEST(Cadence, PhasesSpreadTheLoadEvenly) {
    int tenths[10] = {};
    for (int i = 0; i < 100'000; ++i) {
        const Instant slot = next_slot(PhaseKey::of("i-" + std::to_string(i) + "/main"), 10s, t0);
        ++tenths[(slot - t0 - 1ns) / 1s];
    }
    for (const int n : tenths) EXPECT_NEAR(n, 10'000, 600);
}

TEST(Cadence, TheEarlierOfSlotAndPaceWinsAndASlotWinsATie) {
    const PhaseKey key{0};  // Slots at whole multiples.
    const auto at = [&](Duration end, std::optional<Duration> pace, Duration guard = Duration{0}) {
        return next_probe(key, 5s, pace, Instant{end}, guard);
    };
    EXPECT_EQ(at(1s, std::nullopt).at, Instant{5s});
    EXPECT_FALSE(at(1s, std::nullopt).fresh);
    EXPECT_EQ(at(1s, 500ms).at, Instant{1500ms});
    EXPECT_EQ(at(1s, 500ms).trigger, Trigger::confirmation);
    EXPECT_TRUE(at(1s, 500ms).fresh);
    EXPECT_EQ(at(4500ms, 500ms).trigger, Trigger::scheduled);
    EXPECT_TRUE(at(4500ms, 500ms).fresh);
    EXPECT_EQ(at(4800ms, 500ms).at, Instant{5s});
    EXPECT_EQ(at(5s, std::nullopt).at, Instant{10s}) << "a probe that ends at a slot ran into it";
    EXPECT_EQ(at(1s, 500ms, 3s).at, Instant{1500ms});
    EXPECT_EQ(at(1500ms, 500ms, 3s).at, Instant{5s});
}

TEST(Cadence, RestoredChecksAreSpreadAndNeverFasterThanTenThousandASecond) {
    for (const std::uint64_t n : {1u, 3u, 9'999u, 10'000u, 100'000u}) {
        Instant last = t0 - 100us;
        for (std::uint64_t i = 0; i < n; ++i) {
            const Instant at = first_probe_restored(t0, i, n);
            ASSERT_GE(at - last, 100us);
            last = at;
        }
        EXPECT_LT(last - t0, std::max<Duration>(1s, Duration{100us} * static_cast<std::int64_t>(n)));
    }
}

TEST(Cadence, DefaultsNoticeARefusedPortInSixSecondsAndASilentOneInTwelve) {
    EXPECT_EQ(worst_case_detection({}).refused, 6s);
    EXPECT_EQ(worst_case_detection({}).silent, 12s);
}

TEST(Cadence, DetectionTakesAtMostWhatWePrintAndTheWorstCaseIsNearlyReached) {
    for (const bool silent : {false, true}) {
        const JudgePolicy p;
        Duration worst{0};
        for (int i = 0; i < 1000; ++i) {
            const PhaseKey key{static_cast<std::uint64_t>(i) * 5'000'003};
            const Instant death = t0 + 20s + Duration{7ms} * i;
            const Course run = probe(p, key, t0 + 60s, true, [&](Instant at, long, bool) {
                if (at < death) return Answer{Outcome::pass, 0s};
                return Answer{Outcome::fail, silent ? p.timeout : Duration{0}};
            });
            ASSERT_NE(run.down, never);
            worst = std::max(worst, run.down - death);
            if (silent) ASSERT_GE(run.down - run.first_bad, 7s - 500ms);  // A slot may come before a confirmation.
        }
        const Detection printed = worst_case_detection(p);
        EXPECT_LE(worst, silent ? printed.silent : printed.refused);
        EXPECT_GE(worst, (silent ? printed.silent : printed.refused) - 100ms);
    }
}

TEST(Cadence, SilenceConvictsAfterSevenSecondsByDefault) {
    const JudgePolicy p;
    const PhaseKey key{0};  // t0 is a slot.
    const Course run = probe(p, key, t0 + 60s, true, [&](Instant at, long, bool) {
        return at < t0 + 20s ? Answer{Outcome::pass, 1ms} : Answer{Outcome::fail, p.timeout};
    });
    EXPECT_EQ(run.first_bad, t0 + 20s);
    EXPECT_EQ(run.down, t0 + 27s);
}

TEST(Cadence, NoPolicyTakesLongerThanItsPrintedWorstCase) {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        Random random(seed);
        const auto some = [&](std::int64_t least, std::int64_t most) {
            return Duration{1ms} *
                   (least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least))));
        };
        JudgePolicy p{.rise = static_cast<std::uint16_t>(1 + random.below(3)),
                      .fall = static_cast<std::uint16_t>(1 + random.below(4)),
                      .interval = some(100, 8000),
                      .timeout = some(1, 12'000),
                      .confirm_interval = some(10, 9000)};
        if (random.one_in(2)) {
            const auto n = static_cast<std::uint8_t>(1 + random.below(6));
            p.m_of_n = MofN{static_cast<std::uint8_t>(1 + random.below(n)), n, static_cast<Missing>(random.below(4))};
        }
        ASSERT_FALSE(fault_in(p));
        const bool silent = random.one_in(2);
        const Detection printed = worst_case_detection(p);
        const Duration most = silent ? printed.silent : printed.refused;
        const Instant death = t0 + 60s + some(0, 20'000);
        const Course run = probe(p, {random.next()}, t0 + 400s, true, [&](Instant at, long, bool) {
            if (at < death) return Answer{Outcome::pass, 0s};
            return Answer{Outcome::fail, silent ? p.timeout : Duration{0}};
        });
        if (most == Duration::max()) continue;
        ASSERT_NE(run.down, never) << "seed " << seed;
        ASSERT_LE(run.down - death, most) << "seed " << seed << " interval " << duration_text(p.interval) << " timeout "
                                          << duration_text(p.timeout) << " m_of_n " << p.m_of_n.has_value();
    }
}

TEST(Cadence, OneBadAnswerInAThousandChangesNothing) {
    // A lost, reset or stalled answer on a pooled connection, or on a fresh one; wherever in the schedule.
    for (const Duration takes : {Duration{0}, Duration{2s}})
        for (long bad = 2; bad < 60; ++bad)
            for (std::uint16_t fall = 2; fall <= 3; ++fall) {
                const JudgePolicy p{.fall = fall};
                const Course run = probe(
                    p, {static_cast<std::uint64_t>(bad) * 90'000'001}, t0 + 400s, false, [&](Instant, long n, bool) {
                        return n == bad ? Answer{Outcome::fail, takes} : Answer{Outcome::pass, 1ms};
                    });
                ASSERT_EQ(run.transitions, 0) << "probe " << bad;
                ASSERT_GE(run.probes, 60);
            }
    // And any number of them, while fresh connections are answered.
    const JudgePolicy p;
    const Course run = probe(p, {12345}, t0 + 5000s, false, [&](Instant, long, bool fresh) {
        return fresh ? Answer{Outcome::pass, 1ms} : Answer{Outcome::fail, p.timeout};
    });
    EXPECT_EQ(run.transitions, 0);
    EXPECT_GE(run.probes, 1000);
}

TEST(Cadence, BackOffDoublesUpToItsMaximumAndRecoversAtConfirmationPace) {
    const JudgePolicy p{.interval = 1s, .timeout = 100ms, .down_interval_max = 5s};
    std::vector<Instant> starts;
    const Instant death = t0 + 10s, revival = t0 + 60s;
    const Course run = probe(p, {0}, t0 + 80s, false, [&](Instant at, long, bool) {
        starts.push_back(at);
        return at < death || at >= revival ? Answer{Outcome::pass, 0s} : Answer{Outcome::fail, 0s};
    });
    EXPECT_EQ(run.transitions, 2);
    Duration longest{0};
    for (std::size_t i = 1; i < starts.size(); ++i) longest = std::max(longest, starts[i] - starts[i - 1]);
    EXPECT_EQ(longest, 5s);
    const auto first_back = std::ranges::lower_bound(starts, revival);
    EXPECT_EQ(*(first_back + 1) - *first_back, p.confirm_interval);
}

}  // namespace
}  // namespace hale::verdict
