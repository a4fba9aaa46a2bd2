// Goal: a hook is told exactly what to set and what to take away, however it ends the operator reads why, and a hook that
// hangs, talks without end or comes in hundreds holds nothing up.
// Method: commands and a webhook in the simulator that end in every way there is; what they were given is read back.

#include "acme/dns_hook.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "acme/scripted_server.h"
#include "acme/test_surroundings.h"
#include "sim/blocking.h"
#include "sim/resolver.h"

namespace hale::acme {
namespace {

struct World {
    World() : world(5), loop(world.make_loop("hooks")) {
        names.set("hook.example", {"10.0.0.2"});
        server = std::make_unique<ScriptedServer>(world, network, "hook", 80);
        server->pieces = {"HTTP/1.1 204 No Content\r\n\r\n"};
    }
    ~World() {
        loop.run([&] { hook.reset(); });
        server.reset();
        world.run_for(1h);
        EXPECT_EQ(network.leaks(), "");
    }
    void use(DnsHookSettings settings) {
        loop.run([&] { hook = std::make_unique<DnsHook>(ways, &spawner, std::move(settings)); });
    }
    // What came of one errand, as a sentence; empty: all well.
    std::string tell(bool present = true) {
        std::optional<Result<>> came;
        loop.run([&] {
            const auto done = [&came](Result<> result) { came = std::move(result); };
            present ? hook->present(challenge, done) : hook->withdraw(challenge, done);
            EXPECT_FALSE(came) << "answered within the call";
        });
        EXPECT_TRUE(world.run_until([&] { return came.has_value(); }, dns_hook_patience + 1s));
        return !came ? "no answer" : *came ? "" : came->error().text;
    }

    sim::World world;
    struct Machines : sim::Network {
        explicit Machines(sim::World& in) : sim::Network(in) {
            add_host("hale", {"10.0.0.1"});
            add_host("hook", {"10.0.0.2"});
        }
    } network{world};
    sim::Names names;
    sim::Loop& loop;
    sim::Resolver resolver{names, loop};
    NoTls tls;
    http::Scratch scratch;
    Ways ways{loop, network.net("hale", loop), resolver, tls, scratch, "hale/test"};
    sim::Spawner::Ending ending;
    sim::Spawner spawner{world, [this](const io::SpawnRequest&) { return ending; }};
    std::unique_ptr<ScriptedServer> server;
    std::unique_ptr<DnsHook> hook;
    Challenge challenge{.kind = ChallengeKind::dns_01, .host = "www.example", .token = "t0k", .key_authorization = "t0k.thumb", .certificate_pem = {}, .key_pem = {}, .dns_value = "VaLuE-_1"};
};

TEST(DnsHook, GivesTheCommandItsArgumentsUserAndTime) {
    World w;
    w.use({.exec = {"/usr/lib/hooks/dns", "--zone", "example"}, .url = {}, .user = "dnsbot"});
    EXPECT_EQ(w.tell(true), "");
    EXPECT_EQ(w.tell(false), "");
    ASSERT_EQ(w.spawner.requests().size(), 2u);
    for (const int i : {0, 1}) {
        const auto& request = w.spawner.requests()[static_cast<std::size_t>(i)];
        const std::vector<std::string> wanted{"/usr/lib/hooks/dns", "--zone", "example", i == 0 ? "present" : "withdraw", "_acme-challenge.www.example", "VaLuE-_1"};
        EXPECT_EQ(request.arguments, wanted);
        EXPECT_EQ(request.user, "dnsbot");
        EXPECT_EQ(request.timeout, Duration(dns_hook_patience));
        EXPECT_EQ(request.output_limit, io::SpawnRequest{}.output_limit);
    }
}

TEST(DnsHook, TellsHowTheCommandEnded) {
    World w;
    w.use({.exec = {"/hook"}, .url = {}, .user = {}});
    for (const int code : {1, 2, 3, 127, 255}) {
        w.ending.result = io::SpawnResult{.exit_code = code, .output = {}};
        EXPECT_EQ(w.tell(), fmt::format("the DNS hook /hook ended with {}", code));
    }
    w.ending.result = io::SpawnResult{.exit_code = 1, .output = "  zone is locked\n"};
    EXPECT_EQ(w.tell(), "the DNS hook /hook ended with 1: zone is locked");
    w.ending.result = io::SpawnResult{.exit_code = -1, .signal = 9, .output = {}};
    EXPECT_EQ(w.tell(), "the DNS hook /hook was killed by signal 9");
    w.ending.result = fail(Code::not_found, "/hook: no such file");
    EXPECT_EQ(w.tell(), "the DNS hook /hook: /hook: no such file");
    // One that never ends is ended.
    w.ending = {.after = 24h};
    const Instant began = w.world.now();
    EXPECT_EQ(w.tell(), "the DNS hook /hook did not end within 5m00s");
    EXPECT_LT(w.world.now() - began, Duration(dns_hook_patience) + 1s);
}

TEST(DnsHook, ShowsLittleOfWhatTheCommandSaysAndNothingThatMovesATerminal) {
    World w;
    w.use({.exec = {"/hook"}, .url = {}, .user = {}});
    w.ending.result = io::SpawnResult{.exit_code = 1, .output = std::string("\x1b[2J\0\r", 6) + std::string(4000, 'x')};
    const std::string told = w.tell();
    EXPECT_LT(told.size(), 400u);
    for (const char c : told) EXPECT_GE(static_cast<unsigned char>(c), ' ') << told;
}

TEST(DnsHook, TellsTheWebhookInJson) {
    World w;
    w.use({.exec = {}, .url = "http://hook.example/dns?zone=example", .user = {}});
    EXPECT_EQ(w.tell(true), "");
    EXPECT_EQ(w.tell(false), "");
    ASSERT_EQ(w.server->requests.size(), 2u);
    for (const int i : {0, 1}) {
        const std::string& request = w.server->requests[static_cast<std::size_t>(i)];
        EXPECT_TRUE(request.starts_with(i == 0 ? "POST /dns?zone=example HTTP/1.1\r\n" : "DELETE /dns?zone=example HTTP/1.1\r\n")) << request;
        EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos);
        const auto body = nlohmann::json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
        const nlohmann::json wanted{{"name", "_acme-challenge.www.example"}, {"type", "TXT"}, {"value", "VaLuE-_1"}};
        EXPECT_EQ(body, wanted) << request;
    }
    EXPECT_TRUE(w.spawner.requests().empty());
}

TEST(DnsHook, TellsWhatTheWebhookAnswered) {
    World w;
    w.use({.exec = {}, .url = "http://hook.example/dns", .user = {}});
    for (const int status : {200, 201, 202, 299}) {
        w.server->pieces = {fmt::format("HTTP/1.1 {} Fine\r\nContent-Length: 2\r\n\r\n{{}}", status)};
        EXPECT_EQ(w.tell(), "") << status;
    }
    for (const int status : {301, 400, 404, 500}) {
        w.server->pieces = {fmt::format("HTTP/1.1 {} No\r\nContent-Length: 15\r\n\r\nzone is \x1blocked", status)};
        EXPECT_EQ(w.tell(), fmt::format("the DNS hook answered {}: zone is \\x1blocked", status));
    }
    w.server->resets_at_accept = true;
    EXPECT_TRUE(w.tell().starts_with("the DNS hook: POST http://hook.example/dns: ")) << w.tell();
    w.server->resets_at_accept = false;
    w.server->answers = false;
    EXPECT_EQ(w.tell(false), "the DNS hook: DELETE http://hook.example/dns: no whole answer within 5m00s");
}

TEST(DnsHook, RefusesTheSeventeenthAtOnceAndTakesMoreLater) {
    World w;
    w.use({.exec = {}, .url = "http://hook.example/dns", .user = {}});
    w.server->answers = false;
    std::size_t failed = 0, over = 0;
    w.loop.run([&] {
        for (std::size_t i = 0; i < most_dns_hooks_at_once + 3; ++i)
            w.hook->present(w.challenge, [&](Result<> result) {
                ++over;
                if (!result && result.error().code == Code::exhausted) ++failed;
            });
    });
    w.world.run_for(1s);
    EXPECT_EQ(failed, 3u);
    EXPECT_EQ(over, 3u);
    w.world.run_for(dns_hook_patience);
    EXPECT_EQ(over, most_dns_hooks_at_once + 3);
    w.server->answers = true;
    EXPECT_EQ(w.tell(), "");
}

TEST(DnsHook, SaysThatNoneIsConfigured) {
    World w;
    w.use({});
    EXPECT_EQ(w.tell(), "dns-01 needs a hook that sets TXT records, and none is configured");
    w.loop.run([&] { w.hook = std::make_unique<DnsHook>(w.ways, nullptr, DnsHookSettings{.exec = {"/hook"}, .url = {}, .user = {}}); });
    EXPECT_EQ(w.tell(), "dns-01 needs a hook that sets TXT records, and none is configured");
}

TEST(DnsHook, IsNotHeardOfOnceItIsGone) {
    for (const bool webhook : {false, true}) {
        World w;
        w.use(webhook ? DnsHookSettings{.exec = {}, .url = "http://hook.example/dns", .user = {}} : DnsHookSettings{.exec = {"/hook"}, .url = {}, .user = {}});
        w.ending.after = 10s;
        w.server->answers = false;
        bool heard = false;
        w.loop.run([&] { w.hook->present(w.challenge, [&](Result<>) { heard = true; }); });
        w.world.run_for(1s);
        w.loop.run([&] { w.hook.reset(); });
        w.world.run_for(1h);
        EXPECT_FALSE(heard) << webhook;
    }
}

}  // namespace
}  // namespace hale::acme
