// Goal: what readers, composites and routers are told of several checks is what the judges believe (V1), through
// turns, reloads and restarts.
// Method: whole nodes on the simulator; backends with a health path for each check, one of them sick at a time.

#include <set>

#include "config/load.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

using verdict::State;

constexpr std::string_view quick = "defaults: {check: {interval: 1s, timeout: 500ms, rise: 2, fall: 2, confirm_interval: 200ms}}\n";

struct Court : Site {
    explicit Court(std::uint64_t seed, int count = 3) : Site(seed), client(world.make_loop("client")) {
        for (int i = 0; i < count; ++i)
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1)));
    }
    Backend& b(std::size_t i) { return *backends[i]; }
    bool until(const std::function<bool()>& holds, Duration most = 20s) { return world.run_until(holds, most); }

    sim::Loop& client;
    std::vector<std::unique_ptr<Backend>> backends;
};

State service_state(const Node& node, std::string_view service) {
    const auto* found = node.view().service(service);
    return found == nullptr ? State::unknown : found->standing.state;
}

State check_state(const Node& node, std::string_view instance, std::string_view check) {
    const auto* found = node.view().instance(instance);
    if (found == nullptr || !found->record) return State::pending;
    for (const auto& one : found->record->checks)
        if (one.name == check) return one.state;
    return State::pending;
}

TEST(Judging, V1ReadersAndCompositesHearOfEveryCheckThoughTheInstanceStandsAsItDid) {
    Court court(sim::seed_from_environment(41));
    Node node(court);
    ASSERT_TRUE(node.start(std::string{quick} + fmt::format(R"(
services:
  svc: {{instances: ["{}"], checks: {{a: {{http: /up}}, b: {{http: /health}}}}}}
  on-b: {{check: {{composite: {{of: [svc/b]}}}}}}
)",
                                                            court.b(0).address())));
    ASSERT_TRUE(court.until([&] { return service_state(node, "svc") == State::healthy && service_state(node, "on-b") == State::healthy; }));
    court.b(0).sick_at = "/up";
    ASSERT_TRUE(court.until([&] { return check_state(node, "svc-1", "a") == State::unhealthy; }));
    const auto version = node.view().instance("svc-1")->record->word.version;
    const auto revision = node.view().instance("svc-1")->revision;
    court.b(0).sick = true;
    EXPECT_TRUE(court.until([&] { return check_state(node, "svc-1", "b") == State::unhealthy; })) << "the second check turned";
    EXPECT_TRUE(court.until([&] { return service_state(node, "on-b") == State::unhealthy; }, 5s)) << "and what looks at it was told";
    EXPECT_EQ(node.view().instance("svc-1")->record->word.version, version) << "state, flags and reason code are as they were";
    EXPECT_GT(node.view().instance("svc-1")->revision, revision);
    court.b(0).sick = false;
    court.b(0).sick_at = "/health";
    EXPECT_TRUE(court.until([&] { return check_state(node, "svc-1", "a") == State::healthy; }));
    const auto& record = *node.view().instance("svc-1")->record;
    EXPECT_EQ(record.word.state, State::unhealthy);
    EXPECT_EQ(record.decided_by, "b");
    EXPECT_TRUE(record.text.contains("/health")) << record.text;
    EXPECT_TRUE(node.view().service("svc")->standing.text.contains("/health")) << node.view().service("svc")->standing.text;
    court.b(0).sick_at.clear();
    EXPECT_TRUE(court.until([&] { return service_state(node, "svc") == State::healthy && service_state(node, "on-b") == State::healthy; }));
}

TEST(Judging, ADrainSurvivesTheEndOfAPauseAndOnlyAResumeEndsItForGood) {
    Court court(sim::seed_from_environment(42));
    auto node = std::make_unique<Node>(court);
    const std::string yaml = std::string{quick} + fmt::format(R"(
services:
  web: {{hosts: [web.example], check: {{http: /up}}, instances: [{{name: web-1, address: "{}"}}, {{name: web-2, address: "{}"}}]}}
)",
                                                              court.b(0).address(), court.b(1).address());
    const auto start = [&] {
        node.reset();
        node = std::make_unique<Node>(court);
        ASSERT_TRUE(node->start(yaml));
    };
    const auto lifecycle = [&] { return node->view().instance("web-2")->facts->lifecycle; };
    ASSERT_TRUE(node->start(yaml));
    ASSERT_TRUE(court.until([&] { return service_state(*node, "web") == State::healthy; }));
    const std::string two = node->view().instance("web-2")->facts->id.str();
    ASSERT_TRUE(node->mutate(catalog::Drain{"", two}).has_value());
    ASSERT_TRUE(node->mutate(catalog::Pause{"web", 1s}).has_value());
    EXPECT_TRUE(node->view().service("web")->facts->paused_until.has_value());
    ASSERT_TRUE(court.until([&] { return !node->view().service("web")->facts->paused_until; }, 5s)) << "a pause ends";
    EXPECT_EQ(lifecycle(), verdict::Lifecycle::draining) << "and nothing else with it";
    start();
    EXPECT_EQ(lifecycle(), verdict::Lifecycle::draining);
    // The whole service drains, and a pause ends meanwhile: it drains on.
    ASSERT_TRUE(node->mutate(catalog::Drain{"web", ""}).has_value());
    ASSERT_TRUE(node->mutate(catalog::Pause{"web", 1s}).has_value());
    ASSERT_TRUE(court.until([&] { return !node->view().service("web")->facts->paused_until; }, 5s));
    EXPECT_TRUE(node->view().service("web")->facts->draining);
    start();
    EXPECT_TRUE(node->view().service("web")->facts->draining);
    // Resumed by somebody, with every instance, and that stays true.
    ASSERT_TRUE(node->mutate(catalog::Resume{"web", ""}).has_value());
    EXPECT_EQ(lifecycle(), verdict::Lifecycle::serving);
    start();
    EXPECT_EQ(lifecycle(), verdict::Lifecycle::serving);
    EXPECT_FALSE(node->view().service("web")->facts->draining);
}

// Requests without a pause while `change` happens and for a while after it: none may fail.
void nobody_is_turned_away(Court& court, Node& node, const std::string& yaml) {
    int asked = 0;
    const auto ask_some = [&](int count) {
        for (int i = 0; i < count; ++i, ++asked) {
            const auto got = get(court, court.client, node.worker_at(static_cast<unsigned>(asked) % node.workers()), "web.example");
            EXPECT_EQ(got->status(), 200) << "request " << asked << " after the reload to\n" << yaml << "\n" << got->text();
        }
    };
    std::optional<bool> done;
    node.ask(catalog::ApplyDocument{document(yaml)}, [&](catalog::MutationResult result) { done = result.has_value(); });
    while (!done) ask_some(1);
    EXPECT_TRUE(*done);
    ask_some(100);
}

TEST(Judging, V20ACheckOfAnotherKindOrOneMoreIsAChangedQuestion) {
    Court court(sim::seed_from_environment(43));
    Node node(court);
    const auto with = [&](std::string_view checks) {
        return std::string{quick} + fmt::format("services: {{web: {{hosts: [web.example], instances: [\"{}\"], {}}}}}\n", court.b(0).address(), checks);
    };
    ASSERT_TRUE(node.start(with("check: {tcp: \"\"}")));
    ASSERT_TRUE(court.until([&] { return service_state(node, "web") == State::healthy; }));
    const auto flags = [&] { return node.view().instance("web-1")->record->word.flags; };
    const auto settled = [&] { return court.until([&] { return flags() == verdict::Flags{}; }, 5s); };
    for (const std::string_view checks : {"check: {http: /up}", "checks: {main: {http: /up}, more: {tcp: \"\"}}", "checks: {main: {tcp: \"\"}, more: {http: /health}}",
                                          "checks: {first: {http: /health, critical: false}, main: {tcp: \"\"}, more: {http: /health}}"}) {
        nobody_is_turned_away(court, node, with(checks));
        EXPECT_TRUE(settled()) << checks;
        EXPECT_EQ(service_state(node, "web"), State::healthy) << checks;
    }
    // The new question is asked in earnest: a failing one turns the verdict.
    court.b(0).sick_at = "/health";
    ASSERT_TRUE(node.reload(with("checks: {main: {http: /up}, more: {http: /health}}")).has_value());
    EXPECT_TRUE(flags().has(verdict::Flag::checking));
    EXPECT_TRUE(court.until([&] { return service_state(node, "web") == State::unhealthy; }, 3s));
    EXPECT_EQ(node.view().instance("web-1")->record->decided_by, "more");
    // And one that joins an unhealthy instance does not make it well.
    ASSERT_TRUE(node.reload(with("checks: {main: {http: /up}, more: {http: /health}, third: {tcp: \"\"}}")).has_value());
    EXPECT_EQ(service_state(node, "web"), State::unhealthy);
    EXPECT_TRUE(court.until([&] { return check_state(node, "web-1", "third") == State::healthy; }, 5s));
    EXPECT_EQ(service_state(node, "web"), State::unhealthy);
}

TEST(Judging, V20TheFirstCheckOfWhatServedUncheckedTurnsNobodyAway) {
    Court court(sim::seed_from_environment(51));
    Node node(court);
    const auto with = [&](std::string_view check) {
        return std::string{quick} + fmt::format("services: {{web: {{hosts: [web.example], instances: [\"{}\"], {}}}}}\n", court.b(0).address(), check);
    };
    ASSERT_TRUE(node.start(with("check: none, reason: nobody asks")));
    EXPECT_EQ(get(court, court.client, node.worker_at(0), "web.example")->status(), 200);
    nobody_is_turned_away(court, node, with("check: {http: /up}"));
    EXPECT_TRUE(court.until([&] { return node.view().instance("web-1")->record->word.flags == verdict::Flags{}; }, 5s));
    EXPECT_EQ(service_state(node, "web"), State::healthy);
    ASSERT_TRUE(node.reload(with("check: none, reason: nobody asks")).has_value());
    court.b(0).sick_at = "/health";
    ASSERT_TRUE(node.reload(with("check: {http: /health}")).has_value());
    EXPECT_TRUE(court.until([&] { return service_state(node, "web") == State::unhealthy; }, 5s)) << "assumed until it is known";
}

TEST(Judging, AServiceWithoutInstancesIsJudgedByItsChecksOfServiceScope) {
    Court court(sim::seed_from_environment(44));
    Node node(court);
    ASSERT_TRUE(node.start(std::string{quick} + fmt::format(R"(
services:
  web: {{instances: ["{}"], check: {{http: /up}}}}
  shop: {{check: {{composite: {{of: [web]}}, scope: service}}}}
)",
                                                            court.b(0).address())));
    EXPECT_TRUE(court.until([&] { return service_state(node, "shop") == State::healthy; }));
    court.b(0).sick = true;
    EXPECT_TRUE(court.until([&] { return service_state(node, "shop") == State::unhealthy; }));
}

TEST(Judging, ARoutedServiceNeedsACheckThatCanPutItsInstancesIntoTraffic) {
    const auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", R"(
services:
  web: {hosts: [web.example], instances: ["10.0.1.1:80"], checks: {all: {composite: {of: [db]}, scope: service}}}
  db: {instances: ["10.0.1.2:80"], check: {tcp: ""}}
)"}}});
    ASSERT_FALSE(loaded.has_value());
    EXPECT_TRUE(config::text(loaded.error()).contains("scope instance")) << config::text(loaded.error());
}

TEST(Judging, V5AServiceThatItsOwnScopeCallsUnhealthyIsStillSoAfterARestart) {
    Court court(sim::seed_from_environment(45));
    auto node = std::make_unique<Node>(court);
    const std::string yaml = std::string{quick} + fmt::format(R"(
services:
  db: {{instances: ["{}"], check: {{http: /up}}}}
  web: {{hosts: [web.example], instances: ["{}"], checks: {{main: {{http: /up}}, deps: {{composite: {{of: [db]}}, scope: service}}}}}}
)",
                                                              court.b(0).address(), court.b(1).address());
    court.b(0).sick = true;
    ASSERT_TRUE(node->start(yaml));
    ASSERT_TRUE(court.until([&] { return service_state(*node, "web") == State::unhealthy && node->view().instance("web-1")->state() == State::healthy; }));
    EXPECT_EQ(get(court, court.client, node->worker_at(0), "web.example")->status(), 200) << "and never deroutes";
    court.world.run_for(1s);
    node.reset();
    court.world.run_for(1s);
    node = std::make_unique<Node>(court);
    ASSERT_TRUE(node->start(yaml));
    EXPECT_EQ(service_state(*node, "web"), State::unhealthy);
    EXPECT_TRUE(node->view().service("web")->standing.text.contains("db is unhealthy")) << node->view().service("web")->standing.text;
    court.b(0).sick = false;
    EXPECT_TRUE(court.until([&] { return service_state(*node, "web") == State::healthy; }));
    // Asked for by the id of its row.
    std::optional<std::size_t> answered;
    node->control_loop().run([&] {
        node->control().probe_now(catalog::scope_id("web"), "", std::nullopt, [&](Result<std::vector<catalog::ProbeAnswer>> answers) {
            answered = answers ? answers->size() : 0;
        });
    });
    ASSERT_TRUE(court.until([&] { return answered.has_value(); }));
    EXPECT_EQ(*answered, 1u);
    // Gone with the check, and not remembered for the next of its name.
    ASSERT_TRUE(node->reload(std::string{quick} + fmt::format("services: {{web: {{hosts: [web.example], instances: [\"{}\"], check: {{http: /up}}}}}}\n", court.b(1).address())).has_value());
    court.world.run_for(1s);
    EXPECT_FALSE(std::ranges::any_of(court.disk.restored().verdicts, [](const auto& one) { return one.instance == catalog::scope_id("web"); }));
}

TEST(Judging, EveryAddressOfAWatchedNameIsAnInstanceToo) {
    Court court(sim::seed_from_environment(46));
    court.names.set("web.internal", {"10.0.1.1", "10.0.1.2"});
    court.b(1).sick = true;
    Node node(court);
    ASSERT_TRUE(node.start(std::string{quick} + "services: {web: {resolve: each, instances: [\"web.internal:80\"], check: {http: /up}}}\n"));
    ASSERT_TRUE(court.until([&] { return node.view().service("web")->standing.counts.total == 2; }));
    EXPECT_TRUE(court.until([&] {
        const auto* one = node.view().instance("web-1@10.0.1.1");
        const auto* two = node.view().instance("web-1@10.0.1.2");
        return one != nullptr && two != nullptr && one->state() == State::healthy && two->state() == State::unhealthy;
    }));
    EXPECT_EQ(node.view().instance("web-1@10.0.1.2")->facts->resolved, SocketAddress::parse("10.0.1.2:80").value());
}

TEST(Judging, ALookUpThatFailsIsSaidUntilItWorksAgain) {
    Court court(sim::seed_from_environment(48));
    court.names.set("web.internal", {"10.0.1.1"}, 1s);
    Node node(court);
    ASSERT_TRUE(node.start(std::string{quick} + "services: {web: {hosts: [web.example], instances: [\"web.internal:80\"], check: {http: /up}}}\n"));
    ASSERT_TRUE(court.until([&] { return service_state(node, "web") == State::healthy; }));
    EXPECT_TRUE(node.view().failed_lookups().empty());
    court.names.remove("web.internal");
    ASSERT_TRUE(court.until([&] { return node.view().failed_lookups().contains("web.internal"); }));
    EXPECT_EQ(service_state(node, "web"), State::healthy) << "its last address stays in use";
    court.names.set("web.internal", {"10.0.1.1"}, 1s);
    EXPECT_TRUE(court.until([&] { return node.view().failed_lookups().empty(); }));
}

TEST(Judging, AScopeOfTheServiceIsForRequestsToo) {
    Court court(sim::seed_from_environment(49));
    Node node(court);
    ASSERT_TRUE(node.start(std::string{quick} + fmt::format(R"(
services:
  web: {{hosts: [web.example], instances: ["{}"], checks: {{main: {{http: /up}}, front: {{http: /health, scope: service}}, port: {{tcp: "", scope: service, critical: false}}}}}}
)",
                                                            court.b(0).address())));
    ASSERT_TRUE(court.until([&] { return service_state(node, "web") == State::healthy; }));
    court.b(0).sick_at = "/health";
    EXPECT_TRUE(court.until([&] { return service_state(node, "web") == State::unhealthy; }));
    EXPECT_TRUE(node.view().service("web")->standing.text.contains("/health")) << node.view().service("web")->standing.text;
    EXPECT_TRUE(node.view().instance("web-1")->eligible);
    EXPECT_EQ(get(court, court.client, node.worker_at(0), "web.example")->status(), 200);
}

TEST(Judging, V9SuspicionWeighsChecksNotInstances) {
    Court court(sim::seed_from_environment(50), 10);
    std::string yaml = std::string{quick} + "services:\n";
    for (int i = 0; i < 10; ++i)
        yaml += fmt::format("  s{}: {{instances: [\"{}\"], checks: {{a: {{http: /up}}, b: {{http: /health}}, c: {{http: /api/health}}}}}}\n", i, court.b(static_cast<std::size_t>(i)).address());
    Node node(court);
    ASSERT_TRUE(node.start(yaml));
    const auto all_in = [&](State state, int first, int last) {
        for (int i = first; i < last; ++i)
            if (service_state(node, fmt::format("s{}", i)) != state) return false;
        return true;
    };
    ASSERT_TRUE(court.until([&] { return all_in(State::healthy, 0, 10); }));
    court.world.run_for(3s);
    const auto suspected = [&] { return std::ranges::any_of(node.notices, [](const auto& notice) { return notice.kind == "suspect_self"; }); };
    // Five of thirty checks are fewer than a fifth, though they are half of the instances.
    for (std::size_t i = 0; i < 5; ++i) court.b(i).sick_at = "/up";
    ASSERT_TRUE(court.until([&] { return all_in(State::unhealthy, 0, 5); }));
    EXPECT_FALSE(suspected());
    for (std::size_t i = 5; i < 10; ++i) court.b(i).sick = true;
    EXPECT_TRUE(court.until([&] { return all_in(State::unhealthy, 5, 10); }));
    EXPECT_TRUE(suspected());
}

TEST(Judging, TheNextGenerationOfACompositeIsToldOfItsMembers) {
    Court court(sim::seed_from_environment(47));
    Node node(court);
    const auto at = [&](std::size_t i) {
        return std::string{quick} + fmt::format(R"(
services:
  db: {{instances: ["{}"], check: {{http: /up}}}}
  web: {{hosts: [web.example], replace_timeout: 60s, instances: [{{name: web-1, address: "{}"}}], checks: {{main: {{http: /up}}, deps: {{composite: {{of: [db]}}}}}}}}
)",
                                                court.b(2).address(), court.b(i).address());
    };
    ASSERT_TRUE(node.start(at(0)));
    ASSERT_TRUE(court.until([&] { return service_state(node, "web") == State::healthy; }));
    ASSERT_TRUE(node.reload(at(1)).has_value());
    EXPECT_TRUE(court.until([&] { return node.view().instance("web-1")->facts->resolved == SocketAddress::parse(court.b(1).address()).value(); }, 20s));
    EXPECT_EQ(service_state(node, "web"), State::healthy);
}

}  // namespace
}  // namespace hale::scenario
