// Goal: a deployment's instances are checked without traffic, take it over in one step or not at all, and go; what was said
// of a deployment outlives the process, and who is a candidate with it.
// Method: control with a journal, checkers and workers that answer at once; eligibility by the law over what is published.

#include <set>

#include "catalog/testing.h"

namespace hale::catalog {
namespace {

using Desk = PromptDesk;
using Names = std::set<std::string>;

TEST(Staging, V5CandidatesAreCheckedWithoutTrafficAndTakeItOverInOneStep) {
    Desk desk;
    desk.judge("web-1", verdict::State::healthy);
    ASSERT_EQ(desk.eligible(), Names{"web-1"});
    ASSERT_EQ(desk.mutate(desk.stage("d-1", {"new-1", "new-2"})), "");
    desk.judge("new-1", verdict::State::healthy);
    EXPECT_EQ(desk.lifecycle("new-1"), "starting");
    EXPECT_EQ(desk.eligible(), Names{"web-1"}) << "healthy, and no user's";
    EXPECT_EQ(desk.key(), "key-d-1");
    // One is not ready: nothing moves.
    EXPECT_NE(desk.mutate(desk.to("d-1", {"web-1"}, {"new-1", "new-2"})).find("new-2 would get no traffic: it is pending"), std::string::npos);
    EXPECT_EQ(desk.code, Code::unavailable);
    EXPECT_EQ(desk.eligible(), Names{"web-1"});
    desk.judge("new-2", verdict::State::degraded);
    EXPECT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"new-1", "new-2"})), "");
    EXPECT_EQ(desk.eligible(), (Names{"new-1", "new-2"}));
    EXPECT_EQ(desk.lifecycle("web-1"), "draining");
    EXPECT_EQ(desk.key(), "");
    // Asked again after a restart that nobody heard the answer of: it has happened.
    EXPECT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"new-1", "new-2"})), "");
    EXPECT_EQ(desk.eligible(), (Names{"new-1", "new-2"}));
    // And back, whatever the old one's verdict.
    desk.judge("web-1", verdict::State::degraded);
    EXPECT_EQ(desk.mutate(desk.to("d-1", {"new-1", "new-2"}, {"web-1"}, true)), "");
    EXPECT_EQ(desk.eligible(), Names{"web-1"});
    EXPECT_EQ(desk.lifecycle("new-1"), "starting");
    EXPECT_EQ(desk.mutate(desk.gone("d-1", {"new-1", "new-2"})), "");
    desk.world.run_for(40s);
    EXPECT_EQ(desk.lifecycle("new-1"), "gone");
    EXPECT_EQ(desk.mutate(desk.gone("d-1", {"new-1", "new-2"})), "") << "said again";
    EXPECT_EQ(desk.eligible(), Names{"web-1"});
}

// Two services of one application: what is new is hidden until all of it is switched to.
TEST(Staging, V20SeveralServicesAreSwitchedToInOneStepWithTheirRoutes) {
    config::Restored left;
    const auto api_json = [](const std::string& path) { return fmt::format(R"({{"check":{{"http":"/up"}},"routes":[{{"host":"web.example","path":"{}"}}]}})", path); };
    {
        Desk desk;
        desk.judge("web-1", verdict::State::healthy);
        const auto& document = *desk.control.document();
        auto api = config::load_service("api", api_json("/api"), document);
        ASSERT_TRUE(api);
        const std::string json = R"({"name":"api-new","address":"10.0.2.1:80","deployment":"d-1"})";
        auto instance = config::load_instance(api->service, json, document);
        ASSERT_TRUE(instance);
        Stage stage = desk.stage("d-1", {"new"});
        stage.record.service = "shop";
        stage.services.push_back({api->service, api->routes, api_json("/api")});
        stage.candidates.push_back({"api", *instance, json});
        ASSERT_EQ(desk.mutate(stage), "");
        const auto& table = desk.published->table;
        EXPECT_EQ(table.find("web.example", "/api")->service->name, "web") << "as before";
        EXPECT_EQ(table.find("web.example", "/api", "key-d-1")->service->name, "api");
        EXPECT_EQ(table.find("web.example", "/api", "another")->service->name, "web");
        Switch to{stage.record, {{"web", {"web-1"}, {"new"}}, {"api", {}, {"api-new"}}}, {}, false};
        desk.judge("new", verdict::State::healthy);
        EXPECT_NE(desk.mutate(to).find("api-new would get no traffic"), std::string::npos);
        EXPECT_EQ(desk.eligible(), Names{"web-1"}) << "all or nothing";
        desk.judge("api-new", verdict::State::healthy);
        auto moved = config::load_service("api", api_json("/v2"), document);
        ASSERT_TRUE(moved);
        to.declares.push_back({moved->service, moved->routes, api_json("/v2")});
        left = desk.left();
        ASSERT_EQ(desk.mutate(to), "");
        EXPECT_EQ(desk.eligible(), Names{"new"});
        EXPECT_EQ(desk.published->table.find("web.example", "/v2/x")->service->name, "api");
        EXPECT_EQ(desk.published->table.find("web.example", "/api")->service->name, "web");
        EXPECT_EQ(desk.lifecycle("api-new"), "serving");
        EXPECT_EQ(desk.control.look("api").declared, api_json("/v2"));
    }
    // Killed before the switch: both are candidates still.
    Desk again(Desk::file, std::move(left));
    EXPECT_EQ(again.lifecycle("api-new"), "starting");
    EXPECT_EQ(again.lifecycle("new"), "starting");
    EXPECT_EQ(again.published->table.find("web.example", "/api")->service->name, "web");
    Unstage gone{again.record("d-1"), {{"web", "new"}, {"api", "api-new"}}, {"api"}};
    gone.record.service = "shop";
    ASSERT_EQ(again.mutate(gone), "");
    again.world.run_for(40s);
    EXPECT_EQ(again.view.service("api"), nullptr);
    EXPECT_EQ(again.mutate(again.stage("d-2", {"next"})), "") << "nobody's candidate is left";
}

TEST(Staging, WhatSomebodyElseChangedIsNotOverwritten) {
    Desk desk;
    desk.judge("web-1", verdict::State::healthy);
    ASSERT_EQ(desk.mutate(desk.stage("d-1", {"new"})), "");
    desk.judge("new", verdict::State::healthy);
    const auto json = std::string(R"({"name":"by-hand","address":"10.0.9.9:80"})");
    auto spec = config::load_instance(*desk.view.service("web")->facts->spec, json, *desk.control.document());
    ASSERT_TRUE(spec);
    ASSERT_EQ(desk.mutate(PutApiInstance{"web", *spec, json}), "");
    EXPECT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"new"})), "service \"web\" was changed meanwhile: web-1 served when this began, by-hand, web-1 serve now");
    EXPECT_EQ(desk.code, Code::conflict);
    EXPECT_EQ(desk.eligible(), Names{"web-1"});
    EXPECT_NE(desk.mutate(desk.stage("d-2", {"other"})).find("deployment d-1 of service \"web\" is under way"), std::string::npos);
    EXPECT_EQ(desk.lifecycle("other"), "gone");
}

// In each step between two waves, and with a kill after each: those that were switched to serve, and those of the present wave
// alone are candidates.
TEST(Staging, V11WavesGoOnWhereTheyWere) {
    const std::vector<std::string_view> steps{"staged", "switched", "made room", "staged again", "taken away again", "staged without any", "led back"};
    for (std::size_t killed_after = 0; killed_after < steps.size(); ++killed_after) {
        SCOPED_TRACE(steps[killed_after]);
        auto desk = std::make_unique<Desk>();
        desk->judge("web-1", verdict::State::healthy);
        for (std::size_t step = 0; step < steps.size(); ++step) {
            Stage stage = desk->stage("d-1", step == 0 ? std::vector<std::string>{"new-1"} : step == 3 ? std::vector<std::string>{"new-2"} : std::vector<std::string>{});
            stage.wave = step == 0 ? 1 : 2;
            for (auto& one : stage.candidates) one.spec.deployment = wave_of("d-1", stage.wave);
            for (auto& one : stage.candidates) one.json = fmt::format(R"({{"name":"{}","address":"{}","deployment":"{}"}})", one.spec.name.view(), one.spec.target.declared.view(), wave_of("d-1", stage.wave));
            Switch to = desk->to("d-1", {"web-1"}, {"new-1"});
            to.turns[0].to.push_back("web-1");
            Unstage room = desk->gone("d-1", {});
            room.others_stay = true;
            Unstage away = desk->gone("d-1", {"new-2"});
            away.others_stay = true;
            Switch back = desk->to("d-1", {"web-1", "new-1"}, {"web-1"});
            back.undo = true;
            const Change changes[] = {stage, to, room, stage, away, stage, back};
            ASSERT_EQ(desk->mutate(changes[step]), "") << steps[step];
            for (const auto* name : {"web-1", "new-1", "new-2"}) desk->judge(name, verdict::State::healthy);
            if (step == killed_after) {
                auto left = desk->left();
                desk = std::make_unique<Desk>(Desk::file, std::move(left));
                for (const auto* name : {"web-1", "new-1", "new-2"}) desk->judge(name, verdict::State::healthy);
            }
            desk->world.run_for(40s);
            EXPECT_EQ(desk->eligible(), (step == 0 || step == 6 ? Names{"web-1"} : Names{"new-1", "web-1"})) << steps[step];
            if (step == 3) EXPECT_EQ(desk->lifecycle("new-2"), "starting");
            if (step > 3) EXPECT_EQ(desk->lifecycle("new-2"), "gone");
        }
        EXPECT_EQ(desk->lifecycle("new-1"), "draining");
    }
}

TEST(Staging, V11ARestartFindsCandidatesAndDrainsWhereTheyWere) {
    for (const bool switched : {false, true}) {
        config::Restored left;
        {
            Desk desk;
            desk.judge("web-1", verdict::State::healthy);
            ASSERT_EQ(desk.mutate(desk.stage("d-1", {"new"})), "");
            desk.judge("new", verdict::State::healthy);
            if (switched) ASSERT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"new"})), "");
            left = desk.left();
        }
        Desk again(Desk::file, std::move(left));
        EXPECT_EQ(again.lifecycle("new"), switched ? "serving" : "starting");
        EXPECT_EQ(again.lifecycle("web-1"), switched ? "draining" : "serving");
        again.judge("new", verdict::State::healthy);
        again.judge("web-1", verdict::State::healthy);
        EXPECT_EQ(again.eligible(), (Names{switched ? "new" : "web-1"}));
        ASSERT_EQ(again.view.deployments().size(), 1u);
        EXPECT_EQ(again.view.deployments().at("d-1")->candidate, switched ? 0u : 1u);
        EXPECT_EQ(again.key(), "");
        if (switched) continue;
        // Whoever goes on with it brings a key.
        auto stage = again.stage("d-1", {"new"});
        stage.candidates[0].spec.target = *config::Target::parse("10.0.1.1:80");
        ASSERT_EQ(again.mutate(std::move(stage)), "");
        EXPECT_EQ(again.key(), "key-d-1");
    }
}

TEST(Staging, AServiceThatADeploymentMadeGoesWithIt) {
    Desk desk("services: {}\n");
    auto service = config::load_service("web", R"({"check":{"http":"/up"}})", *desk.control.document());
    auto route = config::load_route(R"({"host":"web.example","service":"web"})", *desk.control.document());
    ASSERT_TRUE(service && route);
    const std::string json = R"({"name":"new","address":"10.0.1.9:80","deployment":"d-1"})";
    auto instance = config::load_instance(service->service, json, *desk.control.document());
    ASSERT_TRUE(instance);
    Stage stage{.record = desk.record("d-1"), .candidates = {{"web", *instance, json}}, .key = "k",
                .services = {PutApiService{service->service, {}, R"({"check":{"http":"/up"}})"}}, .route = PutApiRoute{*route, R"({"host":"web.example","service":"web"})"}};
    ASSERT_EQ(desk.mutate(stage), "");
    EXPECT_EQ(desk.lifecycle("new"), "starting");
    ASSERT_EQ(desk.mutate(desk.gone("d-1", {"new"}, true)), "");
    desk.world.run_for(40s);
    EXPECT_EQ(desk.view.service("web"), nullptr);
    EXPECT_TRUE(desk.view.routes().empty());
    EXPECT_EQ(desk.view.deployments().size(), 1u) << "it is told of on";
}

TEST(Staging, TheOldestDeploymentsThatAreOverAreForgotten) {
    Desk desk;
    ASSERT_EQ(desk.mutate(RecordDeployment{desk.record("d-open", 1)}), "");
    for (std::uint64_t n = 2; n < most_kept_deployments + 12; ++n) ASSERT_EQ(desk.mutate(RecordDeployment{desk.record(fmt::format("d-{}", n), n, true)}), "");
    EXPECT_EQ(desk.view.deployments().size(), most_kept_deployments + 1);
    EXPECT_TRUE(desk.view.deployments().contains("d-open"));
    EXPECT_FALSE(desk.view.deployments().contains("d-11"));
    EXPECT_TRUE(desk.view.deployments().contains("d-12"));
    EXPECT_EQ(desk.deployments.size(), desk.view.deployments().size()) << "and so is the journal";
}

TEST(Staging, SaysWhenTheyAreGone) {
    Desk desk;
    ASSERT_EQ(desk.mutate(desk.stage("d-1", {"new"})), "");
    const std::string id = desk.view.instance("new")->facts->id.str();
    bool gone = false;
    desk.control.when_gone({id, "i-never"}, [&] { gone = true; });
    desk.world.run_for(1s);
    EXPECT_FALSE(gone);
    ASSERT_EQ(desk.mutate(desk.gone("d-1", {"new"})), "");
    desk.world.run_for(1s);
    EXPECT_TRUE(gone);
}

TEST(Staging, OnlyADeploymentsEndIsInTheAuditNotEachOfItsSteps) {
    PromptDesk desk;
    ASSERT_EQ(desk.mutate(desk.stage("d-1", {"web-1-1"})), "");
    desk.judge("web-1-1", verdict::State::healthy);
    ASSERT_EQ(desk.mutate(RecordDeployment{desk.record("d-1")}), "");
    ASSERT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"web-1-1"})), "");
    ASSERT_EQ(desk.mutate(Unstage{.record = desk.record("d-1"), .gone = {}, .services = {}}), "");
    EXPECT_EQ(desk.audit.size(), 0u);
    ASSERT_EQ(desk.mutate(RecordDeployment{desk.record("d-1", 1, true)}), "");
    ASSERT_EQ(desk.audit.size(), 1u);
    EXPECT_EQ(desk.audit[0].actor, "t");
    ASSERT_EQ(desk.mutate(Drain{"web", ""}), "");
    EXPECT_EQ(desk.audit.size(), 2u) << "all else is, as ever";
}

TEST(Staging, ADrainedInstanceIsAtItsNewAddressAtOnceAndIsJudgedAnewThere) {
    PromptDesk desk;
    ASSERT_EQ(desk.mutate(desk.stage("d-1", {"web-1-1"})), "");
    desk.judge("web-1-1", verdict::State::healthy);
    ASSERT_EQ(desk.mutate(desk.to("d-1", {"web-1"}, {"web-1-1"})), "");
    const auto put = [&](const char* address) {
        const std::string json = fmt::format(R"({{"name":"web-1-1","address":"{}","deployment":"d-1"}})", address);
        const auto spec = config::load_instance(*desk.view.service("web")->facts->spec, json, *desk.control.document());
        ASSERT_TRUE(spec);
        EXPECT_EQ(desk.mutate(PutApiInstance{"web", *spec, json}), "");
    };
    const std::string id(desk.view.instance(std::string_view("web-1-1"))->facts->id.view());
    // With its traffic, it serves where it was until the new address has passed.
    put("10.0.9.1:80");
    EXPECT_EQ(desk.view.instance(std::string_view("web-1-1"))->facts->where(), "10.0.1.1:80");
    put("10.0.1.1:80");
    ASSERT_EQ(desk.mutate(Drain{"web", id}), "");
    put("10.0.9.2:80");
    const auto* moved = desk.view.instance(std::string_view("web-1-1"));
    EXPECT_EQ(moved->facts->where(), "10.0.9.2:80");
    EXPECT_EQ(moved->facts->next, nullptr);
    EXPECT_EQ(moved->facts->id.view(), id);
    ASSERT_EQ(desk.mutate(Resume{"web", id}), "");
    EXPECT_EQ(desk.eligible(), Names{}) << "nobody was asked there yet";
    desk.judge("web-1-1", verdict::State::healthy);
    EXPECT_EQ(desk.eligible(), Names{"web-1-1"});
}

}  // namespace
}  // namespace hale::catalog
