// Deployments: begun, followed, ended, led back. They are carried out elsewhere; what is told of them is their record.

#include <fmt/format.h>

#include <algorithm>

#include "api/body.h"
#include "api/desk.h"
#include "api/handlers.h"
#include "api/target.h"
#include "api/trust.h"
#include "base/text.h"
#include "config/compose.h"
#include "config/load.h"
#include "deploy/record.h"
#include "deploy/rights.h"
#include "rollout/words.h"

namespace hale::api {

namespace {

constexpr std::size_t usual_listed = 50;
constexpr std::size_t most_listed = 1'000;
constexpr Duration longest_verifying = 1h;

const config::StoredDeployment* need_deployment(Desk& desk, const CallPtr& call) {
    const std::string& id = call->param("id");
    const auto& all = desk.view.deployments();
    if (const auto found = all.find(id); found != all.end()) return found->second.get();
    answer_error(call, Error{Code::not_found, fmt::format("there is no deployment \"{}\"; those that are remembered: hale deployments", escaped(id, 80))});
    return nullptr;
}

// The answer to what began something: stored with its key, and in the audit.
void answer_begun(Desk& desk, const CallPtr& call, const std::string& service, const deploy::Accepted& begun) {
    MutationPlan plan{.object = service, .detail = fmt::format(R"({{"deployment":{}}})", json_quoted(begun.id)), .status = 202};
    plan.members = [service, begun](JsonWriter& json) {
        json.text("deployment", begun.id).text("service", service).number("number", begun.number).raw("plan", deploy::shown(begun.json));
    };
    mutate(desk, call, catalog::Witness{}, std::move(plan));
}

bool asks_for(const config::ServiceSpec& service, const std::string& path) {
    return std::ranges::any_of(*service.checks, [&](const auto& check) {
        const auto* http = std::get_if<config::HttpCheck>(&check->what);
        return http != nullptr && http->path == path;
    });
}

void begin(Desk& desk, const CallPtr& call, deploy::Request request, bool dry) {
    std::string name = request.service;
    desk.backend.deploy(std::move(request), dry, [&desk, call, dry, name = std::move(name)](Result<deploy::Accepted> begun) {
        if (!begun) return answer_error(call, begun.error());
        if (dry) return answer_json(call, 200, deploy::shown(begun->json));
        answer_begun(desk, call, name, *begun);
    });
}

}  // namespace

// {targets | image | deploy, host?, path?, strip?, health_path?, project?, tls?, timeout?, dry_run?}: service and route are made where they are not there.
void deploy_service(Desk& desk, const CallPtr& call) {
    const auto* present = desk.view.service(std::string_view(call->param("s")));
    Body body(call->request().body, "targets image deploy host path strip health_path project tls timeout dry_run");
    deploy::Request request{.service = call->param("s"), .targets = body.texts("targets"), .overrides = body.json("deploy"), .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {},
                            .verifying = body.duration("timeout"), .actor = call->caller.name};
    const std::string host = body.text("host"), project = body.text("project");
    std::string path = body.text("path"), health_path = body.text("health_path");
    const bool strip = body.boolean("strip"), tls = body.boolean("tls"), dry = body.boolean("dry_run");
    // An image is short for all that a deployment says of its containers.
    if (const std::string image = body.text("image"); !image.empty()) {
        if (!request.overrides.empty()) body.fault("image", "is short for deploy: {image}: one of them");
        request.overrides = fmt::format(R"({{"image":{}}})", json_quoted(image));
    }
    if (body.ok() && present == nullptr && host.empty())
        return answer_error(call, no_such_service(desk.view, call->param("s"), "; with --host it is made beside its route"));
    if (path.empty()) path = "/";
    if (health_path.empty()) health_path = "/up";
    if (!config::is_service_name(request.service)) body.fault("service", "the service in the path is no service name");
    if (!health_path.starts_with('/')) body.fault("health_path", "must begin with /");
    if (request.verifying && (*request.verifying <= Duration{0} || *request.verifying > longest_verifying)) body.fault("timeout", "allowed: more than 0s, at most 1h");
    if (host.empty() && (body.has("path") || strip || !project.empty() || tls)) body.fault("host", "is needed: path, strip, project and tls are its route's");
    // What is there already stays as it is: who asks for something else is told, and not left in the belief that it was done.
    if (present != nullptr && present->facts->spec) {
        const auto& spec = *present->facts->spec;
        if (body.has("health_path") && !asks_for(spec, health_path)) body.fault("health_path", fmt::format("service \"{}\" is there already, and its checks do not ask for that path: leave it out, or change the check where it is declared, in the file or by the API", request.service));
        if (tls && !spec.tls) body.fault("tls", fmt::format("service \"{}\" is there already, and says no tls; the file or the API changes that", request.service));
    }
    if (!body.ok()) return answer_problem(call, body.problem());

    const auto& document = document_of(desk);
    config::ServiceSpec fresh;
    if (present == nullptr) {
        std::string json = fmt::format(R"({{"check":{{"http":{}}}{}}})", json_quoted(health_path), tls ? R"(,"tls":true)" : "");
        auto service = config::load_service(request.service, json, document);
        if (!service) return answer_problems(call, service.error());
        fresh = service->service;
        request.makes_service = catalog::PutApiService{std::move(service->service), {}, std::move(json)};
    }
    const config::ServiceSpec& into = present != nullptr && present->facts->spec ? *present->facts->spec : fresh;
    for (const auto& target : request.targets) {
        auto instance = config::load_instance(into, json_quoted(target), document);
        if (!instance) return answer_problems(call, instance.error());
        if (!may_add_target(desk, call, instance->target)) return;
    }
    if (request.targets.empty() && call->caller.role < guard::Role::admin && !deploy::only_another_version(request.overrides, into.deploy.get()))
        return answer_problem(call, {403, "image_not_allowed",
                                     "Role operate may deploy another version of the image that its service declares, and say how many; other images, and what containers are given, need role admin"});
    if (!host.empty()) {
        std::string json = fmt::format(R"({{"host":{},"path":{},"strip":{},"service":{},"project":{}}})", json_quoted(host), json_quoted(path), strip, json_quoted(request.service), json_quoted(project));
        auto route = config::load_route(json, document);
        if (!route) return answer_problems(call, route.error());
        const auto& routes = desk.view.routes();
        const auto there = std::ranges::find_if(routes, [&](const auto& one) { return one.spec.id == route->id && one.spec.service == request.service; });
        if (there == routes.end()) {
            request.makes_route = catalog::PutApiRoute{std::move(*route), std::move(json)};
        } else {
            if (strip && !there->spec.strip) body.fault("strip", "its route is there already, and strips nothing; take it away first: hale route remove");
            if (!project.empty() && project != there->spec.project) body.fault("project", fmt::format("its route is there already, as {}", there->spec.project.empty() ? "no project's" : there->spec.project));
            if (!body.ok()) return answer_problem(call, body.problem());
        }
    }
    begin(desk, call, std::move(request), dry);
}

// {compose, variables?, timeout?, force?, dry_run?}
void deploy_application(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "compose variables timeout force dry_run");
    deploy::Request request{.service = call->param("a"), .targets = {}, .overrides = {}, .compose = body.text("compose", true), .variables = body.texts_by_name("variables"), .keeps = !body.boolean("force"),
                            .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = body.duration("timeout"), .actor = call->caller.name};
    const bool dry = body.boolean("dry_run");
    if (request.compose.size() > config::max_compose_bytes) body.beyond("compose", fmt::format("a file of at most {} bytes", config::max_compose_bytes));
    if (!config::is_service_name(request.service)) body.fault("application", "the application in the path is no service name");
    if (request.verifying && (*request.verifying <= Duration{0} || *request.verifying > longest_verifying)) body.fault("timeout", "allowed: more than 0s, at most 1h");
    if (!body.ok()) return answer_problem(call, body.problem());
    begin(desk, call, std::move(request), dry);
}

void scale_service(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "replicas");
    if (need_service(desk, call) == nullptr) return;
    const auto replicas = body.number("replicas", true);
    if (replicas && (*replicas == 0 || *replicas > config::DeploySpec::most_replicas)) body.fault("replicas", fmt::format("allowed: 1 to {}", config::DeploySpec::most_replicas));
    if (!body.ok()) return answer_problem(call, body.problem());
    const std::string& service = call->param("s");
    desk.backend.scale(service, static_cast<std::uint32_t>(*replicas), call->caller.name, [&desk, call, service](Result<deploy::Accepted> begun) {
        if (!begun) return answer_error(call, begun.error());
        answer_begun(desk, call, service, *begun);
    });
}

void rollback_service(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "to");
    const std::string to = body.text("to");
    if (!body.ok()) return answer_problem(call, body.problem());
    const std::string& service = call->param("s");
    // An application is known by its deployments alone.
    const bool deployed = std::ranges::any_of(desk.view.deployments(), [&](const auto& one) { return one.second->service == service; });
    if (!deployed && desk.view.service(std::string_view(service)) == nullptr)
        return answer_error(call, no_such_service(desk.view, service, ", and no application of that name was deployed"));
    desk.backend.rollback(service, to, call->caller.name, [&desk, call, service](Result<deploy::Accepted> begun) {
        if (!begun) return answer_error(call, begun.error());
        answer_begun(desk, call, service, *begun);
    });
}

void abort_deployment(Desk& desk, const CallPtr& call) {
    const auto* one = need_deployment(desk, call);
    if (one == nullptr) return;
    desk.backend.abort_deployment(one->id, call->caller.name, [&desk, call, id = one->id](Result<> asked) {
        if (!asked) return answer_error(call, asked.error());
        mutate(desk, call, catalog::Witness{},
               {.object = id, .detail = R"({"outcome":"accepted"})", .status = 202, .members = [](JsonWriter& json) { json.boolean("accepted", true); }});
    });
}

// The newest first.
void list_deployments(Desk& desk, const CallPtr& call) {
    const std::string_view service = call->query.value("service");
    const auto asked = parse_unsigned(call->query.value("limit"));
    const std::size_t limit = std::clamp<std::size_t>(asked ? *asked : usual_listed, 1, most_listed);
    when_newer(desk, call, [](const catalog::View& view) { return view.deployments_revision(); }, [&desk, call, service = std::string(service), limit] {
        std::vector<const config::StoredDeployment*> found;
        for (const auto& [id, one] : desk.view.deployments())
            if (service.empty() || one->service == service) found.push_back(one.get());
        std::ranges::sort(found, [](const auto* a, const auto* b) { return std::pair(b->created, b->number) < std::pair(a->created, a->number); });
        if (found.size() > limit) found.resize(limit);
        std::string body;
        JsonWriter json(body);
        json.open('{').number("revision", desk.view.deployments_revision()).open("items", '[');
        for (const auto* one : found) json.raw(deploy::shown(one->json));
        json.close(']').null("next").close('}');
        answer_at(call, desk.view.deployments_revision(), std::move(body));
    });
}

void get_deployment(Desk& desk, const CallPtr& call) {
    if (need_deployment(desk, call) == nullptr) return;
    when_newer(desk, call, [](const catalog::View& view) { return view.deployments_revision(); }, [&desk, call] {
        if (const auto* now = need_deployment(desk, call)) answer_at(call, desk.view.deployments_revision(), deploy::shown(now->json, desk.view.deployments_revision()));
    });
}

void replay_deployment(Desk& desk, const CallPtr& call) {
    const auto* stored = need_deployment(desk, call);
    if (stored == nullptr) return;
    const auto record = deploy::record_from(stored->json);
    if (!record) return answer_error(call, Error{Code::conflict, fmt::format("deployment {} was written by another version and can't be repeated: {}", stored->id, record.error().text)});
    const auto replayed = deploy::replay(record->plan, record->created, record->seen);
    if (!replayed) return answer_error(call, replayed.error());
    const auto& end = replayed->end;
    const auto& real = record->progress;
    std::string body;
    JsonWriter json(body);
    json.open('{').text("deployment", record->id).boolean("same", end.phase == real.phase && end.fault == real.fault && end.text == real.text && end.users_switched == real.users_switched);
    json.boolean("whole", record->seen_whole).open("steps", '[');
    for (const auto& step : replayed->steps) {
        json.open('{').text("at", rfc3339(step.seen.at)).text("event", step.seen.kind);
        if (step.seen.container < record->candidates.size()) json.text("instance", record->candidates[step.seen.container].name);
        json.boolean("yes", step.seen.yes).text("text", step.seen.text).text("phase", rollout::text(step.phase)).close('}');
    }
    json.close(']').open("end", '{').text("phase", rollout::text(end.phase)).text("fault", rollout::code(end.fault)).text("text", end.text).boolean("users_switched", end.users_switched).close('}').close('}');
    answer_json(call, 200, std::move(body));
}

}  // namespace hale::api
