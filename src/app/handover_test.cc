// Goal: whatever happens in whatever order, an upgrade ends in one of two ways: the new process serves and the old one
// leaves, or the new one is dead and the old one goes on with all it held. Never both, never neither.
// Method: every event in every state that can be reached, and beside it a plain record of what was done, which is asked
// after each step whether it is still true to the rules.

#include "app/handover.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

namespace hale::app {
namespace {

using enum HandoverEvent;
using Deed = HandoverDeed;
constexpr HandoverEvent all_events[] = {asked, hello, ready, held, serving, failed, lost, died, late, stop};

// What the world looks like, from the deeds and events alone.
struct World {
    Handover machine;
    bool process = false;  // Lives.
    bool holding = false, whole = false;
    bool told_to_take = false, left = false;
    int askers = 0;  // Not answered yet.
    bool stop_asked = false, stopped = false;
    auto operator<=>(const World&) const = default;

    void happens(HandoverEvent event) {
        if (event == died) process = false;
        if (event == held) whole = true;
        const bool was_taking = told_to_take;
        if (event == stop) stop_asked = true;
        for (const Deed deed : machine.on(event)) {
            switch (deed) {
                case Deed::refuse:
                    EXPECT_EQ(event, asked);
                    EXPECT_TRUE(askers == 1 || left) << "refused though nothing is under way";
                    break;
                case Deed::start:
                    EXPECT_FALSE(process || left || holding);
                    EXPECT_EQ(askers, 0);
                    process = true;
                    askers = 1;
                    break;
                case Deed::offer: EXPECT_TRUE(process && !holding); break;
                case Deed::hold:
                    EXPECT_TRUE(process && !holding);
                    holding = true, whole = false;
                    break;
                case Deed::take:
                    EXPECT_TRUE(process && holding && whole) << "it took what was not let go";
                    told_to_take = true;
                    break;
                case Deed::leave:
                    EXPECT_TRUE(process && was_taking && event == serving);
                    left = true, askers = 0;
                    break;
                case Deed::kill: EXPECT_TRUE(process) << "a number may be somebody else's by now"; break;
                case Deed::go_on:
                    EXPECT_FALSE(process) << "two would write";
                    EXPECT_TRUE(holding && whole);
                    holding = whole = told_to_take = false;
                    break;
                case Deed::tell_failed:
                    EXPECT_FALSE(process);
                    EXPECT_EQ(askers, 1);
                    EXPECT_FALSE(holding) << "told, but nothing goes on";
                    askers = 0;
                    break;
                case Deed::stop:
                    EXPECT_FALSE(process || holding || left);
                    EXPECT_TRUE(stop_asked);
                    stopped = true;
                    break;
            }
        }
        EXPECT_EQ(machine.under_way(), askers == 1);
        if (!machine.under_way() && !left) {
            EXPECT_FALSE(holding || process);
            if (stop_asked) EXPECT_TRUE(stopped);
        }
    }
    // What the world may bring now.
    bool possible(HandoverEvent event) const {
        switch (event) {
            case asked: return !stopped;
            case held: return holding && !whole;
            case hello: case ready: case serving: case failed: case died: return process;
            case lost: case late: return process || machine.under_way();
            case stop: return !stop_asked;
        }
        return false;
    }
};

TEST(Handover, EveryEventInEveryStateKeepsTheRules) {
    std::set<World> seen{World{}};
    std::deque<World> open{World{}};
    std::set<std::pair<HandoverPhase, HandoverEvent>> met;
    while (!open.empty()) {
        const World now = open.front();
        open.pop_front();
        for (const HandoverEvent event : all_events) {
            if (!now.possible(event)) continue;
            World next = now;
            next.happens(event);
            if (HasFailure()) FAIL() << "phase " << static_cast<int>(now.machine.phase()) << " event " << static_cast<int>(event);
            met.insert({now.machine.phase(), event});
            if (seen.insert(next).second) open.push_back(next);
        }
    }
    // 7 phases: what cannot come in a phase is named by possible(), all else came.
    EXPECT_GE(met.size(), 45u);
    EXPECT_GE(seen.size(), 20u);
}

TEST(Handover, EveryStateUnderWayEndsWhenTheNewProcessDies) {
    std::set<World> seen{World{}};
    std::deque<World> open{World{}};
    while (!open.empty()) {
        const World now = open.front();
        open.pop_front();
        World end = now;
        if (end.machine.under_way()) {
            end.happens(late);
            if (end.process) end.happens(died);
            if (end.holding && !end.whole) end.happens(held);
            EXPECT_FALSE(end.machine.under_way());
            EXPECT_FALSE(end.holding);
        }
        for (const HandoverEvent event : all_events) {
            if (!now.possible(event)) continue;
            World next = now;
            next.happens(event);
            if (seen.insert(next).second) open.push_back(next);
        }
    }
}

TEST(Handover, GoesThroughInOrder) {
    Handover one;
    using Deeds = std::vector<Deed>;
    EXPECT_EQ(one.on(asked), Deeds{Deed::start});
    EXPECT_EQ(one.on(asked), Deeds{Deed::refuse});
    EXPECT_EQ(one.on(hello), Deeds{Deed::offer});
    EXPECT_EQ(one.on(ready), Deeds{Deed::hold});
    EXPECT_TRUE(one.holds());
    EXPECT_EQ(one.on(held), Deeds{Deed::take});
    EXPECT_EQ(one.on(serving), Deeds{Deed::leave});
    for (const HandoverEvent event : all_events) EXPECT_EQ(one.on(event), event == asked ? Deeds{Deed::refuse} : Deeds{}) << static_cast<int>(event);
}

TEST(Handover, AWordOutOfTurnIsNoProgress) {
    for (const HandoverEvent out_of_turn : {ready, serving, hello}) {
        Handover one;
        one.on(asked);
        if (out_of_turn == hello) one.on(hello);
        EXPECT_EQ(one.on(out_of_turn), std::vector{Deed::kill});
        EXPECT_EQ(one.on(died), std::vector{Deed::tell_failed});
        EXPECT_EQ(one.phase(), HandoverPhase::idle);
    }
}

TEST(Handover, StopsOnlyOverADeadSuccessor) {
    Handover one;
    one.on(asked), one.on(hello), one.on(ready);
    EXPECT_EQ(one.on(stop), std::vector{Deed::kill});
    EXPECT_TRUE(one.on(died).empty()) << "half of it is held";
    EXPECT_EQ(one.on(held), (std::vector{Deed::go_on, Deed::tell_failed, Deed::stop}));
}

}  // namespace
}  // namespace hale::app
