// What deployments ask of control and of the listeners. `deploy` calls this on its own loop, every answer comes there, in a
// later turn; `app` implements it by posting.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/checking.h"
#include "catalog/mutation.h"
#include "config/check_spec.h"
#include "config/document.h"
#include "config/service_spec.h"
#include "io/loop.h"
#include "verdict/observation.h"

namespace hale::catalog {

struct InstanceNow {
    std::string id, name, declared, deployment;
    bool serving = false;  // Neither a candidate nor draining.
    bool eligible = false;
    bool of_file = false;
    bool draining = false;
    std::uint32_t in_flight = 0;  // Requests under way with it.
    bool unhealthy = false;       // By its verdict, whatever an override says.
};

// A service as it is now, those that are leaving left out.
struct ServiceNow {
    std::shared_ptr<const config::Document> document;
    std::shared_ptr<const config::ServiceSpec> spec;  // Null: there is no such service.
    std::string declared;  // As the API declared it, JSON; empty: the file did.
    std::vector<InstanceNow> instances;
    std::vector<config::RouteSpec> routes;
    Front front;  // Where traffic is listened for.
};

// What users' requests met at one instance: counted by each worker since it knows the instance at its address, so the figures
// may begin anew.
struct InstanceTraffic {
    std::string name;
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;  // 5xx, or no whole answer.
    // Answered well within so long, and longer than the one before; the last has no bound.
    std::vector<std::pair<Duration, std::uint64_t>> took;
};
// By worker: what one of them began anew is told apart from what another counts.
using TrafficNow = std::vector<std::vector<InstanceTraffic>>;

class Deploying {
public:
    virtual ~Deploying() = default;

    virtual void mutate(Mutation mutation, MutationReply reply) = 0;
    virtual void look(std::string service, std::move_only_function<void(ServiceNow)> reply) = 0;
    virtual void verify(VerifyRequest request, VerifyReply reply) = 0;
    virtual void traffic(std::string service, std::move_only_function<void(TrafficNow)> reply) = 0;
    // When none of these instances (ids) is known any more.
    virtual void when_gone(std::vector<std::string> instances, io::Task gone) = 0;
    // One probe of a target that is no instance, by the same engine as every other.
    virtual void probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) = 0;
};

}  // namespace hale::catalog
