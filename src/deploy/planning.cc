#include "deploy/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "config/load.h"
#include "deploy/question.h"
#include "deploy/strategy.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

Duration verification_of(const config::CheckList& checks, const std::optional<rollout::HealthCheck>& health) {
    std::vector<rollout::Verified> each{{.health = health, .direct = {}}};
    for (const auto& check : checks)
        if (check->critical && check->probes())
            each.push_back({.health = {}, .direct = rollout::DirectCheck{.start_period = check->timing.start_period, .interval = check->timing.confirm_interval,
                                                                         .timeout = check->timing.timeout, .rise = check->timing.rise}});
    return rollout::verification_deadline(each);
}

bool asked_directly(const config::CheckList& checks) {
    return std::ranges::any_of(checks, [](const auto& check) { return check->critical && check->scope == config::CheckScope::instance && check->probes(); });
}

std::size_t waiting_depth(const rollout::Plan& plan) {
    std::vector<std::size_t> depth(plan.containers.size(), 0);
    // Nobody waits for themselves, so as many rounds as there are containers settle it.
    for (bool moved = true; moved;) {
        moved = false;
        for (std::size_t i = 0; i < depth.size(); ++i)
            for (const auto& one : plan.containers[i].after) {
                const std::size_t at_least = depth[one.container] + (one.needs == rollout::Needs::started ? 0 : 1);
                if (depth[i] >= at_least || at_least > depth.size()) continue;
                depth[i] = at_least;
                moved = true;
            }
    }
    return depth.empty() ? 0 : *std::ranges::max_element(depth);
}

std::string free_name(std::set<std::string>& taken, std::string_view of, std::uint64_t number, std::size_t n) {
    std::string name = fmt::format("{}-{}-{}", of, number, n);
    for (std::size_t more = 2; !taken.insert(name).second; ++more) name = fmt::format("{}-{}-{}-{}", of, number, n, more);
    return name;
}

Result<config::DeploySpec> containers_of(const config::ServiceSpec& service, const std::string& overrides, const config::Document& document) {
    const config::DeploySpec base = service.deploy ? *service.deploy : config::DeploySpec{};
    auto spec = config::load_deploy(overrides.empty() ? "{}" : overrides, base, document);
    if (!spec) return fail(Code::invalid, config::text(spec.error()));
    return std::move(*spec);
}

namespace {

std::string why_unasked(const config::CheckList& checks) {
    for (const auto& one : checks)
        if (const auto* none = std::get_if<config::Unchecked>(&one->what)) return none->reason;
    return "its service's checks ask nothing of an instance";
}

void plan_containers(Record& out, const config::DeploySpec& spec, std::set<std::string>& names, bool asked_through, bool checked, const std::string& unverified) {
    out.containers = true;
    out.image = spec.image;
    for (std::uint32_t i = 1; i <= spec.replicas; ++i) {
        std::string name = free_name(names, out.service, out.number, i);
        out.plan.containers.push_back({.name = name, .external = false, .made = false, .one_shot = false, .container_health = false, .direct = checked, .routed = asked_through, .after = {}});
        out.candidates.push_back({.name = std::move(name), .service = out.service, .container = {}, .target = {}, .image = {}, .unverified = unverified, .observations = {}, .log = {}});
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
    out.keeps = request.keeps;
    out.way_back = request.way_back;
    Part part{.service = request.service, .makes = {}, .declares = {}, .declared = {}, .leaves = false, .from = {}, .before = {}, .gone = {}};
    if (!now.spec) part.makes = request.makes_service->json;
    if (request.makes_route) out.route_json = request.makes_route->json;

    std::vector<config::RouteSpec> routes = now.routes;
    if (request.makes_route) routes.push_back(request.makes_route->spec);
    const bool asked_through = question_through(*service, routes, now.front, "").has_value();
    const bool checked = asked_directly(*service->checks);
    std::set<std::string> names;
    for (const auto& one : now.instances) names.insert(one.name);
    auto& limits = out.plan.deadlines;
    out.verifying_said = request.verifying.has_value();
    limits.verifying = request.verifying.value_or(verification_of(*service->checks));
    limits.draining = now.document->settings.drain_timeout + drain_margin;
    out.overrides = request.overrides;
    const bool containers = request.targets.empty();
    if (containers) {
        HALE_ASSIGN(const config::DeploySpec spec, containers_of(*service, request.overrides, *now.document));
        // What is declared may say another image by the time that one more container is made, here or on a way back.
        if (!spec.image.empty()) out.overrides = with_image(request.overrides, spec.image);
        plan_containers(out, spec, names, asked_through, checked, checked ? "" : why_unasked(*service->checks));
    } else {
        limits.pulling = limits.creating = limits.starting = limits.retiring = Duration{0};
        out.plan.pull = false;
    }
    for (std::size_t i = 0; i < request.targets.size(); ++i) {
        const std::string& target = request.targets[i];
        const auto there = std::ranges::find(now.instances, target, &catalog::InstanceNow::declared);
        const bool kept = there != now.instances.end();
        std::string name = kept ? there->name : free_name(names, request.service, number, i + 1);
        out.plan.containers.push_back({.name = name, .external = true, .made = false, .one_shot = false, .container_health = false, .direct = checked, .routed = asked_through && !kept, .after = {}});
        out.candidates.push_back({.name = std::move(name), .service = request.service, .container = {}, .target = target, .kept = kept, .image = {}, .unverified = checked ? "" : why_unasked(*service->checks), .observations = {}, .log = {}});
    }
    for (const auto& one : now.instances) {
        if (!one.serving) {
            // Stopped by hand, it goes with its version; but for what is to stay, or to come back.
            if (one.draining && !one.of_file && !one.deployment.empty() && !request.keeps && request.way_back.empty()) part.gone.push_back(one.name), out.plan.has_old = true;
            continue;
        }
        part.from.push_back(one.name);
        part.before.push_back(one.declared);
        const bool stays = std::ranges::any_of(out.candidates, [&](const Candidate& candidate) { return candidate.name == one.name; });
        if (stays) continue;
        out.plan.has_old = true;
        if (!one.of_file) part.gone.push_back(one.name);
    }
    out.parts.push_back(std::move(part));
    out.plan.retire_old = containers;  // What nobody here made is nobody's to stop.
    if (!out.plan.has_old) limits.draining = Duration{0};
    if (containers) {
        HALE_ASSIGN(const config::DeploySpec spec, containers_of(*service, request.overrides, *now.document));
        plan_strategy(out, spec, now);
    } else {
        plan_strategy(out, service->deploy ? *service->deploy : config::DeploySpec{}, now);
    }
    out.progress = rollout::begin(out.plan, at);
    note_phase(out);
    return out;
}

}  // namespace hale::deploy
