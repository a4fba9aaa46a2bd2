#include "deploy/strategy.h"

#include <algorithm>

#include "deploy/hooks.h"
#include "rollout/deadlines.h"
#include "rollout/waves.h"

namespace hale::deploy {

Duration time_to_return(const rollout::Deadlines& limits) { return limits.starting + limits.verifying; }

namespace {

constexpr Duration yield_margin = 30s;  // For the engine, beyond the grace of a stop.

std::int64_t steps_back(const rollout::Plan& plan) { return rollout::wave_counts(plan).yields + 1; }

void plan_waves(Record& record, const config::DeploySpec& spec, const catalog::ServiceNow& now) {
    constexpr std::uint32_t at_once = 200;  // Percent: all new ones beside all old ones.
    if (!record.containers || record.keeps || !record.way_back.empty() || spec.max_healthy_percent >= at_once) return;
    std::vector<std::string> old;
    for (const auto& one : now.instances) {
        if (!one.serving) continue;
        if (one.of_file || one.deployment.empty()) return;
        old.push_back(one.name);
    }
    const auto limits = rollout::wave_limits(static_cast<std::uint32_t>(record.plan.containers.size()), spec.max_healthy_percent, spec.min_healthy_percent);
    if (old.empty() || !limits.progress() || old.size() + record.plan.containers.size() <= limits.most_running) return;
    auto& plan = record.plan;
    plan.most_running = limits.most_running;
    plan.least_serving = limits.least_serving;
    plan.old = std::move(old);
    plan.deadlines.yielding = plan.deadlines.draining + spec.stop_timeout + yield_margin;
    plan.deadlines.rolling_back += steps_back(plan) * (time_to_return(plan.deadlines) + plan.deadlines.draining + spec.stop_timeout);
}

}  // namespace

void plan_questions(Record& record, const config::DeploySpec& spec) {
    auto& plan = record.plan;
    plan.hooks_before = !spec.before.empty();
    plan.hooks_after = !spec.after.empty();
    plan.deadlines.requested += hooks_budget(spec.before);
    plan.deadlines.hooks_after = hooks_budget(spec.after);
    plan.deadlines.baking = spec.bake.duration;
    plan.accept_pre_existing = spec.pre_existing == config::PreExisting::accept;
}

void plan_strategy(Record& record, const config::DeploySpec& spec, const catalog::ServiceNow& now) {
    auto& plan = record.plan;
    plan_questions(record, spec);
    plan_waves(record, spec, now);
    if (!record.containers) return;
    plan.breaker = spec.breaker_auto ? rollout::automatic_breaker(static_cast<std::uint32_t>(plan.containers.size())) : spec.breaker;
    settle_breaker(record, plan.deadlines.verifying);
}

void settle_return(Record& record, Duration before) {
    auto& plan = record.plan;
    const Duration now = time_to_return(plan.deadlines);
    if (plan.in_waves() && now > before) plan.deadlines.rolling_back += steps_back(plan) * (now - before);
}

void settle_breaker(Record& record, Duration once) {
    auto& plan = record.plan;
    if (plan.breaker == 0) return;
    plan.replace_after = once;
    if (!record.verifying_said) plan.deadlines.verifying = std::min<Duration>(rollout::longest_verification, once * std::min(plan.breaker, tries_in_time));
}

}  // namespace hale::deploy
