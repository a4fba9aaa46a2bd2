// Goal: the loop keeps time, runs what is posted in order from any thread, and sleeps when there is nothing.
// Method: real threads and real time with deadlines; under the tsan preset the same tests look for races.

#include "os/epoll_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/random.h"
#include "os/testing.h"

namespace hale::os {
namespace {

TEST(EpollLoop, TasksOfOneThreadRunInOrderFromFourThreads) {
    constexpr int threads = 4, tasks = 50'000;
    auto loop = make_loop();
    std::vector<int> last(threads, -1);
    int ran = 0;
    bool ordered = true;
    std::vector<std::thread> posters;
    for (int t = 0; t < threads; ++t)
        posters.emplace_back([&, t] {
            Random random(static_cast<std::uint64_t>(t));
            for (int i = 0; i < tasks; ++i) {
                loop->post([&, t, i] {
                    ordered = ordered && loop->here() && last[static_cast<std::size_t>(t)] == i - 1;
                    last[static_cast<std::size_t>(t)] = i;
                    if (++ran == threads * tasks) loop->stop();
                });
                // Now and then the loop is given time to fall asleep: the wake-up must not be lost.
                if (random.one_in(1000)) std::this_thread::yield();
            }
        });
    loop->run();
    for (auto& poster : posters) poster.join();
    EXPECT_EQ(ran, threads * tasks);
    EXPECT_TRUE(ordered);
}

TEST(EpollLoop, EveryPostWakesASleepingLoop) {
    // One task in flight at a time, so that the loop goes to sleep before each.
    auto loop = make_loop();
    std::atomic<int> ran = 0;
    std::thread runner([&] { loop->run(); });
    for (int i = 1; i <= 20'000; ++i) {
        loop->post([&] { ran.fetch_add(1), ran.notify_one(); });
        for (int seen = ran.load(); seen < i; seen = ran.load()) ran.wait(seen);
    }
    loop->stop();
    runner.join();
    EXPECT_EQ(ran, 20'000);
}

TEST(EpollLoop, WhatWasPostedBeforeStopRuns) {
    auto loop = make_loop();
    int ran = 0;
    for (int i = 0; i < 2000; ++i) loop->post([&] { ++ran; });
    loop->stop();
    loop->run();
    EXPECT_EQ(ran, 2000);
    // And the loop may run again.
    loop->post([&] { loop->stop(); });
    loop->run();
}

TEST(EpollLoop, ATaskThatPostsItselfDoesNotStarveTheTurn) {
    auto loop = make_loop();
    int rounds = 0;
    std::function<void()> again = [&] {
        ++rounds;
        loop->post([&] { again(); });
    };
    loop->post([&] { again(); });
    loop->run_once();
    const int first = rounds;
    loop->run_once();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(rounds, 2);
}

TEST(EpollLoop, AtMost512PostsPerTurnAndOrderKeptWhenTheLoopIsAdopted) {
    auto loop = make_loop();
    std::vector<int> order;
    for (int i = 0; i < 600; ++i) loop->post([&, i] { order.push_back(i); });
    loop->run_once();
    EXPECT_LE(order.size(), EpollLoop::posts_per_turn);  // Fewer where the machine is busy: see below.
    EXPECT_GE(order.size(), EpollLoop::posts_per_look);
    loop->post([&] { order.push_back(600); });
    ASSERT_TRUE(loop->run_until([&] { return order.size() == 601; }, patience));
    for (int i = 0; i <= 600; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(EpollLoop, PostsThatTakeLongLeaveTheRestToTheNextTurn) {
    auto loop = make_loop();
    std::vector<int> order;
    for (int i = 0; i < 50; ++i)
        loop->post([&, i] {
            for (const Instant begun = loop->fresh_now(); loop->fresh_now() - begun < EpollLoop::posted_time_per_turn;) {}
            order.push_back(i);
        });
    loop->run_once();
    EXPECT_EQ(order.size(), EpollLoop::posts_per_look);
    ASSERT_TRUE(loop->run_until([&] { return order.size() == 50; }, patience));
    for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(EpollLoop, TimersFireInTimeAndNowIsConstantWithinATurn) {
    auto loop = make_loop();
    struct One {
        One(EpollLoop& l, Duration by) : loop(l), asked(l.now() + by), timer(l, io::member_fire<&One::fire>, this) {
            timer.arm(asked);
        }
        void fire() noexcept {
            fired = loop.now();
            really = loop.fresh_now();
        }
        EpollLoop& loop;
        Instant asked, fired = never, really = never;
        io::Timer timer;
    };
    std::vector<std::unique_ptr<One>> all;
    Random random(5);
    for (int i = 0; i < 300; ++i)
        all.push_back(std::make_unique<One>(*loop, Duration{static_cast<std::int64_t>(random.below(50'000'000))}));
    for (const auto& one : all) {
        ASSERT_TRUE(loop->run_until([&] { return one->fired != never; }, patience));
        EXPECT_GE(one->fired, one->asked);
        EXPECT_GE(one->really, one->fired);
    }
    Instant before{}, after{};
    loop->post([&] { before = loop->now(); });
    loop->post([&] { after = loop->now(); });
    loop->run_once();
    EXPECT_EQ(before, after);
}

TEST(EpollLoop, DestroyedWithTasksThatOwnStreamsAndPost) {
    auto loop = make_loop();
    Pair pair = make_pair(*loop);
    struct PostsWhenGone {
        EpollLoop* loop;
        explicit PostsWhenGone(EpollLoop* l) : loop(l) {}
        ~PostsWhenGone() {
            loop->post([] {});
        }
    };
    loop->post([stream = std::move(pair.server), last = std::make_unique<PostsWhenGone>(loop.get())] {});
    pair.client.reset();
    loop.reset();
}

}  // namespace
}  // namespace hale::os
