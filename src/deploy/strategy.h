// How a deployment goes about it, from what is declared: its hooks, its waves, how often it tries, how long it is watched.
// Pure.

#pragma once

#include <string>

#include "base/time.h"
#include "catalog/deploying.h"
#include "config/deploy_spec.h"
#include "deploy/record.h"

namespace hale::deploy {

// So often may the verification of one container be gone through within the phase's deadline, with a breaker.
inline constexpr std::uint32_t tries_in_time = 3;

// Needs: candidates and deadlines of the plan are there. Waves are of containers alone: with a serving instance that is none,
// all go at once.
void plan_strategy(Record& record, const config::DeploySpec& spec, const catalog::ServiceNow& now);

// Amid waves: so long an old one that is started again may take until it gets requests.
Duration time_to_return(const rollout::Deadlines& limits);
// Who is brought back has the time that is known by now, where it was `before`.
void settle_return(Record& record, Duration before);

// Hooks, baking and what was wrong before: also of several services that are switched to as one.
void plan_questions(Record& record, const config::DeploySpec& spec);

// With a breaker: `once` is how long one container's verification may take.
void settle_breaker(Record& record, Duration once);

}  // namespace hale::deploy
