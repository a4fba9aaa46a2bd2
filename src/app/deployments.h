// Deployments, wired: the deployer on a thread of its own, control and the probes' engine behind what it asks.
//
//   api ──▶ Deployments (its thread): Deployer ──▶ control: mutations, gates ──▶ … ──▶ back on its thread

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/loop_thread.h"
#include "app/wiring.h"
#include "catalog/control.h"
#include "catalog/deploying.h"
#include "deploy/at_hand.h"
#include "deploy/deployer.h"
#include "docker/engine.h"
#include "os/spawn_helper.h"

namespace hale::app {

class Deployments final : private catalog::Deploying {
public:
    struct Parts {
        io::Loop& control_loop;
        catalog::Control& control;
        std::vector<CheckerThread>& checkers;
        std::vector<WorkerThread>& workers;
        os::Spawner& spawner;   // For engines behind ssh, and for hooks that are programs,
        std::string exec_user;  // who run as this one.
        std::string engine;   // Where containers are made: "unix:///var/run/docker.sock".
        std::string home;     // The state's folder: containers are labelled with it.
        std::string version;
    };
    // Fails where no thread can be had.
    static Result<std::unique_ptr<Deployments>> create(Parts parts);

    Result<> start();
    // Once traffic is served: what a former process left goes on.
    void go_on(std::vector<config::StoredDeployment> stored);
    // Nothing is begun or asked from then on; its thread ends with join(), when control's has ended.
    void stop();
    void join();
    LoopThread& thread() { return *thread_; }
    // On its thread, between go_on() and stop(); null: there is none.
    docker::Engine* engine() { return engine_.get(); }
    // On any thread, whenever something is asked for. Set before it is started.
    void when_asked(std::function<void()> asked) { asked_for_ = std::move(asked); }

    // On any thread; the reply runs on the deployer's.
    void deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply);
    void rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply);
    void scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply);
    void abort(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply);

    // By hand.
    void containers(std::string service, bool all, deploy::ContainersReply reply);
    void run_command(deploy::CommandRequest request, deploy::CommandReply reply);
    void act(deploy::HandRequest request, deploy::HandReply reply);
    std::unique_ptr<deploy::LogsReader> read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing);

private:
    class Reader;
    explicit Deployments(Parts parts) : parts_(parts) {}
    // What runs on the deployer's thread wherever it is called.
    template <class Reply>
    auto home(Reply reply);

    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override;
    void look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) override;
    void verify(catalog::VerifyRequest request, catalog::VerifyReply reply) override;
    void traffic(std::string service, std::move_only_function<void(catalog::TrafficNow)> reply) override;
    void when_gone(std::vector<std::string> instances, io::Task gone) override;
    void probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) override;

    const Parts parts_;
    std::function<void()> asked_for_;
    std::unique_ptr<LoopThread> thread_;
    std::unique_ptr<io::Resolver> resolver_;
    std::unique_ptr<http::Scratch> scratch_;
    std::unique_ptr<docker::Engine> engine_;      // Likewise of that thread.
    std::unique_ptr<deploy::Deployer> deployer_;  // Made, used and destroyed on that thread.
    std::unique_ptr<deploy::AtHand> at_hand_;     // Likewise.
    std::atomic<std::uint64_t> readers_{0};       // Numbers given.
};

}  // namespace hale::app
