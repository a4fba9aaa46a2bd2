#include "catalog/publishing.h"

#include <algorithm>
#include <utility>

#include "catalog/folding.h"

namespace hale::catalog {

namespace {
constexpr Duration good_lately = 60s;  // Before a panic began: so lately eligible, an instance is one of the last good.
}  // namespace

std::shared_ptr<const RoutedService> Publishing::routed(Service& service, std::uint64_t revision, Moment at) {
    auto out = std::make_shared<RoutedService>();
    out->name = service.name;
    out->epoch = service.epoch.get();
    out->balance = service.spec->balance;
    out->timeouts = service.spec->timeouts;
    out->retry = service.spec->retry;
    out->upstream_tls = service.spec->upstream_tls;
    out->panic = service.panic;
    // They fail one after the other, so those lost just before the panic are as good as those lost at its beginning.
    const auto was_good = [&](const auto& instance) { return instance->good_until >= service.panicked_at - good_lately; };
    // Where nobody was lost lately (a restart amid trouble) nobody is known to be better than the others.
    const bool last_good = service.panic && service.spec->panic && service.spec->panic->to == config::PanicTarget::last_good &&
                           std::ranges::any_of(service.instances, [&](const auto& instance) { return !instance->eligible && was_good(instance); });
    out->degraded_weight = service.spec->degraded_weight;
    out->override = service.override ? std::optional{service.override->state} : std::nullopt;
    if (service.paused_until) out->paused_until = at.now + (*service.paused_until - at.utc);
    out->candidate_key = service.candidate.key;
    out->revision = revision;
    out->index = service.slot;
    for (const auto& instance : service.instances) {
        if (!instance->current.address) continue;  // Not resolved yet, or nothing that can be routed to.
        Endpoint endpoint;
        endpoint.row_id = instance->current.row;
        endpoint.row = instance->current.cell;
        endpoint.generation = instance->current.number;
        const verdict::Standing standing = standing_of(*instance);
        endpoint.lifecycle = standing.lifecycle;
        endpoint.override = standing.override;
        endpoint.unchecked = standing.unchecked;
        endpoint.in_panic = service.panic && (!last_good || was_good(instance));
        endpoint.trusted = instance->spec->owner == config::Owner::file;
        endpoint.tls = instance->spec->target.tls;
        if (endpoint.tls) endpoint.tls_name = instance->spec->target.tls_name();
        endpoint.weight = instance->weight.value_or(instance->spec->weight);
        endpoint.address = *instance->current.address;
        endpoint.id = instance->id;
        endpoint.name = instance->name;
        endpoint.address_text = endpoint.address.text();
        if (instance->spec->target.url) endpoint.authority = instance->spec->target.authority();
        out->endpoints.push_back(std::move(endpoint));
    }
    out->only_candidates = !service.candidate.deployment.empty() &&
                           std::ranges::all_of(service.instances, [](const auto& instance) { return standing_of(*instance).lifecycle == verdict::Lifecycle::starting; });
    return out;
}

Snapshot Publishing::build(Membership& membership, const std::vector<RouteFacts>& routes, const std::set<SharedText, std::less<>>& touched,
                           const config::Document& document, std::shared_ptr<const TargetPolicy> targets, std::uint64_t revision,
                           Moment at) {
    for (const auto& name : touched)
        if (Service* service = membership.service(name))
            service->published = service->routed ? routed(*service, revision, at) : nullptr;
    auto snapshot = std::make_shared<RoutingSnapshot>();
    snapshot->revision = revision;
    std::vector<Route> table;
    table.reserve(routes.size());
    for (const auto& route : routes) {
        Service* service = membership.service(route.spec.service);
        if (service == nullptr) continue;
        if (!service->published) service->published = routed(*service, revision, at);
        table.push_back({route.spec.id, route.spec.host, route.spec.path, route.spec.strip, service->published, route.spec.tls.or_else(service->spec->tls)});
    }
    snapshot->table = RouteTable(std::move(table));
    snapshot->targets = std::move(targets);
    snapshot->max_body = document.settings.max_body;
    snapshot->trusted_proxies = document.settings.trusted_proxies;
    snapshot->errors_detail_for = document.settings.errors_detail_for;
    for (const auto& alias : document.aliases)
        if (alias.on_public) snapshot->public_health.push_back({alias.method, alias.path, alias.action, alias.shape});
    return snapshot;
}

}  // namespace hale::catalog
