// Goal: names, blocking work and children end as scripted, on the asking loop, and never inside the call.
// Method: each ending once, with its instant.

#include <gtest/gtest.h>

#include <csignal>

#include "sim/blocking.h"
#include "sim/resolver.h"
#include "sim/world.h"

namespace hale::sim {
namespace {

TEST(Names, AnswerAsScriptedAndAsTheyAreWhenTheAnswerComes) {
    World world(1);
    Names names;
    Loop& loop = world.loop();
    Resolver resolver(names, loop);
    std::optional<Result<io::Resolution>> got;
    const auto ask = [&](std::string_view name, Duration within = 1s) {
        got.reset();
        auto question = resolver.resolve(name, world.now() + within, [&](Result<io::Resolution> answer) {
            EXPECT_TRUE(world.current() == &loop);
            got = std::move(answer);
        });
        EXPECT_FALSE(got);
        return question;
    };
    names.set("Web", {"fd00::2", "10.0.0.2", "10.0.0.1"}, 5s);
    auto question = ask("web");
    world.run_until_idle();
    ASSERT_TRUE(got && got->has_value());
    EXPECT_EQ((*got)->addresses, (std::vector{*Ip::parse("10.0.0.2"), *Ip::parse("10.0.0.1"), *Ip::parse("fd00::2")}));
    EXPECT_EQ((*got)->ttl, 5s);

    names.at("web").delay = 10ms;
    question = ask("WEB");
    names.set("web", {"10.0.0.9"});
    world.run_until_idle();
    EXPECT_EQ((*got)->addresses, std::vector{*Ip::parse("10.0.0.9")});

    question = ask("nowhere");
    world.run_until_idle();
    EXPECT_EQ(got->error().code, Code::not_found);

    names.at("web").silent = true;
    const Instant begin = world.now();
    question = ask("web", 2s);
    world.run_until_idle();
    EXPECT_EQ(got->error().code, Code::timed_out);
    EXPECT_EQ(world.now(), begin + 2s);

    names.set("web", {.addresses = {}, .error = Error{Code::unavailable, "no name server"}});
    question = ask("web");
    world.run_until_idle();
    EXPECT_EQ(got->error().code, Code::unavailable);

    question = ask("web");
    question.reset();  // Withdrawn.
    world.run_until_idle();
    EXPECT_FALSE(got);
    EXPECT_EQ(names.questions, 6u);
}

TEST(BlockingPool, WorksElsewhereAndIsDoneAtHome) {
    World world(1);
    BlockingPool pool(world, 2);
    Loop& home = world.make_loop("home");
    int working = 0, most = 0, done = 0;
    pool.queue_limit = 8;
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(pool.run(
            home,
            [&] {
                EXPECT_NE(world.current(), &home);
                most = std::max(most, ++working - done);
            },
            [&] {
                EXPECT_EQ(world.current(), &home);
                ++done;
            }));
    EXPECT_EQ(working, 0);
    EXPECT_EQ(pool.waiting(), 8u);
    EXPECT_EQ(pool.run(home, [] {}, [] {}).error().code, Code::exhausted);
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(done, 10);
}

TEST(Spawner, ChildrenEndAsScriptedOrAreKilled) {
    World world(1);
    Spawner::Ending ending;
    Spawner spawner(world, [&](const io::SpawnRequest&) { return ending; });
    Loop& home = world.loop();
    std::optional<Result<io::SpawnResult>> got;
    const auto spawn = [&](io::SpawnRequest request) {
        got.reset();
        spawner.spawn(home, std::move(request), [&](Result<io::SpawnResult> result) { got = std::move(result); });
        EXPECT_FALSE(got);
    };
    ending.result = io::SpawnResult{.exit_code = 2, .output = "DISK CRITICAL"};
    spawn({.arguments = {"/bin/check"}, .timeout = 1s, .output_limit = 4});
    EXPECT_EQ(spawner.running(), 1u);
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ((*got)->exit_code, 2);
    EXPECT_EQ((*got)->output, "DISK");

    ending.after = 5s;
    const Instant begin = world.now();
    spawn({.arguments = {"/bin/check"}, .timeout = 1s});
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_TRUE((*got)->timed_out);
    EXPECT_EQ((*got)->signal, SIGKILL);
    EXPECT_GE(world.now(), begin + 1s);
    EXPECT_LE(world.now(), begin + 1s + 50us);  // The post home.

    ending.result = fail(Code::not_found, "exec /bin/check: no such file");
    spawn({.arguments = {"/bin/check"}});
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(got->error().code, Code::not_found);

    spawner.at_once_limit = 0;
    spawn({.arguments = {"/bin/check"}});
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(got->error().code, Code::exhausted);
    EXPECT_EQ(spawner.requests().size(), 3u);
}

}  // namespace
}  // namespace hale::sim
