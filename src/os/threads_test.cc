// Goal: blocking work runs elsewhere and its end comes home; signals arrive on the loop; threads carry names.
// Method: real threads, joined; limits filled to the brim while the only worker is held.

#include "os/threads.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <future>

#include "os/blocking_pool.h"
#include "os/signals.h"
#include "os/testing.h"

namespace hale::os {
namespace {

TEST(Thread, CarriesItsNameAndRunsItsBody) {
    char name[32] = {};
    Thread thread;
    ASSERT_TRUE(
        thread.start("a-name-that-is-too-long", [&] { pthread_getname_np(pthread_self(), name, sizeof name); }));
    EXPECT_TRUE(thread.started());
    thread.join();
    EXPECT_FALSE(thread.started());
    // The name is given by the starter, so a body this short may have read its parent's.
    Thread again;
    std::promise<void> named;
    auto wait = named.get_future().share();
    ASSERT_TRUE(again.start("a-name-that-is-too-long", [&] {
        wait.wait();
        pthread_getname_np(pthread_self(), name, sizeof name);
    }));
    named.set_value();
    again.join();
    EXPECT_STREQ(name, "a-name-that-is-");
    EXPECT_GE(usable_cores(), 1);
}

TEST(BlockingPool, WorkRunsElsewhereAndItsEndComesHome) {
    auto loop = make_loop();
    loop->run_once();
    BlockingPool pool;
    ASSERT_TRUE(pool.start(2));
    std::atomic<int> worked = 0;
    int done = 0;
    for (int i = 0; i < 500; ++i)
        ASSERT_TRUE(pool.run(*loop, [&] { worked += !loop->here(); }, [&] { done += loop->here(); }));
    EXPECT_TRUE(loop->run_until([&] { return done == 500; }, patience));
    EXPECT_EQ(worked, 500);
    pool.stop();
}

TEST(BlockingPool, RefusesBeyondItsLimitAndFinishesWhatItTook) {
    auto loop = make_loop();
    loop->run_once();
    BlockingPool pool;
    std::size_t done = 0;
    EXPECT_EQ(pool.run(*loop, [] {}, [] {}).error().code, Code::unavailable) << "not started";
    ASSERT_TRUE(pool.start(1));
    std::promise<void> held, release;
    auto released = release.get_future().share();
    ASSERT_TRUE(pool.run(*loop, [&] { held.set_value(), released.wait(); }, [&] { ++done; }));
    held.get_future().wait();
    for (std::size_t i = 0; i < BlockingPool::queue_limit; ++i) ASSERT_TRUE(pool.run(*loop, [] {}, [&] { ++done; }));
    const auto refused = pool.run(*loop, [] {}, [&] { ++done; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    release.set_value();
    pool.stop();
    EXPECT_TRUE(loop->run_until([&] { return done == BlockingPool::queue_limit + 1; }, patience));
    EXPECT_FALSE(pool.run(*loop, [] {}, [] {}));
}

TEST(Signals, ArriveOnTheLoop) {
    block_signals({SIGUSR1, SIGUSR2});
    auto loop = make_loop();
    std::vector<int> got;
    auto signals = Signals::listen(*loop, {SIGUSR1, SIGUSR2}, [&](int signal) { got.push_back(signal); });
    ASSERT_TRUE(signals);
    kill(getpid(), SIGUSR1);
    ASSERT_TRUE(loop->run_until([&] { return got.size() == 1; }, patience));
    // A thread does not take what belongs to the loop.
    Thread thread;
    std::promise<void> end;
    ASSERT_TRUE(thread.start("other", [&] { end.get_future().wait(); }));
    kill(getpid(), SIGUSR2);
    ASSERT_TRUE(loop->run_until([&] { return got.size() == 2; }, patience));
    end.set_value();
    thread.join();
    EXPECT_EQ(got, (std::vector{SIGUSR1, SIGUSR2}));
}

}  // namespace
}  // namespace hale::os
