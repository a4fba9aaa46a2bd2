// Goal: time, loops and posts keep the promises of io/loop.h; one seed is one story, other seeds are others.
// Method: small programs on several loops, their digests and orders compared over many seeds; a random
// program of arms and disarms against a sorted list as the oracle.

#include "sim/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/seed.h"

namespace hale::sim {
namespace {

// A timer that counts, and may do more.
struct Bell {
    Bell(io::Loop& on, std::function<void()> then) : loop(on), ring(std::move(then)) {}
    void fired() noexcept {
        ++rung;
        last = loop.now();
        const auto running = ring;  // The bell may die of it.
        running();
    }
    io::Loop& loop;
    std::function<void()> ring;
    int rung = 0;
    Instant last{};
    io::Timer timer{loop, io::member_fire<&Bell::fired>, this};
};

TEST(World, TimersFireOnceAtTheirInstantInOrder) {
    for_each_seed(50, [](std::uint64_t seed) {
        World world(seed);
        Random random(seed + 1000);
        Loop& loop = world.loop();
        std::vector<int> fired;
        std::vector<std::unique_ptr<Bell>> bells;
        std::map<int, std::pair<Instant, int>> armed;  // The oracle: bell to its instant and order of arming.
        const Instant begin = world.now();
        for (int i = 0; i < 40; ++i) bells.push_back(std::make_unique<Bell>(loop, [&fired, i] { fired.push_back(i); }));
        for (int order = 0; order < 200; ++order) {
            const int i = static_cast<int>(random.below(40));
            if (random.one_in(3)) {
                bells[static_cast<std::size_t>(i)]->timer.disarm();
                armed.erase(i);
            } else {
                const Instant at = begin + std::chrono::milliseconds(random.below(20)) - 5ms;
                bells[static_cast<std::size_t>(i)]->timer.arm(at);
                armed[i] = {std::max(at, begin), order};
            }
        }
        ASSERT_EQ(loop.timers_armed(), armed.size());
        EXPECT_TRUE(fired.empty());
        EXPECT_TRUE(world.run_until_idle());
        std::vector<std::pair<std::pair<Instant, int>, int>> expected;
        for (const auto& [i, when] : armed) expected.push_back({when, i});
        std::ranges::sort(expected);
        ASSERT_EQ(fired.size(), expected.size());
        for (std::size_t n = 0; n < fired.size(); ++n) {
            EXPECT_EQ(fired[n], expected[n].second);
            const Bell& bell = *bells[static_cast<std::size_t>(fired[n])];
            EXPECT_EQ(bell.last, expected[n].first.first);
            EXPECT_EQ(bell.rung, 1);
            EXPECT_FALSE(bell.timer.armed());
        }
    });
}

TEST(World, ATimerMayDoAnythingToItselfInItsCallback) {
    World world(1);
    std::unique_ptr<Bell> again;
    again = std::make_unique<Bell>(world.loop(), [&] {
        if (again->rung < 3) again->timer.arm(world.now() + 1s);
    });
    std::unique_ptr<Bell> dying;
    dying = std::make_unique<Bell>(world.loop(), [&] { dying.reset(); });
    again->timer.arm(world.now());
    dying->timer.arm(world.now() + 1500ms);
    again->timer.arm(never);
    EXPECT_FALSE(again->timer.armed());
    again->timer.arm(world.now() + 1s);
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(again->rung, 3);
    EXPECT_EQ(dying, nullptr);
}

TEST(World, PostsOfOneLoopToAnotherKeepTheirOrderAndTakeTime) {
    for_each_seed(100, [](std::uint64_t seed) {
        World world(seed);
        Loop& a = world.make_loop("a");
        Loop& b = world.make_loop("b");
        Loop& c = world.make_loop("c");
        std::vector<int> from_a, from_b;
        Instant sent{};
        a.post([&] {
            sent = world.now();
            for (int i = 0; i < 20; ++i)
                c.post([&, i] {
                    EXPECT_EQ(world.current(), &c);
                    EXPECT_LE(world.now(), sent + 50us);
                    from_a.push_back(i);
                });
            EXPECT_TRUE(from_a.empty());
        });
        b.post([&] {
            for (int i = 0; i < 20; ++i) c.post([&, i] { from_b.push_back(i); });
        });
        EXPECT_TRUE(world.run_until_idle());
        ASSERT_EQ(from_a.size(), 20u);
        EXPECT_TRUE(std::ranges::is_sorted(from_a));
        EXPECT_TRUE(std::ranges::is_sorted(from_b));
    });
}

// What three loops do to one log, in which order: the whole story of a small program.
std::string story(std::uint64_t seed) {
    World world(seed);
    std::string log;
    std::vector<Loop*> loops;
    for (const char* name : {"a", "b", "c"}) loops.push_back(&world.make_loop(name));
    for (Loop* loop : loops)
        for (int i = 0; i < 3; ++i)
            loop->post([&world, &log, loop, i] {
                log += loop->name() + std::to_string(i) + ' ';
                world.note(log);
            });
    EXPECT_TRUE(world.run_until_idle());
    return log + std::to_string(world.digest());
}

TEST(World, EqualInstantsOnDifferentLoopsInterleaveByTheSeed) {
    std::set<std::string> stories;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        const std::string told = story(seed);
        EXPECT_EQ(told, story(seed));
        stories.insert(told);
        for (const char* loop : {"a", "b", "c"}) {  // Within one loop: as posted.
            const auto first = told.find(loop + std::string("0"));
            EXPECT_LT(first, told.find(loop + std::string("1")));
            EXPECT_LT(told.find(loop + std::string("1")), told.find(loop + std::string("2")));
        }
    }
    EXPECT_GT(stories.size(), 150u);  // Of 1680 interleavings.
}

TEST(World, AStalledLoopRunsLateAndTheOthersDoNot) {
    World world(1);
    Loop& slow = world.make_loop("slow");
    Loop& other = world.make_loop("other");
    Bell late(slow, [] {}), on_time(other, [] {});
    const Instant begin = world.now();
    late.timer.arm(begin + 1s);
    on_time.timer.arm(begin + 1s);
    slow.stall(3s);
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(late.last, begin + 3s);
    EXPECT_EQ(on_time.last, begin + 1s);

    // An event that takes long is seen by fresh_now() inside it, and by what follows it.
    Instant inside{}, after{};
    const Instant again = world.now();
    slow.post([&] {
        slow.stall(2s);
        EXPECT_EQ(slow.now(), again);
        inside = slow.fresh_now();
    });
    slow.post([&] { after = slow.now(); });
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(inside, again + 2s);
    EXPECT_EQ(after, again + 2s);
}

TEST(World, LatenessDelaysEachWakeUpWithinItsBound) {
    World world(7);
    Loop& loop = world.loop();
    loop.set_lateness(10ms);
    Duration worst{}, least = 1h;
    for (int i = 0; i < 200; ++i) {
        Bell bell(loop, [] {});
        const Instant at = world.now() + 1s;
        bell.timer.arm(at);
        ASSERT_TRUE(world.run_until_idle());
        worst = std::max(worst, bell.last - at);
        least = std::min(least, bell.last - at);
    }
    EXPECT_LE(worst, 10ms);
    EXPECT_GT(worst, 8ms);
    EXPECT_LT(least, 2ms);
}

TEST(World, TheWallClockStepsAndDriftsAndInstantsDoNot) {
    World world(1);
    Loop& loop = world.loop();
    Loop& wrong = world.make_loop("wrong");
    const Utc begin = loop.utc();
    const Instant start = world.now();
    world.run_for(10s);
    EXPECT_EQ(loop.utc(), begin + 10s);
    world.step_wall(-1h);
    EXPECT_EQ(loop.utc(), begin + 10s - 1h);
    world.set_wall_drift(1000);  // A second in 1000 s.
    world.run_for(1000s);
    EXPECT_EQ(loop.utc(), begin + 10s - 1h + 1001s);
    world.set_wall_drift(0);
    world.run_for(1s);
    EXPECT_EQ(loop.utc(), begin + 10s - 1h + 1002s);
    wrong.step_wall(5min);
    EXPECT_EQ(wrong.utc(), loop.utc() + 5min);
    EXPECT_EQ(world.now(), start + 1011s);
}

TEST(World, RunsStopWhereTheyWereTold) {
    World world(1);
    int count = 0;
    Bell* self = nullptr;
    Bell every(world.loop(), [&] {
        ++count;
        self->timer.arm(world.now() + 1s);
    });
    self = &every;
    every.timer.arm(world.now() + 1s);
    const Instant begin = world.now();
    world.run_for(3500ms);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(world.now(), begin + 3500ms);
    EXPECT_TRUE(world.run_until([&] { return count == 10; }, 1h));
    EXPECT_EQ(world.now(), begin + 10s);
    EXPECT_FALSE(world.run_until([&] { return count == 100; }, begin + 20s));
    EXPECT_EQ(world.now(), begin + 20s);
    EXPECT_FALSE(world.run_until_idle(5s));
    every.timer.disarm();
    EXPECT_TRUE(world.run_until_idle());
}

TEST(World, ADayOfAHundredTimersTakesLessThanASecond) {
    World world(1);
    std::vector<std::unique_ptr<Bell>> bells;
    for (int i = 0; i < 100; ++i) {
        bells.push_back(std::make_unique<Bell>(world.loop(), [] {}));
        Bell* const bell = bells.back().get();
        bell->ring = [bell, i] { bell->timer.arm(bell->loop.now() + 30s + std::chrono::milliseconds(i)); };
        bell->timer.arm(world.now() + std::chrono::milliseconds(i));
    }
    world.run_for(24h);
    EXPECT_GT(world.events(), 280'000u);  // The time it took is the runner's to judge, not the world's.
}

using WorldDeath = ::testing::Test;

TEST(WorldDeath, FindsTheThreadThatTouchedAForeignTimer) {
    World world(1);
    Loop& a = world.make_loop("a");
    Loop& b = world.make_loop("b");
    Bell bell(b, [] {});
    a.post([&] { bell.timer.arm(world.now()); });
    EXPECT_DEATH(world.run_until_idle(), "here");
}

TEST(WorldDeath, WhatIsStillScheduledDiesBeforeTheLoops) {
    auto world = std::make_unique<World>(1);
    Loop& loop = world->loop();
    auto timed = std::make_shared<Bell>(loop, [] {});
    timed->timer.arm(world->now() + 1h);
    loop.post_at(world->now() + 2h, [timed = std::move(timed)] {});
    world.reset();  // ASan is the judge.
}

}  // namespace
}  // namespace hale::sim
