// Goal: a probe over TLS is a probe like any other, with a phase more; whom it must not believe it does not, and each
// way in which a handshake goes wrong has its reason and OpenSSL's sentence.
// Method: a checker and servers in the simulator, certificates of an authority of our own.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "probe/test_world.h"
#include "tls/server_context.h"
#include "tls/testing.h"

namespace hale::probe::test {
namespace {

constexpr auto where = "10.0.0.5:443";

struct World {
    World() {
        doors.made = std::make_unique<tls::Doors>(bench.loop);
        bench.names.set("web.example", {"10.0.0.5"});
        show(authority);
    }
    void show(tls::Authority& by) {
        const auto issued = by.issue({.names = {"DNS:web.example", "IP:10.0.0.5"}});
        context->set_credentials({*tls::Credentials::parse(issued.chain, issued.key, "test", bench.world.utc())});
    }
    std::shared_ptr<config::CheckSpec> check(io::TlsSpec spec = {}) {
        auto one = Bench::http();
        if (spec.ca_pem.empty()) spec.ca_pem = authority.pem();
        one->tls = std::make_shared<const io::TlsSpec>(std::move(spec));
        one->timing.timeout = 1s;
        return one;
    }
    // One probe of `target`; its observation.
    verdict::Observation ask(std::string_view target, io::TlsSpec spec = {}) {
        bench.assign(bench.assignment(0, target, {check(std::move(spec))}));
        auto answers = bench.probe_now(0);
        EXPECT_EQ(answers.size(), 1u);
        return answers.empty() ? verdict::Observation{} : answers[0].observation;
    }

    LateDoors doors;
    Bench bench{5, [&] {
                    CheckerOptions options;
                    options.engine.tls = &doors;
                    return options;
                }()};
    tls::Authority authority{bench.world.utc()};
    std::shared_ptr<tls::ServerContext> context = *tls::ServerContext::create({});
    Server server{bench.network, bench.loop, "web", where};
};

TEST(Secured, AProbeOverTlsPassesAndTellsThePhase) {
    for (const std::string target : {"https://web.example", "https://10.0.0.5", "https://web.example:443"}) {
        SCOPED_TRACE(target);
        World w;
        w.server.tls = w.context.get();
        const auto seen = w.ask(target);
        EXPECT_EQ(seen.outcome, Outcome::pass) << seen.text;
        EXPECT_GE(seen.timings.tls, Duration{0});
        EXPECT_NE(seen.text.find("GET https://"), std::string::npos) << seen.text;
        // The authority without the port that https has anyway.
        EXPECT_NE(w.server.last_request.find(target.starts_with("https://web") ? "Host: web.example\r\n" : "Host: 10.0.0.5\r\n"), std::string::npos)
            << w.server.last_request;
        ASSERT_TRUE(w.bench.until(0, State::healthy));
        // Kept connections carry the next ones without another handshake.
        const int accepted = w.server.accepted, requests = w.server.requests;
        w.bench.run_for(30s);
        EXPECT_EQ(w.server.accepted, accepted);
        EXPECT_GT(w.server.requests, requests + 3);
        EXPECT_EQ(w.bench.leaks(), "");
    }
}

TEST(Secured, EachWayAHandshakeFailsHasItsReason) {
    struct Case {
        std::string_view name;
        std::function<void(World&)> make;
        std::string target;
        io::TlsSpec spec;
        Reason reason;
        std::string_view why;
    };
    const auto tls_on = [](World& w) { w.server.tls = w.context.get(); };
    const Case cases[] = {
        {"another name", tls_on, "https://10.0.0.5", {.name = "elsewhere.example"}, Reason::tls_failure, "certificate verify failed: hostname mismatch"},
        {"a stranger", [&](World& w) { tls_on(w), w.authority = tls::Authority(w.bench.world.utc(), "CN=Stranger"); }, "https://10.0.0.5", {}, Reason::tls_failure,
         "certificate verify failed: unable to get local issuer certificate"},
        {"expired", [&](World& w) { tls_on(w), w.bench.world.step_wall(24h * 365); }, "https://10.0.0.5", {}, Reason::tls_failure,
         "certificate verify failed: certificate has expired"},
        {"plain http", [](World& w) { w.server.manner = Manner::speaks_first; }, "https://10.0.0.5", {}, Reason::tls_failure, "wrong version number"},
        {"another key than the pinned one", tls_on, "https://10.0.0.5", {.key_pin = std::string(64, '0')}, Reason::tls_failure, "not the pinned one"},
        {"silence", [](World& w) { w.server.manner = Manner::silence; }, "https://10.0.0.5", {}, Reason::tls_timeout, "was not over within 1.0 s"},
        {"reset", [](World& w) { w.server.manner = Manner::reset_at_accept; }, "https://10.0.0.5", {}, Reason::tls_failure, "reset"}};
    for (const auto& one : cases) {
        SCOPED_TRACE(one.name);
        World w;
        one.make(w);
        const auto seen = w.ask(one.target, one.spec);
        EXPECT_EQ(seen.outcome, Outcome::fail);
        EXPECT_EQ(verdict::code(seen.reason), verdict::code(one.reason)) << seen.text;
        EXPECT_EQ(seen.phase, Phase::tls);
        EXPECT_NE(seen.text.find(one.why), std::string::npos) << seen.text;
        ASSERT_TRUE(w.bench.until(0, State::unhealthy));
        EXPECT_EQ(w.bench.leaks(), "");
    }
}

TEST(Secured, WhoDoesNotVerifyIsAnsweredByAnybody) {
    World w;
    w.server.tls = w.context.get();
    w.authority = tls::Authority(w.bench.world.utc(), "CN=Stranger");
    const auto seen = w.ask("https://10.0.0.5", {.verify = false, .name = "elsewhere.example"});
    EXPECT_EQ(seen.outcome, Outcome::pass) << seen.text;
}

}  // namespace
}  // namespace hale::probe::test
