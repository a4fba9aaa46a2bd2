// Goal: a deployment ends, and says how; users reach one whole version at each moment, the new one only after it was
// verified; whatever is in its way, a restart at any step included, leaves the old one serving.
// Method: the deployer on a real control whose checkers and probes answer as the test says, in simulated time; a process that
// is killed after each of its steps, and one that starts on what it left.

#include "deploy/deployer.h"

#include <nlohmann/json.hpp>

#include "catalog/testing.h"
#include "sim/seed.h"

namespace hale::deploy {
namespace {

using catalog::GateEnd;
using Json = nlohmann::json;
using Names = std::set<std::string>;

const std::string web = "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n";

// Control and the deployer of one process.
struct Town final : catalog::Deploying {
    explicit Town(const std::string& yaml = web, config::Restored restored = {}) : left(restored.deployments), desk(yaml, std::move(restored)) {
        desk.control.set_front({.http = SocketAddress::parse("127.0.0.1:8080"), .https = {}});
        deployer.restore(left);
    }
    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override {
        if (killed || ++mutations > most_mutations) {
            killed = true;
            return;
        }
        if (upgrading) return loop().post([reply = std::move(reply)]() mutable { reply(std::unexpected(catalog::MutationFailed{catalog::upgrading(), {}})); });
        desk.control.mutate(std::move(mutation), [this, reply = std::move(reply)](catalog::MutationResult result) mutable {
            loop().post([reply = std::move(reply), result = std::move(result)]() mutable { reply(std::move(result)); });
        });
    }
    void look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) override {
        loop().post([this, service = std::move(service), reply = std::move(reply)]() mutable {
            if (!killed) reply(desk.control.look(service));
        });
    }
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override { desk.control.verify(std::move(request), std::move(reply)); }
    void when_gone(std::vector<std::string> instances, io::Task gone) override { desk.control.when_gone(std::move(instances), std::move(gone)); }
    void traffic(std::string, std::move_only_function<void(catalog::TrafficNow)> reply) override {
        loop().post([this, reply = std::move(reply)]() mutable { reply(users); });
    }
    void probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) override {
        if (check->name == "hook") {
            hooks.push_back(std::get<config::HttpCheck>(check->what).body);
            verdict::Observation said{.outcome = hook_says == 200 ? verdict::Outcome::pass : verdict::Outcome::fail};
            said.text = fmt::format("status {}", hook_says);
            return loop().post([reply = std::move(reply), said]() mutable { reply(said); });
        }
        ++probes;
        probed = target + " " + std::get<config::HttpCheck>(check->what).host;
        verdict::Observation seen{.outcome = through == 200 ? verdict::Outcome::pass : verdict::Outcome::fail};
        seen.status = static_cast<std::uint16_t>(through);
        seen.text = fmt::format("GET {}: status {}", target, through);
        // What the worker would do: the key leads to the candidate, as long as there is one.
        const auto& key = std::get<config::HttpCheck>(check->what).headers.back().second;
        if (key.empty() || key != desk.key()) seen.outcome = verdict::Outcome::fail, seen.status = 503;
        loop().post([reply = std::move(reply), seen]() mutable { reply(seen); });
    }
    io::Loop& loop() { return desk.world.loop(); }
    std::string deploy(std::vector<std::string> targets, bool dry = false) {
        std::string id;
        deployer.deploy({.service = "web", .targets = std::move(targets), .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"}, dry, [&](Result<Accepted> got) {
            id = got ? got->id : "refused: " + got.error().text;
            if (got) json = got->json;
        });
        desk.world.run_for(1ms);
        return id;
    }
    // Checkers and gates answer: new instances are healthy, or not.
    void live(Duration d, bool well = true) {
        const Instant until = desk.world.now() + d;
        while (desk.world.now() < until && !killed) {
            desk.world.run_for(10ms);
            for (const auto& one : desk.control.look("web").instances) {
                const bool good = well || (one.of_file && old_well);
                if (desk.gates.empty()) continue;
                desk.judge(one.name, good ? verdict::State::healthy : verdict::State::unhealthy);
                verdict::Observation seen{.outcome = good ? verdict::Outcome::pass : verdict::Outcome::fail};
                seen.status = good ? 200 : 500;
                seen.text = good ? "" : "GET http://10.0.1.1:80/up: status 500";
                desk.answer_gate(one.name, good ? GateEnd::passed : GateEnd::failed, seen);
            }
        }
    }
    Json record(const std::string& id) const {
        const auto found = desk.view.deployments().find(id);
        return found == desk.view.deployments().end() ? Json() : Json::parse(found->second->json);
    }
    std::string phase(const std::string& id) const { return record(id).value("phase", "none"); }

    std::vector<config::StoredDeployment> left;
    catalog::PromptDesk desk;
    int through = 200, probes = 0, mutations = 0, most_mutations = 1'000'000;
    catalog::TrafficNow users{{}};
    std::vector<std::string> hooks;  // What they were told.
    int hook_says = 200;
    bool killed = false, upgrading = false, old_well = true;
    std::string probed, json;
    Deployer deployer{{.loop = loop(), .catalog = *this, .secret_bytes = [this](std::size_t count) {
                           std::string out;
                           for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<char>(random.below(256)));
                           return out;
                       }}};
    Random random{11};
};

TEST(Deployer, VerifiesDirectlyAndThroughTheProxyThenSwitchesAndTakesTheOldAway) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto first = town.deploy({"10.0.1.1:80"});
    town.live(60s);
    ASSERT_EQ(town.phase(first), "done") << town.record(first).dump(1);
    EXPECT_EQ(town.desk.eligible(), Names{"web-1-1"});
    EXPECT_EQ(town.probed, "http://127.0.0.1:8080 web.example");
    EXPECT_EQ(town.probes, 2) << "rise passes in a row";
    EXPECT_EQ(town.desk.lifecycle("web-1"), "draining") << "the file's stays";
    std::vector<std::string> phases;
    for (const auto& one : town.record(first).at("phases")) phases.push_back(one.at("phase"));
    EXPECT_EQ(phases, (std::vector<std::string>{"requested", "verifying", "switching", "draining", "done"}));
    std::vector<std::string> reasons;
    for (const auto& one : town.record(first).at("phases")) reasons.push_back(one.at("reason"));
    EXPECT_EQ(reasons, (std::vector<std::string>{"asked for by t", "the targets are known", "what is verified passed", "users are led to it alone", "users reach it"}));
    const auto second = town.deploy({"10.0.1.2:80", "10.0.1.3:80"});
    town.live(60s);
    ASSERT_EQ(town.phase(second), "done") << town.record(second).dump(1);
    EXPECT_EQ(town.desk.eligible(), (Names{"web-2-1", "web-2-2"}));
    EXPECT_EQ(town.desk.lifecycle("web-1-1"), "gone");
    EXPECT_EQ(town.record(second).at("number"), 2);
    EXPECT_EQ(town.deployer.under_way(), 0u);
}

TEST(Deployer, WhatIsNotReadyChangesNothingAndSaysWhy) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    town.live(20s, false);
    EXPECT_EQ(town.phase(id), "verifying");
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
    town.live(20s, false);
    ASSERT_EQ(town.phase(id), "rolled_back") << town.record(id).dump(1);
    const auto fault = town.record(id).at("fault");
    EXPECT_EQ(fault.at("code"), "not_ready");
    EXPECT_NE(fault.at("text").get<std::string>().find("web-1-1: GET http://10.0.1.1:80/up: status 500"), std::string::npos) << fault;
    EXPECT_EQ(fault.at("retryable"), true);
    EXPECT_EQ(town.record(id).at("instances")[0].at("observations").size(), most_observations);
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
    EXPECT_EQ(town.desk.lifecycle("web-1"), "serving");
    town.desk.world.run_for(40s);
    EXPECT_EQ(town.desk.lifecycle("web-1-1"), "gone");
}

// The timer that watches the deadline keeps another time.
TEST(Deployer, V14EndsAlthoughTheWallClockIsSlowerOrIsSet) {
    for (const auto& [drift, step] : std::vector<std::pair<double, Duration>>{{-500, 0s}, {500, 0s}, {0, -10s}, {0, 10s}, {0, 1h}}) {
        Town town;
        town.desk.judge("web-1", verdict::State::healthy);
        town.desk.world.set_wall_drift(drift);
        const auto id = town.deploy({"10.0.1.1:80"});
        town.live(5s, false);
        town.desk.world.step_wall(step);
        town.live(60s, false);
        EXPECT_EQ(town.phase(id), "rolled_back") << drift << " " << human(step) << town.record(id).dump(1);
    }
}

TEST(Deployer, WhatTheServingVersionFailsTooIsNotItsDoing) {
    Town town;
    town.old_well = false;
    town.desk.judge("web-1", verdict::State::unhealthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    town.live(40s, false);
    EXPECT_EQ(town.record(id).at("fault").at("code"), "pre_existing") << town.record(id).dump(1);
}

TEST(Deployer, RightDirectlyAndMissingThroughTheProxyHasItsOwnName) {
    for (const auto& [status, code] : std::vector<std::pair<int, std::string>>{{404, "route_missing"}, {500, "proxy_failed"}}) {
        Town town;
        town.desk.judge("web-1", verdict::State::healthy);
        town.through = status;
        const auto id = town.deploy({"10.0.1.1:80"});
        town.live(40s);
        EXPECT_EQ(town.phase(id), "rolled_back");
        EXPECT_EQ(town.record(id).at("fault").at("code"), code) << town.record(id).dump(1);
        EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
    }
}

TEST(Deployer, SomebodyElsesChangeIsNotOverwritten) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    const std::string json = R"({"name":"by-hand","address":"10.0.9.9:80"})";
    auto spec = config::load_instance(*town.desk.view.service("web")->facts->spec, json, *town.desk.control.document());
    ASSERT_EQ(town.desk.mutate(catalog::PutApiInstance{"web", *spec, json}), "");
    town.live(60s);
    EXPECT_EQ(town.record(id).at("fault").at("code"), "route_changed") << town.record(id).dump(1);
    EXPECT_TRUE(town.desk.eligible().contains("web-1"));
    EXPECT_EQ(town.phase(id), "rolled_back");
}

TEST(Deployer, ANewerOneTakesItsPlace) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto first = town.deploy({"10.0.1.1:80"});
    town.live(1s, false);
    std::string second, third;
    const auto ask = [&](std::string target, std::string& id) {
        town.deployer.deploy({.service = "web", .targets = {std::move(target)}, .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"}, false,
                             [&id](Result<Accepted> got) { id = got ? got->id : "refused: " + got.error().text; });
    };
    ask("10.0.1.2:80", second);
    ask("10.0.1.3:80", third);
    town.live(60s);
    EXPECT_EQ(town.phase(first), "superseded");
    EXPECT_NE(second.find("a newer deployment of the service took its place"), std::string::npos) << second;
    EXPECT_EQ(town.phase(third), "done");
    EXPECT_EQ(town.record(third).at("number"), 2);
    EXPECT_EQ(town.desk.eligible(), Names{"web-2-1"});
}

TEST(Deployer, CanBeEndedUntilTheOldOneGoes) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    EXPECT_FALSE(town.deployer.abort("d-none", "ops"));
    ASSERT_TRUE(town.deployer.abort(id, "ops"));
    town.live(1s);
    EXPECT_EQ(town.phase(id), "rolled_back");
    EXPECT_EQ(town.record(id).at("fault").at("text"), "ended by ops");
    EXPECT_FALSE(town.deployer.abort(id, "ops")) << "it is over";
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
}

TEST(Deployer, GoesBackToWhatWasThere) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    std::string why;
    const auto back = [&](const std::string& to) {
        std::string id;
        town.deployer.rollback("web", to, "t", [&](Result<Accepted> got) { id = got ? got->id : "", why = got ? "" : got.error().text; });
        town.live(60s);
        return id;
    };
    EXPECT_EQ(back(""), "");
    EXPECT_NE(why.find("nothing to go back to"), std::string::npos) << why;
    town.deploy({"10.0.1.1:80"});
    town.live(60s);
    const auto second = town.deploy({"10.0.1.2:80"});
    town.live(60s);
    ASSERT_EQ(town.desk.eligible(), Names{"web-2-1"});
    EXPECT_EQ(town.phase(back("")), "done") << why;
    EXPECT_EQ(town.desk.eligible(), Names{"web-3-1"});
    EXPECT_EQ(town.desk.view.instance("web-3-1")->facts->declared, "10.0.1.1:80");
    EXPECT_EQ(town.phase(back(second)), "done") << why;
    EXPECT_EQ(town.desk.view.instance("web-4-1")->facts->declared, "10.0.1.2:80");
    EXPECT_EQ(back("d-other"), "");
    EXPECT_NE(why.find("no deployment \"d-other\""), std::string::npos);
}

// Back to what the file declares: it drained, and serves again.
TEST(Deployer, GoesBackToTheFilesOwnInstances) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    town.deploy({"10.0.1.1:80"});
    town.live(60s);
    ASSERT_EQ(town.desk.eligible(), Names{"web-1-1"});
    std::string id;
    town.deployer.rollback("web", "", "t", [&](Result<Accepted> got) { id = got ? got->id : got.error().text; });
    town.live(60s);
    EXPECT_EQ(town.phase(id), "done") << town.record(id).dump(1);
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
    EXPECT_EQ(town.desk.lifecycle("web-1-1"), "gone");
}

TEST(Deployer, MakesServiceAndRouteWhereTheyAreNotThereAndTakesThemBack) {
    for (const bool well : {true, false}) {
        Town town("services: {}\n");
        auto service = config::load_service("web", R"({"check":{"http":"/up"}})", *town.desk.control.document());
        auto route = config::load_route(R"({"host":"web.example","service":"web"})", *town.desk.control.document());
        ASSERT_TRUE(service && route);
        std::string id;
        town.deployer.deploy({.service = "web", .targets = {"10.0.1.1:80"}, .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = catalog::PutApiService{service->service, {}, R"({"check":{"http":"/up"}})"},
                              .makes_route = catalog::PutApiRoute{*route, R"({"host":"web.example","service":"web"})"}, .verifying = {}, .actor = "t"},
                             false, [&](Result<Accepted> got) { id = got ? got->id : got.error().text; });
        town.live(60s, well);
        town.desk.world.run_for(40s);
        EXPECT_EQ(town.phase(id), well ? "done" : "rolled_back") << town.record(id).dump(1);
        EXPECT_EQ(town.desk.view.service("web") != nullptr, well);
        EXPECT_EQ(town.desk.view.routes().size(), well ? 1u : 0u);
    }
}

TEST(Deployer, APlanIsToldWithoutAnythingBeginning) {
    Town town;
    EXPECT_EQ(town.deploy({"10.0.1.1:80"}, true), "");
    town.live(5s);
    const auto plan = Json::parse(town.json);
    EXPECT_EQ(plan.at("phase"), "requested");
    EXPECT_EQ(plan.at("deadlines").at("verifying"), 30.0);
    EXPECT_GT(plan.at("longest"), 30.0);
    EXPECT_TRUE(town.desk.view.deployments().empty());
    EXPECT_EQ(town.deployer.under_way(), 0u);
}

TEST(Deployer, WaitsWhileAnotherProcessTakesOverAndGoesOnWhenThatFailed) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    town.upgrading = true;
    town.live(2s);
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
    town.upgrading = false;
    town.live(60s);
    EXPECT_EQ(town.phase(id), "done") << town.record(id).dump(1);
}

// A process that is killed after any number of its mutations leaves something that its successor brings to an end, with
// one whole version before users all the time.
TEST(Deployer, V14EndsAcrossAKillAtAnyStep) {
    int ended = 0;
    for (const bool well : {true, false})
        for (int kill_after = 0; kill_after < 40; ++kill_after) {
            config::Restored left;
            bool whole = false;
            {
                Town town;
                town.desk.judge("web-1", verdict::State::healthy);
                town.most_mutations = kill_after;
                const auto id = town.deploy({"10.0.1.1:80", "10.0.1.2:80"});
                town.live(90s, well);
                whole = !town.killed;
                left = town.desk.left();
            }
            Town again(web, std::move(left));
            again.desk.judge("web-1", verdict::State::healthy);
            again.desk.judge("web-1-1", well ? verdict::State::healthy : verdict::State::unhealthy);
            again.desk.judge("web-1-2", well ? verdict::State::healthy : verdict::State::unhealthy);
            again.live(150s, well);
            again.desk.world.run_for(60s);
            SCOPED_TRACE(fmt::format("killed after {} mutations, well {}", kill_after, well));
            EXPECT_EQ(again.deployer.under_way(), 0u);
            for (const auto& [id, one] : again.desk.view.deployments()) {
                EXPECT_TRUE(one->over) << one->json;
                EXPECT_EQ(again.phase(id), well ? "done" : "rolled_back") << one->json;
                ++ended;
            }
            const bool begun = !again.desk.view.deployments().empty();
            EXPECT_EQ(again.desk.eligible(), well && begun ? (Names{"web-1-1", "web-1-2"}) : Names{"web-1"});
            if (whole) break;
        }
    EXPECT_GT(ended, 10);
}

std::string with_deploy(const std::string& deploy) {
    return "services:\n  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"], deploy: {" + deploy + "}}\n";
}

TEST(Deployer, BakingWatchesUsersAndTakesBackWhatIsWorse) {
    for (const bool bad : {false, true}) {
        Town town(with_deploy("bake: {for: 30s, max_error_ratio: 10%, min_requests: 20}"));
        town.desk.judge("web-1", verdict::State::healthy);
        town.users = {{{.name = "web-1-1", .requests = 50, .failed = 50, .took = {}}}};  // Of before: nobody's fault.
        const auto id = town.deploy({"10.0.1.1:80"});
        for (int n = 0; n < 100 && town.phase(id) != "baking"; ++n) town.live(1s);
        ASSERT_EQ(town.phase(id), "baking") << town.record(id).dump(1);
        town.live(1s);
        town.users[0][0].requests += 40, town.users[0][0].failed += bad ? 5 : 4;
        town.users[0].push_back({.name = "web-1", .requests = 900, .failed = 900, .took = {}});  // The old one's are its own.
        town.live(2s);
        EXPECT_EQ(town.phase(id), bad ? "rolled_back" : "baking");
        town.live(60s);
        EXPECT_EQ(town.phase(id), bad ? "rolled_back" : "done") << town.record(id).dump(1);
        EXPECT_EQ(town.desk.eligible(), Names{bad ? "web-1" : "web-1-1"});
        EXPECT_EQ(town.record(id).at("baked"), bad ? "40 requests, 5 failed" : "40 requests, 4 failed");
        if (bad) { EXPECT_EQ(town.record(id).at("fault").at("text"), "of 40 requests to the new version 5 failed: 12.5 %, and 10 % may"); }
    }
    // An instance that fails its check meanwhile is no less bad.
    Town town(with_deploy("bake: {for: 30s}"));
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    for (int n = 0; n < 100 && town.phase(id) != "baking"; ++n) town.live(1s);
    town.desk.judge("web-1-1", verdict::State::unhealthy);
    town.live(5s);
    EXPECT_EQ(town.phase(id), "rolled_back");
    EXPECT_EQ(town.record(id).at("fault").at("code"), "bake_failed");
    EXPECT_EQ(town.desk.eligible(), Names{"web-1"});
}

TEST(Deployer, HooksAreAskedBeforeAnythingAndBehindTheSwitch) {
    const auto yaml = with_deploy("before: [{http: \"http://gate.example/may\"}], after: [{http: \"http://gate.example/did\"}]");
    Town town(yaml);
    town.desk.judge("web-1", verdict::State::healthy);
    const auto id = town.deploy({"10.0.1.1:80"});
    town.live(120s);
    ASSERT_EQ(town.phase(id), "done") << town.record(id).dump(1);
    ASSERT_EQ(town.hooks.size(), 2u);
    EXPECT_EQ(Json::parse(town.hooks[0]).at("when"), "before");
    EXPECT_EQ(Json::parse(town.hooks[1]), Json::parse(R"({"when": "after", "deployment": ")" + id + R"(", "service": "web", "number": 1, "image": null, "targets": ["10.0.1.1:80"]})"));
    Town refused(yaml);
    refused.desk.judge("web-1", verdict::State::healthy);
    refused.hook_says = 409;
    const auto other = refused.deploy({"10.0.1.1:80"});
    refused.live(60s);
    EXPECT_EQ(refused.phase(other), "rolled_back");
    EXPECT_EQ(refused.record(other).at("fault").at("text"), "the hook before http://gate.example/may: status 409");
    EXPECT_EQ(refused.probes, 0);
    Town late(yaml);
    late.desk.judge("web-1", verdict::State::healthy);
    const auto third = late.deploy({"10.0.1.1:80"});
    for (int n = 0; n < 600 && late.hooks.empty(); ++n) late.live(100ms);
    late.hook_says = 500;
    late.live(120s);
    EXPECT_EQ(late.phase(third), "rolled_back");
    EXPECT_EQ(late.record(third).at("fault").at("code"), "hook_failed");
    EXPECT_EQ(late.desk.eligible(), Names{"web-1"});
}

TEST(Deployer, WhatCannotBeBegunEndsNobodyElses) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto first = town.deploy({"10.0.1.1:80"});
    town.desk.world.run_for(50ms);
    EXPECT_EQ(town.deploy({"10.0.2.1:80", "10.0.2.1:80"}), "refused: the same target is named twice");
    town.live(60s);
    EXPECT_EQ(town.phase(first), "done") << town.record(first).dump(1);
}

TEST(Deployer, TheWayBackHasTheTimeThatWasAskedFor) {
    Town town;
    town.desk.judge("web-1", verdict::State::healthy);
    const auto ask = [&](Duration time, std::string target) {
        town.deployer.deploy({.service = "web", .targets = {std::move(target)}, .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = time, .actor = "t"}, false, [](Result<Accepted>) {});
        town.live(60s);
    };
    ask(10min, "10.0.1.1:80");
    ask(2min, "10.0.1.2:80");
    std::string back;
    town.deployer.rollback("web", "1", "t", [&](Result<Accepted> begun) { back = begun ? begun->json : begun.error().text; });
    town.live(60s);
    EXPECT_EQ(Json::parse(back).at("deadlines").at("verifying"), 600.0);
}

// Who is kept from users by an override, or was not asked yet, has not failed.
TEST(Deployer, AnOverrideIsNoFailureOfBefore) {
    Town town(with_deploy("pre_existing: accept"));
    town.desk.judge("web-1", verdict::State::healthy);
    EXPECT_EQ(town.desk.mutate(catalog::SetOverride{.service = "web", .instance = town.desk.view.instance(std::string_view("web-1"))->facts->id.str(), .state = verdict::OverrideState::down, .lasts = 1h, .reason = "r", .created = {}}), "");
    EXPECT_EQ(town.desk.eligible(), Names{});
    const auto id = town.deploy({"10.0.1.1:80"});
    for (int n = 0; n < 200 && !town.record(id).value("over", false); ++n) {
        town.live(1s, false);
        town.desk.judge("web-1", verdict::State::healthy);
    }
    EXPECT_EQ(town.phase(id), "rolled_back") << town.record(id).dump(1);
    EXPECT_EQ(town.record(id).at("fault").at("code"), "not_ready");
}

TEST(Deployer, WhatFailedBeforeIsSwitchedToWhereThatIsAccepted) {
    Town town(with_deploy("pre_existing: accept"));
    town.desk.judge("web-1", verdict::State::unhealthy);
    town.old_well = false;
    const auto id = town.deploy({"10.0.1.1:80"});
    town.live(120s, false);
    ASSERT_EQ(town.phase(id), "done") << town.record(id).dump(1);
    EXPECT_NE(town.record(id).at("accepted").get<std::string>().find("the version that serves is unhealthy too"), std::string::npos);
    EXPECT_EQ(town.desk.lifecycle("web-1-1"), "serving");
    EXPECT_EQ(town.desk.lifecycle("web-1"), "draining");
}

}  // namespace
}  // namespace hale::deploy
