// Goal: the record of an instance is its own (V3), overrides are a layer that outlives probes and restarts (V7),
// and whoever answered is visible (V21).
// Method: whole nodes on the simulator. Two services are told to live at the same address and differ in their
// health path alone, as two compose projects with the same `web:3000` do; one of the paths is sick.

#include "tests/scenario/backends.h"

#include "sim/seed.h"

namespace hale::scenario {
namespace {

using verdict::State;

std::string luma(std::string_view address) {
    return fmt::format(R"(
defaults: {{check: {{interval: 1s, timeout: 500ms, rise: 2, fall: 2, confirm_interval: 200ms}}}}
services:
  blue: {{hosts: [blue.example], instances: ["{0}"], check: {{http: /up}}}}
  green: {{hosts: [green.example], instances: ["{0}"], check: {{http: /api/health}}}}
)",
                       address);
}

State state_of(const Node& node, std::string_view service) {
    const auto* found = node.view().service(service);
    return found == nullptr ? State::unknown : found->standing.state;
}

TEST(Luma, V3TwoServicesAtOneAddressNeverSwapVerdictsIn1000Rounds) {
    Site site(sim::seed_from_environment(11));
    Backend web(site, "web", "10.0.1.1", 3000);
    web.sick_at = "/api/health";
    Node node(site);
    ASSERT_TRUE(node.start(luma(web.address())));
    auto& loop = site.world.make_loop("client");
    ASSERT_TRUE(site.world.run_until([&] { return state_of(node, "blue") == State::healthy && state_of(node, "green") == State::unhealthy; }, 20s));
    for (int round = 0; round < 1000 && !testing::Test::HasFailure(); ++round) {
        site.world.run_for(Duration{static_cast<std::int64_t>(site.world.random().below(1'500'000'000))});
        ASSERT_EQ(state_of(node, "blue"), State::healthy) << round;
        ASSERT_EQ(state_of(node, "green"), State::unhealthy) << round;
        const auto& at = node.worker_at(static_cast<unsigned>(round) % node.workers());
        const auto blue = get(site, loop, at, "blue.example");
        EXPECT_EQ(blue->status(), 200) << blue->text();
        const auto green = get(site, loop, at, "green.example");
        EXPECT_EQ(green->status(), 503) << green->text();
        EXPECT_TRUE(green->has("Hale-Reason: no_eligible_instance")) << green->text();
        EXPECT_TRUE(green->has("Retry-After: ")) << green->text();
    }
    // Two instances with evidence of their own, though the address is one.
    EXPECT_NE(node.view().instance("blue-1")->facts->id, node.view().instance("green-1")->facts->id);
}

TEST(Luma, V7AnOverrideOutlivesPassingProbesAndARestartThenExpires) {
    Site site(sim::seed_from_environment(12));
    Backend web(site, "web", "10.0.1.1", 3000);
    auto node = std::make_unique<Node>(site);
    ASSERT_TRUE(node->start(luma(web.address())));
    auto& loop = site.world.make_loop("client");
    ASSERT_TRUE(site.world.run_until([&] { return state_of(*node, "blue") == State::healthy; }, 20s));
    const std::string id = node->view().instance("blue-1")->facts->id.str();
    const auto set = node->mutate(catalog::SetOverride{"", id, verdict::OverrideState::down, 30s, "disk swap"});
    ASSERT_TRUE(set.has_value());
    const Instant until = site.world.now() + 30s;
    const auto both_facts = [&] {
        const auto* shown = node->view().instance("blue-1");
        ASSERT_NE(shown, nullptr);
        EXPECT_EQ(shown->facts->id, id);
        ASSERT_NE(shown->facts->override, nullptr);
        EXPECT_EQ(shown->facts->override->reason, "disk swap");
        EXPECT_EQ(shown->facts->override->author, "tester");
        EXPECT_EQ(shown->state(), State::healthy) << "an override never rewrites the verdict";
        EXPECT_FALSE(shown->eligible);
        EXPECT_EQ(shown->rule, 2);
        EXPECT_EQ(get(site, loop, node->worker_at(0), "blue.example")->status(), 503);
    };
    const auto probes = web.health;
    site.world.run_for(4s);
    EXPECT_GE(web.health, probes + 6) << "at least three passing intervals of both services";
    both_facts();
    node.reset();  // kill -9
    site.world.run_for(1s);
    node = std::make_unique<Node>(site);
    ASSERT_TRUE(node->start(luma(web.address())));
    both_facts();
    site.world.run_for(until - site.world.now() - 1s);
    both_facts();
    site.world.run_for(2s);
    EXPECT_EQ(node->view().instance("blue-1")->facts->override, nullptr);
    EXPECT_TRUE(node->view().instance("blue-1")->eligible);
    EXPECT_EQ(get(site, loop, node->worker_at(1), "blue.example")->status(), 200);
    EXPECT_TRUE(std::ranges::any_of(site.disk.audit, [](const auto& entry) { return entry.actor == "hale" && entry.action == "expire"; }));
    node.reset();
    node = std::make_unique<Node>(site);
    ASSERT_TRUE(node->start(luma(web.address())));
    EXPECT_EQ(node->view().instance("blue-1")->facts->override, nullptr) << "expired on disk too";
}

TEST(Luma, V7AnOverrideOfAnInstanceThatWasNeverJudgedOutlivesARestart) {
    Site site(sim::seed_from_environment(13));
    Backend web(site, "web", "10.0.1.1", 3000);
    auto node = std::make_unique<Node>(site);
    ASSERT_TRUE(node->start(luma(web.address())));
    const std::string id = node->view().instance("blue-1")->facts->id.str();
    ASSERT_TRUE(node->mutate(catalog::SetOverride{"", id, verdict::OverrideState::down, 1h, "not yet"}).has_value());
    node.reset();
    node = std::make_unique<Node>(site);
    ASSERT_TRUE(node->start(luma(web.address())));
    ASSERT_EQ(node->view().instance("blue-1")->facts->id, id);
    ASSERT_NE(node->view().instance("blue-1")->facts->override, nullptr);
}

}  // namespace
}  // namespace hale::scenario
