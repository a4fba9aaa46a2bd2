// All deployments under way: one for each service, and at most one more that waits for it to end. Goes on after a restart
// with what a former process left. Everything on the deployer's loop.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/deploying.h"
#include "config/journal.h"
#include "deploy/containers.h"
#include "deploy/record.h"
#include "deploy/request.h"
#include "deploy/run.h"
#include "io/blocking.h"
#include "io/loop.h"

namespace hale::deploy {

inline constexpr std::size_t most_under_way = 64;       // Of all services together.
inline constexpr std::size_t most_remembered = 20;      // Of a service: versions that a rollback may name.

class Deployer {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        std::function<std::string(std::size_t bytes)> secret_bytes;
        docker::Engine* engine = nullptr;  // Null: deployments of targets alone.
        std::string home = {};             // Where the state is: containers say so, and another Hale's are left alone.
        io::Spawner* spawner = nullptr;    // Of hooks that are programs; null: none can be run.
        std::string exec_user;             // As whom.
    };
    explicit Deployer(Parts parts);
    ~Deployer();

    // What the store held. What was under way goes on; what can't be read is told in the log and left.
    void restore(const std::vector<config::StoredDeployment>& stored);

    // Answered when it is stored and begins, or is planned only (`dry`: nothing is stored and nothing begins).
    // A deployment of the same service that is under way is superseded and undone first.
    void deploy(Request request, bool dry, AcceptedReply reply);
    // Deploys what the service had before, or what deployment `to` brought. Code::not_found where there is none.
    void rollback(std::string service, std::string to, std::string actor, AcceptedReply reply);
    // As many containers as that, of what was deployed last; those that run stay. Code::not_found: none was made.
    void scale(std::string service, std::uint32_t replicas, std::string actor, AcceptedReply reply);
    // Code::not_found without such a deployment, conflict when it is over.
    Result<> abort(const std::string& id, const std::string& actor);

    // Is one of it under way, alone or as a part of an application?
    bool deploys(const std::string& service) const;
    std::size_t under_way() const { return runs_.size(); }

private:
    struct Waiting {
        Request request;
        AcceptedReply reply;
    };
    // The number of the last one, where none is on record: a Hale before this one, whose state is not here, may have given some.
    // They stand on the containers that are left of them.
    void know_number(const Request& request, io::Task then);
    void plan(Request request, std::string id, std::move_only_function<void(Result<Record>)> then);
    void plan_next(Request request, std::string id, std::move_only_function<void(Result<Record>)> then);
    void begin(Request request, AcceptedReply reply);
    void supersede(Request request, AcceptedReply reply);
    void run(Record record);
    void over(const std::string& service);
    std::string made_up(std::string_view prefix) const;

    const Parts parts_;
    std::map<std::string, std::unique_ptr<Run>> runs_;          // By service.
    std::map<std::string, Waiting> next_;                       // By service.
    std::map<std::string, std::uint64_t> numbers_;              // The last given, by service.
    std::set<std::string> numbered_;                            // Services whose last number is known for certain.
    std::unique_ptr<Containers> former_;                        // Asks what is left of earlier ones.
    std::set<std::string> restored_;                            // Deployments that were on record when this began.
    std::map<std::string, std::vector<Record>> done_;           // What users were switched to, the oldest first.
    std::shared_ptr<Deployer*> self_ = std::make_shared<Deployer*>(this);
};

}  // namespace hale::deploy
