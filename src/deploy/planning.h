// From what was asked for and what there is to a plan that is never changed afterwards. Pure.

#pragma once

#include <set>
#include <string>
#include <string_view>
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

// What a service's checks allow for being verified, all instances beside each other.
Duration verification_of(const config::CheckList& checks, const std::optional<rollout::HealthCheck>& health = {});
// Is an instance of it asked anything at its own address?
bool asked_directly(const config::CheckList& checks);

// How many containers wait for each other one after the other until the last is started; 0: nobody waits to be healthy or over.
std::size_t waiting_depth(const rollout::Plan& plan);

inline constexpr Duration stopping_margin = 30s;  // Of retiring, beyond the longest grace of a stop.
// The next free name for a container, or an instance: "web-7-1", "web-7-1-2" where that is taken. Takes it.
std::string free_name(std::set<std::string>& taken, std::string_view of, std::uint64_t number, std::size_t n);

}  // namespace hale::deploy
