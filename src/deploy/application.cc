#include "deploy/application.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/text.h"
#include "deploy/planning.h"
#include "deploy/question.h"
#include "deploy/strategy.h"

namespace hale::deploy {

namespace {

using Json = nlohmann::ordered_json;

std::string without_routes(const std::string& json, const std::set<std::pair<std::string, std::string>>& which) {
    Json all = Json::parse(json, nullptr, false);
    if (!all.is_object() || !all.contains("routes")) return json;
    auto& routes = all["routes"];
    for (auto it = routes.begin(); it != routes.end();)
        it = which.contains({it->value("host", ""), it->value("path", "/")}) ? routes.erase(it) : it + 1;
    return all.dump();
}

std::set<std::pair<std::string, std::string>> places_of(const std::vector<config::RouteSpec>& routes) {
    std::set<std::pair<std::string, std::string>> out;
    for (const auto& one : routes) out.emplace(one.host, one.path);
    return out;
}

rollout::Needs needs_of(config::WaitFor until) {
    switch (until) {
        case config::WaitFor::started: return rollout::Needs::started;
        case config::WaitFor::healthy: return rollout::Needs::healthy;
        case config::WaitFor::completed: return rollout::Needs::completed;
    }
    return rollout::Needs::healthy;
}

const config::Unchecked* unchecked(const config::CheckList& checks) {
    return checks.empty() ? nullptr : std::get_if<config::Unchecked>(&checks.front()->what);
}

Part part_now(const std::string& service, const catalog::ServiceNow& now) {
    Part out{.service = service, .makes = {}, .declares = {}, .declared = now.declared, .leaves = false, .from = {}, .before = {}, .gone = {}};
    for (const auto& one : now.instances) {
        if (!one.serving) continue;
        out.from.push_back(one.name);
        out.before.push_back(one.declared);
        if (!one.of_file) out.gone.push_back(one.name);
    }
    return out;
}

// The kinds and names of what is asked can't change under those who serve: each would be judged by the other's rules.
bool same_questions(const config::CheckList& a, const config::CheckList& b) {
    return std::ranges::equal(a, b, [](const auto& one, const auto& other) { return one->name == other->name && one->kind() == other->kind(); });
}

}  // namespace

std::string service_of(std::string_view application, std::string_view container) { return fmt::format("{}-{}", application, container); }

bool is_instance(const config::ComposeContainer& container) {
    return !container.one_shot && (!container.routes.empty() || (!container.checks.empty() && unchecked(container.checks) == nullptr));
}

std::string declared_as(const config::ComposeContainer& container) {
    Json out = Json::object();
    if (!container.check_json.empty()) {
        const Json check = Json::parse(container.check_json, nullptr, false);
        if (check.is_object()) out["check"] = check;
    }
    Json routes = Json::array();
    for (const auto& one : container.routes) routes.push_back({{"host", one.host}, {"path", one.path}, {"strip", one.strip}});
    if (!routes.empty()) out["routes"] = std::move(routes);
    return out.dump();
}

std::string checks_of(const std::string& declaration) {
    const Json all = Json::parse(declaration, nullptr, false);
    if (!all.is_object() || !all.contains("check")) return {};
    Json check = all["check"];
    if (!check.is_object() || check.contains("none")) return {};
    check.erase("scope");
    return Json{{"main", std::move(check)}}.dump();
}

Result<config::ComposeApplication> application_of(std::string_view name, const std::string& compose, const config::Variables& variables, const config::Document& document) {
    auto loaded = config::load_compose({.file = {"compose.yml", compose}, .project = std::string(name), .world = nullptr, .variables = &variables, .document = &document});
    if (!loaded) return fail(Code::invalid, config::text(loaded.error()));
    if (loaded->project != name) return fail(Code::invalid, fmt::format("the file is of project \"{}\", not \"{}\": deploy it by that name", loaded->project, escaped(name, 80)));
    return std::move(*loaded);
}

std::vector<std::string> services_of(const config::ComposeApplication& application, const Record* before) {
    std::vector<std::string> out;
    for (const auto& one : application.containers)
        if (is_instance(one)) out.push_back(service_of(application.project, one.name));
    if (before != nullptr)
        for (const auto& part : before->parts)
            if (!part.leaves && std::ranges::find(out, part.service) == out.end()) out.push_back(part.service);
    return out;
}

Result<Record> planned_application(const Request& request, const config::ComposeApplication& application, const std::map<std::string, catalog::ServiceNow>& now, const Record* before,
                                   std::string id, std::uint64_t number, Utc at) {
    Record out;
    out.id = std::move(id);
    out.service = application.project;
    out.actor = request.actor;
    out.number = number;
    out.created = at;
    out.containers = true;
    out.keeps = request.keeps;
    out.compose = request.compose;
    out.variables = request.variables;
    out.way_back = request.way_back;
    out.verifying_said = request.verifying.has_value();
    auto& limits = out.plan.deadlines;
    limits = {.pulling = Duration{0}, .creating = Duration{0}, .starting = Duration{0}, .verifying = rollout::least_verification};
    out.plan.pull = false;

    const auto& itself = now.at(application.project);
    if (itself.spec) return fail(Code::conflict, fmt::format("there is a service \"{}\": an application needs a name of its own", application.project));
    limits.draining = itself.document->settings.drain_timeout + drain_margin;

    // What the application's services claim now, by whom: a route moves only with the switch.
    std::map<std::pair<std::string, std::string>, std::string> claimed;
    for (const auto& [service, there] : now)
        for (const auto& place : places_of(there.routes)) claimed.emplace(place, service);

    std::set<std::string> names;
    for (const auto& [service, there] : now)
        for (const auto& one : there.instances) names.insert(one.name);
    std::vector<std::vector<std::size_t>> places(application.containers.size());  // Of each container's replicas.
    Duration grace{0};
    for (std::size_t c = 0; c < application.containers.size(); ++c) {
        const auto& container = application.containers[c];
        const bool instance = is_instance(container);
        const std::string service = service_of(out.service, container.name);
        const bool checked = asked_directly(container.checks);
        bool routed = false;
        if (instance) {
            const auto& there = now.at(service);
            Part part = part_now(service, there);
            const std::string declaration = declared_as(container);
            auto loaded = config::load_service(service, declaration, *there.document);
            if (!loaded) return fail(Code::invalid, fmt::format("container {}: {}", container.name, config::text(loaded.error())));
            if (there.spec && part.declared.empty())
                return fail(Code::conflict, fmt::format("service \"{}\" is the file's ({}); an application can't have it too", service, there.spec->mark.text()));
            if (there.spec && !same_questions(*there.spec->checks, loaded->service.checks ? *loaded->service.checks : config::CheckList{}))
                return fail(Code::conflict, fmt::format("the check of {} is of another kind than until now, and can't be asked of those who serve: give the container another name", service));
            std::set<std::pair<std::string, std::string>> anothers;
            for (const auto& place : places_of(loaded->routes))
                if (const auto owner = claimed.find(place); owner != claimed.end() && owner->second != service) anothers.insert(place);
            if (!there.spec) part.makes = without_routes(declaration, anothers);
            if ((there.spec && part.declared != declaration) || !anothers.empty()) part.declares = declaration;
            std::vector<config::RouteSpec> asked = there.spec ? there.routes : loaded->routes;
            std::erase_if(asked, [&](const auto& route) { return anothers.contains({route.host, route.path}); });
            routed = question_through(loaded->service, asked, there.front, "").has_value();
            out.parts.push_back(std::move(part));
        }
        const auto& spec = container.deploy;
        for (std::uint32_t r = 1; r <= spec.replicas; ++r) {
            places[c].push_back(out.candidates.size());
            std::string name = free_name(names, service, number, r);
            out.plan.containers.push_back({.name = name, .external = false, .made = false, .one_shot = container.one_shot, .container_health = false, .direct = instance && checked, .routed = routed, .after = {}});
            Candidate one{.name = std::move(name), .service = instance ? service : "", .container = container.name, .target = {}, .image = {}, .unverified = {}, .observations = {}, .log = {}};
            if (const auto* none = unchecked(container.checks)) one.unverified = none->reason;
            out.candidates.push_back(std::move(one));
        }
        if (spec.pull != config::Pull::never) {
            out.plan.pull = true;
            limits.pulling = std::max(limits.pulling, spec.deadlines.pulling);
        }
        limits.creating = std::max(limits.creating, spec.deadlines.creating);
        limits.starting = std::max(limits.starting, spec.deadlines.starting);
        limits.verifying = std::max(limits.verifying, verification_of(container.checks));
        grace = std::max(grace, spec.stop_timeout);
    }
    if (out.candidates.size() > rollout::Plan::most_containers)
        return fail(Code::invalid, fmt::format("{} containers; at most {} are deployed at once", out.candidates.size(), rollout::Plan::most_containers));
    for (std::size_t c = 0; c < application.containers.size(); ++c)
        for (const auto& needs : application.containers[c].depends_on) {
            const auto other = std::ranges::find(application.containers, needs.container, &config::ComposeContainer::name);
            for (const std::size_t mine : places[c])
                for (const std::size_t theirs : places[static_cast<std::size_t>(other - application.containers.begin())])
                    out.plan.containers[mine].after.push_back({theirs, needs_of(needs.until)});
        }
    limits.starting += limits.verifying * static_cast<std::int64_t>(waiting_depth(out.plan));  // Those who wait for others are started late.
    if (request.verifying) limits.verifying = *request.verifying;
    // What the new version has none of leaves with the switch.
    if (before != nullptr)
        for (const auto& old : before->parts) {
            const auto there = now.find(old.service);
            if (old.leaves || out.part(old.service) != nullptr || there == now.end() || !there->second.spec) continue;
            Part part = part_now(old.service, there->second);
            if (part.declared.empty()) continue;
            part.leaves = true;
            part.declares = without_routes(part.declared, places_of(there->second.routes));
            out.parts.push_back(std::move(part));
        }
    out.plan.has_old = before != nullptr || std::ranges::any_of(out.parts, [](const Part& part) { return !part.from.empty(); });
    out.plan.retire_old = true;
    if (!out.plan.has_old) limits.draining = Duration{0};
    limits.retiring = grace + stopping_margin;
    limits.rolling_back += grace;
    plan_questions(out, application.strategy);
    out.progress = rollout::begin(out.plan, at);
    note_phase(out);
    return out;
}

}  // namespace hale::deploy
