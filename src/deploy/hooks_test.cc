// Goal: hooks are asked in their order, each once, until one says no; what they are told is the deployment; and who is gone
// hears nothing.
// Method: each answer a hook may give, by request and by program, at each place of a list of three.

#include "deploy/hooks.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "expect/conditions.h"
#include "sim/seed.h"
#include "sim/blocking.h"
#include "sim/world.h"

namespace hale::deploy {
namespace {

const HookFacts told{.when = "before", .deployment = "d-1", .service = "web", .image = "web:2", .number = 7, .targets = {"10.0.0.1:80", "10.0.0.2:80"}};

struct Square final : catalog::Deploying {
    void mutate(catalog::Mutation, catalog::MutationReply) override {}
    void look(std::string, std::move_only_function<void(catalog::ServiceNow)>) override {}
    void verify(catalog::VerifyRequest, catalog::VerifyReply) override {}
    void when_gone(std::vector<std::string>, io::Task) override {}
    void traffic(std::string, std::move_only_function<void(catalog::TrafficNow)>) override {}
    void probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) override {
        asked.push_back(check);
        log.push_back(target + std::get<config::HttpCheck>(check->what).path);
        const auto at = asked.size() - 1;
        verdict::Observation seen{.outcome = log.size() == bad + 1 ? verdict::Outcome::fail : verdict::Outcome::pass};
        seen.text = seen.outcome == verdict::Outcome::fail ? fmt::format("status 50{}", at) : "";
        if (!silent) world.loop().post([reply = std::move(reply), seen]() mutable { reply(seen); });
    }
    std::string run(std::vector<HookCall> calls) {
        std::string said = "nothing";
        hooks->run(std::move(calls), [&](Result<> done) { said = done ? "yes" : done.error().text; });
        world.run_for(60s);
        return said;
    }

    sim::World world{5};
    std::size_t bad = 99;
    bool silent = false;
    sim::Spawner::Ending ending;
    std::vector<io::SpawnRequest> ran;
    std::vector<std::string> log;
    std::vector<std::shared_ptr<const config::CheckSpec>> asked;
    sim::Spawner spawner{world, [this](const io::SpawnRequest& request) {
                             ran.push_back(request);
                             log.push_back(request.arguments.front());
                             return log.size() == bad + 1 ? ending : sim::Spawner::Ending{};
                         }};
    std::unique_ptr<Hooks> hooks = std::make_unique<Hooks>(Hooks::Parts{.loop = world.loop(), .catalog = *this, .spawner = &spawner, .exec_user = "nobody"});
};

HookCall http(std::string url) { return {{.url = std::move(url)}, told}; }
HookCall exec(std::string path) { return {{.exec = {std::move(path), "x"}, .timeout = 3s}, told}; }

TEST(Hooks, AreAskedInTheirOrderUntilOneSaysNo) {
    for (std::size_t bad = 0; bad <= 3; ++bad) {
        Square square;
        square.bad = bad;
        square.ending.result = io::SpawnResult{.exit_code = 3, .output = "not today\nsecond line"};
        const auto said = square.run({exec("/bin/one"), http("https://a.example:8443/two?x=1"), exec("/bin/three")});
        EXPECT_EQ(square.log.size(), std::min<std::size_t>(bad + 1, 3));
        if (bad == 3) { EXPECT_EQ(said, "yes"); }
        if (bad == 0) { EXPECT_EQ(said, "the hook before /bin/one: exit code 3: not today"); }
        if (bad == 1) { EXPECT_EQ(said, "the hook before https://a.example:8443/two?x=1: status 500"); }
        if (bad == 3) { EXPECT_EQ(square.log, (std::vector<std::string>{"/bin/one", "https://a.example:8443/two?x=1", "/bin/three"})); }
    }
    Square square;
    EXPECT_EQ(square.run({}), "yes");
}

TEST(Hooks, AreToldTheDeployment) {
    Square square;
    HookCall put = http("http://a.example");
    put.hook.method = "PUT";
    put.hook.headers = {{"X-Of", "us", false}, {"Authorization", "hush", true}};
    put.hook.status = 204;
    put.hook.timeout = 9s;
    HookCall get = http("http://a.example/?q=1");
    get.hook.method = "GET";
    EXPECT_EQ(square.run({put, get, exec("/bin/x")}), "yes");
    const auto& first = std::get<config::HttpCheck>(square.asked.at(0)->what);
    EXPECT_EQ(first.method, "PUT");
    EXPECT_EQ(first.path, "/");
    EXPECT_EQ(first.body, R"({"when":"before","deployment":"d-1","service":"web","number":7,"image":"web:2","targets":["10.0.0.1:80","10.0.0.2:80"]})");
    EXPECT_EQ(first.headers, (std::vector<std::pair<std::string, std::string>>{{"X-Of", "us"}, {"Authorization", "hush"}, {"Content-Type", "application/json"}}));
    EXPECT_EQ(first.secret_headers, std::vector<std::string>{"Authorization"});
    EXPECT_EQ(square.asked.at(0)->timing.timeout, 9s);
    EXPECT_EQ(square.asked.at(0)->expect->text(), "[STATUS] == 204");
    const auto& second = std::get<config::HttpCheck>(square.asked.at(1)->what);
    EXPECT_EQ(second.path, "/?q=1");
    EXPECT_EQ(second.body, "");
    EXPECT_EQ(square.asked.at(1)->expect->text(), "[STATUS] == 2xx");
    ASSERT_EQ(square.ran.size(), 1u);
    EXPECT_EQ(square.ran[0].user, "nobody");
    EXPECT_EQ(square.ran[0].timeout, 3s);
    EXPECT_EQ(square.ran[0].environment, (std::vector<std::string>{"HALE_WHEN=before", "HALE_DEPLOYMENT=d-1", "HALE_SERVICE=web", "HALE_NUMBER=7", "HALE_IMAGE=web:2",
                                                                   "HALE_TARGETS=10.0.0.1:80 10.0.0.2:80"}));
}

TEST(Hooks, WhoIsGoneHearsNothingAndWhoCanNotRunSaysSo) {
    Square square;
    square.silent = true;
    bool heard = false;
    square.hooks->run({http("http://a/")}, [&](Result<>) { heard = true; });
    square.hooks.reset();
    square.world.run_for(60s);
    EXPECT_FALSE(heard);
    Hooks bare({.loop = square.world.loop(), .catalog = square});
    std::string said;
    bare.run({exec("/bin/x")}, [&](Result<> done) { said = done ? "yes" : done.error().text; });
    EXPECT_EQ(said, "the hook before /bin/x: this process can't run programs");
}

TEST(Hooks, AllTogetherMayTakeTheSumOfTheirTimes) {
    EXPECT_EQ(hooks_budget({}), 0s);
    EXPECT_EQ(hooks_budget({{.timeout = 10s}, {.timeout = 30s}}), 40s + 2 * hook_margin);
}

}  // namespace
}  // namespace hale::deploy
