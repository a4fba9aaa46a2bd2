// Goal: what the simulator's engine says is what a real one says.
// Method: a whole life of containers, networks and commands at the engine that HALE_TEST_DOCKER names ("unix:///run/test.sock"), which
// must hold an image hale-test:checked: busybox with its sh, made with
//
//   HEALTHCHECK --interval=1s --start-period=5s --retries=2 CMD ["/bin/busybox", "test", "-e", "/ok"]
//
// Without that variable nothing is tried. With HALE_TEST_DOCKER_RESTARTS somebody restarts the engine during the last test.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "docker/engine.h"
#include "docker/watch.h"
#include "os/ares_resolver.h"
#include "os/child_stream.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"

namespace hale::docker {
namespace {

constexpr std::string_view image = "hale-test:checked";

struct RealEngine : testing::Test {
    void SetUp() override {
        const char* place = std::getenv("HALE_TEST_DOCKER");
        if (place == nullptr) GTEST_SKIP() << "HALE_TEST_DOCKER names no engine";
        loop = std::move(*os::EpollLoop::create());
        net = std::make_unique<os::EpollNet>(*loop);
        resolver = std::move(*os::AresResolver::create(*loop, {}));
        auto parsed = parse_place(place);
        ASSERT_TRUE(parsed) << parsed.error().text;
        Dial dial = [this](const std::vector<std::string>& command) { return os::connect_child(*loop, command); };
        engine = std::make_unique<Engine>(Ways{*loop, *net, *resolver, scratch, std::move(dial), "hale/test"}, *parsed);
        for (const std::string& id : left()) done([&](Instant by, Then<> then) { return engine->remove(id, {.force = true, .volumes = true}, by, std::move(then)); });
    }
    std::vector<std::string> left() {
        std::vector<std::string> out;
        if (const auto all = get<std::vector<Listed>>([&](Instant by, auto then) { return engine->list({"hale.test"}, by, std::move(then)); }))
            for (const Listed& one : *all) out.push_back(one.id);
        return out;
    }
    template <class T, class Begin>
    Result<T> get(Begin begin) {
        std::optional<Result<T>> out;
        loop->run_once();
        const Call call = begin(loop->fresh_now() + 60s, Then<T>([&](Result<T> it) { out = std::move(it); }));
        EXPECT_TRUE(loop->run_until([&] { return out.has_value(); }, 70s));
        if (!out) return fail(Code::internal, "nothing came");
        return std::move(*out);
    }
    template <class Begin>
    Result<> done(Begin begin) {
        auto result = get<void>(std::move(begin));
        if (!result) last = result.error().text;
        return result;
    }
    Result<Inspected> inspect(const std::string& id) {
        return get<Inspected>([&](Instant by, auto then) { return engine->inspect(id, by, std::move(then)); });
    }
    ContainerPlan plan(std::vector<std::string> command) {
        return {.name = "", .image = std::string(image), .labels = {{"hale.test", "yes"}}, .command = std::move(command), .network = "none"};
    }
    Result<Created> create(const ContainerPlan& what) {
        return get<Created>([&](Instant by, auto then) { return engine->create(what, by, std::move(then)); });
    }
    Result<> start(const std::string& id) {
        return done([&](Instant by, auto then) { return engine->start(id, by, std::move(then)); });
    }

    std::unique_ptr<os::EpollLoop> loop;
    std::unique_ptr<os::EpollNet> net;
    std::unique_ptr<os::AresResolver> resolver;
    http::Scratch scratch;
    std::unique_ptr<Engine> engine;
    std::string last;
};

TEST_F(RealEngine, SaysWhoItIs) {
    const auto clock = get<std::optional<Utc>>([&](Instant by, auto then) { return engine->ping(by, std::move(then)); });
    ASSERT_TRUE(clock && *clock);
    EXPECT_LT(std::abs(seconds(**clock - loop->utc())), 5);
    const auto info = get<EngineInfo>([&](Instant by, auto then) { return engine->info(by, std::move(then)); });
    ASSERT_TRUE(info) << info.error().text;
    EXPECT_GT(info->memory_bytes, 1u << 20);
    EXPECT_GT(info->processors, 0u);
    EXPECT_GE(engine->agreed(), oldest_api);
    const auto facts = get<ImageFacts>([&](Instant by, auto then) { return engine->inspect_image(image, by, std::move(then)); });
    ASSERT_TRUE(facts) << facts.error().text;
    EXPECT_EQ(facts->health_check->start_period, 5s);
    const auto none = get<ImageFacts>([&](Instant by, auto then) { return engine->inspect_image("no/such:image", by, std::move(then)); });
    EXPECT_EQ(none.error().code, Code::not_found) << none.error().text;
    const auto pulled = get<Pulled>([&](Instant by, auto then) { return engine->pull({.image = "localhost:1/no/such:image"}, by, {}, std::move(then)); });
    ASSERT_FALSE(pulled);
    EXPECT_NE(pulled.error().text.find("localhost:1"), std::string::npos) << pulled.error().text;
}

TEST_F(RealEngine, CarriesAContainerThroughItsLife) {
    ContainerPlan what = plan({"/bin/busybox", "sh", "-c", "echo to output; echo to errors >&2; touch /ok; trap 'exit 5' TERM; while true; do /bin/busybox sleep 1; done"});
    what.name = "hale-test-life";
    what.environment = {{"A", "b c"}};
    what.memory_bytes = 64 << 20;
    what.processors = 0.5;
    what.stop_timeout = 7s;
    const auto made = create(what);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(create(what).error().code, Code::conflict);
    EXPECT_EQ(inspect(made->id)->state, ContainerState::created);
    ASSERT_TRUE(start(made->id)) << last;
    ASSERT_TRUE(start(made->id)) << "a second time: " << last;
    auto it = inspect("hale-test-life");
    ASSERT_TRUE(it);
    EXPECT_EQ(it->state, ContainerState::running);
    EXPECT_EQ(it->id, made->id);
    EXPECT_EQ(it->stop_timeout, 7s);
    EXPECT_EQ(it->labels.at("hale.test"), "yes");
    ASSERT_TRUE(it->health);
    const Instant until = loop->fresh_now() + 30s;
    while (inspect(made->id)->health->status != HealthStatus::healthy && loop->fresh_now() < until) loop->run_until([] { return false; }, 200ms);
    it = inspect(made->id);
    EXPECT_EQ(it->health->status, HealthStatus::healthy);
    EXPECT_FALSE(it->health->log.empty());

    const auto exec = get<ExecDone>([&](Instant by, auto then) { return engine->exec(made->id, {.command = {"/bin/busybox", "sh", "-c", "echo $A; echo bad >&2; exit 9"}}, by, std::move(then)); });
    ASSERT_TRUE(exec) << exec.error().text;
    EXPECT_EQ(exec->exit_code, 9);
    EXPECT_EQ(exec->output, "b c\n");
    EXPECT_EQ(exec->errors, "bad\n");
    const auto missing = get<ExecDone>([&](Instant by, auto then) { return engine->exec(made->id, {.command = {"/no/such"}}, by, std::move(then)); });
    ASSERT_TRUE(missing) << missing.error().text;
    EXPECT_NE(missing->exit_code, 0);

    std::string output, errors;
    ASSERT_TRUE(done([&](Instant by, auto then) {
        return engine->logs(made->id, {.tail = 10}, by, [&](Source source, std::string_view bytes) { (source == Source::errors ? errors : output) += bytes; }, std::move(then));
    })) << last;
    EXPECT_EQ(output, "to output\n");
    EXPECT_EQ(errors, "to errors\n");

    std::optional<Result<Exited>> exited;
    const Call waiting = engine->wait(made->id, loop->fresh_now() + 60s, [&](Result<Exited> e) { exited = std::move(e); });
    ASSERT_TRUE(done([&](Instant by, auto then) { return engine->stop(made->id, 5s, by, std::move(then)); })) << last;
    EXPECT_TRUE(loop->run_until([&] { return exited.has_value(); }, 10s));
    EXPECT_EQ((*exited)->exit_code, 5);
    it = inspect(made->id);
    EXPECT_EQ(it->state, ContainerState::exited);
    EXPECT_EQ(it->exit_code, 5);
    EXPECT_TRUE(it->finished && it->started && *it->finished >= *it->started);
    EXPECT_EQ(left(), std::vector<std::string>{made->id});
    ASSERT_TRUE(done([&](Instant by, auto then) { return engine->remove(made->id, {}, by, std::move(then)); })) << last;
    EXPECT_EQ(inspect(made->id).error().code, Code::not_found);
    EXPECT_NE(inspect(made->id).error().text.find("No such container"), std::string::npos);
}

TEST_F(RealEngine, JoinsContainersToNetworks) {
    done([&](Instant by, auto then) { return engine->remove_network("hale-test-net", by, std::move(then)); });
    const auto id = get<std::string>([&](Instant by, auto then) { return engine->create_network({.name = "hale-test-net", .internal = true, .labels = {{"hale.test", "yes"}}}, by, std::move(then)); });
    if (!id) GTEST_SKIP() << "this engine can't make networks: " << id.error().text;
    ContainerPlan what = plan({"/bin/busybox", "sleep", "100"});
    what.network = "hale-test-net";
    what.aliases = {"web"};
    what.ports = {{{80, "tcp"}, "127.0.0.1", 0}};
    const auto made = create(what);
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_TRUE(start(made->id)) << last;
    const auto it = inspect(made->id);
    ASSERT_EQ(it->attachments.size(), 1u);
    EXPECT_TRUE(it->attachments[0].ip);
    EXPECT_EQ(it->attachments[0].network_id, *id);
    const auto facts = get<NetworkFacts>([&](Instant by, auto then) { return engine->inspect_network("hale-test-net", by, std::move(then)); });
    ASSERT_TRUE(facts && facts->members.size() == 1);
    EXPECT_EQ(facts->members[0].ip, it->attachments[0].ip);
    EXPECT_TRUE(done([&](Instant by, auto then) { return engine->disconnect("hale-test-net", made->id, by, std::move(then)); })) << last;
    EXPECT_TRUE(done([&](Instant by, auto then) { return engine->connect("hale-test-net", made->id, {"api"}, by, std::move(then)); })) << last;
    EXPECT_TRUE(done([&](Instant by, auto then) { return engine->remove(made->id, {.force = true}, by, std::move(then)); })) << last;
    EXPECT_TRUE(done([&](Instant by, auto then) { return engine->remove_network("hale-test-net", by, std::move(then)); })) << last;
}

// As over ssh, without ssh: the same command, here.
TEST_F(RealEngine, IsReachedThroughACommand) {
    const std::string host = fmt::format("DOCKER_HOST={}", std::getenv("HALE_TEST_DOCKER"));
    const Dial dial = [&](const std::vector<std::string>& command) {
        EXPECT_EQ(command[command.size() - 3], "docker");
        return os::connect_child(*loop, {"/usr/bin/env", host, "docker", "system", "dial-stdio"});
    };
    engine = std::make_unique<Engine>(Ways{*loop, *net, *resolver, scratch, dial, "hale/test"}, *parse_place("ssh://somewhere"));
    const auto info = get<EngineInfo>([&](Instant by, auto then) { return engine->info(by, std::move(then)); });
    ASSERT_TRUE(info) << info.error().text;
    EXPECT_FALSE(info->engine.empty());
    const auto none = inspect("no-such-container");
    EXPECT_EQ(none.error().text, "inspect container no-such-container at ssh://somewhere: No such container: no-such-container");
}

// HALE_TEST_DOCKER_PULLS names an image of a registry that this engine reaches.
TEST_F(RealEngine, Pulls) {
    const char* name = std::getenv("HALE_TEST_DOCKER_PULLS");
    if (name == nullptr) GTEST_SKIP() << "HALE_TEST_DOCKER_PULLS names no image";
    std::size_t lines = 0;
    const auto pulled = get<Pulled>([&](Instant by, auto then) { return engine->pull({.image = name}, by, [&](const PullProgress&) { ++lines; }, std::move(then)); });
    ASSERT_TRUE(pulled) << pulled.error().text;
    EXPECT_TRUE(pulled->digest.starts_with("sha256:"));
    EXPECT_GT(lines, 2u);
    const auto facts = get<ImageFacts>([&](Instant by, auto then) { return engine->inspect_image(name, by, std::move(then)); });
    ASSERT_TRUE(facts) << facts.error().text;
    EXPECT_NE(facts->digests[0].find(pulled->digest), std::string::npos);
    const auto missing = get<Pulled>([&](Instant by, auto then) { return engine->pull({.image = std::string(name) + "-none"}, by, {}, std::move(then)); });
    EXPECT_EQ(missing.error().code, Code::not_found) << missing.error().text;
}

struct Told final : WatchListener {
    std::map<std::string, Inspected> containers;
    int ups = 0, downs = 0;
    void on_container(const Inspected& one) override { containers[one.id] = one; }
    void on_gone(const std::string& id) override { containers.erase(id); }
    void on_engine(bool up, const std::string& text) override {
        ++(up ? ups : downs);
        fmt::print("{}: {}\n", up ? "up" : "down", text);
        std::fflush(stdout);  // Whoever restarts the engine waits for it.
    }
    void on_unreadable(const std::string& id, const Error& why) override { fmt::print("{}: {}\n", id, why.text); }
};

TEST_F(RealEngine, IsWatched) {
    Told told;
    Watch watch(*engine, {"hale.test=yes"}, 1, told);
    const auto before = create(plan({"/bin/busybox", "sh", "-c", "exit 3"}));
    ASSERT_TRUE(before) << before.error().text;
    watch.start();
    ASSERT_TRUE(loop->run_until([&] { return told.ups == 1; }, 20s));
    EXPECT_TRUE(told.containers.contains(before->id));
    ASSERT_TRUE(start(before->id)) << last;
    EXPECT_TRUE(loop->run_until([&] { return told.containers[before->id].state == ContainerState::exited; }, 20s));
    EXPECT_EQ(told.containers[before->id].exit_code, 3);
    const auto sick = create(plan({"/bin/busybox", "sleep", "100"}));
    ASSERT_TRUE(start(sick->id)) << last;
    const auto health = [&](const std::string& id) { return told.containers[id].health ? told.containers[id].health->status : HealthStatus::none; };
    EXPECT_TRUE(loop->run_until([&] { return health(sick->id) == HealthStatus::unhealthy; }, 30s));
    EXPECT_TRUE(get<ExecDone>([&](Instant by, auto then) { return engine->exec(sick->id, {.command = {"/bin/busybox", "touch", "/ok"}}, by, std::move(then)); }));
    EXPECT_TRUE(loop->run_until([&] { return health(sick->id) == HealthStatus::healthy; }, 30s));
    if (std::getenv("HALE_TEST_DOCKER_RESTARTS") != nullptr) {
        EXPECT_TRUE(loop->run_until([&] { return told.downs == 1; }, 60s));
        EXPECT_TRUE(loop->run_until([&] { return told.ups == 2; }, 60s));
        EXPECT_TRUE(told.containers.contains(sick->id));
    }
    for (const std::string& id : left()) EXPECT_TRUE(done([&](Instant by, auto then) { return engine->remove(id, {.force = true}, by, std::move(then)); })) << last;
    EXPECT_TRUE(loop->run_until([&] { return told.containers.empty(); }, 20s));
    EXPECT_EQ(told.downs, std::getenv("HALE_TEST_DOCKER_RESTARTS") != nullptr ? 1 : 0);
}

}  // namespace
}  // namespace hale::docker
