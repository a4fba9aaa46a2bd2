// Mutations of declared objects: services, instances, routes, checks. Parsed and checked by config, as the file is.

#include <fmt/format.h>

#include <algorithm>

#include "api/body.h"
#include "api/desk.h"
#include "api/handlers.h"
#include "api/target.h"
#include "api/trust.h"
#include "base/text.h"
#include "config/load.h"
#include "config/show.h"

namespace hale::api {

namespace {

MutationPlan made(const std::string& object, std::string detail, int status, std::string kind) {
    MutationPlan plan{.object = object, .detail = std::move(detail), .status = status};
    plan.members = [object, kind = std::move(kind)](JsonWriter& json) { json.text(kind, object); };
    return plan;
}

void store_service(Desk& desk, const CallPtr& call, const std::string& name, std::string json, int status) {
    auto loaded = config::load_service(name, json, document_of(desk));
    if (!loaded) return answer_problems(call, loaded.error());
    for (const auto& instance : loaded->service.instances)
        if (!may_add_target(desk, call, instance.target)) return;
    if (loaded->service.deploy && call->caller.role < guard::Role::admin)
        return answer_problem(call, {403, "image_not_allowed", "Role operate may not declare containers: what runs on this machine's engine is for role admin"});
    auto plan = made(name, config::to_json(loaded->service, loaded->routes), status, "service");
    mutate(desk, call, catalog::PutApiService{std::move(loaded->service), std::move(loaded->routes), std::move(json)}, std::move(plan));
}

void store_route(Desk& desk, const CallPtr& call, const std::string& expected, int status) {
    auto loaded = config::load_route(call->request().body, document_of(desk));
    if (!loaded) return answer_problems(call, loaded.error());
    if (!expected.empty() && loaded->id != expected)
        return answer_problem(call, {400, "invalid", fmt::format("host and path of the body make route {}, not {}; a route's id follows from them", loaded->id, escaped(expected))});
    auto plan = made(loaded->id, config::to_json(*loaded), status, "route");
    plan.members = [spec = *loaded](JsonWriter& json) { json.text("route", spec.id).text("host", spec.host).text("path", spec.path).text("service", spec.service); };
    mutate(desk, call, catalog::PutApiRoute{std::move(*loaded), call->request().body}, std::move(plan));
}

}  // namespace

void create_service(Desk& desk, const CallPtr& call) {
    // Its other members belong to config: only the name is looked at here.
    Body body(call->request().body, "");
    const std::string name = body.text("name");
    if (name.empty()) return answer_problem(call, {400, "invalid", "/name: is needed", {{"/name", "is needed", "", 0}}});
    if (!config::is_service_name(name)) return answer_problem(call, {400, "invalid", "/name: allowed: ^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$", {{"/name", "allowed: ^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$", "", 0}}});
    if (desk.view.service(std::string_view(name)) != nullptr) return answer_error(call, Error{Code::conflict, fmt::format("there is a service \"{}\" already; PUT replaces it", name)});
    store_service(desk, call, name, body.without("name"), 201);
}

void put_service(Desk& desk, const CallPtr& call) {
    const std::string& name = call->param("s");
    if (!config::is_service_name(name)) return answer_problem(call, {400, "invalid", "a service's name is ^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"});
    store_service(desk, call, name, call->request().body, desk.view.service(std::string_view(name)) != nullptr ? 200 : 201);
}

void delete_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call))
        mutate(desk, call, catalog::RemoveApiService{service->facts->name.str()}, made(service->facts->name.str(), "{}", 200, "service"));
}

void create_instance(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    static const config::ServiceSpec none;
    auto loaded = config::load_instance(service->facts->spec ? *service->facts->spec : none, call->request().body, document_of(desk));
    if (!loaded) return answer_problems(call, loaded.error());
    if (!may_add_target(desk, call, loaded->target)) return;
    auto plan = made(loaded->name.str(), config::to_json(*loaded), 201, "instance");
    mutate(desk, call, catalog::PutApiInstance{service->facts->name.str(), std::move(*loaded), call->request().body}, std::move(plan));
}

void delete_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call))
        mutate(desk, call, catalog::RemoveApiInstance{instance->facts->service.str(), instance->facts->name.str()}, made(instance->facts->id.str(), "{}", 200, "instance"));
}

void create_route(Desk& desk, const CallPtr& call) { store_route(desk, call, "", 201); }
void put_route(Desk& desk, const CallPtr& call) { store_route(desk, call, call->param("id"), 200); }

void delete_route(Desk& desk, const CallPtr& call) {
    const std::string& id = call->param("id");
    const auto& routes = desk.view.routes();
    if (std::ranges::none_of(routes, [&](const auto& route) { return route.spec.id == id; }))
        return answer_error(call, Error{Code::not_found, fmt::format("there is no route \"{}\"", escaped(id))});
    mutate(desk, call, catalog::RemoveApiRoute{id}, made(id, "{}", 200, "route"));
}

// {host, targets, service?, path?, health_path?, project?, strip?, tls?}: what is missing of service, instances and route
// is made in one mutation.
void add_route(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "host targets service path health_path project strip tls");
    const std::string host = body.text("host", true);
    const auto targets = body.texts("targets", true);
    std::string name = body.text("service"), path = body.text("path"), health_path = body.text("health_path");
    std::string project = body.text("project");
    bool strip = body.boolean("strip");
    const bool tls = body.boolean("tls");
    if (path.empty()) path = "/";
    if (name.empty()) name = lower(host);
    if (health_path.empty()) health_path = "/up";
    if (!host.empty() && !config::is_service_name(name)) body.fault("service", "is needed: the host is no service name");
    if (!health_path.starts_with('/')) body.fault("health_path", "must begin with /");
    if (!body.ok()) return answer_problem(call, body.problem());

    catalog::AddRoute change;
    config::ServiceSpec fresh;
    const auto* present = desk.view.service(std::string_view(name));
    if (present == nullptr) {
        std::string json = fmt::format(R"({{"check":{{"http":{}}}{}}})", json_quoted(health_path), tls ? R"(,"tls":true)" : "");
        auto service = config::load_service(name, json, document_of(desk));
        if (!service) return answer_problems(call, service.error());
        fresh = service->service;
        change.service = catalog::PutApiService{std::move(service->service), std::move(service->routes), std::move(json)};
    }
    config::ServiceSpec grown = present != nullptr && present->facts->spec ? *present->facts->spec : fresh;
    for (const auto& target : targets) {
        const bool listed = std::ranges::any_of(grown.instances, [&](const auto& instance) { return instance.target.declared == target; });
        if (listed) continue;  // Asked again, it is there already.
        std::string json = json_quoted(target);
        auto instance = config::load_instance(grown, json, document_of(desk));
        if (!instance) return answer_problems(call, instance.error());
        if (!may_add_target(desk, call, instance->target)) return;
        grown.instances.push_back(*instance);
        change.instances.push_back({name, std::move(*instance), std::move(json)});
    }
    auto route = config::load_route(fmt::format(R"({{"host":{},"path":{},"strip":{},"service":{},"project":{}}})", json_quoted(host), json_quoted(path), strip, json_quoted(name), json_quoted(project)),
                                    document_of(desk));
    if (!route) return answer_problems(call, route.error());
    // What is not said of a route that is there stays as it is.
    const auto& routes = desk.view.routes();
    if (const auto old = std::ranges::find(routes, route->id, [](const auto& one) -> const std::string& { return one.spec.id; }); old != routes.end()) {
        if (!body.has("project")) route->project = old->spec.project;
        if (!body.has("strip")) route->strip = old->spec.strip;
        route->tls = old->spec.tls;
    }
    if (body.has("tls") && (route->tls.or_else(grown.tls) != nullptr) != tls) route->tls = {true, tls ? std::make_shared<const config::RouteTls>() : nullptr};
    std::string json = config::to_json(*route);
    MutationPlan plan{.object = route->id, .detail = json, .status = 201};
    plan.members = [name, spec = *route](JsonWriter& out) { out.text("route", spec.id).text("service", name).text("host", spec.host).text("path", spec.path); };
    change.route = {std::move(*route), std::move(json)};
    mutate(desk, call, std::move(change), std::move(plan));
}

// {service, check, spec}, as the list tells it.
void create_check(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "service check spec");
    const std::string to = body.text("service", true), name = body.text("check", true), json = body.json("spec");
    if (json.empty()) body.fault("spec", "is needed");
    if (!body.ok()) return answer_problem(call, body.problem());
    const auto* service = desk.view.service(std::string_view(to));
    if (service == nullptr) return answer_error(call, no_such_service(desk.view, to));
    if (check_of(*service->facts, name) != nullptr)
        return answer_error(call, Error{Code::conflict, fmt::format("service \"{}\" has a check \"{}\" already; PUT replaces it", to, escaped(name))});
    auto loaded = config::load_check(name, json, document_of(desk));
    if (!loaded) return answer_problems(call, loaded.error());
    auto plan = made(fmt::format("{}/{}", to, name), config::to_json(**loaded), 201, "check");
    mutate(desk, call, catalog::PutApiCheck{to, std::move(*loaded), json}, std::move(plan));
}

void put_check(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    const std::string& name = call->param("c");
    auto loaded = config::load_check(name, call->request().body, document_of(desk));
    if (!loaded) return answer_problems(call, loaded.error());
    const std::string object = fmt::format("{}/{}", service->facts->name, name);
    auto plan = made(object, config::to_json(**loaded), 200, "check");
    mutate(desk, call, catalog::PutApiCheck{service->facts->name.str(), std::move(*loaded), call->request().body}, std::move(plan));
}

void delete_check(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    const std::string object = fmt::format("{}/{}", service->facts->name, call->param("c"));
    mutate(desk, call, catalog::RemoveApiCheck{service->facts->name.str(), call->param("c")}, made(object, "{}", 200, "check"));
}

}  // namespace hale::api
