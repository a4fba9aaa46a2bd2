// Goal: what only some checks have does what it says in a whole node: m_of_n instead of fall, and a composite's quorum.
// Method: backends that fail single slots, or die one after the other; beside each a service that has the plain rule.

#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

using verdict::State;

constexpr std::string_view brisk = "defaults: {check: {interval: 1s, timeout: 500ms, rise: 2, fall: 3, confirm_interval: 200ms}}\nservices:\n";

struct Three : Site {
    explicit Three(std::uint64_t seed) : Site(seed) {
        for (int i = 0; i < 3; ++i)
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1), std::uint16_t{3000}));
    }
    Backend& b(std::size_t i) { return *backends[i]; }
    bool all(const Node& node, std::initializer_list<std::string_view> services, State state) {
        return world.run_until(
            [&] { return std::ranges::all_of(services, [&](std::string_view name) { return node.view().service(name)->standing.state == state; }); }, 30s);
    }
    std::vector<std::unique_ptr<Backend>> backends;
};

TEST(Kinds, MOfNSeesFailuresThatNeverComeInARow) {
    Three site(sim::seed_from_environment(51));
    Node node(site);
    ASSERT_TRUE(node.start(fmt::format("{}  some: {{instances: [\"{}\"], check: {{http: /up, m_of_n: {{m: 2, n: 4}}}}}}\n"
                                       "  plain: {{instances: [\"{}\"], check: {{http: /up}}}}\n",
                                       brisk, site.b(0).address(), site.b(1).address())));
    ASSERT_TRUE(site.all(node, {"some", "plain"}, State::healthy));
    site.world.run_for(4s);
    const auto state = [&](std::string_view name) { return node.view().service(name)->standing.state; };
    const auto fail_one_slot = [&] {
        for (std::size_t i : {0u, 1u}) site.b(i).sick_once = true;
        site.world.run_for(1s);  // One slot of each, and what confirms it.
    };
    fail_one_slot();
    EXPECT_EQ(state("some"), State::healthy) << "one of four is not two";
    site.world.run_for(1s);
    fail_one_slot();
    EXPECT_EQ(state("some"), State::unhealthy) << "two of the last four slots failed, none after the other";
    EXPECT_EQ(state("plain"), State::healthy) << "never three in a row";
    // Recovery stays `rise`.
    site.world.run_for(3s);
    EXPECT_EQ(state("some"), State::healthy);
    // And what is long past is out of the window.
    site.world.run_for(4s);
    fail_one_slot();
    EXPECT_EQ(state("some"), State::healthy);
}

TEST(Kinds, AQuorumHoldsWhileSoManyMembersDo) {
    Three site(sim::seed_from_environment(52));
    std::string yaml{brisk};
    for (std::size_t i = 0; i < 3; ++i) yaml += fmt::format("  m{}: {{instances: [\"{}\"], check: {{http: /up}}}}\n", i, site.b(i).address());
    for (const std::string_view need : {"all", "any", "quorum"})
        yaml += fmt::format("  {0}: {{check: {{composite: {{of: [m0, m1, m2], need: {0}{1}}}, interval: 1s}}}}\n", need, need == "quorum" ? ", quorum: 2" : "");
    Node node(site);
    ASSERT_TRUE(node.start(yaml));
    ASSERT_TRUE(site.all(node, {"all", "any", "quorum"}, State::healthy));
    const auto expect = [&](State all, State quorum, State any) {
        site.world.run_for(10s);
        EXPECT_EQ(node.view().service("all")->standing.state, all);
        EXPECT_EQ(node.view().service("quorum")->standing.state, quorum);
        EXPECT_EQ(node.view().service("any")->standing.state, any);
    };
    site.b(0).kill();
    expect(State::unhealthy, State::healthy, State::healthy);
    site.b(1).kill();
    expect(State::unhealthy, State::unhealthy, State::healthy);
    EXPECT_EQ(node.view().service("quorum")->standing.reason, verdict::Reason::dependency_failed);
    site.b(2).kill();
    expect(State::unhealthy, State::unhealthy, State::unhealthy);
    for (const auto& backend : site.backends) backend->up();
    expect(State::healthy, State::healthy, State::healthy);
}

}  // namespace
}  // namespace hale::scenario
