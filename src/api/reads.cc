// Single reads: verdicts, declared objects, resolving, explaining.

#include <fmt/format.h>

#include "api/desk.h"
#include "api/explain.h"
#include "api/handlers.h"
#include "api/target.h"
#include "base/text.h"
#include "config/show.h"

namespace hale::api {

namespace {

void answer_explained(Desk& desk, const CallPtr& call, const Resolved& target, std::string_view asked) {
    auto explained = explain(desk.view, target, asked, desk.telling());
    const bool lines = call->request().head.fields.value(wire::Known::accept).starts_with("text/plain");
    if (!lines) return answer_json(call, 200, std::move(explained.json), {{"ETag", etag(desk.view.revision())}});
    std::string text;
    for (const auto& line : explained.text) text += line + "\n";
    call->exchange->answer(200, {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}}, std::move(text));
}

}  // namespace

void get_service(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    const auto& facts = *service->facts;
    std::vector<config::RouteSpec> routes;
    for (const auto& route : desk.view.routes())
        if (route.spec.service == facts.name) routes.push_back(route.spec);
    std::string body;
    JsonWriter json(body);
    json.open('{').text("service", facts.name).text("owner", config::to_text(facts.owner));
    if (facts.spec) json.raw("spec", config::to_json(*facts.spec, routes));
    json.boolean("draining", facts.draining).time("paused_until", facts.paused_until).number("revision", facts.revision).open("verdict", '{');
    write_service_members(json, *service, desk.telling());
    json.close('}').close('}');
    answer_at(call, facts.revision, std::move(body));
}

void service_verdict(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    const auto revision = [name = service->facts->name](const catalog::View& view) -> std::uint64_t {
        const auto* now = view.service(std::string_view(name));
        return now != nullptr ? now->revision : 0;
    };
    when_newer(desk, call, revision, [&desk, call] {
        const auto* now = need_service(desk, call);
        if (now == nullptr) return;
        std::string body;
        JsonWriter json(body);
        write_service(json, *now, desk.telling());
        answer_at(call, now->revision, std::move(body));
    });
}

namespace {

// Alike, but for the ETag: the object's is its last mutation, which is what If-Match of a PUT asks for; the verdict's
// is its last visible change. The object's body holds the verdict too, so that no 304 may hide a change of that.
void answer_instance(Desk& desk, const CallPtr& call, bool object) {
    const auto* instance = need_instance(desk, call);
    if (instance == nullptr) return;
    const auto revision = [id = instance->facts->id](const catalog::View& view) -> std::uint64_t {
        const auto* now = view.instance(std::string_view(id));
        return now != nullptr ? now->revision : 0;
    };
    when_newer(desk, call, revision, [&desk, call, object] {
        const auto* now = need_instance(desk, call);
        if (now == nullptr) return;
        std::string body;
        JsonWriter json(body);
        json.open('{');
        write_instance_members(json, desk.view, *now, desk.telling());
        json.number("weight", now->facts->weight).text("owner", config::to_text(now->facts->owner)).boolean("routed", now->facts->routed).close('}');
        if (object) return answer_json(call, 200, std::move(body), {{"ETag", etag(now->facts->revision)}});
        answer_at(call, now->revision, std::move(body));
    });
}

}  // namespace

void get_instance(Desk& desk, const CallPtr& call) { answer_instance(desk, call, true); }
void instance_verdict(Desk& desk, const CallPtr& call) { answer_instance(desk, call, false); }

void get_check(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    const auto* check = check_of(*service->facts, call->param("c"));
    if (check == nullptr)
        return answer_error(call, Error{Code::not_found, fmt::format("service \"{}\" has no check \"{}\"", service->facts->name, escaped(call->param("c")))});
    std::string body;
    JsonWriter json(body);
    write_check(json, *service->facts, *check);
    answer_at(call, check_revision(*service->facts, *check), std::move(body));
}

void get_route(Desk& desk, const CallPtr& call) {
    for (const auto& route : desk.view.routes()) {
        if (route.spec.id != call->param("id")) continue;
        std::string body;
        JsonWriter json(body);
        json.open('{').text("id", route.spec.id).text("owner", config::to_text(route.spec.owner)).raw("spec", config::to_json(route.spec));
        json.text("host", route.spec.host).text("path", route.spec.path).text("service", route.spec.service).number("revision", route.revision).close('}');
        return answer_at(call, route.revision, std::move(body));
    }
    answer_error(call, Error{Code::not_found, fmt::format("there is no route \"{}\"", escaped(call->param("id")))});
}

void resolve_target(Desk& desk, const CallPtr& call) {
    const auto target = resolve(desk.view, call->query.value("target"));
    if (!target) return answer_error(call, target.error());
    std::string body;
    JsonWriter json(body);
    json.open('{').text("target", call->query.value("target")).text("kind", target->kind()).text("service", target->service->facts->name);
    if (target->instance != nullptr) json.text("instance", target->instance->facts->id).text("name", target->instance->facts->name);
    else json.null("instance").null("name");
    if (target->route != nullptr) json.text("host", target->host).text("path", target->path).text("route", target->route->spec.id);
    else json.null("host").null("path").null("route");
    json.close('}');
    answer_json(call, 200, std::move(body));
}

void explain_target(Desk& desk, const CallPtr& call) {
    const auto target = resolve(desk.view, call->query.value("target"));
    if (!target) return answer_error(call, target.error());
    answer_explained(desk, call, *target, call->query.value("target"));
}

void explain_service(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service != nullptr) answer_explained(desk, call, Resolved{.service = service}, call->param("s"));
}

void explain_instance(Desk& desk, const CallPtr& call) {
    const auto* instance = need_instance(desk, call);
    if (instance == nullptr) return;
    const auto* service = desk.view.service(instance->facts->service_slot);
    if (service == nullptr) return answer_error(call, Error{Code::not_found, "its service is gone"});
    answer_explained(desk, call, Resolved{.service = service, .instance = instance}, call->param("i"));
}

}  // namespace hale::api
