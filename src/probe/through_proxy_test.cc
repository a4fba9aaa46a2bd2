// Goal: a check via: proxy asks Hale's own listener for the host that users ask for, and its reason tells a missing
// route from a missing endpoint: 404 through the proxy and fine directly is route_missing, and nothing else is.
// Method: a checker in the simulated world between two servers, one in the proxy's place, over all that both may do.

#include <gtest/gtest.h>

#include "probe/test_world.h"
#include "tls/server_context.h"
#include "tls/testing.h"

namespace hale::probe::test {
namespace {

constexpr auto listener = "10.0.0.1:80";
constexpr auto secure_listener = "10.0.0.1:443";
constexpr auto instance = "10.0.0.5:3000";

std::shared_ptr<config::CheckSpec> through_proxy(std::string path = "/up", std::vector<std::string> conditions = {}) {
    auto spec = Bench::http(std::move(conditions), std::move(path));
    std::get<config::HttpCheck>(spec->what).via = config::Via::proxy;
    spec->scope = config::CheckScope::service;
    spec->timing.timeout = 1s;
    return spec;
}

struct World {
    explicit World(CheckerOptions options = {}) : bench(11, std::move(options)) {}

    void open(catalog::Front front) {
        bench.send(catalog::CheckerSettings{.targets = std::make_shared<const catalog::TargetPolicy>(), .front = std::move(front)});
    }
    void open() { open({.http = SocketAddress::parse(listener), .https = {}}); }
    verdict::Observation ask(std::shared_ptr<config::CheckSpec> spec, const std::function<void(catalog::Assignment&)>& more = {}) {
        auto assignment = bench.assignment(0, instance, {std::move(spec)});
        assignment.entrance.host = "web.example";
        if (more) more(assignment);
        bench.assign(std::move(assignment));
        auto answers = bench.probe_now(0);
        EXPECT_EQ(answers.size(), 1u);
        return answers.empty() ? verdict::Observation{} : answers[0].observation;
    }

    Bench bench;
    Server proxy{bench.network, bench.loop, "hale", listener};
    Server direct{bench.network, bench.loop, "web", instance};
};

TEST(ThroughProxy, ReasonTellsWhichOfTheTwoKnowsNoSuchPath) {
    struct Case {
        std::string what;
        int status;
        std::string own;  // Hale-Reason.
        std::function<void(Server&)> direct;
        Outcome outcome;
        Reason reason;
        std::string said;
        bool asks_directly;
    };
    const auto well = [](Server&) {};
    const std::vector<Case> cases{
        {"all is well", 200, "", well, Outcome::pass, Reason::ok, "through the proxy: status 200", false},
        {"Hale has no such route", 404, "no_route", well, Outcome::fail, Reason::route_missing, "Hale itself answered: no_route", false},
        {"nobody is eligible", 503, "unhealthy", well, Outcome::fail, Reason::status_mismatch, "Hale itself answered: unhealthy", false},
        {"404 through the proxy alone", 404, "", well, Outcome::fail, Reason::route_missing, "asked directly, 10.0.0.5:3000 answers 200", true},
        {"404 in both ways", 404, "", [](Server& s) { s.status = 404; }, Outcome::fail, Reason::status_mismatch,
         "asked directly: GET http://10.0.0.5:3000/up: answered 404", true},
        {"another failure", 500, "", well, Outcome::fail, Reason::status_mismatch, "answered 500", false},
        {"directly nobody listens", 404, "", [](Server& s) { s.stop_listening(); }, Outcome::fail, Reason::status_mismatch, "asked directly: ", true},
        {"directly nobody answers", 404, "", [](Server& s) { s.manner = Manner::silence; }, Outcome::fail, Reason::status_mismatch,
         "did not answer in what was left", true},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.what);
        World w;
        w.open();
        w.proxy.status = one.status;
        if (!one.own.empty()) w.proxy.extra_headers = "Hale-Reason: " + one.own + "\r\n";
        one.direct(w.direct);
        const auto seen = w.ask(through_proxy());
        EXPECT_EQ(seen.outcome, one.outcome) << seen.text;
        EXPECT_EQ(verdict::code(seen.reason), verdict::code(one.reason)) << seen.text;
        EXPECT_NE(seen.text.find(one.said), std::string::npos) << seen.text;
        EXPECT_NE(w.proxy.last_request.find("\r\nHost: web.example\r\n"), std::string::npos) << w.proxy.last_request;
        EXPECT_GE(w.proxy.requests, 1);
        if (one.asks_directly && w.direct.accepted > 0) { EXPECT_NE(w.direct.last_request.find("\r\nHost: web.example\r\n"), std::string::npos) << w.direct.last_request; }
        else { EXPECT_EQ(w.direct.requests, 0); }
        EXPECT_EQ(w.bench.leaks(), "");
    }
}

TEST(ThroughProxy, WhatIsExpectedIsNoMissingRoute) {
    World w;
    w.open();
    w.proxy.status = 404;
    EXPECT_EQ(w.ask(through_proxy("/gone", {"[STATUS] == 404"})).outcome, Outcome::pass);
    EXPECT_EQ(w.direct.requests, 0);
}

TEST(ThroughProxy, ProvesNothingBeforeTheListenersAreOpen) {
    World w;
    const auto seen = w.ask(through_proxy());
    EXPECT_EQ(seen.outcome, Outcome::error) << seen.text;
    EXPECT_NE(seen.text.find("Hale listens for no traffic yet"), std::string::npos) << seen.text;
    w.open();
    EXPECT_TRUE(w.bench.until(0, verdict::State::healthy));
}

// What the route takes off the path on the way is off it when the instance is asked directly.
TEST(ThroughProxy, AsksDirectlyForWhatTheRouteLeavesOfThePath) {
    struct Case { std::string stripped, asked, left; };
    for (const Case& one : {Case{"", "/api/up", "/api/up"}, {"/api", "/api/up", "/up"}, {"/api/", "/api/up?x=1", "/up?x=1"}, {"/api", "/api", "/"}, {"/api", "/api?x=1", "/?x=1"},
                            {"/", "/up", "/up"}, {"/other", "/up", "/up"}}) {
        World w;
        w.open();
        w.proxy.status = 404;
        const auto seen = w.ask(through_proxy(one.asked), [&](catalog::Assignment& to) { to.entrance.stripped = one.stripped; });
        EXPECT_EQ(verdict::code(seen.reason), verdict::code(Reason::route_missing)) << seen.text;
        EXPECT_TRUE(w.proxy.last_request.starts_with("GET " + one.asked + " ")) << w.proxy.last_request;
        EXPECT_TRUE(w.direct.last_request.starts_with("GET " + one.left + " ")) << w.direct.last_request;
    }
}

// Users of a service with tls come over TLS, and so does the check: by the host's name, whose certificate must be shown.
TEST(ThroughProxy, ComesOverTlsWhereUsersDo) {
    for (const bool clients_use_tls : {false, true})
        for (const bool named : {false, true}) {
            SCOPED_TRACE(fmt::format("tls {}, certificate {}", clients_use_tls, named ? "of the host" : "of another"));
            LateDoors doors;
            CheckerOptions options;
            options.engine.tls = &doors;
            World w(std::move(options));
            doors.made = std::make_unique<tls::Doors>(w.bench.loop);
            tls::Authority authority{w.bench.world.utc()};
            const auto issued = authority.issue({.names = {named ? "DNS:web.example" : "DNS:other.example"}});
            auto context = *tls::ServerContext::create({});
            context->set_credentials({*tls::Credentials::parse(issued.chain, issued.key, "test", w.bench.world.utc())});
            Server secure{w.bench.network, w.bench.loop, "hale", secure_listener};
            secure.tls = context.get();
            w.open({.http = SocketAddress::parse(listener), .https = SocketAddress::parse(secure_listener)});
            auto spec = through_proxy();
            io::TlsSpec believed;
            believed.ca_pem = authority.pem();
            spec->tls = std::make_shared<const io::TlsSpec>(believed);
            const auto seen = w.ask(spec, [&](catalog::Assignment& to) { to.entrance.tls = clients_use_tls; });
            EXPECT_EQ(secure.accepted > 0, clients_use_tls);
            EXPECT_EQ(w.proxy.accepted > 0, !clients_use_tls);
            const auto expected = !clients_use_tls || named ? Reason::ok : Reason::tls_failure;
            EXPECT_EQ(verdict::code(seen.reason), verdict::code(expected)) << seen.text;
        }
}

// A check that goes away while the instance is asked directly leaves nothing behind.
TEST(ThroughProxy, GivesUpBothQuestionsTogether) {
    World w;
    w.open();
    w.proxy.status = 404;
    w.direct.manner = Manner::silence;
    auto assignment = w.bench.assignment(0, instance, {through_proxy()});
    assignment.entrance.host = "web.example";
    w.bench.assign(std::move(assignment));
    ASSERT_TRUE(w.bench.world.run_until([&] { return w.direct.requests == 1; }, 10s));
    w.bench.send(catalog::Unassign{0, 1});
    EXPECT_EQ(w.bench.leaks(), "");
}

}  // namespace
}  // namespace hale::probe::test
