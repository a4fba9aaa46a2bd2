// Goal: control holds what the engine's containers are, whatever happens between: they come, end, are stopped, removed, and the
// engine goes and comes; sick ones are treated as healing says, and on record first.
// Method: a scripted engine of containers and the real control in the simulator, joined by posts; what is in force is read from
// control's readers and from what workers were told.

#include "fleet/fleet.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "catalog/testing.h"
#include "docker/scripted_engine.h"
#include "sim/resolver.h"

namespace hale::fleet {
namespace {

using Json = nlohmann::json;
using docker::ScriptedEngine;
using Reply = ScriptedEngine::Reply;

const std::string discovering = "docker: {discover: true}\nservices: {}\n";
const std::string restarted = "services:\n  web: {hosts: [web.example], check: {http: /up}, heal: {policy: restart, after: 5s}, deploy: {image: a}}\n";

struct Port final : catalog::Discovering {
    explicit Port(const std::string& yaml, std::string_view place = "unix:///run/docker.sock", config::Restored restored = {})
        : desk(yaml, std::move(restored)), network(desk.world), loop(desk.world.make_loop("fleet")), resolver(names, loop) {
        network.add_host("hale", {"10.0.0.1"});
        scripted = std::make_unique<ScriptedEngine>(desk.world, network, "hale", SocketAddress{.path = "/run/docker.sock"});
        scripted->answer = [this](const ScriptedEngine::Seen& seen) { return answer(seen); };
        loop.run([&] {
            engine = std::make_unique<docker::Engine>(docker::Ways{loop, network.net("hale", loop), resolver, scratch, {}, "hale/test"}, *docker::parse_place(place));
            fleet = std::make_unique<Fleet>(Fleet::Parts{.loop = loop, .engine = *engine, .catalog = *this, .seed = 5});
        });
    }
    ~Port() override {
        loop.run([&] {
            fleet.reset();
            engine.reset();
        });
        scripted.reset();
    }
    void start() {
        loop.run([&] { fleet->look(); });
        run(1s);
    }
    // What the engine does by itself happens between two turns of the world.
    void run(Duration time) {
        for (; time > Duration{0}; time -= std::min<Duration>(time, 10ms)) {
            desk.world.run_for(std::min<Duration>(time, 10ms));
            for (auto& one : std::exchange(later, {})) one();
        }
    }

    // ---- Discovering: the same as in the daemon, by posts ----
    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override {
        if (!may_audit && mutation.actor == "healing")
            return loop.post([reply = std::move(reply)]() mutable { reply(std::unexpected(catalog::MutationFailed{{Code::unavailable, "the disk is full"}, {}})); });
        audit.push_back(fmt::format("{} {} {}", mutation.actor, mutation.action, mutation.object));
        if (on_audit && mutation.actor == "healing") desk.world.loop().post([this] { on_audit(); });
        desk.world.loop().post([this, mutation = std::move(mutation), reply = std::move(reply)]() mutable {
            desk.control.mutate(std::move(mutation), [this, reply = std::move(reply)](catalog::MutationResult result) mutable {
                loop.post([reply = std::move(reply), result = std::move(result)]() mutable { reply(std::move(result)); });
            });
        });
    }
    void look(std::vector<std::string> services, std::move_only_function<void(catalog::Housing)> reply) override {
        desk.world.loop().post([this, services = std::move(services), reply = std::move(reply)]() mutable {
            loop.post([reply = std::move(reply), housing = desk.control.housing(services)]() mutable { reply(std::move(housing)); });
        });
    }
    void tell(std::vector<catalog::ContainerTold> told) override {
        desk.world.loop().post([this, told = std::move(told)]() mutable { desk.control.tell_containers(std::move(told)); });
    }
    void refused(std::vector<std::string> lines) override { refusals = std::move(lines); }
    void notice(std::string kind, std::string, std::string text) override { notices.push_back(kind + ": " + text); }

    // ---- The engine's machine ----
    struct Box {
        std::string name, state = "running", ip;
        std::map<std::string, std::string> labels;
        int code = 0, started = 1, made = 0;
        bool oom = false;
        std::string health;
    };
    void make(const std::string& id, const std::string& name, std::map<std::string, std::string> labels, const std::string& ip) {
        Box box;
        box.name = name;
        box.labels = std::move(labels);
        box.ip = ip;
        box.made = static_cast<int>(boxes.size());
        boxes[id] = std::move(box);
        happened("create", id);
        happened("start", id);
    }
    void end(const std::string& id, int code, bool stopped = false) {
        if (stopped) happened("kill", id, "\"signal\":\"15\",");
        boxes[id].state = "exited";
        boxes[id].code = code;
        happened("die", id, fmt::format("\"exitCode\":\"{}\",", code));
        if (stopped) happened("stop", id);
    }
    void go(const std::string& id) {
        boxes[id].state = "running";
        ++boxes[id].started;
        happened("start", id);
    }
    void remove(const std::string& id) {
        const Box box = boxes[id];
        boxes.erase(id);
        gone = box;
        happened("destroy", id);
    }
    // One container that a deployment made, which is over: it serves.
    void serve_deployed() {
        EXPECT_EQ(desk.mutate(desk.stage("d-1", {"web-1-1"})), "");
        desk.judge("web-1-1", verdict::State::healthy);
        EXPECT_EQ(desk.mutate(desk.to("d-1", {}, {"web-1-1"})), "");
        EXPECT_EQ(desk.mutate(catalog::RecordDeployment{desk.record("d-1", 1, true)}), "");
        make("c0", "web-1-1", {{"hale.service", "web"}, {"hale.deployment", "d-1"}, {"hale.port", "80"}}, "10.0.1.1");
        start();
    }
    void happened(std::string_view action, const std::string& id, std::string_view more = "") {
        const Box& box = boxes.contains(id) ? boxes[id] : gone;
        std::string labels;
        for (const auto& [key, value] : box.labels) labels += fmt::format("{}:{},", Json(key).dump(), Json(value).dump());
        const auto line = fmt::format(R"({{"Type":"container","Action":"{}","Actor":{{"ID":"{}","Attributes":{{{}{}"name":"{}"}}}},"timeNano":{}}})", action, id, labels, more, box.name,
                                      desk.world.utc().time_since_epoch().count()) + "\n";
        scripted->say("/events", ScriptedEngine::one_chunk(line));
    }
    Reply answer(const ScriptedEngine::Seen& seen) {
        const auto has = [&](std::string_view part) { return seen.target.find(part) != std::string::npos; };
        const auto ok = [](int status, std::string_view body = "") { return Reply{{ScriptedEngine::with_length(status, body)}}; };
        if (has("/_ping")) return {{ScriptedEngine::with_length(200, "OK", fmt::format("Date: {}\r\n", http_date(desk.world.utc())))}};
        if (has("/version")) return ok(200, R"({"ApiVersion":"1.41","MinAPIVersion":"1.12"})");
        if (has("/events")) return {{ScriptedEngine::stream_head()}, ScriptedEngine::Then::hold};
        if (has("/containers/json")) {
            Json list = Json::array();
            for (const auto& [id, box] : boxes)
                if (box.labels.contains(has("compose") ? "com.docker.compose.service" : "hale.service")) list.push_back({{"Id", id}, {"State", box.state}});
            return ok(200, list.dump());
        }
        if (has("/containers/create")) {
            if (!may_create) return ok(500, R"({"message":"no room"})");
            const auto at = seen.target.find("name=") + 5;
            const Json body = Json::parse(seen.body);
            Box box;
            box.name = seen.target.substr(at);
            box.state = "created";
            box.ip = "10.9.0.99";
            box.labels = body.at("Labels").get<std::map<std::string, std::string>>();
            boxes["made-again"] = std::move(box);
            later.push_back([this] { happened("create", "made-again"); });
            return ok(201, R"({"Id":"made-again"})");
        }
        const std::size_t from = seen.target.find("/containers/") + 12;
        std::string id = seen.target.substr(from, seen.target.find_first_of("/?", from) - from);
        for (const auto& [of, box] : boxes)
            if (box.name == id) id = of;
        const auto found = boxes.find(id);
        if (found == boxes.end()) return ok(404, R"({"message":"No such container"})");
        Box& box = found->second;
        asked.push_back(fmt::format("{} {}", seen.method, seen.target.substr(from, seen.target.find('?') - from)));
        if (has("/stop") && meanwhile) {
            later.push_back(std::exchange(meanwhile, nullptr));
            later.push_back([this, id] { end(id, 143, true); });
            Reply reply = ok(204);
            reply.after = 100ms;
            return reply;
        }
        if (has("/stop")) return later.push_back([this, id] { end(id, 143, true); }), ok(204);
        if (has("/start")) return later.push_back([this, id] { go(id); }), ok(204);
        if (has("/rename") && !may_rename) return ok(409, R"({"message":"the name is in use"})");
        if (has("/rename")) {
            box.name = seen.target.substr(seen.target.find("name=") + 5);
            later.push_back([this, id] { happened("rename", id); });
            return ok(204);
        }
        if (seen.method == "DELETE" && !may_remove) return ok(500, R"({"message":"not now"})");
        if (seen.method == "DELETE") return later.push_back([this, id] { remove(id); }), ok(204);
        const bool up = box.state == "running";
        const Duration after = id == slow ? Duration{2s} : Duration{0};
        Json out{{"Id", id}, {"Image", "sha256:11"}, {"Name", "/" + box.name}, {"Created", fmt::format("2026-01-01T00:00:{:02}Z", box.made)},
                 {"State", {{"Status", box.state}, {"ExitCode", box.code}, {"OOMKilled", box.oom}, {"StartedAt", fmt::format("2026-01-02T00:00:{:02}Z", box.started)}}},
                 {"Config", {{"Image", "web:1"}, {"Labels", box.labels}, {"ExposedPorts", {{"80/tcp", Json::object()}}}}},
                 {"HostConfig", {{"NetworkMode", "net"}}},
                 {"NetworkSettings", {{"Networks", {{"net", {{"IPAddress", up ? box.ip : ""}}}}}}}};
        if (!box.health.empty()) out["State"]["Health"] = {{"Status", box.health}, {"Log", Json::array({{{"ExitCode", 1}, {"Output", "db is away"}}})}};
        Reply told = ok(200, out.dump());
        told.after = after;
        return told;
    }

    // ---- What is in force ----
    std::string instances(std::string_view service = "web") const {
        std::string out;
        const auto* there = desk.view.service(service);
        if (there == nullptr) return "no service";
        for (const auto slot : there->instances) {
            const auto* one = desk.view.instance(slot);
            if (one == nullptr) continue;
            if (one->facts->lifecycle == verdict::Lifecycle::draining) continue;
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", one->facts->name.str(), one->facts->declared.str());
        }
        return out;
    }
    const catalog::ContainerWord* word(const std::string& name) const {
        for (const auto& [row, given] : desk.assigned)
            if (given.name == name) return given.container.get();
        return nullptr;
    }
    std::string said(const std::string& name) const {
        const auto* one = word(name);
        return one == nullptr ? "nothing" : fmt::format("{} {}", verdict::to_text(one->outcome), one->text);
    }

    catalog::PromptDesk desk;
    sim::Network network;
    sim::Loop& loop;
    sim::Names names;
    sim::Resolver resolver;
    http::Scratch scratch;
    std::map<std::string, Box> boxes;
    Box gone;
    bool may_create = true, may_rename = true, may_remove = true, may_audit = true;
    std::string slow;  // The engine takes its time to tell of this one.
    std::vector<io::Task> later;
    std::function<void()> meanwhile, on_audit;  // Before a container stops; before healing acts.
    std::vector<std::string> asked, audit, refusals, notices;
    std::unique_ptr<ScriptedEngine> scripted;
    std::unique_ptr<docker::Engine> engine;
    std::unique_ptr<Fleet> fleet;
};

const std::map<std::string, std::string> web{{"hale.service", "web"}, {"hale.host", "web.example"}, {"hale.check.http", "/up"}};

const std::string deployable = "services:\n  web: {hosts: [web.example], check: {http: /up}, deploy: {image: a}}\n";

std::map<std::string, std::string> of_deployment(const std::string& id, int number, const std::string& version = "a") {
    return {{"hale.service", "web"}, {"hale.deployment", id}, {"hale.number", std::to_string(number)}, {"hale.config", version}, {"hale.port", "80"}};
}

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

std::map<std::string, std::string> healed(const std::string& policy) {
    auto out = web;
    out["hale.heal.policy"] = policy;
    out["hale.heal.after"] = "5s";
    return out;
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

// A process before this one ended between two steps of a replacement.
TEST(Fleet, AReplacementThatWasCutOffIsBroughtToItsEnd) {
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
TEST(Fleet, WhatWasPutAsideAndRunsTakesNobodysPlace) {
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

TEST(Fleet, WhatIsNotOnRecordIsNotDoneAndTriedAgain) {
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
TEST(Fleet, WhatOthersMadeIsNotGoneOnWith) {
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

TEST(Fleet, WhoWasTakenAwayByHandStaysAway) {
    Port port(deployable);
    port.make("c0", "web-4-1", of_deployment("d-4", 4), "10.9.0.2");
    port.start();
    EXPECT_EQ(port.instances(), "web-4-1 10.9.0.2:80");
    EXPECT_EQ(port.desk.mutate(catalog::RemoveApiInstance{"web", "web-4-1"}), "");
    port.run(1min);
    EXPECT_EQ(port.instances(), "");
}

// Somebody took its name meanwhile: it is said once, and nothing is done under a name that is not its own.
TEST(Fleet, WhoCannotBePutBackIsLeftAsItIs) {
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

TEST(Fleet, WhatWasPutAsideIsLeftToADeployment) {
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

TEST(Fleet, WhatAnEarlierHaleDeployedIsItsInstancesAgain) {
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

TEST(Fleet, NobodyIsTakenUpBeforeAllWereSeen) {
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
TEST(Fleet, NothingIsTakenUpBesideWhatIsOnRecord) {
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
