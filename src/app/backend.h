// The api's door to everybody else: posts each question to whoever knows, and brings the answer back to the api
// thread.

#pragma once

#include <functional>
#include <vector>

#include "api/backend.h"
#include "app/loop_thread.h"
#include "app/state_door.h"
#include "app/wiring.h"
#include "catalog/control.h"
#include "os/blocking_pool.h"

namespace hale::app {

class Certificates;
class Deployments;
class Issuing;
class Reloading;

class Backend final : public api::Backend {
public:
    struct Parts {
        io::Loop& api;
        io::Loop& control_loop;
        catalog::Control& control;
        std::vector<CheckerThread>& checkers;
        std::vector<WorkerThread>& workers;
        StateDoor& state;
        os::BlockingPool& pool;
    };
    explicit Backend(Parts parts) : parts_(parts) {}
    void set_reloading(Reloading& reloading) { reloading_ = &reloading; }
    // Called on the api thread; the reply may be called on any.
    using Upgrade = std::function<void(std::string actor, UpgradeReply reply)>;
    void set_upgrade(Upgrade upgrade) { upgrade_ = std::move(upgrade); }
    void set_certificates(Certificates& certificates, Issuing& issuing) {
        certificates_ = &certificates;
        issuing_ = &issuing;
    }
    void set_deployments(Deployments& deployments) { deployments_ = &deployments; }

    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override;
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override;
    void probe_now(std::string instance, std::string check, std::optional<Duration> max_age, ProbeReply reply) override;
    void probe_target(api::AdHocProbe probe, std::move_only_function<void(Result<verdict::Observation>)> reply) override;
    void heartbeat(std::string service, std::string check, verdict::Outcome outcome, std::string text,
                   std::move_only_function<void(Result<>)> reply) override;
    void reload(std::string actor, std::optional<catalog::KeptAnswer> kept, catalog::MutationReply reply) override;
    void audit(std::size_t most, std::optional<std::uint64_t> before_revision,
               std::move_only_function<void(Result<std::vector<config::AuditEntry>>)> reply) override;
    void answered(std::string key, std::string actor,
                  std::move_only_function<void(Result<std::optional<config::PutIdempotent>>)> reply) override;
    void measure(std::move_only_function<void(api::Measurements)> reply) override;
    void upgrade(std::string actor, UpgradeReply reply) override;
    void deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) override;
    void rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) override;
    void scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) override;
    void abort_deployment(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) override;
    void containers(std::string service, bool all, deploy::ContainersReply reply) override;
    void run_command(deploy::CommandRequest request, deploy::CommandReply reply) override;
    void act(deploy::HandRequest request, deploy::HandReply reply) override;
    std::unique_ptr<deploy::LogsReader> read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing) override;
    void certificates(std::move_only_function<void(std::vector<api::CertificateFacts>)> reply) override;
    void renew_certificate(std::string host, std::move_only_function<void(Result<>)> reply) override;

private:
    // A reply that runs on the api's loop wherever it is called.
    template <class Reply>
    auto home(Reply reply);

    Parts parts_;
    Reloading* reloading_ = nullptr;
    Upgrade upgrade_;
    Certificates* certificates_ = nullptr;
    Issuing* issuing_ = nullptr;
    Deployments* deployments_ = nullptr;
};

}  // namespace hale::app
