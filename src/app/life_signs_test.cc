// Goal: a sign of life is given while everybody goes on, and never over somebody who does not.
// Method: the rule over all small sets of members that answer or do not; then a loop of virtual time with one that stops.

#include "app/life_signs.h"

#include <gtest/gtest.h>

#include "sim/world.h"

namespace hale::app {
namespace {

TEST(Heartbeats, ARoundIsOverExactlyWhenAllWhoAreNotExcusedHaveAnswered) {
    constexpr std::size_t members = 4;
    for (unsigned answers = 0; answers < 1u << members; ++answers)
        for (unsigned excuses = 0; excuses < 1u << members; ++excuses) {
            Heartbeats beats(members);
            EXPECT_EQ(beats.ask().size(), members);
            std::vector<bool> excused(members);
            bool all = true;
            for (std::size_t i = 0; i < members; ++i) {
                excused[i] = (excuses >> i & 1) != 0;
                if ((answers >> i & 1) != 0) beats.answered(i);
                else all = all && excused[i];
            }
            EXPECT_EQ(beats.round_over(excused), all);
            // What was answered in one round counts for no other.
            if (all && excuses != (1u << members) - 1) EXPECT_FALSE(beats.round_over(excused));
        }
}

TEST(Heartbeats, WhoDoesNotAnswerIsNotAskedAgain) {
    Heartbeats beats(2);
    beats.ask();
    beats.answered(0);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(beats.ask(), std::vector<std::size_t>{0});
        beats.answered(0);
    }
    EXPECT_EQ(beats.silent({false, false}), std::vector<std::size_t>{1});
}

TEST(LifeSigns, StopWithTheFirstWhoStandsStillAndComeBackWithIt) {
    sim::World world{5};
    bool stuck = false, held = false;
    std::vector<io::Task> waiting;
    int signs = 0;
    Instant last = world.loop().now();
    Duration longest{};
    std::vector<LifeSigns::Member> members;
    members.push_back({"quick", [](io::Task back) { back(); }});
    members.push_back({"hale-check-0",
                       [&](io::Task back) {
                           if (stuck) waiting.push_back(std::move(back));
                           else back();
                       },
                       true});
    LifeSigns life(world.loop(), 20s, std::move(members), [&] {
        ++signs;
        longest = std::max(longest, world.loop().now() - last);
        last = world.loop().now();
    }, [&] { return held; });
    life.start();
    world.run_for(60s);
    EXPECT_GE(signs, 6);
    EXPECT_LE(longest, 10s) << "half the interval";
    stuck = true;
    world.run_for(10s);
    const int before = signs;
    world.run_for(60s);
    EXPECT_EQ(signs, before) << "fed over a thread that stands still";
    EXPECT_EQ(waiting.size(), 1u) << "asked again and again";
    held = true;
    world.run_for(20s);
    EXPECT_GT(signs, before) << "it stands still by our own will";
    held = stuck = false;
    const int meanwhile = signs;
    world.run_for(20s);
    EXPECT_EQ(signs, meanwhile) << "it has not answered yet";
    for (auto& back : waiting) back();
    world.run_for(20s);
    EXPECT_GT(signs, meanwhile);
    life.stop();
    const int end = signs;
    world.run_for(60s);
    EXPECT_EQ(signs, end);
}

}  // namespace
}  // namespace hale::app
