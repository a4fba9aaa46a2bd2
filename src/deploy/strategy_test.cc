// Goal: what is declared of a deployment's strategy is what its plan says, and whatever can't be done in waves is done at once.
// Method: every key by itself over one plan, and every kind of instance that may serve already.

#include "deploy/strategy.h"

#include <gtest/gtest.h>

#include "deploy/hooks.h"
#include "rollout/deadlines.h"
#include "rollout/waves.h"

namespace hale::deploy {
namespace {

Record planned_for(std::size_t replicas) {
    Record out;
    out.containers = true;
    for (std::size_t i = 0; i < replicas; ++i) out.plan.containers.push_back({.name = "web-2-" + std::to_string(i + 1)});
    return out;
}

catalog::ServiceNow serving(std::vector<catalog::InstanceNow> instances) {
    catalog::ServiceNow out;
    out.instances = std::move(instances);
    return out;
}

catalog::InstanceNow made(std::string name) { return {.id = name, .name = name, .declared = "10.0.0.1:80", .deployment = "d-1", .serving = true, .eligible = true}; }

TEST(Strategy, NothingDeclaredIsAllAtOnceAndNothingAsked) {
    Record record = planned_for(2);
    const rollout::Plan expected = record.plan;
    plan_strategy(record, {}, serving({made("web-1-1"), made("web-1-2")}));
    EXPECT_EQ(record.plan, expected);
}

TEST(Strategy, HooksAndBakingAreInThePrintedDeadlines) {
    config::DeploySpec spec;
    spec.before = {{.exec = {"/bin/x"}, .timeout = 7s}};
    spec.after = {{.url = "http://a/", .timeout = 5s}, {.url = "http://b/", .timeout = 6s}};
    spec.bake.duration = 60s;
    spec.pre_existing = config::PreExisting::accept;
    for (const bool containers : {true, false}) {
        Record record = planned_for(1);
        record.containers = containers;
        const Duration longest = rollout::longest(record.plan);
        plan_strategy(record, spec, serving({}));
        EXPECT_TRUE(record.plan.hooks_before && record.plan.hooks_after && record.plan.accept_pre_existing);
        EXPECT_EQ(record.plan.deadlines.baking, 60s);
        EXPECT_EQ(record.plan.deadlines.hooks_after, hooks_budget(spec.after));
        EXPECT_EQ(rollout::longest(record.plan) - longest, 60s + 18s + 3 * hook_margin);
    }
}

TEST(Strategy, WavesAreOfContainersThatDoNotFitBesideEachOther) {
    config::DeploySpec spec;
    spec.max_healthy_percent = 150;
    const std::vector<catalog::InstanceNow> four{made("a"), made("b"), made("c"), made("d")};
    Record record = planned_for(4);
    plan_strategy(record, spec, serving(four));
    EXPECT_EQ(record.plan.most_running, 6u);
    EXPECT_EQ(record.plan.least_serving, 4u);
    EXPECT_EQ(record.plan.old, (std::vector<std::string>{"a", "b", "c", "d"}));
    EXPECT_GT(record.plan.deadlines.yielding, 30s);
    const auto at_once = [&](std::vector<catalog::InstanceNow> now, config::DeploySpec how, bool containers = true) {
        Record one = planned_for(4);
        one.containers = containers;
        plan_strategy(one, how, serving(std::move(now)));
        return !one.plan.in_waves();
    };
    config::DeploySpec most = spec;
    most.max_healthy_percent = 200;
    most.min_healthy_percent = 50;
    EXPECT_TRUE(at_once(four, most));
    EXPECT_TRUE(at_once({}, spec)) << "nothing to replace";
    EXPECT_TRUE(at_once({made("a"), made("b")}, spec)) << "all fit";
    EXPECT_TRUE(at_once(four, spec, false)) << "targets are nobody's to stop";
    auto of_file = four;
    of_file[2].of_file = true;
    EXPECT_TRUE(at_once(of_file, spec));
    auto not_made = four;
    not_made[2].deployment.clear();
    EXPECT_TRUE(at_once(not_made, spec));
    auto draining = four;
    draining[2].serving = draining[3].serving = false;
    EXPECT_TRUE(at_once(draining, spec)) << "two that serve, and four: six fit";
    config::DeploySpec stuck = spec;
    stuck.max_healthy_percent = 100;
    EXPECT_TRUE(at_once(four, stuck)) << "nothing would ever be replaced";
}

// An image's own health check may make the verification longer, and the way back of each step with it.
TEST(Strategy, TheWayBackHasTheTimeThatIsKnownLast) {
    config::DeploySpec spec;
    for (const std::uint32_t most : {150u, 200u}) {
        spec.max_healthy_percent = most;
        Record record = planned_for(4);
        plan_strategy(record, spec, serving({made("a"), made("b"), made("c"), made("d")}));
        auto& limits = record.plan.deadlines;
        const Duration before = time_to_return(limits), planned = limits.rolling_back;
        limits.verifying += 10s;
        settle_return(record, before);
        const auto steps = rollout::wave_counts(record.plan).yields + 1;
        EXPECT_EQ(limits.rolling_back, most < 200 ? planned + steps * 10s : planned);
        // Settled again amid the same, or with less: the same.
        settle_return(record, time_to_return(limits));
        limits.verifying -= 5s;
        settle_return(record, time_to_return(limits) + 5s);
        EXPECT_EQ(limits.rolling_back, most < 200 ? planned + steps * 10s : planned);
    }
}

TEST(Strategy, ABreakerGivesEachContainerItsTimeAndThePhaseSomeOfThem) {
    config::DeploySpec spec;
    spec.breaker_auto = true;
    Record record = planned_for(10);
    record.plan.deadlines.verifying = 40s;
    plan_strategy(record, spec, serving({}));
    EXPECT_EQ(record.plan.breaker, 5u);
    EXPECT_EQ(record.plan.replace_after, 40s);
    EXPECT_EQ(record.plan.deadlines.verifying, 120s);
    settle_breaker(record, 10min);
    EXPECT_EQ(record.plan.deadlines.verifying, 30min);
    settle_breaker(record, 50min);
    EXPECT_EQ(record.plan.deadlines.verifying, rollout::longest_verification);
    record.verifying_said = true;
    settle_breaker(record, 20s);
    EXPECT_EQ(record.plan.deadlines.verifying, rollout::longest_verification) << "what was asked for stays";
    Record two = planned_for(2);
    two.plan.deadlines.verifying = 40s;
    spec = {};
    spec.breaker = 2;
    plan_strategy(two, spec, serving({}));
    EXPECT_EQ(two.plan.breaker, 2u);
    EXPECT_EQ(two.plan.deadlines.verifying, 80s);
    Record targets = planned_for(2);
    targets.containers = false;
    plan_strategy(targets, spec, serving({}));
    EXPECT_EQ(targets.plan.breaker, 0u) << "nobody makes targets anew";
}

}  // namespace
}  // namespace hale::deploy
