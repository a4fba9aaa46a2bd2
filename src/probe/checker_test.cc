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

using verdict::Flag;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;
using verdict::State;
using verdict::Trigger;
using verdict::Vehicle;

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

struct Expectation {
    Manner manner;
    std::optional<Outcome> outcome;
    std::set<Reason> reasons;
};

// V17: hostile servers, many probes each, nothing leaks and the reason is right.
TEST(Checker, V17EveryMisbehavingServerGetsItsReasonAndNothingLeaks) {
    const std::vector<Expectation> all{
        {Manner::silence, Outcome::fail, {Reason::first_byte_timeout}},
        {Manner::reset_at_accept, Outcome::fail, {Reason::connect_reset}},
        {Manner::reset_mid_head, Outcome::fail, {Reason::connect_reset}},
        {Manner::close_mid_head, Outcome::fail, {Reason::connection_closed}},
        {Manner::byte_at_a_time, Outcome::pass, {Reason::ok}},
        {Manner::endless_headers, Outcome::fail, {Reason::protocol_error}},
        {Manner::endless_body, Outcome::pass, {Reason::ok}},  // Read to the limit, judged by its status.
        {Manner::bad_chunking, Outcome::fail, {Reason::protocol_error}},
        {Manner::wrong_length, Outcome::fail, {Reason::connection_closed}},
        {Manner::close_unanswered, Outcome::fail, {Reason::connection_closed}},
        {Manner::garbage, Outcome::fail, {Reason::protocol_error}},
        // Whether the bytes came before the request is a race; never anything but these.
        {Manner::speaks_first, std::nullopt, {Reason::ok, Reason::protocol_error, Reason::first_byte_timeout}},
        {Manner::slow_drip, Outcome::fail, {Reason::total_timeout}},
        {Manner::endless_interim, Outcome::fail, {Reason::protocol_error}},
        {Manner::two_answers, Outcome::pass, {Reason::ok}},
        {Manner::close_after, Outcome::pass, {Reason::ok}},
        {Manner::two_lengths, Outcome::fail, {Reason::protocol_error}},
    };
    for (const Expectation& expected : all) {
        for (const double short_reads : {0.0, 0.3}) {
            Bench bench(7);
            if (short_reads > 0) bench.network.set_faults({.short_read = short_reads, .short_write = short_reads});
            Server server(bench.network, bench.loop, "web", web);
            server.manner = expected.manner;
            auto spec = Bench::http();
            spec->timing.interval = 100ms;
            spec->timing.timeout = 500ms;
            bench.assign(bench.assignment(0, web, {spec}));
            bench.run_for(15s);
            ASSERT_GE(bench.seen.size(), 20u);
            for (const catalog::Seen& one : bench.seen) {
                if (expected.outcome)
                    ASSERT_EQ(one.outcome, *expected.outcome)
                        << "manner " << int(expected.manner) << (one.detail ? one.detail->text : "");
                ASSERT_TRUE(expected.reasons.contains(one.reason))
                    << "manner " << int(expected.manner) << " gave " << verdict::code(one.reason)
                    << (one.detail ? one.detail->text : "");
                if (one.detail) ASSERT_LE(one.detail->evidence.size(), evidence_limit);
                if (one.detail) ASSERT_FALSE(one.detail->evidence.contains("hunter2")) << one.detail->evidence;
            }
            EXPECT_EQ(bench.leaks(), "");
            server.close_all();
            server.stop_listening();
            bench.run_for(10s);
            EXPECT_EQ(bench.network.leaks(), "") << "manner " << int(expected.manner);
        }
    }
}

TEST(Checker, EveryFaultOfTheNetworkLeavesNothingBehind) {
    sim::for_each_seed(10, [](std::uint64_t seed) {
        Bench bench(seed);
        bench.network.set_faults({.loss = 0.02,
                                  .refuse = 0.05,
                                  .unreachable = 0.05,
                                  .silent = 0.05,
                                  .reset = 0.1,
                                  .vanish = 0.05,
                                  .one_byte_reads = 0.1,
                                  .short_read = 0.1,
                                  .short_write = 0.1,
                                  .spurious_notice = 0.05});
        Server server(bench.network, bench.loop, "web", web);
        for (verdict::RowId row = 0; row < 20; ++row) {
            auto spec = Bench::http();
            spec->timing.interval = 200ms;
            spec->timing.timeout = 400ms;
            bench.assign(bench.assignment(row, web, {spec}));
        }
        bench.run_for(30s);
        EXPECT_GT(bench.seen.size(), 1000u);
        for (const auto& one : bench.seen) ASSERT_NE(one.outcome, Outcome::error) << one.detail->text;
        EXPECT_EQ(bench.leaks(), "");
    });
}

TEST(Checker, UnreachableIsTheTargetsTroubleWhereOthersAreReachable) {
    for (const int error : {ENETUNREACH, EACCES, EPERM, EHOSTUNREACH}) {
        Bench bench(1);
        Server server(bench.network, bench.loop, "web", web);
        auto spec = Bench::http();
        spec->connection = config::ConnectionMode::fresh;
        bench.assign(bench.assignment(0, web, {spec}));
        ASSERT_TRUE(bench.until(0, State::healthy));
        bench.network.net("hale", bench.loop).fail_next(sim::Operation::connect, error, 1000);
        ASSERT_TRUE(bench.until(0, State::unhealthy));
        bench.run_for(1ms);
        EXPECT_EQ(bench.record(0)->reason, Reason::connect_failed) << error;
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

TEST(Checker, NamesAreResolvedPerFreshConnection) {
    Bench bench(1);
    Server five(bench.network, bench.loop, "web", "10.0.0.5:3000");
    Server six(bench.network, bench.loop, "web", "10.0.0.6:3000");
    bench.names.set("web.example", {"10.0.0.5"});
    auto spec = Bench::http();
    spec->connection = config::ConnectionMode::fresh;
    bench.assign(bench.assignment(0, "http://web.example:3000", {spec}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    EXPECT_TRUE(five.last_request.contains("Host: web.example:3000\r\n")) << five.last_request;
    bench.names.set("web.example", {"10.0.0.6"});
    bench.run_for(6s);
    EXPECT_GT(six.requests, 0);
    bench.names.remove("web.example");
    ASSERT_TRUE(bench.until(0, State::unhealthy, 10s));
    bench.run_for(1ms);
    EXPECT_EQ(bench.record(0)->reason, Reason::dns_failure);
    EXPECT_EQ(bench.record(0)->deciding.back().phase, Phase::dns);
    bench.names.set("web.example", {.silent = true});
    bench.run_for(10s);
    EXPECT_EQ(bench.seen.back().reason, Reason::dns_failure);
    // The first address refuses, the second answers.
    bench.names.set("web.example", {"10.0.0.1", "10.0.0.6"});
    ASSERT_TRUE(bench.until(0, State::healthy, 20s));
    EXPECT_EQ(bench.leaks(), "");
}

TEST(Checker, TargetsAreRefusedAfterResolutionOnEveryConnect) {
    CheckerOptions options;
    Bench bench(1, options);
    bench.send(catalog::CheckerSettings{.targets = std::make_shared<const catalog::TargetPolicy>(catalog::TargetPolicy{
                                            .deny = {*Cidr::parse("10.0.0.6/32")}, .own = {*SocketAddress::parse("10.0.0.5:4253")}})});
    Server link_local(bench.network, bench.loop, "web", "169.254.0.9:80");
    Server denied(bench.network, bench.loop, "web", "10.0.0.6:80");
    bench.names.set("rebind.example", {"10.0.0.5"});
    const auto refused = [&](std::string_view target, bool from_file) {
        static verdict::RowId row = 0;
        auto assignment = bench.assignment(++row, target, {Bench::http()});
        assignment.file_owned = from_file;
        bench.assign(std::move(assignment));
        const auto answers = bench.probe_now(row);
        bench.send(catalog::Unassign{row, 1});
        return answers.at(0).observation.reason == Reason::target_refused;
    };
    EXPECT_TRUE(refused("169.254.0.9:80", false));
    EXPECT_FALSE(refused("169.254.0.9:80", true));
    EXPECT_TRUE(refused("10.0.0.6:80", false));
    EXPECT_TRUE(refused("10.0.0.6:80", true));
    EXPECT_TRUE(refused("10.0.0.5:4253", false));
    EXPECT_TRUE(refused("0.0.0.0:80", false));
    EXPECT_FALSE(refused("rebind.example:80", false));
    bench.names.set("rebind.example", {"169.254.0.9"});
    EXPECT_TRUE(refused("rebind.example:80", false));
    EXPECT_EQ(denied.accepted, 0);
}

// Every key of an http check that shapes its request or bounds its answer is seen where it matters: at the server.
TEST(Checker, WhatAnHttpCheckSaysIsWhatTheServerGets) {
    Bench bench(1);
    Server usual(bench.network, bench.loop, "web", web), other(bench.network, bench.loop, "web", "10.0.0.5:9");
    verdict::RowId row = 0;
    const auto ask = [&](const std::function<void(config::HttpCheck&, config::CheckSpec&)>& change, std::vector<std::string> conditions = {}) {
        auto spec = Bench::http(std::move(conditions));
        change(std::get<config::HttpCheck>(spec->what), *spec);
        bench.assign(bench.assignment(++row, web, {spec}));
        auto answers = bench.probe_now(row);
        bench.send(catalog::Unassign{row, 1});
        return answers.at(0).observation;
    };
    ask([](auto& http, auto&) { http.method = "HEAD"; });
    EXPECT_TRUE(usual.last_request.starts_with("HEAD /up HTTP/1.1\r\n")) << usual.last_request;
    ask([](auto& http, auto&) { http.headers = {{"X-Probe", "yes"}}; });
    EXPECT_TRUE(usual.last_request.contains("\r\nX-Probe: yes\r\n")) << usual.last_request;
    ask([](auto& http, auto&) { http.host = "shop.example"; });
    EXPECT_TRUE(usual.last_request.contains("\r\nHost: shop.example\r\n")) << usual.last_request;
    ask([](auto& http, auto&) { http.method = "POST", http.body = "ping"; });
    EXPECT_TRUE(usual.last_request.contains("\r\nContent-Length: 4\r\n")) << usual.last_request;
    const int before = usual.requests;
    EXPECT_EQ(ask([](auto&, auto& spec) { spec.port = 9; }).outcome, Outcome::pass);
    EXPECT_EQ(usual.requests, before);
    EXPECT_GT(other.requests, 0);

    // What is not to be read decides nothing, and what lies beyond the limit was not read.
    usual.body = std::string(2000, 'x') + "END";
    EXPECT_EQ(ask([](auto&, auto&) {}, {"[BODY] == pat(*END*)"}).outcome, Outcome::pass);
    EXPECT_NE(ask([](auto& http, auto&) { http.body_limit = 1000; }, {"[BODY] == pat(*END*)"}).outcome, Outcome::pass);
    usual.respond = [](const std::string&) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"); };
    EXPECT_NE(ask([](auto&, auto&) {}).outcome, Outcome::pass);
    EXPECT_EQ(ask([](auto& http, auto&) { http.read = config::ReadMode::headers; }).outcome, Outcome::pass);

    int hops = 0;
    usual.respond = [&](const std::string&) {
        return "HTTP/1.1 302 Found\r\nLocation: /hop" + std::to_string(++hops) + "\r\nContent-Length: 0\r\n\r\n";
    };
    for (const std::uint8_t most : {std::uint8_t{1}, std::uint8_t{4}}) {
        hops = 0;
        EXPECT_EQ(ask([&](auto& http, auto&) { http.redirect = config::RedirectPolicy::follow, http.max_redirects = most; }).reason, Reason::redirect_refused);
        EXPECT_EQ(hops, most + 1);
    }
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

TEST(Checker, RedirectsFollowTheirPolicy) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    std::string location = "/there";
    server.respond = [&](const std::string& request) -> std::string {
        if (request.starts_with("GET /there ")) return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        return "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n";
    };
    verdict::RowId row = 0;
    const auto outcome = [&](config::RedirectPolicy policy, std::vector<std::string> conditions = {}) {
        auto spec = Bench::http(std::move(conditions));
        std::get<config::HttpCheck>(spec->what).redirect = policy;
        bench.assign(bench.assignment(++row, web, {spec}));
        auto answers = bench.probe_now(row);
        bench.send(catalog::Unassign{row, 1});
        return answers.at(0).observation;
    };
    EXPECT_EQ(outcome(config::RedirectPolicy::fail).reason, Reason::redirect_refused);
    EXPECT_EQ(outcome(config::RedirectPolicy::accept).reason, Reason::status_mismatch);
    EXPECT_EQ(outcome(config::RedirectPolicy::accept, {"[STATUS] == 302"}).outcome, Outcome::pass);
    EXPECT_EQ(outcome(config::RedirectPolicy::follow).outcome, Outcome::pass);
    location = "http://10.0.0.5:3000/there";
    EXPECT_EQ(outcome(config::RedirectPolicy::follow).outcome, Outcome::pass);
    for (const auto* elsewhere :
         {"http://10.0.0.6:3000/there", "https://10.0.0.5:3000/there", "//evil.example/there", "/up", "loop"}) {
        location = elsewhere;
        EXPECT_EQ(outcome(config::RedirectPolicy::follow).reason, Reason::redirect_refused) << elsewhere;
    }
    location = "http://user:hunter2@evil.example/?token=hunter2";
    EXPECT_FALSE(outcome(config::RedirectPolicy::fail).text.contains("hunter2"));
}

TEST(Checker, V10ExpectationsDecideAndSayWhy) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    auto spec = Bench::http({"[STATUS] == 200", "[BODY].status == UP", "warn: [HEADER].x-ready == yes"});
    bench.assign(bench.assignment(0, web, {spec}));
    server.body = R"({"status":"UP","password":"hunter2"})";
    server.extra_headers = "X-Ready: yes\r\n";
    EXPECT_EQ(bench.probe_now(0).at(0).observation.outcome, Outcome::pass);
    server.extra_headers = "X-Ready: no\r\n";
    auto seen = bench.probe_now(0).at(0).observation;
    EXPECT_EQ(seen.outcome, Outcome::warn);
    EXPECT_EQ(seen.reason, Reason::header_mismatch);
    server.body = R"({"status":"DOWN","password":"hunter2"})";
    seen = bench.probe_now(0).at(0).observation;
    EXPECT_EQ(seen.outcome, Outcome::fail);
    EXPECT_EQ(seen.reason, Reason::body_mismatch);
    EXPECT_TRUE(seen.text.contains("DOWN")) << seen.text;
    EXPECT_TRUE(seen.evidence.contains("DOWN")) << seen.evidence;
    EXPECT_FALSE(seen.evidence.contains("hunter2")) << seen.evidence;
    server.status = 404;
    seen = bench.probe_now(0).at(0).observation;
    EXPECT_EQ(seen.reason, Reason::status_mismatch);  // It passed here before.
    bench.assign(bench.assignment(1, web, {Bench::http()}));
    EXPECT_EQ(bench.probe_now(1).at(0).observation.reason, Reason::endpoint_missing);
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

TEST(Checker, TcpExecAndHeartbeatsHaveTheirOwnRules) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    server.respond = [](const std::string&) { return std::string("+PONG ready\r\n"); };
    const auto once = [&](config::CheckKind what, std::string_view target = web) {
        static verdict::RowId row = 0;
        auto spec = std::make_shared<config::CheckSpec>();
        spec->what = std::move(what);
        bench.assign(bench.assignment(++row, target, {spec}));
        auto seen = bench.probe_now(row).at(0).observation;
        bench.send(catalog::Unassign{row, 1});
        return seen;
    };
    EXPECT_EQ(once(config::TcpCheck{}).outcome, Outcome::pass);
    EXPECT_EQ(once(config::TcpCheck{}, "10.0.0.5:1").reason, Reason::connect_refused);
    EXPECT_EQ(once(config::TcpCheck{.send = "PING\r\n\r\n", .expect_bytes = "PONG"}).outcome, Outcome::pass);
    EXPECT_EQ(once(config::TcpCheck{.send = "PING\r\n\r\n", .expect_bytes = "PANG"}).reason, Reason::bytes_mismatch);
    EXPECT_EQ(once(config::TcpCheck{.send = "PING", .expect_bytes = "PONG"}).reason, Reason::first_byte_timeout);

    const auto exec = [&](int code) {
        bench.exec = [code](const io::SpawnRequest&) {
            return sim::Spawner::Ending{.result =
                                            io::SpawnResult{.exit_code = code, .output = "DISK WARNING - 91%\nmore"}};
        };
        return once(config::ExecCheck{.arguments = {"/usr/lib/check_disk", "-w", "10%", "--", "s3cr3t"}});
    };
    EXPECT_EQ(exec(0).outcome, Outcome::pass);
    EXPECT_EQ(exec(1).outcome, Outcome::warn);
    EXPECT_EQ(exec(2).outcome, Outcome::fail);
    EXPECT_EQ(exec(3).outcome, Outcome::error);
    EXPECT_EQ(exec(126).outcome, Outcome::error);
    EXPECT_EQ(exec(2).text, "exec /usr/lib/check_disk -w 10% -- ***: DISK WARNING - 91%");
    bench.exec = [](const io::SpawnRequest&) {
        return sim::Spawner::Ending{.result = fail(Code::not_found, "/usr/lib/check_disk does not exist", ENOENT)};
    };
    EXPECT_EQ(once(config::ExecCheck{.arguments = {"/usr/lib/check_disk"}}).outcome, Outcome::error);
    bench.exec = [](const io::SpawnRequest&) { return sim::Spawner::Ending{.after = 1h}; };
    EXPECT_EQ(once(config::ExecCheck{.arguments = {"/bin/sleep", "9"}}).reason, Reason::exec_timeout);

    auto job = std::make_shared<config::CheckSpec>();
    job->name = "job";
    job->what = config::HeartbeatCheck{.every = 1h, .grace = 5min};
    job->timing.rise = job->timing.fall = 1;
    bench.assign(bench.assignment(50, web, {job}));
    bench.run_for(1h);
    EXPECT_EQ(bench.state(50), State::pending);
    bench.send(catalog::HeartbeatSeen{50, 1, "", Outcome::pass, ""});
    EXPECT_EQ(bench.state(50), State::healthy);
    bench.run_for(64min);
    EXPECT_EQ(bench.state(50), State::healthy);
    EXPECT_FALSE(bench.word(50).flags.has(Flag::stale));
    bench.run_for(2min);
    EXPECT_EQ(bench.state(50), State::unhealthy);
    EXPECT_EQ(bench.record(50)->reason, Reason::heartbeat_missed);
    bench.send(catalog::HeartbeatSeen{50, 1, "job", Outcome::pass, ""});
    EXPECT_EQ(bench.state(50), State::healthy);
    bench.send(catalog::HeartbeatSeen{50, 1, "job", Outcome::fail, "token=abc disk full"});
    bench.run_for(1ms);
    EXPECT_EQ(bench.state(50), State::unhealthy);
    EXPECT_EQ(bench.record(50)->reason, Reason::heartbeat_reported);
    EXPECT_FALSE(bench.record(50)->text.contains("abc")) << bench.record(50)->text;
}

// The composite's table, all combinations of three members against the definition read literally.
TEST(Memory, CompositesFollowTheirTable) {
    const std::vector<std::string> of{"a", "b", "c"};
    const std::vector<State> states{State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown};
    for (const State a : states)
        for (const State b : states)
            for (const State c : states)
                for (const auto need : {config::Need::all, config::Need::any, config::Need::quorum})
                    for (const State adv : states) {
                        config::CompositeCheck check{.of = of, .advisory = {"d"}, .need = need, .quorum = 2};
                        const std::vector<catalog::MemberState> members{
                            {"a", a, false}, {"b", b, false}, {"c", c, false}, {"d", adv, false}};
                        int up = 0, so_so = 0, dark = 0;
                        for (const State s : {a, b, c}) {
                            up += s == State::healthy;
                            so_so += s == State::degraded;
                            dark += s == State::pending || s == State::unknown;
                        }
                        Outcome expected = Outcome::fail;
                        const int q = need == config::Need::all ? 3 : need == config::Need::any ? 1 : 2;
                        if (up >= q)
                            expected = Outcome::pass;
                        else if (up + so_so >= q)
                            expected = Outcome::warn;
                        else if (up + so_so + dark >= q)
                            expected = Outcome::error;
                        if (expected == Outcome::pass && (adv == State::degraded || adv == State::unhealthy))
                            expected = Outcome::warn;
                        ASSERT_EQ(look(check, members).outcome, expected);
                    }
    EXPECT_EQ(look(config::CompositeCheck{.of = of}, {}).outcome, Outcome::error);  // Absence is never success.
    EXPECT_EQ(look(config::CompositeCheck{}, {}).outcome, Outcome::error);
}

TEST(Checker, ACompositeFollowsItsMembers) {
    Bench bench(1);
    auto whole = std::make_shared<config::CheckSpec>();
    whole->what = config::CompositeCheck{.of = {"web", "db/main"}};
    bench.assign(bench.assignment(0, web, {whole}));
    bench.run_for(3s);
    EXPECT_EQ(bench.state(0), State::pending);
    bench.send(catalog::MembersChanged{0, 1, {{"web", State::healthy, false}, {"db/main", State::healthy, false}}});
    ASSERT_TRUE(bench.until(0, State::healthy, 2s));
    bench.send(catalog::MembersChanged{0, 1, {{"db/main", State::unhealthy, false}}});
    ASSERT_TRUE(bench.until(0, State::unhealthy, 3s));
    bench.run_for(1ms);
    EXPECT_EQ(bench.record(0)->reason, Reason::dependency_failed);
    EXPECT_TRUE(bench.record(0)->text.contains("db/main is unhealthy")) << bench.record(0)->text;
}

TEST(Checker, AConnectionTheServerClosedWhileIdleIsNoFailure) {
    Bench bench(1);
    Server server(bench.network, bench.loop, "web", web);
    bench.assign(bench.assignment(0, web, {Bench::http()}));
    ASSERT_TRUE(bench.until(0, State::healthy));
    for (int i = 0; i < 50; ++i) {
        bench.run_for(Duration{static_cast<std::int64_t>(bench.world.random().below(10'000'000'000))});
        server.close_all();
    }
    server.manner = Manner::two_answers;  // Unasked bytes: the connection is not used again.
    bench.run_for(20s);
    for (const auto& one : bench.seen) EXPECT_EQ(one.outcome, Outcome::pass);
    EXPECT_EQ(bench.leaks(), "");
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

TEST(Checker, AConnectionThatDiesAsItIsAskedIsAskedAfreshOnce) {
    for (const Manner dying : {Manner::close_unanswered, Manner::reset_at_accept}) {
        Bench bench(1);
        Server server(bench.network, bench.loop, "web", web);
        bench.assign(bench.assignment(0, web, {Bench::http()}));
        ASSERT_TRUE(bench.until(0, State::healthy));
        bench.run_for(20s);
        const auto before = bench.seen.size();
        int deaths = 1;
        server.decide = [&](const std::string&, int) { return deaths-- > 0 ? dying : Manner::answer; };
        bench.run_for(5s);
        ASSERT_EQ(bench.seen.size(), before + 1);
        EXPECT_EQ(bench.seen[before].outcome, Outcome::pass);
        EXPECT_EQ(bench.seen[before].vehicle, Vehicle::fresh);
        EXPECT_EQ(bench.checker->stats().engine.repeated, 1u);
        deaths = 2;  // The fresh one dies as well: that is the server's doing.
        bench.run_for(5s);
        EXPECT_EQ(bench.seen[before + 1].outcome, Outcome::fail);
        EXPECT_EQ(bench.state(0), State::healthy);
    }
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
