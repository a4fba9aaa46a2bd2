// What looks after the engine's containers, wired: on the deployer's thread, by the deployer's engine, with control behind what
// it asks and tells.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/deployments.h"
#include "catalog/control.h"
#include "catalog/discovering.h"
#include "fleet/fleet.h"

namespace hale::app {

class FleetDoor final : private catalog::Discovering {
public:
    struct Parts {
        io::Loop& control_loop;
        catalog::Control& control;
        Deployments& deployments;
        std::string home;  // As Deployments::Parts::home.
        std::uint64_t seed;
    };
    explicit FleetDoor(Parts parts) : parts_(parts) {}

    // Needs: the deployments go on.
    void start();
    // Before the deployments stop.
    void stop();
    // On any thread: another document is in force, or something is deployed.
    void look();

private:
    template <class Reply>
    auto home(Reply reply);

    void mutate(catalog::Mutation mutation, catalog::MutationReply reply) override;
    void look(std::vector<std::string> services, std::move_only_function<void(catalog::Housing)> reply) override;
    void tell(std::vector<catalog::ContainerTold> told) override;
    void refused(std::vector<std::string> lines) override;
    void notice(std::string kind, std::string subject, std::string text) override;

    io::Loop& loop() { return parts_.deployments.thread().loop(); }

    const Parts parts_;
    std::unique_ptr<fleet::Fleet> fleet_;  // Made, used and destroyed on that thread.
};

}  // namespace hale::app
