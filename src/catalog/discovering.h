// What whoever looks at the engine's containers asks of control and tells it. `fleet` calls this on its own loop, every answer
// comes there, in a later turn; `app` implements it by posting.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/checking.h"
#include "catalog/mutation.h"
#include "config/document.h"
#include "config/service_spec.h"
#include "verdict/state.h"

namespace hale::catalog {

// The container is the instance of this name of this service.
struct ContainerTold {
    std::string service, instance;
    std::shared_ptr<const ContainerWord> word;  // Null: it is none of ours any more.
};

// An instance that is a container, as control sees it.
struct HousedInstance {
    std::string service, name, id;
    std::string declared;    // Its address.
    std::string deployment;  // Empty: no deployment made it.
    verdict::State state = verdict::State::unknown;
    Utc since{};
    std::string why;  // The sentence of its verdict.
    bool eligible = false;
    bool serving = false;     // Neither a candidate nor draining nor leaving.
    bool overridden = false;  // It or its service, whatever the override says.
    bool deploying = false;   // A deployment of its service is under way.
    bool paused = false;      // Its service is drained or paused.
    std::shared_ptr<const config::ServiceSpec> spec;
    bool operator==(const HousedInstance&) const = default;
};

// A service that can be deployed, and no instance of which is of a deployment on record: an earlier Hale may have deployed it.
struct Vacant {
    std::shared_ptr<const config::ServiceSpec> spec;
    std::set<std::string> instances;  // All of deployments that are not on record.
    std::set<std::string> recorded;   // Deployments of it that are: none of them brought what there is.
};

struct Housing {
    std::shared_ptr<const config::Document> document;
    std::map<std::string, std::shared_ptr<const config::ServiceSpec>> others;  // Of those asked for: not declared by labels.
    std::map<std::string, std::string> discovered;  // By service, what is in force: Declared::discovered().
    std::vector<HousedInstance> instances;
    std::map<std::string, Vacant> vacant;  // By service.
    bool deployed = false;  // Some instance was made by a deployment, or some service can be deployed.
};

class Discovering {
public:
    virtual ~Discovering() = default;

    virtual void mutate(Mutation mutation, MutationReply reply) = 0;
    // `services`: whose declarations by others are asked for.
    virtual void look(std::vector<std::string> services, std::move_only_function<void(Housing)> reply) = 0;
    virtual void tell(std::vector<ContainerTold> told) = 0;
    // What labels say and can't stand: all there is now; doctor tells it.
    virtual void refused(std::vector<std::string> lines) = 0;
    // Something that happened, for events.
    virtual void notice(std::string kind, std::string subject, std::string text) = 0;
};

}  // namespace hale::catalog
