// Goal: what processes before this one left is brought to its end: replacements that were cut off, and containers of deployments
// that are not on record; and nothing of anybody else is touched.
// Method: as in fleet_test.cc, with an engine that has it all when this begins.

#include <algorithm>

#include "fleet/port_test.h"

namespace hale::fleet {
namespace {

// A process before this one ended between two steps of a replacement.
TEST(Leftovers, AReplacementThatWasCutOffIsBroughtToItsEnd) {
    const std::string old(64, 'a'), aside = "web-1-1-sick-aaaaaaaaaaaa";
    struct Case {
        std::string made;  // The state of who has the name; empty: nobody has.
        std::vector<std::string> asked;
    };
    for (const bool deployed : {true, false})
        for (const auto& one : {Case{"", {"POST " + old + "/rename", "POST " + old + "/start"}}, Case{"created", {"POST new/start", "DELETE " + old}}, Case{"running", {"DELETE " + old}}, Case{"exited", {"DELETE " + old}}}) {
            Port port(deployed ? restarted : discovering);
            auto labels = deployed ? of_deployment("d-1", 1) : healed("replace");
            if (deployed) {
                EXPECT_EQ(port.desk.mutate(port.desk.stage("d-1", {"web-1-1"})), "");
                port.desk.judge("web-1-1", verdict::State::healthy);
                EXPECT_EQ(port.desk.mutate(port.desk.to("d-1", {}, {"web-1-1"})), "");
                EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{port.desk.record("d-1", 1, true)}), "");
            }
            port.make(old, aside, labels, "10.0.1.1");
            port.end(old, 143);
            if (!one.made.empty()) port.make("new", "web-1-1", labels, "10.0.1.2");
            if (!one.made.empty()) port.boxes["new"].state = one.made;
            port.start();
            port.run(3s);
            std::vector<std::string> done;
            for (const auto& asked : port.asked)
                if (!asked.starts_with("GET")) done.push_back(asked);
            // One that ended is started by healing, later.
            if (one.made == "exited" && done.size() > 1) done.resize(1);
            EXPECT_EQ(done, one.asked) << deployed << " " << one.made;
            EXPECT_FALSE(std::ranges::any_of(port.boxes, [&](const auto& it) { return it.second.name == aside; })) << deployed << " " << one.made;
            if (one.made != "exited") EXPECT_EQ(port.said("web-1-1"), "pass container web-1-1: runs") << deployed << " " << one.made;
            EXPECT_EQ(std::ranges::count(port.audit, "healing replace web/web-1-1"), 1);
        }
}

// An engine that was started again starts what is to run always, also what was put aside.
TEST(Leftovers, WhatWasPutAsideAndRunsTakesNobodysPlace) {
    const std::string old(64, 'z');
    for (const bool deployed : {true, false})
        for (const bool made : {true, false}) {
            Port port(deployed ? restarted : discovering);
            const auto labels = deployed ? of_deployment("d-1", 1) : healed("replace");
            if (deployed) {
                EXPECT_EQ(port.desk.mutate(port.desk.stage("d-1", {"web-1-1"})), "");
                port.desk.judge("web-1-1", verdict::State::healthy);
                EXPECT_EQ(port.desk.mutate(port.desk.to("d-1", {}, {"web-1-1"})), "");
                EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{port.desk.record("d-1", 1, true)}), "");
            }
            if (made) port.make("new", "web-1-1", labels, "10.0.1.1");
            port.make(old, "web-1-1-sick-zzzzzzzzzzzz", labels, "10.0.1.2");
            port.boxes[old].health = "unhealthy";
            port.may_remove = false;
            port.start();
            port.run(3s);
            if (made) EXPECT_EQ(port.said("web-1-1"), "pass container web-1-1: runs") << "as long as it can't be removed";
            port.may_remove = true;
            port.run(10s);
            EXPECT_EQ(port.boxes.contains(old), !made);
            if (!made) EXPECT_EQ(port.boxes[old].name, "web-1-1");
            EXPECT_EQ(port.said("web-1-1"), made ? "pass container web-1-1: runs" : "fail container web-1-1: its health check fails: exit code 1: db is away");
            EXPECT_EQ(port.instances().find("sick"), std::string::npos) << "it is no instance of its own";
        }
}

TEST(Leftovers, WhatIsNotOnRecordIsNotDoneAndTriedAgain) {
    const std::string old(64, 'a');
    Port port(discovering);
    port.make(old, "web-1-1-sick-aaaaaaaaaaaa", healed("replace"), "10.0.1.1");
    port.end(old, 143);
    port.may_audit = false;
    port.start();
    port.run(5s);
    EXPECT_EQ(port.boxes[old].name, "web-1-1-sick-aaaaaaaaaaaa");
    port.may_audit = true;
    port.run(10s);
    EXPECT_EQ(port.boxes[old].name, "web-1-1");
    EXPECT_EQ(port.instances(), "web-1-1 10.0.1.1:80");
}

// Another Hale on the same engine looks after its own.
TEST(Leftovers, WhatOthersMadeIsNotGoneOnWith) {
    const std::string old(64, 'a');
    Port port(deployable);  // Without discovery.
    port.make(old, "web-a-sick-aaaaaaaaaaaa", healed("replace"), "10.9.0.2");
    port.end(old, 143);
    port.make("c0", "web-4-1", [] { auto labels = of_deployment("d-4", 4); labels["hale.home"] = "/elsewhere"; return labels; }(), "10.9.0.3");
    port.start();
    port.run(10s);
    EXPECT_EQ(port.boxes[old].name, "web-a-sick-aaaaaaaaaaaa");
    EXPECT_EQ(port.instances(), "");
    EXPECT_TRUE(port.audit.empty());
    EXPECT_EQ(port.refusals, std::vector<std::string>{"container web-4-1: its label hale.home says \"/elsewhere\", and the state of this Hale is in \"\": another one made it; it is no instance"});
}

TEST(Leftovers, WhoWasTakenAwayByHandStaysAway) {
    Port port(deployable);
    port.make("c0", "web-4-1", of_deployment("d-4", 4), "10.9.0.2");
    port.start();
    EXPECT_EQ(port.instances(), "web-4-1 10.9.0.2:80");
    EXPECT_EQ(port.desk.mutate(catalog::RemoveApiInstance{"web", "web-4-1"}), "");
    port.run(1min);
    EXPECT_EQ(port.instances(), "");
}

// Somebody took its name meanwhile: it is said once, and nothing is done under a name that is not its own.
TEST(Leftovers, WhoCannotBePutBackIsLeftAsItIs) {
    Port port(restarted);
    const std::string old(64, 'a');
    port.serve_deployed();
    port.remove("c0");
    port.make(old, "web-1-1-sick-aaaaaaaaaaaa", of_deployment("d-1", 1), "10.0.1.1");
    port.end(old, 143);
    port.may_rename = false;
    port.desk.judge("web-1-1", verdict::State::unhealthy);
    port.asked.clear();
    port.run(1min);
    EXPECT_EQ(std::ranges::count_if(port.asked, [](const auto& one) { return !one.starts_with("GET"); }), 3) << "at once, and 10 s and 30 s later";
    EXPECT_EQ(std::ranges::count(port.asked, "POST " + old + "/rename"), 3) << "nothing else is done with it";
    EXPECT_EQ(std::ranges::count_if(port.notices, [](const auto& one) { return one.starts_with("healing.failed: its name can't be given back"); }), 3);
    port.may_rename = true;
    port.run(1min);
    EXPECT_EQ(port.boxes[old].name, "web-1-1");
    EXPECT_EQ(port.said("web-1-1"), "pass container web-1-1: runs");
}

TEST(Leftovers, WhatWasPutAsideIsLeftToADeployment) {
    const std::string old(64, 'a');
    for (const bool under_way : {true, false}) {
        Port port(restarted);
        // Its instance is gone; or a deployment is about to take it away.
        if (under_way) port.serve_deployed();
        EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{under_way ? port.desk.record("d-7", 7, false) : port.desk.record("d-1", 1, true)}), "");
        port.boxes.erase("c0");
        port.make(old, "web-1-1-sick-aaaaaaaaaaaa", of_deployment("d-1", 1), "10.0.1.1");
        port.end(old, 143);
        port.start();
        port.run(5s);
        EXPECT_EQ(port.boxes[old].name, "web-1-1-sick-aaaaaaaaaaaa") << under_way;
        EXPECT_EQ(port.boxes[old].state, "exited");
        EXPECT_TRUE(port.audit.empty());
    }
}

// ---- A Hale whose state is lost ----

TEST(Leftovers, WhatAnEarlierHaleDeployedIsItsInstancesAgain) {
    Port port(deployable);
    port.make("c0", "web-4-1", of_deployment("d-4", 4), "10.9.0.2");
    port.make("c1", "web-4-2", of_deployment("d-4", 4), "10.9.0.3");
    port.make("c2", "web-5-1", of_deployment("d-5", 5, "b"), "10.9.0.4");
    port.make("c3", "other-1-1", {{"hale.service", "other"}, {"hale.deployment", "d-9"}, {"hale.port", "80"}}, "10.9.0.5");
    port.end("c1", 1);
    port.start();
    EXPECT_EQ(port.instances(), "web-4-1 10.9.0.2:80") << "the version that served, as far as it runs";
    EXPECT_EQ(port.instances("other"), "no service") << "labels declare none";
    EXPECT_EQ(port.audit, std::vector<std::string>{"docker take up web/web-4-1"});
    ASSERT_EQ(port.refusals.size(), 1u);
    EXPECT_EQ(port.refusals[0], "container web-5-1: deployment d-5, which is not on record here, made it as another version than web-4-1, which is there; it is no instance");
    EXPECT_EQ(port.said("web-4-1"), "pass container web-4-1: runs");
    port.go("c1");
    port.run(2s);
    EXPECT_EQ(port.instances(), "web-4-1 10.9.0.2:80, web-4-2 10.9.0.3:80") << "the other one of it runs again";
    port.run(10s);
    EXPECT_EQ(port.audit.size(), 2u) << "each is taken up once";
    EXPECT_EQ(std::ranges::count_if(port.notices, [](const auto& one) { return one.starts_with("labels.refused"); }), 1);
    port.remove("c2");
    port.run(2s);
    EXPECT_EQ(port.refusals, std::vector<std::string>{}) << "what is gone is not told any more";
}

TEST(Leftovers, NobodyIsTakenUpBeforeAllWereSeen) {
    Port port(deployable);
    port.make("c0", "web-4-1", of_deployment("d-4", 4), "10.9.0.2");
    port.make("c1", "web-5-1", of_deployment("d-5", 5, "b"), "10.9.0.3");
    port.slow = "c0";
    port.start();
    port.run(500ms);
    EXPECT_EQ(port.instances(), "") << "the one that is seen is not the one that served";
    port.run(2s);
    EXPECT_EQ(port.instances(), "web-4-1 10.9.0.2:80");
}

// Whoever has instances, or a deployment on record that made the container, is nobody's heir.
TEST(Leftovers, NothingIsTakenUpBesideWhatIsOnRecord) {
    struct Case {
        std::string what, yaml;
        std::function<void(Port&)> prepare;
    };
    const auto fails = [](Port& port) { EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{port.desk.record("d-4", 4, true)}), ""); };
    const std::vector<Case> cases{
        {"the file declares its instances", "services:\n  web: {check: {http: /up}, instances: [\"10.0.0.1:80\"], deploy: {image: a}}\n", nullptr},
        {"the service can't be deployed", "docker: {discover: true}\nservices:\n  web: {check: {http: /up}}\n", nullptr},
        {"its instances are the file's alone", "services:\n  web: {check: {http: /up}, instances: fixed, deploy: {image: a}}\n", nullptr},
        {"the deployment is on record, and failed", deployable, fails},
        {"a deployment is under way", deployable, [](Port& port) { EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{port.desk.record("d-7", 7, false)}), ""); }},
        {"a deployment serves", deployable, [](Port& port) {
             EXPECT_EQ(port.desk.mutate(port.desk.stage("d-7", {"web-7-1"})), "");
             port.desk.judge("web-7-1", verdict::State::healthy);
             EXPECT_EQ(port.desk.mutate(port.desk.to("d-7", {}, {"web-7-1"})), "");
             EXPECT_EQ(port.desk.mutate(catalog::RecordDeployment{port.desk.record("d-7", 7, true)}), "");
         }}};
    for (const auto& one : cases) {
        Port port(one.yaml);
        if (one.prepare) one.prepare(port);
        const std::string before = port.instances();
        port.make("c0", "web-4-1", of_deployment("d-4", 4), "10.9.0.2");
        port.start();
        port.run(5s);
        EXPECT_EQ(port.instances(), before) << one.what;
        EXPECT_TRUE(port.audit.empty()) << one.what;
    }
}

}  // namespace
}  // namespace hale::fleet
