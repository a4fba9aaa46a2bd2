// Goal: timers fire exactly once per arming, never early, at most one tick late, whatever their callbacks do.
// Method: seeded random arming, disarming, destruction and jumps of time from microseconds to years, with
// callbacks that do the same, against an oracle that is a plain list of what should be armed.

#include "os/timer_wheel.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "base/random.h"
#include "io/loop.h"

namespace hale::os {
namespace {

class WheelLoop final : public io::Loop {
public:
    explicit WheelLoop(Instant start) : wheel(start), time(start) {}
    Instant now() const override { return time; }
    Instant fresh_now() const override { return time; }
    Utc utc() const override { return Utc{}; }
    void post(io::Task) override {}
    bool here() const override { return true; }
    void arm(io::Timer& timer, Instant at) override { wheel.arm(timer, at); }
    void disarm(io::Timer& timer) override { wheel.disarm(timer); }

    void advance(Duration by) {
        time += by;
        wheel.advance(time);
    }

    TimerWheel wheel;
    Instant time;
};

class Chaos {
public:
    explicit Chaos(std::uint64_t seed) : random_(seed), loop_(Instant{Duration(random_.next() >> 8)}) {
        for (std::size_t i = 0; i < count; ++i) entries_.push_back(make());
    }

    void run(int steps) {
        for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
            for (std::uint64_t n = random_.below(8); n > 0; --n) act();
            check_next();
            // Often exactly to the next wake-up, as a loop does.
            Duration by{static_cast<std::int64_t>(random_.next() >> (20 + random_.below(44)))};
            const Instant next = loop_.wheel.next();
            if (next != never && random_.one_in(2)) by = std::max(Duration{0}, next - loop_.time);
            advancing_since_ = ++sequence_;
            loop_.advance(by);
            check_nothing_overdue();
        }
    }

    std::uint64_t fired() const { return fired_; }

private:
    static constexpr std::size_t count = 60;

    struct Entry {
        Entry(Chaos& owner, io::Loop& loop) : chaos(owner), timer(loop, io::member_fire<&Entry::fire>, this) {}
        void fire() noexcept { chaos.on_fire(*this); }

        Chaos& chaos;
        io::Timer timer;
        Instant expected = never;    // The oracle: what was asked for.
        std::uint64_t armed_in = 0;  // Sequence number of the arming.
        bool was_past = false;       // When armed: due in the next advance.
    };

    std::unique_ptr<Entry> make() { return std::make_unique<Entry>(*this, loop_); }

    void act() {
        auto& entry = entries_[random_.below(count)];
        switch (random_.below(8)) {
            case 0:
                entry->timer.disarm();
                entry->expected = never;
                break;
            case 1:
                entry = make();
                break;
            default:
                arm(*entry);
        }
    }

    void arm(Entry& entry) {
        Duration by{static_cast<std::int64_t>(random_.next() >> (4 + random_.below(60)))};
        if (random_.one_in(5)) by = -by;
        if (random_.one_in(10)) by = Duration{0};
        if (random_.one_in(4)) by = std::chrono::floor<std::chrono::milliseconds>(by);
        entry.expected = loop_.time + by;
        entry.armed_in = ++sequence_;
        entry.was_past = by <= Duration{0};
        entry.timer.arm(entry.expected);
        EXPECT_TRUE(entry.timer.armed());
    }

    void on_fire(Entry& entry) {
        ++fired_;
        EXPECT_NE(entry.expected, never) << "fired without being armed";
        EXPECT_LE(entry.expected, loop_.time) << "early";
        EXPECT_LT(entry.armed_in, advancing_since_) << "armed and fired in the same turn";
        EXPECT_FALSE(entry.timer.armed());
        entry.expected = never;
        if (random_.one_in(3)) arm(entry);
        // May destroy `entry` itself, which is why it comes last.
        for (std::uint64_t n = random_.below(3); n > 0; --n) act();
    }

    void check_next() {
        const Instant next = loop_.wheel.next();
        std::size_t armed = 0;
        for (const auto& entry : entries_) {
            if (entry->expected == never) continue;
            ++armed;
            // Waking at next() is never too late for anybody.
            EXPECT_LE(next, std::chrono::ceil<std::chrono::milliseconds>(std::max(entry->expected, loop_.time)));
        }
        EXPECT_EQ(loop_.wheel.size(), armed);
        EXPECT_EQ(next == never, armed == 0);
    }

    void check_nothing_overdue() {
        for (const auto& entry : entries_) {
            EXPECT_EQ(entry->timer.armed(), entry->expected != never);
            if (entry->expected == never || entry->armed_in > advancing_since_) continue;
            EXPECT_FALSE(entry->was_past);
            EXPECT_GT(entry->expected + TimerWheel::tick, loop_.time) << "late by more than a tick";
        }
    }

    Random random_;
    WheelLoop loop_;
    std::vector<std::unique_ptr<Entry>> entries_;
    std::uint64_t sequence_ = 0;
    std::uint64_t advancing_since_ = 0;
    std::uint64_t fired_ = 0;
};

TEST(TimerWheel, AgreesWithThePlainListUnderChaos) {
    std::uint64_t fired = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Chaos chaos(seed);
        chaos.run(400);
        fired += chaos.fired();
        ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
    }
    EXPECT_GT(fired, 10'000u);
}

struct Counter {
    int fired = 0;
    void fire() noexcept { ++fired; }
};

TEST(TimerWheel, EveryDistanceFiresInItsOwnTick) {
    // All distances around the borders of the wheels, from starts around the borders of a slot.
    for (std::int64_t start : {0, 1, 254, 255, 256, 65'535, 65'536, 16'777'215})
        for (std::int64_t border : {0LL, 256LL, 65'536LL, 16'777'216LL, 4'294'967'296LL, 1'099'511'627'776LL})
            for (std::int64_t off = -2; off <= 2; ++off) {
                const std::int64_t distance = border + off;
                if (distance <= 0) continue;
                const Instant begin{std::chrono::milliseconds{start}};
                WheelLoop loop(begin);
                Counter counter;
                io::Timer timer(loop, io::member_fire<&Counter::fire>, &counter);
                const Instant at = begin + std::chrono::milliseconds{distance};
                timer.arm(at);
                int wakes = 0;
                while (counter.fired == 0) {
                    const Instant next = loop.wheel.next();
                    ASSERT_LE(next, at);
                    ASSERT_GT(next, loop.time);
                    loop.advance(next - loop.time);
                    ++wakes;
                }
                EXPECT_EQ(loop.time, at) << start << " + " << distance;
                EXPECT_LE(wakes, 6) << "an idle loop sleeps long";
                EXPECT_EQ(loop.wheel.next(), never);
            }
}

TEST(TimerWheel, AMillionTimersFireOnceEach) {
    Random random(11);
    WheelLoop loop(Instant{12'345'678ns});
    Counter counter;
    std::vector<std::unique_ptr<io::Timer>> timers;
    for (int i = 0; i < 1'000'000; ++i) {
        timers.push_back(std::make_unique<io::Timer>(loop, io::member_fire<&Counter::fire>, &counter));
        timers.back()->arm(loop.time + Duration{static_cast<std::int64_t>(random.below(10'000'000'000))});
    }
    for (int i = 0; i < 1'000'000; i += 2) timers[static_cast<std::size_t>(i)]->disarm();
    for (int i = 0; i < 10'001; ++i) loop.advance(1ms);
    EXPECT_EQ(counter.fired, 500'000);
    EXPECT_EQ(loop.wheel.size(), 0u);
}

}  // namespace
}  // namespace hale::os
