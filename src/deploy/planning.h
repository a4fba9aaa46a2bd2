// From what was asked for and what there is to a plan that is never changed afterwards. Pure.

#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/deploying.h"
#include "deploy/record.h"
#include "deploy/request.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

inline constexpr std::size_t most_targets = 256;
inline constexpr Duration drain_margin = 5s;  // After the last request had its time: for telling.

// Code::not_found: no such service; invalid: nothing or twice the same is asked for; conflict: the service's instances are
// the file's alone. `now`: the service as it is.
Result<Record> planned(const Request& request, const catalog::ServiceNow& now, std::string id, std::uint64_t number, Utc at);

// What its containers are to be: the service's `deploy` with the deployment's own word over it.
Result<config::DeploySpec> containers_of(const config::ServiceSpec& service, const std::string& overrides, const config::Document& document);

// Once the image is known, before anything is created: whether its containers judge themselves, and how long that may take.
void settle_health(Record& record, const config::ServiceSpec& service, const std::optional<rollout::HealthCheck>& health);

// What a service's checks allow for being verified, all instances beside each other.
Duration verification_of(const config::ServiceSpec& service, const std::optional<rollout::HealthCheck>& health = {});

}  // namespace hale::deploy
