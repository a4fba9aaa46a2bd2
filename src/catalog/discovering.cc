// The part of control that serves whoever looks at the engine's containers: what it says of instances, and what labels declare.

#include "catalog/discovering.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "catalog/control.h"
#include "verdict/ledger.h"

namespace hale::catalog {

void Control::tell_containers(std::vector<ContainerTold> told) {
    internally([this, told = std::move(told)](Moment at, Effects& effects) {
        for (const auto& one : told) membership_.set_container(one.service, one.instance, one.word, at, effects);
    });
}

// One of an application may concern every service.
bool Control::deploying(const Service& service) const {
    auto& membership = const_cast<Membership&>(membership_);  // A look-up only.
    return !service.candidate.deployment.empty() || std::ranges::any_of(deployments_, [&](const auto& deployment) {
        return !deployment.second->over && (deployment.second->service == service.name.view() || membership.service(deployment.second->service) == nullptr);
    });
}

std::optional<Vacant> Control::vacancy(const Service& service) const {
    if (!service.spec->deploy || service.spec->instances_fixed || service.spec->owner == config::Owner::labels) return std::nullopt;
    Vacant out{.spec = service.spec, .instances = {}, .recorded = {}};
    for (const auto& one : service.instances) {
        const auto deployment = deployment_of(one->spec->deployment.view());
        if (deployment.empty() || deployments_.contains(deployment) || one->leaving) return std::nullopt;
        out.instances.insert(one->name.str());
    }
    if (deploying(service)) return std::nullopt;
    for (const auto& [id, deployment] : deployments_)
        if (deployment->service == service.name.view()) out.recorded.insert(id);
    return out;
}

Housing Control::housing(const std::vector<std::string>& services) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    Housing out;
    out.document = declared_.document();
    out.discovered = declared_.discovered();
    for (const auto& name : services)
        if (auto spec = declared_.merged(name); spec && spec->owner != config::Owner::labels) out.others.emplace(name, std::move(spec));
    for (const auto& [key, word] : membership_.containers()) {
        const Instance* one = membership.instance_of(key.first, key.second);
        if (one == nullptr) continue;
        const Service& service = *one->service;
        HousedInstance housed{.service = key.first, .name = key.second, .id = one->id.str(), .declared = one->spec->target.declared.str(), .deployment = one->spec->deployment.str()};
        housed.state = one->current.word().state;
        if (one->current.record) housed.since = one->current.record->since, housed.why = one->current.record->text.str();
        housed.eligible = one->eligible;
        housed.serving = one->lifecycle_now() == verdict::Lifecycle::serving;
        housed.overridden = one->override || service.override;
        housed.deploying = deploying(service);
        housed.paused = service.draining || service.paused_until.has_value();
        housed.spec = service.spec;
        out.instances.push_back(std::move(housed));
    }
    out.deployed = !deployments_.empty();
    for (const auto& [name, service] : membership.services()) {
        out.deployed = out.deployed || service->spec->deploy != nullptr;
        if (auto vacant = vacancy(*service)) out.vacant.emplace(name, std::move(*vacant));
    }
    return out;
}

std::vector<std::string> Control::without_effect() const {
    std::vector<std::string> out = declared_.shadowed();
    std::ranges::copy(refused_labels_, std::back_inserter(out));
    return out;
}

void Control::set_refused_labels(std::vector<std::string> lines) {
    internally([this, lines = std::move(lines)](Moment, Effects& effects) mutable {
        if (lines == refused_labels_) return;
        refused_labels_ = std::move(lines);
        effects.tell.emplace_back(ShadowedPut{without_effect()});
    });
}

void Control::notice(Notice notice) {
    internally([notice = std::move(notice)](Moment, Effects& effects) mutable { effects.tell.emplace_back(std::move(notice)); });
}

}  // namespace hale::catalog
