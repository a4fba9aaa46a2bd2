#include "catalog/view.h"

#include "catalog/routing.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace hale::catalog {

namespace {

std::int32_t microseconds(Duration d) {
    if (d < Duration{0}) return -1;
    return static_cast<std::int32_t>(std::min<std::int64_t>(d / 1us, INT32_MAX));
}

void see(InstanceView& instance, const Seen& seen) {
    instance.last = LastProbe{.any = true,
                              .check = seen.check,
                              .outcome = seen.outcome,
                              .reason = seen.reason,
                              .phase = seen.phase,
                              .trigger = seen.trigger,
                              .vehicle = seen.vehicle,
                              .status = seen.status,
                              .run_length = seen.run_length,
                              .run_needed = seen.run_needed,
                              .run_outcome = seen.run_outcome,
                              .certificate_until = seen.certificate_until,
                              .dns_us = microseconds(seen.timings.dns),
                              .connect_us = microseconds(seen.timings.connect),
                              .tls_us = microseconds(seen.timings.tls),
                              .first_byte_us = microseconds(seen.timings.first_byte),
                              .total_us = microseconds(seen.timings.total),
                              .at = seen.at};
    instance.detail = seen.detail;
    if (seen.counted) instance.observed = seen.at;
    if (seen.next_probe != Utc{}) instance.next_probe = seen.next_probe;  // What is pushed has no next.
}

template <class T>
T& at_slot(std::vector<T>& list, Slot slot) {
    if (slot >= list.size()) list.resize(slot + 1);
    return list[slot];
}

}  // namespace

void View::apply(const Delta& delta) {
    if (delta.revision != 0) revision_ = delta.revision;
    if (const auto* seen_put = std::get_if<SeenPut>(&delta.what)) {  // By far the most frequent.
        if (seen_put->slot < instances_.size() && instances_[seen_put->slot].facts) see(instances_[seen_put->slot], seen_put->seen);
    } else if (const auto* verdict = std::get_if<VerdictPut>(&delta.what)) {
        InstanceView& instance = at_slot(instances_, verdict->slot);
        instance.record = verdict->record;
        instance.eligible = verdict->eligible;
        instance.rule = verdict->rule;
        instance.revision = delta.revision;
    } else if (const auto* standing = std::get_if<StandingPut>(&delta.what)) {
        ServiceView& service = at_slot(services_, standing->slot);
        service.standing = standing->standing;
        service.revision = delta.revision;
    } else if (const auto* instance_put = std::get_if<InstancePut>(&delta.what)) put(*instance_put, delta);
    else if (const auto* instance_gone = std::get_if<InstanceGone>(&delta.what)) gone(*instance_gone);
    else if (const auto* service_put = std::get_if<ServicePut>(&delta.what)) put(*service_put, delta);
    else if (const auto* service_gone = std::get_if<ServiceGone>(&delta.what)) gone(*service_gone);
    else if (const auto* routes_put = std::get_if<RoutesPut>(&delta.what)) routes_ = routes_put->routes;
    else if (const auto* document_put = std::get_if<DocumentPut>(&delta.what)) {
        if (document_put->document) document_ = document_put->document;
        reload_ = document_put->reload;
    } else if (const auto* lookup = std::get_if<LookupPut>(&delta.what)) {
        if (lookup->error.empty()) failed_lookups_.erase(lookup->name);
        else failed_lookups_.insert_or_assign(lookup->name, lookup->error);
    } else if (const auto* deployed = std::get_if<DeploymentPut>(&delta.what)) {
        auto& known = deployments_[deployed->deployment->id];
        if (known && !known->over && deployed->deployment->over) {
            const auto record = nlohmann::json::parse(deployed->deployment->json, nullptr, false);
            ++ended_deployments_[record.is_object() ? record.value("phase", "") : ""];
        }
        known = deployed->deployment;
        deployments_revision_ = delta.revision;
    } else if (const auto* forgotten = std::get_if<DeploymentGone>(&delta.what)) {
        deployments_.erase(forgotten->id);
        deployments_revision_ = delta.revision;
    } else if (const auto* shadowed_put = std::get_if<ShadowedPut>(&delta.what)) shadowed_ = shadowed_put->lines;
}

void View::put(const ServicePut& put, const Delta& delta) {
    ServiceView& service = at_slot(services_, put.facts->slot);
    service.facts = put.facts;
    if (!put.same) service.revision = delta.revision;
    services_by_name_[put.facts->name.str()] = put.facts->slot;
}

void View::put(const InstancePut& put, const Delta& delta) {
    const Slot slot = put.facts->slot;
    InstanceView& instance = at_slot(instances_, slot);
    if (instance.facts) {
        // The keys are in the facts that go away.
        instances_by_id_.erase(slot, id_of());
        instances_by_name_.erase(slot, name_of());
        // Evidence belongs to its generation.
        if (instance.facts->generation != put.facts->generation) {
            instance.last = {};
            instance.detail.reset();
            instance.observed = {};
            instance.next_probe = {};
        }
    } else {
        at_slot(services_, put.facts->service_slot).instances.push_back(slot);
    }
    instance.facts = put.facts;
    instance.revision = delta.revision;
    instances_by_id_.put(slot, id_of());
    instances_by_name_.put(slot, name_of());
}

void View::gone(const InstanceGone& gone) {
    if (gone.slot >= instances_.size() || !instances_[gone.slot].facts) return;
    InstanceView& instance = instances_[gone.slot];
    instances_by_id_.erase(gone.slot, id_of());
    instances_by_name_.erase(gone.slot, name_of());
    // From the end, where a service that goes loses them.
    auto& siblings = at_slot(services_, instance.facts->service_slot).instances;
    const auto found = std::ranges::find(siblings.rbegin(), siblings.rend(), gone.slot);
    if (found != siblings.rend()) siblings.erase(std::next(found).base());
    instance = InstanceView{};
}

void View::gone(const ServiceGone& gone) {
    if (gone.slot >= services_.size() || !services_[gone.slot].facts) return;
    services_by_name_.erase(services_[gone.slot].facts->name.str());
    services_[gone.slot] = ServiceView{};
}

const InstanceView* View::instance(Slot slot) const {
    return slot < instances_.size() && instances_[slot].facts ? &instances_[slot] : nullptr;
}

const ServiceView* View::service(Slot slot) const {
    return slot < services_.size() && services_[slot].facts ? &services_[slot] : nullptr;
}

const ServiceView* View::service(std::string_view name) const {
    const auto found = services_by_name_.find(name);
    return found == services_by_name_.end() ? nullptr : service(found->second);
}

const InstanceView* View::instance(std::string_view id_or_name) const {
    const Slot slot = instances_by_id_.find(id_or_name, id_of());
    return instance(slot != ~Slot{0} ? slot : instances_by_name_.find(id_or_name, name_of()));
}

const RouteFacts* View::route(std::string_view host, std::string_view path) const {
    // The same order as RouteTable::find: exact, one-level wildcard, any; longest prefix within each.
    const RouteFacts* best = nullptr;
    int best_rank = 0;
    const auto dot = host.find('.');
    const std::string_view rest = dot == std::string_view::npos || dot == 0 ? std::string_view{} : host.substr(dot + 1);
    for (const RouteFacts& route : *routes_) {
        const std::string_view declared = route.spec.host;
        int rank = 0;
        if (declared == host) rank = 3;
        else if (declared.starts_with("*.") && !rest.empty() && declared.substr(2) == rest) rank = 2;
        else if (declared == "*") rank = 1;
        if (rank == 0 || !covers(route.spec.path, path)) continue;
        if (best == nullptr || rank > best_rank || (rank == best_rank && route.spec.path.size() > best->spec.path.size()))
            best = &route, best_rank = rank;
    }
    return best;
}

}  // namespace hale::catalog
