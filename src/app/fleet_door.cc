#include "app/fleet_door.h"

#include <utility>

namespace hale::app {

void FleetDoor::start() {
    loop().post([this] {
        docker::Engine* engine = parts_.deployments.engine();
        if (engine == nullptr) return;
        fleet_ = std::make_unique<fleet::Fleet>(fleet::Fleet::Parts{.loop = loop(), .engine = *engine, .catalog = *this, .home = parts_.home, .seed = parts_.seed});
        fleet_->look();
    });
}

void FleetDoor::stop() {
    parts_.deployments.thread().run_and_wait([this] { fleet_.reset(); });
}

void FleetDoor::look() {
    loop().post([this] {
        if (fleet_) fleet_->look();
    });
}

template <class Reply>
auto FleetDoor::home(Reply reply) {
    return [this, reply = std::move(reply)](auto&&... answer) mutable {
        loop().post([reply = std::move(reply), ... answer = std::forward<decltype(answer)>(answer)]() mutable { reply(std::move(answer)...); });
    };
}

void FleetDoor::mutate(catalog::Mutation mutation, catalog::MutationReply reply) {
    parts_.control_loop.post([this, mutation = std::move(mutation), reply = home(std::move(reply))]() mutable {
        parts_.control.mutate(std::move(mutation), std::move(reply));
    });
}

void FleetDoor::look(std::vector<std::string> services, std::move_only_function<void(catalog::Housing)> reply) {
    parts_.control_loop.post([this, services = std::move(services), reply = home(std::move(reply))]() mutable { reply(parts_.control.housing(services)); });
}

void FleetDoor::tell(std::vector<catalog::ContainerTold> told) {
    parts_.control_loop.post([this, told = std::move(told)]() mutable { parts_.control.tell_containers(std::move(told)); });
}

void FleetDoor::refused(std::vector<std::string> lines) {
    parts_.control_loop.post([this, lines = std::move(lines)]() mutable { parts_.control.set_refused_labels(std::move(lines)); });
}

void FleetDoor::notice(std::string kind, std::string subject, std::string text) {
    parts_.control_loop.post([this, notice = catalog::Notice{std::move(kind), std::move(subject), std::move(text)}]() mutable { parts_.control.notice(std::move(notice)); });
}

}  // namespace hale::app
