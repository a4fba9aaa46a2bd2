// Goal: what a checker believes follows from what servers really do, whatever they do, and nothing leaks.
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

TEST(Checker, ANewInstanceIsProbedAtOnceAndHealthyAfterRise) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    EXPECT_EQ(bench.word(0).state, State::pending);
    EXPECT_EQ(bench.word(0).version, 101u);  // Above first_version, from the first word on.
    bench.run_for(100ms);
    ASSERT_EQ(bench.seen.size(), 1u);
    EXPECT_EQ(bench.seen[0].outcome, Outcome::pass);
    EXPECT_EQ(bench.seen[0].vehicle, Vehicle::fresh);
    EXPECT_EQ(bench.seen[0].detail, nullptr);
    ASSERT_TRUE(bench.until(0, State::healthy, 1s));
    EXPECT_EQ(bench.word(0).version, 103u);  // 102: the reason turned from never_checked to ok.
    EXPECT_EQ(server.last_request,
              "GET /up HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nUser-Agent: hale\r\nAccept: */*\r\n\r\n");
    bench.run_for(30s);
    EXPECT_EQ(bench.word(0).version, 103u);  // Passing on changes nothing.
    EXPECT_EQ(bench.seen.back().vehicle, Vehicle::pooled);
    EXPECT_LE(server.accepted, 2);
    EXPECT_EQ(bench.checker->stats().connections_open, 1u);
    EXPECT_EQ(bench.record(0)->reason, Reason::ok);
    EXPECT_TRUE(bench.record(0)->deciding.empty());
    ASSERT_TRUE(bench.record(0)->checks.at(0).decided);
    EXPECT_EQ(bench.record(0)->checks.at(0).decided->rule, verdict::Rule::answers);
    EXPECT_EQ(bench.record(0)->checks.at(0).decided->length, 2u);
    EXPECT_EQ(bench.record(0)->checks.at(0).decided->needed, 2u);
    EXPECT_EQ(bench.record(0)->before, State::pending);
    EXPECT_EQ(bench.leaks(), "");
}

TEST(Checker, ARefusedPortIsNoticedInSixSecondsASilentOneInTwelve) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        for (const bool silent : {false, true}) {
            Bench bench(seed);
            Server server(bench.network, bench.loop, "web", web);
            bench.assign(bench.assignment(static_cast<verdict::RowId>(seed), web, {Bench::http()}));
            const auto row = static_cast<verdict::RowId>(seed);
            ASSERT_TRUE(bench.until(row, State::healthy));
            bench.run_for(Duration{static_cast<std::int64_t>(bench.world.random().below(20'000'000'000))});
            const auto epoch = bench.epoch(row);
            if (silent) {
                bench.network.set_power("web", false);
            } else {
                server.stop_listening();
                server.close_all();
            }
            ASSERT_TRUE(bench.until(row, State::unhealthy, silent ? 12'100ms : 6'100ms)) << "seed " << seed;
            EXPECT_GT(bench.epoch(row), epoch);
            bench.run_for(1ms);
            const auto record = bench.record(row);
            EXPECT_EQ(record->deciding.size(), 3u);
            EXPECT_EQ(record->decided_by, "main");
            EXPECT_EQ(record->checks.at(0).run_length, 3u);
            EXPECT_EQ(record->checks.at(0).run_needed, 3u);
            ASSERT_TRUE(record->checks.at(0).decided);
            EXPECT_EQ(record->checks.at(0).decided->rule, verdict::Rule::fails);
            EXPECT_EQ(record->checks.at(0).decided->length, 3u);
            EXPECT_EQ(record->checks.at(0).decided->needed, 3u);
            EXPECT_TRUE(record->text.starts_with("GET http://10.0.0.5:3000/up: ")) << record->text;
            if (!silent) {
                EXPECT_EQ(record->reason, Reason::connect_refused);
                EXPECT_TRUE(record->text.contains("connect refused after ")) << record->text;
            }
            EXPECT_EQ(bench.first_failures.size(), 1u);
            bench.network.set_power("web", true);
        }
    }
}

// V8: a single bad probe changes nothing.
TEST(Checker, OneBadAnswerInManyMovesNothing) {
    const std::vector<Manner> blips{Manner::silence,     Manner::reset_at_accept, Manner::reset_mid_head,
                                    Manner::garbage,     Manner::wrong_length,    Manner::close_unanswered,
                                    Manner::slow_drip,   Manner::bad_chunking,    Manner::endless_headers,
                                    Manner::two_lengths, Manner::close_mid_head,  Manner::endless_interim};
    for (const auto mode :
         {config::ConnectionMode::pooled, config::ConnectionMode::fresh, config::ConnectionMode::both}) {
        Bench bench(3);
        Server server(bench.network, bench.loop, "web", web);
        int bad = 0;
        server.decide = [&](const std::string&, int nth) {
            return nth % 50 == 0 ? blips[static_cast<std::size_t>(bad++) % blips.size()] : Manner::answer;
        };
        auto spec = Bench::http();
        spec->connection = mode;
        spec->timing.interval = 1s;
        bench.assign(bench.assignment(0, web, {spec}));
        ASSERT_TRUE(bench.until(0, State::healthy));
        const auto version = bench.word(0).version;
        bench.run_for(1000s);
        EXPECT_GE(bad, 19);
        EXPECT_EQ(bench.word(0).version, version);
        EXPECT_EQ(bench.state(0), State::healthy);
        EXPECT_EQ(bench.leaks(), "");
    }
}

TEST(Checker, TheSameSeedGivesTheSameStory) {
    const auto run = [](std::uint64_t seed) {
        Bench bench(seed);
        bench.network.set_faults({.loss = 0.05, .reset = 0.1});
        Server server(bench.network, bench.loop, "web", web);
        for (verdict::RowId row = 0; row < 10; ++row) bench.assign(bench.assignment(row, web, {Bench::http()}));
        bench.run_for(60s);
        return bench.world.digest();
    };
    EXPECT_EQ(run(5), run(5));
    EXPECT_NE(run(5), run(6));
}

TEST(Checker, OurOwnTroubleIsAnErrorAndNeverCounts) {
    for (const int error : {EMFILE, ENOBUFS, EADDRNOTAVAIL, ENETUNREACH}) {
        Bench bench(1);
        bench.network.net("hale", bench.loop).set_default_route(false);
        Server server(bench.network, bench.loop, "web", web);
        auto spec = Bench::http();
        spec->connection = config::ConnectionMode::fresh;
        bench.assign(bench.assignment(0, web, {spec}));
        ASSERT_TRUE(bench.until(0, State::healthy));
        bench.run_for(1ms);
        bench.seen.clear();
        bench.network.net("hale", bench.loop).fail_next(sim::Operation::connect, error, 1000);
        bench.run_for(11s);
        ASSERT_FALSE(bench.seen.empty());
        for (const auto& one : bench.seen) {
            EXPECT_EQ(one.outcome, Outcome::error);
            EXPECT_EQ(one.reason, Reason::check_error);
            EXPECT_FALSE(one.counted);
        }
        EXPECT_EQ(bench.state(0), State::healthy);
        // No evidence for long: stale, then unknown, still serving as before.
        ASSERT_TRUE(bench.world.run_until([&] { return bench.word(0).flags.has(Flag::stale); }, 10s));
        ASSERT_TRUE(bench.until(0, State::unknown, 30s));
        EXPECT_TRUE(bench.word(0).flags.has(Flag::held));
        EXPECT_TRUE(bench.word(0).was_eligible);
        bench.run_for(1ms);
        EXPECT_EQ(bench.record(0)->reason, Reason::stale);
        EXPECT_TRUE(bench.record(0)->text.contains("no observation was counted for")) << bench.record(0)->text;
    }
}

TEST(Checker, ALateTimerProvesNothing) {
    Bench bench(1);
    auto& servers = bench.world.make_loop("servers");
    Server server(bench.network, servers, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    bench.run_for(30s);
    const auto before = bench.seen.size();
    server.manner = Manner::silence;
    ASSERT_TRUE(bench.world.run_until([&] { return server.requests > static_cast<int>(before); }, 20s));
    bench.loop.stall(5s);  // Our thread gets no processor; the timeout is noticed 3 s late.
    bench.run_for(5'001ms);
    ASSERT_GT(bench.seen.size(), before);
    EXPECT_EQ(bench.seen[before].outcome, Outcome::error);
    EXPECT_TRUE(bench.seen[before].detail->text.contains("our own timer came")) << bench.seen[before].detail->text;
    // An answer that waited for us is a pass, however late.
    server.manner = Manner::answer;
    bench.run_for(30s);
    const auto mark = bench.seen.size();
    const int asked = server.requests;
    ASSERT_TRUE(bench.world.run_until([&] { return server.requests > asked; }, 20s));
    bench.loop.stall(5s);
    bench.run_for(5'100ms);
    ASSERT_GT(bench.seen.size(), mark);
    EXPECT_EQ(bench.seen[mark].outcome, Outcome::pass);
}

TEST(Checker, WhatBelongsToAnOlderGenerationIsDiscardedAndCounted) {
    Bench bench(1);
    auto& servers = bench.world.make_loop("servers");
    Server server(bench.network, servers, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    server.manner = Manner::silence;
    ASSERT_TRUE(bench.world.run_until([&] { return bench.checker->stats().engine.in_flight == 1; }, 20s));
    bench.assign(bench.assignment(0, "10.0.0.6:3000", {Bench::http()}, 2));
    bench.run_for(1ms);
    EXPECT_EQ(bench.discarded, 1u);
    EXPECT_EQ(bench.word(0).generation, 2);
    EXPECT_EQ(bench.word(0).state, State::pending);
    bench.send(catalog::Passive{0, 1, Reason::connect_refused});
    bench.send(catalog::Unassign{0, 1});
    bench.run_for(1ms);
    EXPECT_EQ(bench.discarded, 3u);
    ASSERT_TRUE(bench.until(0, State::unhealthy, 10s));  // Nobody listens there.
    bench.send(catalog::Unassign{0, 2});
    bench.run_for(1ms);
    const auto seen = bench.seen.size();
    bench.run_for(20s);
    EXPECT_EQ(bench.seen.size(), seen);
    EXPECT_EQ(bench.checker->stats().instances, 0u);
}

TEST(Checker, GatesAskForEvidenceGatheredAfterTheyOpened) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    bench.run_for(10s);
    std::vector<catalog::GateOutcome> ends;
    const auto open = [&](std::uint64_t gate, Duration timeout) {
        bench.send(
            catalog::OpenGate{0, 1, gate, timeout, [&](catalog::GateOutcome end) { ends.push_back(std::move(end)); }});
    };
    const int before = server.requests;
    open(1, 10s);
    bench.run_for(50ms);  // Two passes, back to back.
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends[0].end, catalog::GateEnd::passed);
    EXPECT_EQ(ends[0].passes, 2u);
    EXPECT_EQ(ends[0].state, State::healthy);
    EXPECT_EQ(server.requests, before + 2);
    for (const auto& seen : ends[0].observations) EXPECT_EQ(seen.vehicle, Vehicle::fresh);

    server.status = 503;
    open(2, 10s);
    bench.run_for(5s);
    ASSERT_EQ(ends.size(), 2u);
    EXPECT_EQ(ends[1].end, catalog::GateEnd::failed);
    EXPECT_EQ(ends[1].fails, 3u);
    EXPECT_EQ(ends[1].state, State::unhealthy);

    server.manner = Manner::silence;
    open(3, 1s);
    bench.run_for(1'100ms);
    ASSERT_EQ(ends.size(), 3u);
    EXPECT_EQ(ends[2].end, catalog::GateEnd::timed_out);
    open(4, 10s);
    bench.send(catalog::CloseGate{0, 4});
    ASSERT_EQ(ends.size(), 4u);
    EXPECT_EQ(ends[3].end, catalog::GateEnd::gone);
    open(5, 10s);
    bench.assign(bench.assignment(0, web, {Bench::http()}));  // A reload that asks the same.
    ASSERT_EQ(ends.size(), 4u);
    auto second = Bench::http();
    second->name = "second";
    bench.assign(bench.assignment(0, web, {Bench::http(), second}));
    ASSERT_EQ(ends.size(), 5u);
    EXPECT_EQ(ends[4].end, catalog::GateEnd::gone);
    open(6, 10s);
    bench.send(catalog::Unassign{0, 1});
    ASSERT_EQ(ends.size(), 6u);
    EXPECT_EQ(ends[5].end, catalog::GateEnd::gone);
}

TEST(Checker, TrafficAsksForOneProbeAndCountsNothingItself) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    bench.run_for(1s);
    const int before = server.requests;
    for (int i = 0; i < 50; ++i) bench.send(catalog::Passive{0, 1, Reason::connect_refused});
    bench.run_for(100ms);
    EXPECT_EQ(server.requests, before + 1);
    bench.send(catalog::Passive{0, 1, Reason::connect_refused});
    bench.run_for(100ms);
    EXPECT_EQ(server.requests, before + 1);  // Within confirm_interval.
    EXPECT_EQ(bench.state(0), State::healthy);
}

TEST(Checker, WithinItsStartPeriodItAsksAtThePaceDeclared) {
    for (const Duration pace : {Duration{200ms}, Duration{2s}}) {
        Bench bench(1);
        Server server(bench.network, bench.loop, "web", web);
        server.status = 503;
        auto spec = Bench::http();
        spec->timing.interval = 60s;
        spec->timing.start_period = 60s;
        spec->timing.start_interval = pace;
        bench.assign(bench.assignment(0, web, {spec}));
        bench.run_for(10s);
        EXPECT_NEAR(server.requests, duration_cast<std::chrono::milliseconds>(10s).count() / duration_cast<std::chrono::milliseconds>(pace).count(), 4) << human(pace);
        EXPECT_EQ(bench.state(0), State::pending);
    }
}

TEST(Checker, AReloadKeepsWhatItDoesNotQuestion) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    const auto version = bench.word(0).version;
    auto faster = Bench::http();
    faster->timing.interval = 1s;
    bench.assign(bench.assignment(0, web, {faster}));
    EXPECT_EQ(bench.word(0).version, version);
    const int before = server.requests;
    bench.run_for(10s);
    EXPECT_GE(server.requests - before, 9);
    auto other = Bench::http({}, "/other");
    bench.assign(bench.assignment(0, web, {other}));
    EXPECT_EQ(bench.state(0), State::healthy);
    EXPECT_TRUE(bench.word(0).flags.has(Flag::checking));
    bench.run_for(2s);
    EXPECT_EQ(bench.state(0), State::healthy);
    EXPECT_FALSE(bench.word(0).flags.has(Flag::checking));
    EXPECT_TRUE(server.last_request.starts_with("GET /other "));
}

TEST(Checker, ARestartKeepsWhatWasBelieved) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    auto assignment = bench.assignment(0, web, {Bench::http()});
    assignment.last_known = catalog::LastKnown{.state = State::unhealthy,
                                               .reason = Reason::connect_refused,
                                               .text = "GET http://10.0.0.5:3000/up: connect refused after 0.4 ms",
                                               .since = bench.world.utc() - 10min,
                                               .observed = bench.world.utc() - 1min,
                                               .age = 1min};
    assignment.restored_total = 1;
    bench.assign(std::move(assignment));
    EXPECT_EQ(bench.state(0), State::unhealthy);
    EXPECT_TRUE(bench.word(0).flags.has(Flag::stale));
    bench.loop.run([&] {});
    bench.world.run_until([&] { return bench.records.contains(0); }, 1s);
    EXPECT_EQ(bench.record(0)->since, bench.world.utc() - 10min);
    EXPECT_TRUE(bench.record(0)->text.contains("connect refused")) << bench.record(0)->text;
    ASSERT_TRUE(bench.until(0, State::healthy, 5s));
}

TEST(Checker, SuspicionHoldsNewVerdicts) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    server.stop_listening();
    server.close_all();
    ASSERT_TRUE(bench.world.run_until([&] { return !bench.first_failures.empty(); }, 10s));
    bench.send(catalog::SuspectSelf{5s});
    bench.run_for(4s);
    EXPECT_EQ(bench.state(0), State::healthy);
    EXPECT_TRUE(bench.word(0).flags.has(Flag::suspect));
    ASSERT_TRUE(bench.until(0, State::unhealthy, 3s));
}

TEST(Checker, WithoutChecksNothingIsKnown) {
    Bench bench(1);
    auto none = std::make_shared<config::CheckSpec>();
    none->what = config::Unchecked{"a database of somebody else"};
    bench.assign(bench.assignment(0, web, {none}));
    bench.run_for(1s);
    EXPECT_EQ(bench.state(0), State::unknown);
    EXPECT_EQ(bench.record(0)->reason, Reason::unchecked);
}

}  // namespace
}  // namespace hale::probe::test
