// Goal: what a deployment saw leads to the same end when it is given to the machine again.
// Method: every kind of event there and back; random courses with all their events, kept and repeated.

#include "deploy/events.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "sim/seed.h"

namespace hale::deploy {
namespace {

rollout::Event random_event(Random& random) {
    const auto coin = [&] { return random.below(2) == 1; };
    const std::size_t which = random.below(2);
    switch (random.below(23)) {
        case 0: return rollout::Began{};
        case 1: return rollout::PreflightPassed{};
        case 2: return rollout::Pulled{};
        case 3: return rollout::Created{which};
        case 4: return rollout::Started{which};
        case 5: return rollout::Health{which, coin(), "health"};
        case 6: return rollout::Ended{which, static_cast<int>(random.below(2)), random.below(8) == 0, "ended"};
        case 7: return rollout::Looping{which, "loops"};
        case 8: return rollout::Direct{which, coin(), "direct"};
        case 9: return rollout::Through{coin(), coin(), "through"};
        case 10: return rollout::Switched{};
        case 11: return rollout::Drained{};
        case 12: return rollout::Retired{};
        case 13: return rollout::RolledBack{};
        case 14: return rollout::Failed{rollout::Fault::start_failed, "failed"};
        case 15: return rollout::Abort{rollout::Fault::aborted, "by somebody"};
        case 16: return rollout::HooksPassed{};
        case 17: return rollout::PreExisting{"so does the old one"};
        case 18: return rollout::Yielded{};
        case 19: return rollout::Removed{which};
        case 20: return rollout::Restored{which};
        case 21: return rollout::Failed{rollout::Fault::start_failed, "failed", which};
        default: return rollout::Tick{};
    }
}

TEST(Seen, EveryEventComesBack) {
    sim::for_each_seed(500, [](std::uint64_t seed) {
        Random random(seed);
        const rollout::Event event = random_event(random);
        const Seen once = seen(Utc(5s), event);
        const auto back = event_of(once);
        ASSERT_TRUE(back) << back.error().text;
        EXPECT_EQ(back->index(), event.index());
        EXPECT_EQ(seen(Utc(5s), *back), once);
    });
    Seen unknown{.at = {}, .kind = "hovered", .text = {}};
    EXPECT_FALSE(event_of(unknown));
}

TEST(Seen, LeadsToTheSameEndAgain) {
    std::size_t ended = 0;
    sim::for_each_seed(3'000, [&](std::uint64_t seed) {
        Random random(seed);
        rollout::Plan plan;
        for (int i = 0; i < 2; ++i)
            plan.containers.push_back({.name = "c", .external = random.below(4) == 0, .made = random.below(4) == 0, .one_shot = random.below(5) == 0, .container_health = random.below(2) == 1,
                                       .direct = random.below(4) != 0, .routed = random.below(2) == 1, .after = {}});
        rollout::Progress progress = rollout::begin(plan, Utc(1h));
        std::vector<Seen> list;
        Utc now(1h);
        for (int i = 0; i < 120 && !rollout::over(progress.phase); ++i) {
            now += Duration(static_cast<std::int64_t>(random.below(3'000'000'000)));
            // Mostly what goes on, so that courses get far.
            const rollout::Event event = random_event(random);
            if ((std::holds_alternative<rollout::Abort>(event) || std::holds_alternative<rollout::Failed>(event) || std::holds_alternative<rollout::Ended>(event) ||
                 std::holds_alternative<rollout::Looping>(event)) && random.below(12) != 0)
                continue;
            const auto before = progress;
            const auto commands = rollout::step(plan, progress, event, now);
            if (progress == before && commands.empty()) continue;
            ASSERT_TRUE(note_seen(list, seen(now, event)));
        }
        const auto again = replay(plan, Utc(1h), list);
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_EQ(again->end.phase, progress.phase);
        EXPECT_EQ(again->end.fault, progress.fault);
        EXPECT_EQ(again->end.text, progress.text);
        EXPECT_EQ(again->end.users_switched, progress.users_switched);
        ended += rollout::over(progress.phase);
    });
    EXPECT_GT(ended, 300u);
}

TEST(Seen, AnAnswerThatFailsAThousandTimesIsOne) {
    std::vector<Seen> list;
    for (int i = 0; i < 3'000; ++i) ASSERT_TRUE(note_seen(list, seen(Utc(Duration(i)), rollout::Direct{0, false, fmt::format("{}", i)})));
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].text, "2999");
    ASSERT_TRUE(note_seen(list, seen(Utc(1s), rollout::Direct{1, false, ""})));
    ASSERT_TRUE(note_seen(list, seen(Utc(1s), rollout::Health{0, true, ""})));
    ASSERT_TRUE(note_seen(list, seen(Utc(1s), rollout::Health{0, false, ""})));
    ASSERT_TRUE(note_seen(list, seen(Utc(1s), rollout::Health{0, true, ""})));
    EXPECT_EQ(list.size(), 5u) << "a word that turns is no repetition";
    while (list.size() < most_seen) list.push_back(seen(Utc(2s), rollout::Tick{}));
    EXPECT_FALSE(note_seen(list, seen(Utc(3s), rollout::Switched{})));
}

}  // namespace
}  // namespace hale::deploy
