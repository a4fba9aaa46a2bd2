// What the tests of this folder share: a scripted engine of containers and the real control in the simulator, joined by posts as in
// the daemon; and labels and configurations that several of them take.

#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catalog/testing.h"
#include "docker/scripted_engine.h"
#include "fleet/fleet.h"
#include "sim/resolver.h"

namespace hale::fleet {

using Json = nlohmann::json;
using docker::ScriptedEngine;
using Reply = ScriptedEngine::Reply;

inline const std::string discovering = "docker: {discover: true}\nservices: {}\n";
inline const std::string restarted = "services:\n  web: {hosts: [web.example], check: {http: /up}, heal: {policy: restart, after: 5s}, deploy: {image: a}}\n";
inline const std::string deployable = "services:\n  web: {hosts: [web.example], check: {http: /up}, deploy: {image: a}}\n";

inline const std::map<std::string, std::string> web{{"hale.service", "web"}, {"hale.host", "web.example"}, {"hale.check.http", "/up"}};

inline std::map<std::string, std::string> healed(const std::string& policy) {
    auto out = web;
    out["hale.heal.policy"] = policy;
    out["hale.heal.after"] = "5s";
    return out;
}

inline std::map<std::string, std::string> of_deployment(const std::string& id, int number, const std::string& version = "a") {
    return {{"hale.service", "web"}, {"hale.deployment", id}, {"hale.number", std::to_string(number)}, {"hale.config", version}, {"hale.port", "80"}};
}

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

}  // namespace hale::fleet
