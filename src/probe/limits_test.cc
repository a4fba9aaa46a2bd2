// Goal: probes keep to their limits: one for many who ask, so many at once to an address and in all, first ones spread;
// who waits is served in order.
// Method: a whole checker in the simulated world, against servers that behave as told. The seed is printed when
// a test fails; the same seed gives the same run.

#include "probe/checker.h"

#include <gtest/gtest.h>

#include <set>

#include "probe/test_world.h"
#include "probe/words.h"
#include "sim/seed.h"

namespace hale::probe::test {
namespace {

constexpr auto web = "10.0.0.5:3000";

TEST(Checker, V16AHundredQuestionsMakeOneProbe) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    bench.run_for(1s);
    const int before = server.requests;
    int answers = 0, shared = 0;
    for (int i = 0; i < 100; ++i)
        bench.send(catalog::ProbeNow{0, 1, "", std::nullopt, [&](std::vector<catalog::ProbeAnswer> got) {
                                         ASSERT_EQ(got.size(), 1u);
                                         EXPECT_EQ(got[0].observation.outcome, Outcome::pass);
                                         ++answers;
                                         shared += got[0].shared;
                                     }});
    bench.run_for(100ms);
    EXPECT_EQ(answers, 100);
    EXPECT_EQ(shared, 99);
    EXPECT_EQ(server.requests, before + 1);
    // Fresh enough: answered from memory.
    bench.send(catalog::ProbeNow{0, 1, "main", 10s, [&](std::vector<catalog::ProbeAnswer> got) {
                                     ASSERT_EQ(got.size(), 1u);
                                     EXPECT_EQ(got[0].observation.status, 200);
                                     EXPECT_GT(got[0].observation.timings.total, Duration::zero());
                                     ++answers;
                                 }});
    EXPECT_EQ(answers, 101);
    EXPECT_EQ(server.requests, before + 1);
    bench.send(catalog::ProbeNow{7, 1, "", std::nullopt,
                                 [&](std::vector<catalog::ProbeAnswer> got) { answers += got.empty(); }});
    EXPECT_EQ(answers, 102);
}

TEST(Checker, TheCapsHoldAndTheQueueIsInOrder) {
    CheckerOptions options;
    options.engine.in_flight = 30;
    options.engine.pool.in_flight_per_address = 8;
    Bench bench(1, options);
    Server server(bench.network, bench.loop, "web", web);
    server.manner = Manner::silence;
    for (verdict::RowId row = 0; row < 100; ++row) bench.assign(bench.assignment(row, web, {Bench::http()}));
    std::size_t most = 0, waiting = 0;
    for (int i = 0; i < 200; ++i) {
        bench.run_for(5ms);
        most = std::max(most, bench.checker->stats().engine.in_flight);
        waiting = std::max(waiting, bench.checker->stats().engine.waiting);
    }
    EXPECT_EQ(most, 8u);
    EXPECT_EQ(waiting, 92u);
    server.manner = Manner::answer;
    for (verdict::RowId row = 0; row < 100; ++row) ASSERT_TRUE(bench.until(row, State::healthy, 120s)) << row;
    EXPECT_LE(bench.checker->stats().connections_kept, 8u);
    EXPECT_EQ(bench.leaks(), "");
}

TEST(Checker, TheScheduleLagCountsTheWaitForAPlace) {
    CheckerOptions options;
    options.engine.in_flight = 1;
    Bench bench(1, options);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    bench.run_for(30s);
    const ScheduleLag alone = bench.checker->stats().lag;
    EXPECT_GE(alone.counts[0] + alone.counts[1] + alone.counts[2] + alone.counts[3] + alone.counts[4], 6u);
    EXPECT_LE(alone.worst, 10ms);
    server.manner = Manner::silence;  // Each probe now holds the only place for its timeout of 2 s.
    bench.assign(bench.assignment(1, web, {Bench::http()}));
    bench.run_for(30s);
    EXPECT_GE(bench.checker->stats().lag.worst, 1s);
}

// Every kind of connection counts for its address: kept ones, fresh ones, tcp, and confirmations, which are next
// in line but wait too.
TEST(Checker, TheCapPerAddressHoldsForEveryKindOfProbe) {
    for (const std::string kind : {"kept", "fresh", "tcp", "confirmations"}) {
        SCOPED_TRACE(kind);
        CheckerOptions options;
        options.of = 3;
        Bench bench(1, options);
        bench.send(catalog::CheckerSettings{
            .targets = std::make_shared<const catalog::TargetPolicy>(), .in_flight = 4096, .in_flight_per_host = 3});
        Server server(bench.network, bench.loop, "web", web);
        server.manner = kind == "confirmations" ? Manner::answer : Manner::silence;
        for (verdict::RowId row = 0; row < 20; ++row) {
            auto spec = Bench::http();
            if (kind == "fresh") spec->connection = config::ConnectionMode::fresh;
            if (kind == "tcp") spec->what = config::TcpCheck{.send = "PING", .expect_bytes = "PONG"};
            bench.assign(bench.assignment(row, web, {spec}));
        }
        if (kind == "confirmations") {
            for (verdict::RowId row = 0; row < 20; ++row) ASSERT_TRUE(bench.until(row, State::healthy)) << row;
            server.manner = Manner::silence;
        }
        std::size_t most = 0;
        for (int i = 0; i < 3000; ++i) {
            bench.run_for(5ms);
            most = std::max(most, bench.checker->stats().engine.in_flight);
        }
        EXPECT_EQ(most, 3u);
        // More room is used at once, by those who wait.
        bench.send(catalog::CheckerSettings{
            .targets = std::make_shared<const catalog::TargetPolicy>(), .in_flight = 4096, .in_flight_per_host = 7});
        EXPECT_EQ(bench.checker->stats().engine.in_flight, 7u);
        // Less room takes nothing away, and is kept to from then on.
        bench.send(catalog::CheckerSettings{
            .targets = std::make_shared<const catalog::TargetPolicy>(), .in_flight = 4096, .in_flight_per_host = 2});
        bench.run_for(10s);
        EXPECT_LE(bench.checker->stats().engine.in_flight, 2u);
        // The limit of all is shared: a third of 5 is 1.
        bench.send(catalog::CheckerSettings{
            .targets = std::make_shared<const catalog::TargetPolicy>(), .in_flight = 5, .in_flight_per_host = 9});
        bench.run_for(10s);
        EXPECT_LE(bench.checker->stats().engine.in_flight, 1u);
        bench.send(catalog::CheckerSettings{
            .targets = std::make_shared<const catalog::TargetPolicy>(), .in_flight = 1, .in_flight_per_host = 9});
        bench.run_for(10s);
        EXPECT_LE(bench.checker->stats().engine.in_flight, 1u) << "never none";
        EXPECT_GT(bench.checker->stats().engine.ended, 20u);
        EXPECT_EQ(bench.leaks(), "");
    }
}

// Two checkers share the machine's programs: whoever finds them all running waits, and its own time begins when
// its program does.
TEST(Checker, ProgramsOfTwoCheckersTakeTurns) {
    sim::World world(1);
    sim::Network network(world);
    network.add_host("hale", {"10.0.0.2"});
    sim::Names names;
    std::size_t most = 0;
    sim::Spawner* running = nullptr;
    sim::Spawner spawner(world, [&](const io::SpawnRequest&) {
        most = std::max(most, running->running() + 1);
        return sim::Spawner::Ending{.after = 900ms};
    });
    running = &spawner;
    struct Half final : ProbeSink {
        Half(sim::World& in, sim::Network& on, sim::Names& known, sim::Spawner& programs)
            : loop(in.make_loop("checker")), resolver(known, loop), engine(loop, on.net("hale", loop), resolver, &programs, {}) {}
        void on_probed(verdict::Observation&& seen) noexcept override { got.push_back(std::move(seen)); }
        sim::Loop& loop;
        sim::Resolver resolver;
        Engine engine;
        std::vector<verdict::Observation> got;
    };
    Half one(world, network, names, spawner), two(world, network, names, spawner);
    auto spec = std::make_shared<config::CheckSpec>();
    spec->name = "disk";
    spec->what = config::ExecCheck{.arguments = {"/usr/lib/check_disk"}};
    spec->timing.timeout = 1s;
    const Plan plan = make_plan(spec);
    for (Half* half : {&one, &two})
        half->loop.run([&] {
            for (int i = 0; i < 40; ++i) half->engine.start({.plan = &plan}, *half);
        });
    world.run_for(20s);
    for (Half* half : {&one, &two}) {
        EXPECT_EQ(half->got.size(), 40u);
        for (const auto& seen : half->got) {
            EXPECT_EQ(seen.outcome, Outcome::pass) << seen.text;
            EXPECT_LE(seen.timings.total, 1s) << "its turn is not its time";
        }
        half->loop.run([&] { half->engine.close(); });
    }
    EXPECT_EQ(most, 16u);
}

TEST(Checker, AnInstanceThatLeavesTakesItsKeptConnectionAlong) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    bench.run_for(6s);
    EXPECT_EQ(bench.checker->stats().connections_kept, 1u);
    bench.send(catalog::Unassign{0, 1});
    bench.run_for(1ms);
    EXPECT_EQ(bench.checker->stats().connections_kept, 0u);
    EXPECT_EQ(bench.checker->stats().connections_open, 0u);
}

TEST(Checker, FirstProbesAreTenThousandASecondOverAllCheckersAndChecks) {
    CheckerOptions options;
    options.of = 4;
    Bench bench(1, options);
    Server server(bench.network, bench.loop, "web", web);
    std::vector<std::shared_ptr<config::CheckSpec>> three;
    for (const char* name : {"a", "b", "c"}) {
        auto spec = Bench::http();
        spec->name = name;
        spec->timing.interval = 1h;
        spec->connection = config::ConnectionMode::fresh;
        three.push_back(spec);
    }
    constexpr verdict::RowId many = 50;
    const Instant begin = bench.world.now();
    for (verdict::RowId row = 0; row < many; ++row) bench.assign(bench.assignment(row, web, {three[0], three[1], three[2]}));
    // This one of four may begin a probe each 400 us; beats round that up by 8 ms at most.
    for (Duration later{0}; later < 70ms; later += 1ms) {
        bench.world.run_for(begin + later - bench.world.now());
        const auto started = bench.checker->stats().engine.started;
        EXPECT_LE(started, static_cast<std::uint64_t>(later / 400us) + 1) << human(later);
    }
    EXPECT_EQ(bench.checker->stats().engine.started, std::uint64_t{many} * 3);
}

}  // namespace
}  // namespace hale::probe::test
