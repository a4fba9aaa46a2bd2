// Goal: control holds what the engine's containers are, whatever happens between: they come, end, are stopped, removed, and the
// engine goes and comes; sick ones are treated as healing says, and on record first.
// Method: a scripted engine of containers and the real control in the simulator (port_test.h); what is in force is read from
// control's readers and from what workers were told.

#include "fleet/fleet.h"

#include "fleet/port_test.h"

namespace hale::fleet {
namespace {

TEST(Fleet, LabelledContainersComeAndGo) {
    Port port(discovering);
    port.make("c0", "web-0", web, "10.9.0.2");
    port.start();
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80");
    port.make("c1", "web-1", web, "10.9.0.3");
    port.make("c2", "worker", {{"hale.service", "worker"}, {"hale.check.http", "/up"}}, "10.9.0.4");
    port.make("c3", "composed", {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "api"}, {"hale.port", "81"}, {"hale.check.http", "/up"}}, "10.9.0.5");
    port.make("c4", "unasked", {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "db"}}, "10.9.0.6");
    port.run(100ms);
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
    EXPECT_EQ(port.instances("worker"), "worker 10.9.0.4:80");
    EXPECT_EQ(port.instances("shop-api"), "composed 10.9.0.5:81");
    EXPECT_EQ(port.instances("shop-db"), "no service");
    EXPECT_NE(port.desk.published->table.find("web.example", "/"), nullptr);
    EXPECT_EQ(port.desk.view.service("web")->facts->owner, config::Owner::labels);
    port.end("c1", 143, true);
    port.run(100ms);
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80");
    port.remove("c0");
    port.run(100ms);
    EXPECT_EQ(port.instances(), "no service");
    EXPECT_EQ(port.desk.published->table.find("web.example", "/"), nullptr);
    port.go("c1");
    port.run(100ms);
    EXPECT_EQ(port.instances(), "web-1 10.9.0.3:80");
}

TEST(Fleet, NothingIsLookedAtUnlessSomebodyAskedForIt) {
    for (const std::string yaml : {"services: {}\n", "docker: {discover: false}\nservices: {}\n"}) {
        Port port(yaml);
        port.make("c0", "web-0", web, "10.9.0.2");
        port.start();
        port.run(1min);
        EXPECT_EQ(port.scripted->seen.size(), 0u);
        EXPECT_EQ(port.instances(), "no service");
    }
}

TEST(Fleet, WithoutDiscoveryTheDeployersAreLookedAfterAlone) {
    Port port("services:\n  web: {check: {http: /up}, deploy: {image: a}}\n");
    port.make("c0", "web-0", web, "10.9.0.2");
    port.make("c1", "other", {{"hale.service", "other"}, {"hale.check.http", "/up"}}, "10.9.0.3");
    port.start();
    EXPECT_GT(port.scripted->seen.size(), 0u);
    EXPECT_EQ(port.instances(), "");
    EXPECT_EQ(port.instances("other"), "no service");
}

TEST(Fleet, AnEndIsSaidAtOnceAndWhoFellStaysToBeSeen) {
    Port port(discovering);
    port.make("c0", "web-0", web, "10.9.0.2");
    port.make("c1", "web-1", web, "10.9.0.3");
    port.start();
    EXPECT_EQ(port.said("web-0"), "pass container web-0: runs");
    EXPECT_EQ(port.desk.assigned.begin()->second.checks->back()->kind(), "docker");
    port.end("c0", 137);
    port.run(10ms);
    EXPECT_EQ(port.said("web-0"), "fail container web-0: exited with code 137");
    port.run(1s);
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
    port.go("c0");
    port.run(100ms);
    EXPECT_EQ(port.said("web-0"), "pass container web-0: runs");
    for (int i = 0; i < 2; ++i) {
        port.end("c0", 1);
        port.run(1s);
        port.go("c0");
        port.run(1s);
    }
    EXPECT_EQ(port.word("web-0")->reason, verdict::Reason::crash_loop);
    EXPECT_EQ(port.word("web-0")->outcome, verdict::Outcome::warn);
    port.run(5min);
    EXPECT_EQ(port.said("web-0"), "pass container web-0: runs");
    port.boxes["c1"].health = "unhealthy";
    port.happened("health_status: unhealthy", "c1");
    port.run(100ms);
    EXPECT_EQ(port.said("web-1"), "fail container web-1: its health check fails: exit code 1: db is away");
    EXPECT_EQ(port.word("web-1")->evidence, "exit code 1: db is away");
}

TEST(Fleet, TheEngineAwayChangesNothingAndIsComparedAfterwards) {
    Port port(discovering);
    port.make("c0", "web-0", web, "10.9.0.2");
    port.make("c1", "web-1", web, "10.9.0.3");
    port.start();
    port.scripted->stop();
    port.run(10min);
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
    EXPECT_EQ(port.said("web-0"), "pass container web-0: runs");
    EXPECT_EQ(port.notices.size(), 1u);
    port.boxes.erase("c0");
    port.boxes["c1"].ip = "10.9.0.33";
    port.boxes["c2"] = {.name = "web-2", .ip = "10.9.0.4", .labels = web, .health = ""};
    port.scripted->start();
    port.run(1min);
    EXPECT_EQ(port.instances(), "web-1 10.9.0.33:80, web-2 10.9.0.4:80");
}

TEST(Fleet, ARestartOfHaleKeepsWhatLabelsSaidUntilTheEngineSaysOtherwise) {
    config::Restored left;
    {
        Port before(discovering);
        before.make("c0", "web-0", web, "10.9.0.2");
        before.make("c1", "web-1", web, "10.9.0.3");
        before.start();
        left = before.desk.left();
        EXPECT_EQ(left.objects.size(), 3u);
    }
    for (const bool engine_there : {true, false}) {
        Port after(discovering, "unix:///run/docker.sock", left);
        EXPECT_EQ(after.instances(), "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
        EXPECT_NE(after.desk.published->table.find("web.example", "/"), nullptr);
        if (!engine_there) after.scripted->stop();
        after.boxes["c0"] = {.name = "web-0", .ip = "10.9.0.2", .labels = web, .health = ""};
        const auto before = after.audit.size();
        after.start();
        EXPECT_EQ(after.instances(), engine_there ? "web-0 10.9.0.2:80" : "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
        EXPECT_EQ(after.audit.size() - before, engine_there ? 1u : 0u);
    }
    Port off("services: {}\n", "unix:///run/docker.sock", left);
    off.start();
    EXPECT_EQ(off.instances(), "no service") << "discovery was switched off";
    EXPECT_TRUE(off.desk.left().objects.empty());
}

TEST(Fleet, WhatCanNotStandIsToldOnceAndHindersNobody) {
    Port port("docker: {discover: true}\nservices:\n  shop: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n"
              "  closed: {check: {http: /up}, instances: {fixed: [\"10.0.0.1:81\"]}}\n");
    port.make("c0", "web-0", web, "10.9.0.2");  // The file's host.
    port.make("c1", "joins", {{"hale.service", "shop"}}, "10.9.0.3");
    port.make("c2", "late", {{"hale.service", "closed"}}, "10.9.0.4");
    port.make("c3", "odd", {{"hale.service", "odd"}, {"hale.check.http", "/up"}, {"hale.check.interval", "soon"}}, "10.9.0.5");
    port.make("c4", "metal", {{"hale.service", "metal"}, {"hale.check.http", "/latest"}}, "169.254.169.254");
    port.make("c5", "fine", {{"hale.service", "fine"}, {"hale.check.http", "/up"}}, "10.9.0.6");
    port.start();
    port.run(10s);
    EXPECT_EQ(port.instances("fine"), "fine 10.9.0.6:80");
    EXPECT_EQ(port.instances("shop"), "shop-1 10.0.0.1:80, joins 10.9.0.3:80");
    for (const char* none : {"web", "odd", "metal"}) EXPECT_EQ(port.instances(none), "no service") << none;
    ASSERT_EQ(port.refusals.size(), 4u);
    EXPECT_NE(port.refusals[0].find("container late: service \"closed\" says `instances: fixed`"), std::string::npos) << port.refusals[0];
    EXPECT_NE(port.refusals[1].find("container metal: instance \"metal\": 169.254.169.254 is link-local"), std::string::npos) << port.refusals[1];
    EXPECT_NE(port.refusals[2].find("container odd: label hale.check.interval: \"soon\" is not a duration"), std::string::npos) << port.refusals[2];
    EXPECT_NE(port.refusals[3].find("hale.yml"), std::string::npos) << port.refusals[3];
    EXPECT_NE(port.refusals[3].find("labels"), std::string::npos) << port.refusals[3];
    EXPECT_EQ(port.notices.size(), 4u);
    port.make("c6", "more", {{"hale.service", "fine"}, {"hale.check.http", "/up"}}, "10.9.0.7");
    port.run(1s);
    EXPECT_EQ(port.notices.size(), 4u) << "each once";
    for (const char* id : {"c0", "c2", "c3", "c4"}) port.remove(id);
    port.run(1s);
    EXPECT_TRUE(port.refusals.empty());
}

TEST(Fleet, AFileThatDeclaresTheServiceTakesItOver) {
    Port port(discovering);
    port.make("c0", "web-0", web, "10.9.0.2");
    port.make("c1", "bare", {{"hale.service", "web"}}, "10.9.0.3");
    port.start();
    EXPECT_EQ(port.instances(), "bare 10.9.0.3:80, web-0 10.9.0.2:80") << "one that says nothing of the service joins it";
    const auto file = catalog::document("docker: {discover: true}\nservices:\n  web: {hosts: [web.example], check: {http: /health}, instances: [\"10.0.0.1:80\"]}\n");
    EXPECT_EQ(port.desk.mutate(catalog::ApplyDocument{file}), "");
    EXPECT_EQ(port.desk.view.service("web")->facts->owner, config::Owner::file);
    port.loop.run([&] { port.fleet->look(); });
    port.run(1s);
    EXPECT_EQ(port.instances(), "bare 10.9.0.3:80, web-1 10.0.0.1:80");
    ASSERT_EQ(port.refusals.size(), 1u);
    EXPECT_NE(port.refusals[0].find("container web-0: service \"web\" is declared by the file (hale.yml:3:3)"), std::string::npos) << port.refusals[0];
    EXPECT_EQ(port.desk.mutate(catalog::ApplyDocument{catalog::document(discovering)}), "");
    port.loop.run([&] { port.fleet->look(); });
    port.run(1s);
    EXPECT_EQ(port.instances(), "bare 10.9.0.3:80, web-0 10.9.0.2:80");
}

TEST(Fleet, ASickContainerIsRestartedOnRecordAndStaysAnInstance) {
    Port port(discovering);
    port.make("c0", "web-0", healed("restart"), "10.9.0.2");
    port.make("c1", "web-1", healed("restart"), "10.9.0.3");
    port.start();
    port.desk.judge("web-0", verdict::State::unhealthy);
    port.desk.judge("web-1", verdict::State::healthy);
    port.run(4s);
    EXPECT_TRUE(port.asked.empty() || port.asked.back().starts_with("GET")) << port.asked.back();
    port.run(3s);
    EXPECT_NE(std::ranges::find(port.asked, "POST c0/stop"), port.asked.end());
    EXPECT_NE(std::ranges::find(port.asked, "POST c0/start"), port.asked.end());
    EXPECT_EQ(std::ranges::count_if(port.asked, [](const auto& one) { return one.starts_with("POST c1"); }), 0);
    EXPECT_EQ(std::ranges::count(port.audit, "healing restart web/web-0"), 1);
    EXPECT_EQ(port.instances(), "web-0 10.9.0.2:80, web-1 10.9.0.3:80");
    EXPECT_EQ(port.said("web-0"), "pass container web-0: runs");
    const auto restarts = [&] { return std::ranges::count(port.asked, "POST c0/start"); };
    port.run(9s);
    EXPECT_EQ(restarts(), 1) << "the back-off is 10 s";
    port.run(3s);
    EXPECT_EQ(restarts(), 2);
    port.run(18s);
    EXPECT_EQ(restarts(), 2) << "and twice that";
}

TEST(Fleet, AnOperatorsWordKeepsHealingAway) {
    Port port(discovering);
    port.make("c0", "web-0", healed("restart"), "10.9.0.2");
    port.start();
    port.desk.judge("web-0", verdict::State::unhealthy);
    EXPECT_EQ(port.desk.mutate(catalog::SetOverride{.service = "web", .instance = "", .state = verdict::OverrideState::maintenance, .lasts = 1h, .reason = "r", .created = {}}), "");
    port.run(1min);
    EXPECT_EQ(std::ranges::count(port.asked, "POST c0/stop"), 0);
    EXPECT_EQ(port.desk.mutate(catalog::ClearOverride{"web", ""}), "");
    port.run(3s);
    EXPECT_EQ(std::ranges::count(port.asked, "POST c0/stop"), 1);
}

// Decided on what was so; what is so when it is done counts.
TEST(Fleet, WhoCameFirstIsNotTreatedOver) {
    for (const int who : {0, 1, 2}) {
        Port port(restarted);
        port.serve_deployed();
        port.desk.judge("web-1-1", verdict::State::unhealthy);
        const auto drain = [&] { EXPECT_EQ(port.desk.mutate(catalog::Drain{"web", port.desk.view.instance(std::string_view("web-1-1"))->facts->id.str()}), ""); };
        // Somebody takes it out of traffic while it stops; or it gets well just before.
        if (who == 1) port.meanwhile = drain;
        if (who == 2) port.on_audit = [&] { port.desk.judge("web-1-1", verdict::State::healthy); };
        port.run(8s);
        EXPECT_EQ(std::ranges::count(port.asked, "POST c0/stop"), who == 2 ? 0 : 1) << who;
        EXPECT_EQ(std::ranges::count(port.asked, "POST c0/start"), who == 0 ? 1 : 0) << who;
        EXPECT_EQ(std::ranges::count_if(port.notices, [](const auto& one) { return one.starts_with("healing.failed: healing: container web-1-1 of service web: container web-1-1 is left as it is: it "); }), who == 0 ? 0 : 1) << who;
    }
}

TEST(Fleet, WhatSomebodyStoppedIsNotStartedAgain) {
    Port port(restarted);
    port.serve_deployed();
    for (const bool by_hand : {true, false}) {
        port.end("c0", 143, by_hand);
        port.desk.judge("web-1-1", verdict::State::unhealthy);
        port.run(20s);
        EXPECT_EQ(std::ranges::count(port.asked, "POST c0/start") > 0, !by_hand);
        if (by_hand) port.go("c0");
        port.run(1s);
    }
}

TEST(Fleet, ASickContainerIsReplacedByOneThatIsTheSame) {
    for (const bool works : {true, false}) {
        Port port(discovering);
        port.make("c0", "web-0", healed("replace"), "10.9.0.2");
        port.start();
        port.desk.judge("web-0", verdict::State::unhealthy);
        port.may_create = works;
        port.run(9s);
        EXPECT_EQ(port.boxes.contains("c0"), !works);
        EXPECT_EQ(std::ranges::count_if(port.asked, [](const auto& one) { return one.starts_with("DELETE"); }), works ? 1 : 0) << "only what was made is removed, and by its id";
        EXPECT_EQ(port.boxes.contains("made-again"), works);
        for (const auto& [id, box] : port.boxes) {
            EXPECT_EQ(box.name, "web-0");
            EXPECT_EQ(box.state, "running");
            EXPECT_EQ(box.labels, healed("replace"));
        }
        EXPECT_EQ(port.instances(), works ? "web-0 10.9.0.99:80" : "web-0 10.9.0.2:80");
        EXPECT_EQ(std::ranges::count_if(port.notices, [](const auto& one) { return one.starts_with("healing.failed"); }), works ? 0 : 1);
    }
}

TEST(Fleet, ADeployedContainerThatMovedIsFollowed) {
    const std::string yaml = "services:\n  web: {hosts: [web.example], check: {http: /up}, deploy: {image: a}}\n";
    Port port(yaml);
    auto stage = port.desk.stage("d-1", {"web-1-1"});
    EXPECT_EQ(port.desk.mutate(std::move(stage)), "");
    port.desk.judge("web-1-1", verdict::State::healthy);
    EXPECT_EQ(port.desk.mutate(port.desk.to("d-1", {}, {"web-1-1"})), "");
    auto over = port.desk.record("d-1", 1, true);
    EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{over}), "");
    port.make("c0", "web-1-1", {{"hale.service", "web"}, {"hale.deployment", "d-1"}, {"hale.port", "80"}}, "10.0.1.1");
    port.start();
    EXPECT_EQ(port.said("web-1-1"), "pass container web-1-1: runs");
    port.end("c0", 1);
    port.boxes["c0"].ip = "10.0.1.77";
    port.go("c0");
    port.run(3s);
    EXPECT_EQ(port.instances(), "web-1-1 10.0.1.77:80");
    port.end("c0", 9);
    port.remove("c0");
    port.run(5s);
    EXPECT_EQ(port.said("web-1-1"), "fail container web-1-1: was removed") << "its instance is the deployment's";
}

}  // namespace
}  // namespace hale::fleet
