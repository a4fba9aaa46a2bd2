#include "deploy/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "config/load.h"
#include "deploy/question.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

Duration verification_of(const config::ServiceSpec& service, const std::optional<rollout::HealthCheck>& health) {
    std::vector<rollout::Verified> each{{.health = health, .direct = {}}};
    for (const auto& check : *service.checks)
        if (check->critical && check->probes())
            each.push_back({.health = {}, .direct = rollout::DirectCheck{.start_period = check->timing.start_period, .interval = check->timing.confirm_interval,
                                                                         .timeout = check->timing.timeout, .rise = check->timing.rise}});
    return rollout::verification_deadline(each);
}

Result<config::DeploySpec> containers_of(const config::ServiceSpec& service, const std::string& overrides, const config::Document& document) {
    const config::DeploySpec base = service.deploy ? *service.deploy : config::DeploySpec{};
    auto spec = config::load_deploy(overrides.empty() ? "{}" : overrides, base, document);
    if (!spec) return fail(Code::invalid, config::text(spec.error()));
    return std::move(*spec);
}

void settle_health(Record& record, const config::ServiceSpec& service, const std::optional<rollout::HealthCheck>& health) {
    for (auto& one : record.plan.containers) one.container_health = health.has_value();
    if (!record.verifying_said) record.plan.deadlines.verifying = verification_of(service, health);
}

namespace {

// What the phases of containers may take besides.
constexpr Duration stopping_margin = 30s;

void plan_containers(Record& out, const config::DeploySpec& spec, const catalog::ServiceNow& now, bool asked_through, bool checked) {
    out.containers = true;
    out.image = spec.image;
    std::set<std::string> names;
    for (const auto& one : now.instances) names.insert(one.name);
    for (std::uint32_t i = 1; i <= spec.replicas; ++i) {
        std::string name = fmt::format("{}-{}-{}", out.service, out.number, i);
        for (std::size_t n = 2; !names.insert(name).second; ++n) name = fmt::format("{}-{}-{}-{}", out.service, out.number, i, n);
        out.plan.containers.push_back({.name = name, .external = false, .one_shot = false, .container_health = false, .direct = checked, .routed = asked_through, .after = {}});
        out.candidates.push_back({.name = std::move(name), .target = {}, .kept = false, .observations = {}, .log = {}});
    }
    auto& limits = out.plan.deadlines;
    limits.pulling = spec.pull == config::Pull::never ? Duration{0} : spec.deadlines.pulling;
    limits.creating = spec.deadlines.creating;
    limits.starting = spec.deadlines.starting;
    if (spec.deadlines.verifying && !out.verifying_said) limits.verifying = *spec.deadlines.verifying, out.verifying_said = true;
    if (spec.deadlines.draining) limits.draining = *spec.deadlines.draining;
    limits.retiring = spec.stop_timeout + stopping_margin;
    limits.rolling_back += spec.stop_timeout;
    out.plan.pull = spec.pull != config::Pull::never;
}

}  // namespace

Result<Record> planned(const Request& request, const catalog::ServiceNow& now, std::string id, std::uint64_t number, Utc at) {
    const config::ServiceSpec* service = now.spec ? now.spec.get() : request.makes_service ? &request.makes_service->spec : nullptr;
    if (service == nullptr)
        return fail(Code::not_found, fmt::format("there is no service \"{}\"; with --host it is made beside its route", escaped(request.service, 80)));
    if (service->instances_fixed)
        return fail(Code::conflict, fmt::format("service \"{}\" says `instances: fixed` at {}: its instances are the file's alone", service->name, service->mark.text()));
    if (request.targets.empty() && request.overrides.empty() && !service->deploy)
        return fail(Code::invalid, "there is nothing to deploy: neither a target nor an image is named, and the service declares no `deploy`");
    if (!request.targets.empty() && !request.overrides.empty()) return fail(Code::invalid, "targets and an image at once: one of them");
    if (request.targets.size() > most_targets) return fail(Code::invalid, fmt::format("{} targets; at most {} are deployed at once", request.targets.size(), most_targets));
    if (std::set<std::string>(request.targets.begin(), request.targets.end()).size() != request.targets.size()) return fail(Code::invalid, "the same target is named twice");

    Record out;
    out.plan.has_old = false;
    out.id = std::move(id);
    out.service = request.service;
    out.actor = request.actor;
    out.number = number;
    out.created = at;
    if (!now.spec) out.service_json = request.makes_service->json;
    if (request.makes_route) out.route_json = request.makes_route->json;

    std::vector<config::RouteSpec> routes = now.routes;
    if (request.makes_route) routes.push_back(request.makes_route->spec);
    const bool asked_through = question_through(*service, routes, now.front, "").has_value();
    const bool checked = std::ranges::any_of(*service->checks, [](const auto& check) { return check->critical && check->scope == config::CheckScope::instance && check->probes(); });
    std::set<std::string> names;
    for (const auto& one : now.instances) names.insert(one.name);
    auto& limits = out.plan.deadlines;
    out.verifying_said = request.verifying.has_value();
    limits.verifying = request.verifying.value_or(verification_of(*service));
    limits.draining = now.document->settings.drain_timeout + drain_margin;
    out.overrides = request.overrides;
    const bool containers = request.targets.empty();
    if (containers) {
        HALE_ASSIGN(const config::DeploySpec spec, containers_of(*service, request.overrides, *now.document));
        plan_containers(out, spec, now, asked_through, checked);
    } else {
        limits.pulling = limits.creating = limits.starting = limits.retiring = Duration{0};
        out.plan.pull = false;
    }
    for (std::size_t i = 0; i < request.targets.size(); ++i) {
        const std::string& target = request.targets[i];
        const auto there = std::ranges::find(now.instances, target, &catalog::InstanceNow::declared);
        const bool kept = there != now.instances.end();
        std::string name = kept ? there->name : fmt::format("{}-{}-{}", request.service, number, i + 1);
        for (std::size_t n = 2; !kept && !names.insert(name).second; ++n) name = fmt::format("{}-{}-{}-{}", request.service, number, i + 1, n);
        out.plan.containers.push_back({.name = name, .external = true, .one_shot = false, .container_health = false, .direct = checked, .routed = asked_through && !kept, .after = {}});
        out.candidates.push_back({.name = std::move(name), .target = target, .kept = kept, .observations = {}, .log = {}});
    }
    for (const auto& one : now.instances) {
        if (!one.serving) continue;
        out.from.push_back(one.name);
        out.before.push_back(one.declared);
        const bool stays = std::ranges::any_of(out.candidates, [&](const Candidate& candidate) { return candidate.name == one.name; });
        if (stays) continue;
        out.plan.has_old = true;
        if (!one.of_file) out.gone.push_back(one.name);
    }
    out.plan.retire_old = containers;  // What nobody here made is nobody's to stop.
    if (!out.plan.has_old) limits.draining = Duration{0};
    out.progress = rollout::begin(out.plan, at);
    note_phase(out);
    return out;
}

}  // namespace hale::deploy
