#include "deploy/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "deploy/question.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

Duration verification_of(const config::ServiceSpec& service) {
    std::vector<rollout::Verified> each;
    for (const auto& check : *service.checks)
        if (check->critical && check->probes())
            each.push_back({.health = {}, .direct = rollout::DirectCheck{.start_period = check->timing.start_period, .interval = check->timing.confirm_interval,
                                                                         .timeout = check->timing.timeout, .rise = check->timing.rise}});
    return rollout::verification_deadline(each);
}

Result<Record> planned(const Request& request, const catalog::ServiceNow& now, std::string id, std::uint64_t number, Utc at) {
    const config::ServiceSpec* service = now.spec ? now.spec.get() : request.makes_service ? &request.makes_service->spec : nullptr;
    if (service == nullptr)
        return fail(Code::not_found, fmt::format("there is no service \"{}\"; with --host it is made beside its route", escaped(request.service, 80)));
    if (service->instances_fixed)
        return fail(Code::conflict, fmt::format("service \"{}\" says `instances: fixed` at {}: its instances are the file's alone", service->name, service->mark.text()));
    if (request.targets.empty()) return fail(Code::invalid, "there is nothing to deploy: no target is named");
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
    for (std::size_t i = 0; i < request.targets.size(); ++i) {
        const std::string& target = request.targets[i];
        const auto there = std::ranges::find(now.instances, target, &catalog::InstanceNow::declared);
        const bool kept = there != now.instances.end();
        std::string name = kept ? there->name : fmt::format("{}-{}-{}", request.service, number, i + 1);
        for (std::size_t n = 2; !kept && !names.insert(name).second; ++n) name = fmt::format("{}-{}-{}-{}", request.service, number, i + 1, n);
        out.plan.containers.push_back({.name = name, .external = true, .one_shot = false, .container_health = false, .direct = checked, .routed = asked_through && !kept, .after = {}});
        out.candidates.push_back({.name = std::move(name), .target = target, .kept = kept, .observations = {}});
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
    out.plan.pull = false;
    out.plan.retire_old = false;  // Nobody here made them.
    auto& limits = out.plan.deadlines;
    limits.pulling = limits.creating = limits.starting = limits.retiring = Duration{0};
    limits.verifying = request.verifying.value_or(verification_of(*service));
    limits.draining = out.plan.has_old ? now.document->settings.drain_timeout + drain_margin : Duration{0};
    out.progress = rollout::begin(out.plan, at);
    note_phase(out);
    return out;
}

}  // namespace hale::deploy
