// Goal: every kind of check asks what it says it asks, and whatever a target does, with it or with the network on the
// way, has its reason and leaves nothing behind.
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

}  // namespace
}  // namespace hale::probe::test
