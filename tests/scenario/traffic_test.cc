// Goal: traffic goes where the evidence is, and none is lost while things change (V2, V5, V13, part of V20).
// Method: whole nodes on the simulator; a steady stream of idempotent requests through all workers while the
// configuration, the addresses and the backends change.

#include "base/text.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

using verdict::State;

constexpr std::string_view brisk = "defaults: {check: {interval: 1s, timeout: 500ms, rise: 2, fall: 2, confirm_interval: 200ms}}\nservices:\n";

struct Town : Site {
    explicit Town(std::uint64_t seed) : Site(seed), loop(world.make_loop("client")) {
        for (int i = 0; i < 4; ++i)
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1), std::uint16_t{3000}));
    }
    Backend& b(std::size_t i) { return *backends[i]; }
    std::unique_ptr<Ask> ask(Node& node, const std::string& host) { return get(*this, loop, node.worker_at(turn++ % node.workers()), host); }

    // A GET every 10 ms from now on, to all workers in turn.
    void stream(Node& node, const std::string& host) {
        streaming = [this, &node, host] {
            if (!streaming) return;
            asks.push_back(std::make_unique<Ask>(*this, loop, node.worker_at(turn++ % node.workers()), host));
            loop.post_at(world.now() + 10ms, [this] { if (streaming) streaming(); });
        };
        loop.post([this] { if (streaming) streaming(); });
    }
    void end_stream() {
        streaming = nullptr;
        world.run_for(3s);
        std::size_t lost = 0;
        std::string example;
        for (const auto& one : asks)
            if (one->status() != 200) ++lost, example = one->text();
        EXPECT_EQ(lost, 0u) << "of " << asks.size() << ", as in: " << example;
        EXPECT_GT(asks.size(), 100u);
        asks.clear();
    }

    sim::Loop& loop;
    std::vector<std::unique_ptr<Backend>> backends;
    std::vector<std::unique_ptr<Ask>> asks;
    std::function<void()> streaming;
    unsigned turn = 0;
};

std::string web(std::initializer_list<std::string> instances, std::string_view more = "") {
    std::string list;
    for (const auto& one : instances) list += (list.empty() ? "" : ", ") + one;
    return fmt::format("{}  web: {{hosts: [web.example], check: {{http: /up}}, instances: [{}]{}}}\n", brisk, list, more);
}
std::string quoted(const Backend& backend) { return "\"" + backend.address() + "\""; }
std::string named(std::string_view name, const Backend& backend) { return fmt::format("{{name: {}, address: \"{}\"}}", name, backend.address()); }

State state_of(const Node& node, std::string_view instance) {
    const auto* found = node.view().instance(instance);
    return found == nullptr ? State::unknown : found->state();
}

TEST(Traffic, V5WhatIsPendingReceivesNoRequest) {
    Town town(sim::seed_from_environment(21));
    town.b(0).stall_health = 1 << 20;
    Node node(town);
    ASSERT_TRUE(node.start(web({quoted(town.b(0))})));
    for (int i = 0; i < 20; ++i) {
        const auto got = town.ask(node, "web.example");
        EXPECT_EQ(got->status(), 503);
        EXPECT_TRUE(got->has("Hale-Reason: no_eligible_instance")) << got->text();
        EXPECT_TRUE(got->has("Retry-After: "));
        town.world.run_for(20ms);
    }
    EXPECT_EQ(town.b(0).traffic, 0u);
    town.b(0).stall_health = 0;
    // One pass is not `rise`: the very first request after the second one goes through.
    ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "web-1") == State::healthy; }, 10s));
    EXPECT_GE(town.b(0).health, 2u);
    EXPECT_EQ(town.ask(node, "web.example")->status(), 200);
}

TEST(Traffic, V5ARestartBelievesWhatWasKnownAndAFreshInstanceNothing) {
    Town town(sim::seed_from_environment(22));
    auto node = std::make_unique<Node>(town);
    ASSERT_TRUE(node->start(web({quoted(town.b(0))})));
    ASSERT_TRUE(town.world.run_until([&] { return state_of(*node, "web-1") == State::healthy; }, 10s));
    town.world.run_for(1s);
    const auto before = node->view().instance("web-1")->record->word.version;
    node.reset();
    town.world.run_for(5s);
    node = std::make_unique<Node>(town);
    ASSERT_TRUE(node->start(web({quoted(town.b(0)), quoted(town.b(1))})));
    const auto* known = node->view().instance("web-1");
    ASSERT_NE(known->record, nullptr);
    EXPECT_EQ(known->state(), State::healthy);
    EXPECT_TRUE(known->record->word.flags.has(verdict::Flag::stale));
    EXPECT_GT(known->record->word.version, before);
    EXPECT_EQ(state_of(*node, "web-2"), State::pending);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(town.ask(*node, "web.example")->body(), "b0");
    EXPECT_EQ(town.b(1).traffic, 0u);
}

// What began before a restart began then, for a service as for its instances; what was over by then did not.
TEST(Traffic, ARestartKeepsSinceWhenAServiceIsInItsState) {
    Town town(sim::seed_from_environment(28));
    auto node = std::make_unique<Node>(town);
    const auto yaml = web({quoted(town.b(0)), quoted(town.b(1))});
    const auto restart = [&](Duration away) {
        town.world.run_for(1s);
        node.reset();
        town.world.run_for(away);
        node = std::make_unique<Node>(town);
        ASSERT_TRUE(node->start(yaml));
    };
    const auto standing = [&] { return node->view().service("web")->standing; };
    ASSERT_TRUE(node->start(yaml));
    ASSERT_TRUE(town.world.run_until([&] { return standing().state == State::healthy; }, 10s));
    for (const auto state : {State::healthy, State::degraded, State::unhealthy}) {
        town.b(0).sick = state != State::healthy;
        town.b(1).sick = state == State::unhealthy;
        ASSERT_TRUE(town.world.run_until([&] { return standing().state == state; }, 10s));
        const Utc since = standing().since;
        town.world.run_for(7s);
        for (int i = 0; i < 2; ++i) {
            restart(5s);
            EXPECT_EQ(standing().state, state);
            EXPECT_EQ(standing().since, since) << verdict::to_text(state) << ", restart " << i;
        }
    }
    // Nobody knows what was meanwhile: pending, since this start.
    const Utc before = standing().since;
    restart(1h);
    EXPECT_EQ(standing().state, State::pending);
    EXPECT_GT(standing().since, before + 1h);
    town.b(0).sick = town.b(1).sick = true;
    ASSERT_TRUE(town.world.run_until([&] { return standing().state == State::unhealthy; }, 10s));
    EXPECT_GT(standing().since, before + 1h) << "another trouble, for all that is known";
}

TEST(Traffic, V2ARouteServesTheVeryNextRequestAfterItsAnswerAndGoesAsSoon) {
    Town town(sim::seed_from_environment(23));
    Node node(town);
    ASSERT_TRUE(node.start(web({quoted(town.b(0))})));
    ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "web-1") == State::healthy; }, 10s));
    for (int i = 0; i < 50; ++i) {
        const std::string json = R"({"host": "other.example", "service": "web"})";
        const auto spec = config::RouteSpec{.id = "r-other", .host = "other.example", .service = "web", .owner = config::Owner::api};
        const auto made = node.mutate(catalog::PutApiRoute{spec, json});
        ASSERT_TRUE(made.has_value());
        EXPECT_GE(node.view().revision(), made->revision);
        EXPECT_EQ(town.ask(node, "other.example")->status(), 200);
        EXPECT_EQ(town.ask(node, "other.example")->status(), 200);
        ASSERT_TRUE(node.mutate(catalog::RemoveApiRoute{"r-other"}).has_value());
        EXPECT_EQ(town.ask(node, "other.example")->status(), 404);
        EXPECT_EQ(town.ask(node, "other.example")->status(), 404);
    }
}

TEST(Traffic, V13NoInstanceIsUnknownAndNothingToVerifyIsNotSuccess) {
    Town town(sim::seed_from_environment(24));
    Node node(town);
    ASSERT_TRUE(node.start(web({quoted(town.b(0))})));
    ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "web-1") == State::healthy; }, 10s));
    EXPECT_EQ(node.verify({.service = "web"}).end, catalog::VerifyEnd::eligible);
    EXPECT_EQ(node.verify({.service = "nobody"}).end, catalog::VerifyEnd::nothing_to_verify);
    ASSERT_TRUE(node.mutate(catalog::Drain{"", node.view().instance("web-1")->facts->id.str()}).has_value());
    EXPECT_EQ(node.view().service("web")->standing.state, State::unknown);
    EXPECT_EQ(node.view().service("web")->standing.reason, verdict::Reason::no_instances);
    EXPECT_EQ(node.verify({.service = "web"}).end, catalog::VerifyEnd::nothing_to_verify);
    ASSERT_TRUE(node.mutate(catalog::Resume{"", node.view().instance("web-1")->facts->id.str()}).has_value());
    town.b(0).sick = true;
    EXPECT_EQ(node.verify({.service = "web"}).end, catalog::VerifyEnd::not_eligible);
}

TEST(Traffic, V13SkippingACheckNeedsAReasonAndIsNeverCalledHealthy) {
    Town town(sim::seed_from_environment(25));
    Node node(town);
    ASSERT_TRUE(node.start(fmt::format("services:\n  web: {{hosts: [web.example], check: none, reason: vendor forbids probes, instances: [{}]}}\n",
                                       quoted(town.b(0)))));
    town.world.run_for(1s);
    const auto* one = node.view().instance("web-1");
    ASSERT_NE(one->record, nullptr);
    EXPECT_EQ(one->state(), State::unknown);
    EXPECT_EQ(one->record->reason, verdict::Reason::unchecked);
    EXPECT_TRUE(one->eligible);
    EXPECT_EQ(one->rule, 8);
    EXPECT_EQ(town.ask(node, "web.example")->status(), 200);
    // By the letter of folding: eligible, and not all healthy.
    const auto& standing = node.view().service("web")->standing;
    EXPECT_EQ(standing.state, State::degraded);
    EXPECT_EQ(standing.reason, verdict::Reason::unchecked);
    EXPECT_EQ(town.b(0).health, 0u);
}

TEST(Traffic, V20NothingIsLostByReloadsDrainsMovesAndAFlappingInstance) {
    sim::for_each_seed(4, [](std::uint64_t seed) {
        Town town(seed);
        Node node(town);
        ASSERT_TRUE(node.start(web({named("a", town.b(0)), named("b", town.b(1))})));
        ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "a") == State::healthy && state_of(node, "b") == State::healthy; }, 10s));
        town.stream(node, "web.example");
        const auto pass = [&] { town.world.run_for(1s + Duration{static_cast<std::int64_t>(town.world.random().below(1'000'000'000))}); };
        pass();
        // Timing, thresholds and balance.
        ASSERT_TRUE(node.reload(web({named("a", town.b(0)), named("b", town.b(1))}, ", balance: least_requests")).has_value());
        pass();
        // Another address under the same name: the old one serves until the new one is proven.
        const auto first = town.b(2).traffic;
        ASSERT_TRUE(node.reload(web({named("a", town.b(2)), named("b", town.b(1))})).has_value());
        EXPECT_EQ(town.b(2).traffic, first);
        ASSERT_TRUE(town.world.run_until([&] { return town.b(2).traffic > first; }, 10s));
        EXPECT_GE(town.b(2).health, 2u) << "V5: no request before `rise` passes";
        EXPECT_EQ(node.view().instance("a")->facts->generation, 2);
        pass();
        // An instance drains and comes back; one leaves the file and another comes.
        const std::string a = node.view().instance("a")->facts->id.str();
        ASSERT_TRUE(node.mutate(catalog::Drain{"", a}).has_value());
        pass();
        ASSERT_TRUE(node.mutate(catalog::Resume{"", a}).has_value());
        pass();
        ASSERT_TRUE(node.reload(web({named("b", town.b(1)), named("c", town.b(3))})).has_value());
        EXPECT_EQ(node.view().instance("b")->state(), State::healthy) << "kept its verdict though it moved up the list";
        ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "c") == State::healthy; }, 10s));
        pass();
        // One dies and comes back, three times within the window of the retry budget; the other serves.
        for (int i = 0; i < 3; ++i) {
            town.b(3).kill();
            pass();
            town.b(3).up();
            ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "c") == State::healthy; }, 3s));
        }
        town.end_stream();
    });
}

// Declared fail-open, from the file to the answer: three good ones and one that never was. Only health is sick, so
// that every instance would answer traffic if it got any.
TEST(Traffic, PanicGoesWhereItIsDeclaredToAndIsLoud) {
    for (const std::string to : {"all", "last_good"}) {
        Town town(sim::seed_from_environment(27));
        auto node = std::make_unique<Node>(town);
        const auto yaml = web({named("a", town.b(0)), named("b", town.b(1)), named("c", town.b(2)), named("never", town.b(3))},
                              fmt::format(", panic: {{below: 50%, min_instances: 3, to: {}}}", to));
        town.b(3).sick = true;
        ASSERT_TRUE(node->start(yaml));
        const auto count = [&] { return node->view().service("web")->standing.counts; };
        const auto panic = [&] { return node->view().service("web")->standing.panic; };
        const auto met = [&] {  // Which of the four a round of requests reaches, and whether all said so.
            std::string reached;
            for (auto& backend : town.backends) backend->traffic = 0;
            for (int i = 0; i < 32; ++i) {
                const auto got = town.ask(*node, "web.example");
                EXPECT_EQ(got->status(), 200) << got->text();
                EXPECT_EQ(got->has("Hale-Panic: web"), panic());
            }
            for (std::size_t i = 0; i < 4; ++i)
                if (town.b(i).traffic != 0) reached += "abcN"[i];
            return reached;
        };
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 3 && count().unhealthy == 1; }, 10s));
        town.world.run_for(2s);
        EXPECT_FALSE(panic());
        EXPECT_EQ(met(), "abc");

        town.b(0).sick = town.b(1).sick = true;
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 1; }, 10s));
        ASSERT_TRUE(town.world.run_until(panic, 1s));
        ASSERT_FALSE(node->notices.empty());
        EXPECT_EQ(node->notices.back().kind, "panic.began");
        EXPECT_EQ(met(), to == "all" ? "abcN" : "abc");
        EXPECT_FALSE(node->view().instance("a")->eligible) << "traffic is no eligibility";

        town.b(0).sick = false;
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 2; }, 10s));
        EXPECT_TRUE(panic()) << "left 10 points above, not at the threshold";
        town.b(0).sick = true;
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 1; }, 10s));

        // A restart amid the panic: none is known to have been good.
        town.world.run_for(1s);  // The last verdicts are written soon, not at once.
        node.reset();
        town.world.run_for(1s);
        node = std::make_unique<Node>(town);
        ASSERT_TRUE(node->start(yaml));
        ASSERT_TRUE(town.world.run_until(panic, 1s));
        EXPECT_EQ(met(), "abcN");

        town.b(0).sick = town.b(1).sick = false;
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 3; }, 10s));
        ASSERT_TRUE(town.world.run_until([&] { return !panic(); }, 1s));
        EXPECT_EQ(node->notices.back().kind, "panic.ended");
        EXPECT_EQ(met(), "abc");
        // Nothing declared, nothing panics.
        town.b(0).sick = town.b(1).sick = true;
        ASSERT_TRUE(node->reload(web({named("a", town.b(0)), named("b", town.b(1)), named("c", town.b(2)), named("never", town.b(3))})).has_value());
        ASSERT_TRUE(town.world.run_until([&] { return count().eligible == 1; }, 10s));
        EXPECT_FALSE(panic());
        EXPECT_EQ(met(), "c");
    }
}

TEST(Traffic, AReloadThatChangesNothingCostsNoProbeAndPublishesNoService) {
    Town town(sim::seed_from_environment(26));
    Node node(town);
    const auto yaml = web({quoted(town.b(0)), quoted(town.b(1))});
    ASSERT_TRUE(node.start(yaml));
    ASSERT_TRUE(town.world.run_until([&] { return state_of(node, "web-1") == State::healthy && state_of(node, "web-2") == State::healthy; }, 10s));
    town.world.run_for(2s);
    const auto commands = node.commands;
    const auto connections = town.b(0).server().accepted;
    const auto health = town.b(0).health;
    const auto before = node.published()->table.find("web.example", "/")->service;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(node.reload(yaml).has_value());
        town.world.run_for(1s);
    }
    EXPECT_EQ(node.commands, commands);
    EXPECT_EQ(node.published()->table.find("web.example", "/")->service, before);
    EXPECT_EQ(town.b(0).server().accepted, connections) << "kept connections stay";
    EXPECT_EQ(town.b(0).health, health + 10);
}

}  // namespace
}  // namespace hale::scenario
