// Goal: what people do with containers by hand loses no request, touches nothing that is not Hale's, and never piles up.
// Method: a real control whose checkers answer as the test says, and an engine of the simulated world that holds containers;
// output split at every byte; readers that take nothing; each way that a stop and a start can go wrong.

#include "deploy/at_hand.h"

#include <nlohmann/json.hpp>

#include "catalog/testing.h"
#include "docker/scripted_engine.h"
#include "sim/resolver.h"

namespace hale::deploy {
namespace {

using docker::ScriptedEngine;
using Json = nlohmann::json;
using Names = std::set<std::string>;
using Reply = ScriptedEngine::Reply;

std::string ok(int status, std::string_view body = "") { return ScriptedEngine::with_length(status, body); }

struct Container {
    std::string service = "web", deployment = "d-1", ip = "10.0.1.1", health;
    bool running = true;
    int exit_code = 0;
};

// One process with its engine.
struct Yard final : catalog::Deploying {
    explicit Yard(std::vector<std::string> names = {"web-1-1", "web-1-2"}) {
        engine_.answer = [this](const ScriptedEngine::Seen& seen) { return answer(seen); };
        auto stage = desk.stage("d-1", names);
        EXPECT_EQ(desk.mutate(stage), "");
        Names from;
        for (const auto& name : names) {
            containers[name] = {.ip = fmt::format("10.0.1.{}", containers.size() + 1)};
            desk.judge(name, verdict::State::healthy);
        }
        EXPECT_EQ(desk.mutate(desk.to("d-1", {}, names)), "");
    }
    ~Yard() {
        at_hand.reset();
        engine.reset();
        engine_.stop();
    }
    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override {
        if (upgrading > 0 && upgrading--) return loop().post([reply = std::move(reply)]() mutable { reply(std::unexpected(catalog::MutationFailed{catalog::upgrading(), {}})); });
        changes.push_back(std::holds_alternative<catalog::Drain>(mutation.change)            ? "drain"
                          : std::holds_alternative<catalog::Resume>(mutation.change)         ? "resume"
                          : std::holds_alternative<catalog::PutApiInstance>(mutation.change) ? "put"
                                                                                             : "other");
        desk.control.mutate(std::move(mutation), [this, reply = std::move(reply)](catalog::MutationResult result) mutable {
            loop().post([reply = std::move(reply), result = std::move(result)]() mutable { reply(std::move(result)); });
        });
    }
    void look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) override {
        loop().post([this, service = std::move(service), reply = std::move(reply)]() mutable {
            auto now = desk.control.look(service);
            for (auto& one : now.instances) one.in_flight = in_flight;
            reply(std::move(now));
        });
    }
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override { desk.control.verify(std::move(request), std::move(reply)); }
    void when_gone(std::vector<std::string>, io::Task) override {}
    void probe(std::string, std::shared_ptr<const config::CheckSpec>, std::move_only_function<void(Result<verdict::Observation>)>) override {}
    void traffic(std::string, std::move_only_function<void(catalog::TrafficNow)>) override {}

    Reply answer(const ScriptedEngine::Seen& seen) {
        if (seen.target == "/version") return {{ok(200, R"({"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10"})")}};
        const auto path = std::string_view(seen.target).substr(std::string_view("/v1.41").size());
        if (path.starts_with("/containers/json")) {
            Json all = Json::array();
            for (const auto& [name, one] : containers) all.push_back({{"Id", name}, {"Names", {"/" + name}}, {"Image", "web:1"}, {"State", one.running ? "running" : "exited"}, {"Labels", labels(one)}, {"Created", 1700000000}});
            return {{ok(200, all.dump())}};
        }
        if (path.starts_with("/images/")) return {{ok(200, R"({"Id":"sha256:1","RepoDigests":["web@sha256:abc"]})")}};
        if (path.starts_with("/exec/x/start")) return {{ok(200, frame("hello"))}};
        if (path.starts_with("/exec/x/json")) return {{ok(200, R"({"ID":"x","Running":false,"ExitCode":7})")}};
        const auto name = std::string(path.substr(12, path.find('/', 12) - 12));
        const auto found = containers.find(name);
        if (found == containers.end()) return {{ok(404, R"({"message":"No such container"})")}};
        Container& one = found->second;
        if (path.contains("/logs")) return logs;
        if (path.contains("/exec")) return {{ok(201, R"({"Id":"x"})")}};
        if (path.contains("/stop")) {
            if (refuse_stop) return {{ok(500, R"({"message":"cannot stop it"})")}};
            stopped_with = desk.eligible();
            one.running = false;
            one.exit_code = 143;
            return {{ok(204)}};
        }
        if (path.contains("/start")) {
            if (!refuse_start) one.running = true;
            if (!refuse_start && !new_ip.empty()) one.ip = new_ip;
            return {{ok(204)}};
        }
        Json it{{"Id", name}, {"Name", "/" + name}, {"Config", {{"Image", "web:1"}, {"Labels", labels(one)}, {"StopTimeout", 3}}}, {"Image", "sha256:1"},
                {"State", {{"Status", one.running ? "running" : "exited"}, {"ExitCode", one.exit_code}, {"StartedAt", "2026-01-01T00:00:00Z"}}},
                {"NetworkSettings", {{"Networks", {{"web-network", {{"IPAddress", one.running ? one.ip : ""}}}}}}}};
        if (!one.health.empty()) it["State"]["Health"] = {{"Status", one.health}};
        return {{ok(200, it.dump())}};
    }
    static Json labels(const Container& one) {
        return one.service.empty() ? Json::object() : one.deployment.empty() ? Json{{"hale.service", one.service}} : Json{{"hale.service", one.service}, {"hale.deployment", one.deployment}, {"hale.port", "80"}};
    }
    static std::string frame(std::string_view bytes, int kind = 1) {
        std::string out{static_cast<char>(kind), 0, 0, 0, 0, 0, static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
        return out + std::string(bytes);
    }
    sim::Loop& loop() { return desk.world.loop(); }
    // Gates on all instances are answered so.
    void live(Duration d, bool well = true) {
        const Instant until = desk.world.now() + d;
        while (desk.world.now() < until) {
            desk.world.run_for(10ms);
            if (desk.gates.empty()) continue;
            for (const auto& [name, one] : containers) {
                const bool good = (well || name != "web-1-1") && one.running;
                verdict::Observation seen{.outcome = good ? verdict::Outcome::pass : verdict::Outcome::fail};
                seen.text = good ? "" : "GET http://10.0.1.1:80/up: connect refused";
                if (desk.view.instance(std::string_view(name)) == nullptr) continue;
                desk.judge(name, good ? verdict::State::healthy : verdict::State::unhealthy);
                desk.answer_gate(name, good ? catalog::GateEnd::passed : catalog::GateEnd::failed, seen);
            }
        }
    }
    HandRequest request(HandVerb verb, bool force = false, Duration within = 60s) const {
        return {.verb = verb, .service = "web", .instance = "web-1-1", .force = force, .within = within, .actor = "t", .action = "POST it"};
    }
    void act(HandRequest what) {
        loop().run([&] { at_hand->act(std::move(what), [this](Result<HandDone> got) { done = std::move(got), ++came; }); });
    }
    std::string why() const { return !came ? "nothing came" : *done ? "" : done->error().text; }

    catalog::PromptDesk desk{"services:\n  web: {hosts: [web.example], check: {http: /up}, deploy: {image: \"web:1\"}}\n"};
    struct OneHost : sim::Network {
        explicit OneHost(sim::World& world) : sim::Network(world) { add_host("hale", {"10.0.0.1"}); }
    } network{desk.world};
    ScriptedEngine engine_{desk.world, network, "hale", SocketAddress{.path = "/docker.sock"}};
    sim::Names names_;
    sim::Resolver resolver{names_, loop()};
    http::Scratch scratch;
    std::unique_ptr<docker::Engine> engine = std::make_unique<docker::Engine>(docker::Ways{loop(), network.net("hale", loop()), resolver, scratch, {}, "hale/test"}, *docker::parse_place("unix:///docker.sock"));
    bool deploys = false;
    std::unique_ptr<AtHand> at_hand = std::make_unique<AtHand>(AtHand::Parts{.loop = loop(), .catalog = *this, .engine = engine.get(), .deploys = [this](const std::string&) { return deploys; }});
    std::map<std::string, Container> containers;
    std::vector<std::string> changes;
    Reply logs;
    Names stopped_with;  // Eligible when a container was stopped.
    std::string new_ip;
    bool refuse_stop = false, refuse_start = false;
    std::uint32_t in_flight = 0;
    int upgrading = 0, came = 0;
    std::optional<Result<HandDone>> done;
};

TEST(ByHand, AnInstanceIsDrainedBeforeItStopsAndServesAgainOnceItPasses) {
    Yard yard;
    ASSERT_EQ(yard.desk.eligible(), (Names{"web-1-1", "web-1-2"}));
    yard.in_flight = 1;
    yard.act(yard.request(HandVerb::restart));
    yard.live(2s);
    EXPECT_EQ(yard.engine_.asked("/stop"), 0u) << "a request is under way";
    EXPECT_EQ(yard.desk.eligible(), Names{"web-1-2"});
    yard.in_flight = 0;
    yard.live(500ms, false);
    EXPECT_EQ(yard.engine_.asked("/start"), 1u);
    EXPECT_EQ(yard.stopped_with, Names{"web-1-2"});
    EXPECT_EQ(yard.desk.eligible(), Names{"web-1-2"}) << "it does not pass yet";
    EXPECT_EQ(yard.came, 0);
    yard.live(2s);
    ASSERT_EQ(yard.why(), "");
    EXPECT_EQ(yard.desk.eligible(), (Names{"web-1-1", "web-1-2"}));
    EXPECT_EQ((**yard.done).address, "10.0.1.1:80");
    EXPECT_FALSE((**yard.done).moved);
    EXPECT_TRUE((**yard.done).eligible);
    EXPECT_EQ(yard.changes, (std::vector<std::string>{"drain", "resume"}));
}

TEST(ByHand, AnAddressThatTheEngineGaveAnewIsTheInstances) {
    Yard yard;
    const std::string id(yard.desk.view.instance(std::string_view("web-1-1"))->facts->id.view());
    yard.new_ip = "10.0.1.77";
    yard.act(yard.request(HandVerb::restart));
    yard.live(5s);
    ASSERT_EQ(yard.why(), "");
    EXPECT_TRUE((**yard.done).moved);
    const auto* instance = yard.desk.view.instance(std::string_view("web-1-1"));
    EXPECT_EQ(instance->facts->where(), "10.0.1.77:80");
    EXPECT_EQ(instance->facts->id, id) << "it is the same one";
    EXPECT_EQ(yard.desk.eligible(), (Names{"web-1-1", "web-1-2"}));
    EXPECT_EQ(yard.changes, (std::vector<std::string>{"drain", "put", "resume"}));
}

TEST(ByHand, TheLastEligibleOneIsStoppedByForceAlone) {
    Yard yard({"web-1-1"});
    for (const auto verb : {HandVerb::stop, HandVerb::restart}) {
        yard.act(yard.request(verb));
        yard.live(1s);
        EXPECT_TRUE(yard.why().contains("is the last eligible instance of web")) << yard.why();
        EXPECT_TRUE(yard.why().contains("--force"));
    }
    EXPECT_TRUE(yard.changes.empty());
    yard.act(yard.request(HandVerb::stop, true));
    yard.live(1s);
    ASSERT_EQ(yard.why(), "");
    EXPECT_EQ((**yard.done).state, "exited");
    EXPECT_EQ((**yard.done).exit_code, 143);
    EXPECT_EQ(yard.desk.lifecycle("web-1-1"), "draining");
    yard.act(yard.request(HandVerb::start));
    yard.live(2s);
    ASSERT_EQ(yard.why(), "");
    EXPECT_EQ(yard.desk.eligible(), Names{"web-1-1"});
}

// Whoever served beside it falls while its last requests end.
TEST(ByHand, TheLastOneIsNotStoppedWhateverHappenedMeanwhile) {
    Yard yard;
    yard.in_flight = 3;
    yard.act(yard.request(HandVerb::stop));
    yard.live(500ms);
    EXPECT_EQ(yard.desk.lifecycle("web-1-1"), "draining");
    yard.desk.judge("web-1-2", verdict::State::unhealthy);
    yard.live(1s);
    EXPECT_TRUE(yard.why().contains("is the last eligible instance of web")) << yard.why();
    EXPECT_TRUE(yard.containers.at("web-1-1").running);
    EXPECT_EQ(yard.desk.eligible(), Names{"web-1-1"});
}

TEST(ByHand, WhatCantBeStoppedServesOnAndWhatDoesNotComeUpStaysWithout) {
    Yard yard;
    yard.refuse_stop = true;
    yard.act(yard.request(HandVerb::restart));
    yard.live(2s);
    EXPECT_TRUE(yard.why().contains("cannot stop it")) << yard.why();
    EXPECT_EQ(yard.desk.eligible(), (Names{"web-1-1", "web-1-2"}));
    yard.refuse_stop = false;
    yard.refuse_start = true;
    yard.act(yard.request(HandVerb::restart));
    yard.live(2s);
    EXPECT_TRUE(yard.why().contains("ended at once, with exit code 143")) << yard.why();
    EXPECT_EQ(yard.desk.eligible(), Names{"web-1-2"});
    yard.refuse_start = false;
    yard.act(yard.request(HandVerb::start, false, 8s));
    yard.live(20s, false);
    EXPECT_TRUE(yard.why().contains("did not pass its checks within 8.0 s") || yard.why().contains("did not pass its checks within 8 s")) << yard.why();
    EXPECT_TRUE(yard.why().contains("connect refused"));
    EXPECT_EQ(yard.desk.lifecycle("web-1-1"), "draining");
    EXPECT_EQ(yard.at_hand->busy("web"), "");
    // Its own health is waited for, too.
    yard.containers["web-1-1"].health = "starting";
    yard.act(yard.request(HandVerb::start));
    yard.live(3s);
    EXPECT_EQ(yard.desk.lifecycle("web-1-1"), "draining");
    yard.containers["web-1-1"].health = "healthy";
    yard.live(2s);
    EXPECT_EQ(yard.why(), "");
    EXPECT_EQ(yard.desk.eligible(), (Names{"web-1-1", "web-1-2"}));
}

TEST(ByHand, OneAtATimeAndNeverBesideADeployment) {
    Yard yard;
    yard.deploys = true;
    yard.act(yard.request(HandVerb::restart));
    yard.live(100ms);
    EXPECT_TRUE(yard.why().contains("a deployment of service \"web\" is under way")) << yard.why();
    yard.deploys = false;
    yard.in_flight = 1;
    yard.act(yard.request(HandVerb::restart));
    yard.live(100ms);
    EXPECT_EQ(yard.at_hand->busy("web"), "restart of web-1-1 by t is under way");
    auto other = yard.request(HandVerb::restart);
    other.instance = "web-1-2";
    yard.act(other);
    yard.live(100ms);
    EXPECT_TRUE(yard.why().contains("one of a service at a time")) << yard.why();
    yard.came = 0;
    yard.in_flight = 0;
    yard.upgrading = 3;
    yard.live(5s);
    EXPECT_EQ(yard.why(), "") << "another process that fails to take over changes nothing";
    EXPECT_EQ(yard.at_hand->busy("web"), "");
}

TEST(ByHand, WhatIsNotHalesIsLeftAlone) {
    Yard yard;
    yard.containers["web-1-1"].service = "";
    yard.act(yard.request(HandVerb::stop));
    yard.live(100ms);
    EXPECT_EQ(yard.done->error().code, Code::denied);
    yard.containers["web-1-1"].service = "web";
    yard.containers["web-1-1"].deployment = "";
    yard.act(yard.request(HandVerb::restart));
    yard.live(100ms);
    EXPECT_TRUE(yard.why().contains("was made by somebody else") && yard.why().contains("docker restart web-1-1")) << yard.why();
    EXPECT_TRUE(yard.changes.empty());
    yard.containers["web-1-1"].service = "";
    std::optional<Result<docker::ExecDone>> ran;
    yard.loop().run([&] { yard.at_hand->run({.container = "web-1-1", .command = {"ls"}}, [&](Result<docker::ExecDone> got) { ran = std::move(got); }); });
    yard.live(100ms);
    ASSERT_TRUE(ran && !*ran);
    EXPECT_EQ(ran->error().code, Code::denied);
    EXPECT_EQ(yard.engine_.asked("/exec"), 0u);
    yard.loop().run([&] { yard.at_hand->run({.container = "web-1-2", .command = {"ls"}}, [&](Result<docker::ExecDone> got) { ran = std::move(got); }); });
    yard.live(200ms);
    ASSERT_TRUE(ran && *ran) << ran->error().text;
    EXPECT_EQ((**ran).exit_code, 7);
    EXPECT_EQ((**ran).output, "hello");
}

TEST(ByHand, ContainersAreToldWithTheirImagesDigest) {
    Yard yard;
    yard.containers["web-1-2"].running = false;
    for (const bool all : {false, true}) {
        std::optional<Result<std::vector<ContainerNow>>> got;
        yard.loop().run([&] { yard.at_hand->list("web", all, [&](auto it) { got = std::move(it); }); });
        yard.live(200ms);
        ASSERT_TRUE(got && *got);
        ASSERT_EQ((**got).size(), all ? 2u : 1u);
        EXPECT_EQ((**got)[0].container.name, "web-1-1");
        EXPECT_EQ((**got)[0].digest, "web@sha256:abc");
    }
    EXPECT_EQ(yard.engine_.asked("/images/"), 2u) << "each image once";
}

// ---- Logs ----

TEST(LogLines, AreTheSameHoweverTheyCame) {
    const std::string text = "2026-11-22T07:00:00.123456789Z one\r\nno stamp\n\n2026-11-22T07:00:01Z \"two\"\x1b[0m\nlast";
    std::string whole;
    {
        LogLines lines("web-1");
        lines.take(docker::Source::output, text, whole);
        lines.end(whole);
    }
    EXPECT_EQ(std::ranges::count(whole, '\n'), 5);
    EXPECT_TRUE(whole.starts_with(R"({"container":"web-1","source":"output","at":"2026-11-22T07:00:00.123456789Z","line":"one"})")) << whole;
    EXPECT_TRUE(whole.contains(R"("line":"no stamp")"));
    for (std::size_t first = 0; first <= text.size(); ++first)
        for (std::size_t second = first; second <= text.size(); ++second) {
            LogLines lines("web-1");
            std::string split;
            lines.take(docker::Source::output, text.substr(0, first), split);
            lines.take(docker::Source::output, text.substr(first, second - first), split);
            lines.take(docker::Source::output, text.substr(second), split);
            lines.end(split);
            ASSERT_EQ(split, whole) << first << " " << second;
        }
}

TEST(LogLines, AreCutAtTheirLimitAndSourcesAreKeptApart) {
    LogLines lines("c");
    std::string out;
    lines.take(docker::Source::output, std::string(most_log_line - 1, 'a'), out);
    EXPECT_EQ(out, "");
    lines.take(docker::Source::errors, "b\n", out);
    EXPECT_TRUE(out.contains(R"("source":"errors","line":"b")"));
    out.clear();
    lines.take(docker::Source::output, "aa", out);
    EXPECT_EQ(std::ranges::count(out, '\n'), 1);
    EXPECT_TRUE(out.contains("\"line\":\"" + std::string(most_log_line, 'a') + '"'));
    out.clear();
    lines.end(out);
    EXPECT_TRUE(out.contains("\"line\":\"a\"")) << out;
    // One that just fits is one.
    out.clear();
    lines.take(docker::Source::output, std::string(most_log_line, 'z') + "\n", out);
    EXPECT_EQ(std::ranges::count(out, '\n'), 1) << "no empty line after it";
}

struct Reading {
    Reading(Yard& yard, LogsRequest request) {
        yard.loop().run([&] {
            yard.at_hand->read(1, std::move(request), {.begun = [this](auto got) { begun = std::move(got); }, .more = [this](std::string text) { told += text; }, .ended = [this] { ++ended; }});
        });
    }
    std::optional<Result<std::vector<std::string>>> begun;
    std::string told;
    int ended = 0;
};

TEST(Logs, OfAServiceAreThoseOfAllItsContainersAndEndWithThem) {
    Yard yard;
    yard.logs = {{ok(200, Yard::frame("2026-11-22T07:00:00Z hi\n") + Yard::frame("oh\n", 2))}};
    Reading reading(yard, {.service = "web"});
    yard.live(500ms);
    ASSERT_TRUE(reading.begun && *reading.begun);
    EXPECT_EQ(**reading.begun, (std::vector<std::string>{"web-1-1", "web-1-2"}));
    EXPECT_EQ(reading.ended, 1);
    EXPECT_EQ(reading.told, R"({"container":"web-1-1","source":"output","at":"2026-11-22T07:00:00Z","line":"hi"}
{"container":"web-1-1","source":"errors","line":"oh"}
{"container":"web-1-2","source":"output","at":"2026-11-22T07:00:00Z","line":"hi"}
{"container":"web-1-2","source":"errors","line":"oh"}
)");
    yard.loop().run([&] { yard.at_hand->close(1); });
    yard.containers["web-1-1"].service = "";
    Reading foreign(yard, {.container = "web-1-1"});
    yard.live(500ms);
    ASSERT_TRUE(foreign.begun && !*foreign.begun);
    EXPECT_EQ(foreign.begun->error().code, Code::denied);
    yard.loop().run([&] { yard.at_hand->close(1); });
    Reading none(yard, {.container = "gone"});
    yard.live(500ms);
    EXPECT_EQ(none.begun->error().code, Code::not_found);
}

TEST(Logs, WhoTakesNothingMakesTheEngineWait) {
    Yard yard({"web-1-1"});
    std::string line(1000, 'x');
    line += '\n';
    std::string much;
    for (int i = 0; i < 4000; ++i) much += Yard::frame(line);
    yard.logs = {{ok(200, much)}};
    Reading reading(yard, {.service = "web"});
    yard.live(5s);
    EXPECT_EQ(reading.ended, 0);
    const std::size_t held = reading.told.size();
    EXPECT_GT(held, most_unread);
    EXPECT_LT(held, most_unread + 64u * 1024) << "it waits";
    std::size_t taken = 0;
    for (int round = 0; round < 200 && reading.ended == 0; ++round) {
        const std::size_t some = reading.told.size() - taken;
        yard.loop().run([&] { yard.at_hand->taken(1, some); });
        taken += some;
        EXPECT_LT(some, most_unread + 64u * 1024);
        yard.live(100ms);
    }
    EXPECT_EQ(reading.ended, 1);
    EXPECT_EQ(std::ranges::count(reading.told, '\n'), 4000) << "and nothing is lost";
}

}  // namespace
}  // namespace hale::deploy
