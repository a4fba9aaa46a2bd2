#include "api/aliases.h"

#include <fmt/format.h>

#include "api/handlers.h"
#include "api/health.h"
#include "base/text.h"

namespace hale::api {

namespace {

using config::Alias;

struct AliasFacts {
    HealthAnswer health;
    const catalog::ServiceView* service = nullptr;
};

// {{name}} → what it is; escaped for JSON bodies. Unknown names stay empty.
std::string filled(const Desk& desk, const Alias& alias, const AliasFacts& facts) {
    const bool json = alias.content_type.find("json") != std::string::npos;
    const auto* service = facts.service;
    const auto value = [&](std::string_view name) -> std::string {
        if (name == "status") return std::string(wire::health_name(facts.health.body.overall));
        if (name == "healthy") return facts.health.serving ? "true" : "false";
        if (name == "text") return facts.health.line;
        if (name == "timestamp") return rfc3339(desk.loop.utc());
        if (name == "revision") return fmt::format("{}", desk.view.revision());
        if (name == "hale_version") return desk.options.version;
        if (service == nullptr) return "";
        const auto& standing = service->standing;
        if (name == "service") return service->facts->name.str();
        if (name == "state") return std::string(verdict::to_text(standing.state));
        if (name == "reason") return std::string(verdict::code(standing.reason));
        if (name == "reason_text") return std::string(reason_text(standing.reason, standing.text));
        if (name == "since") return rfc3339(standing.since);
        if (name == "version") return fmt::format("{}", standing.version);
        if (name == "eligible") return fmt::format("{}", standing.counts.eligible);
        if (name == "total") return fmt::format("{}", standing.counts.total);
        return "";
    };
    std::string out;
    std::string_view rest = alias.body;
    for (;;) {
        const auto open = rest.find("{{");
        const auto close = open == std::string_view::npos ? open : rest.find("}}", open);
        if (close == std::string_view::npos) return out += rest;
        out += rest.substr(0, open);
        const std::string text = value(trim(rest.substr(open + 2, close - open - 2)));
        if (json) append_json_escaped(out, text);
        else out += text;
        rest.remove_prefix(close + 2);
    }
}

void answer_shaped(const Desk& desk, const CallPtr& call, const Alias& alias, const AliasFacts& facts) {
    HealthText text;
    if (alias.shape == "template") {
        text = {alias.content_type, filled(desk, alias, facts)};
    } else if (alias.shape == "hale" && facts.service != nullptr) {
        text.type = "application/json";
        JsonWriter json(text.body);
        write_service(json, *facts.service, desk.telling());
    } else if (auto shaped = health_text(facts.health, alias.shape)) {
        text = std::move(*shaped);
    }
    http::ServerFields fields{{"Content-Type", text.type}, {"Cache-Control", "no-store"}};
    const int status = facts.health.serving ? alias.ok_status : alias.fail_status;
    if (status == 503) fields.emplace_back("Retry-After", "5");
    call->exchange->answer(status, fields, std::move(text.body));
}

std::string service_name(const Alias& alias, const CallPtr& call) {
    if (alias.service.starts_with('?')) return std::string(call->query.value(std::string_view(alias.service).substr(1)));
    if (alias.service.starts_with('{') && alias.service.ends_with('}')) return call->param(std::string_view(alias.service).substr(1, alias.service.size() - 2));
    return alias.service;
}

void verify_alias(Desk& desk, const CallPtr& call, const Alias& alias, const catalog::ServiceView& service) {
    desk.backend.verify({.service = service.facts->name.str()}, [&desk, call, alias, name = service.facts->name.str()](catalog::VerifyResult result) {
        AliasFacts facts;
        facts.service = desk.view.service(std::string_view(name));
        if (facts.service != nullptr) facts.health = health_of(desk, *facts.service);
        facts.health.serving = result.end == catalog::VerifyEnd::eligible;
        if (!facts.health.serving && facts.health.body.overall == wire::Health::pass) facts.health.body.overall = wire::Health::fail;
        answer_shaped(desk, call, alias, facts);
    });
}

// The probes' own outcome decides, not the verdict.
void check_alias(Desk& desk, const CallPtr& call, const Alias& alias, const catalog::ServiceView& service) {
    struct All {
        std::size_t awaited = 0;
        bool any = false, bad = false;
    };
    auto all = std::make_shared<All>();
    all->awaited = service.instances.size();
    const auto finish = [&desk, call, alias, all, name = service.facts->name] {
        AliasFacts facts;
        facts.service = desk.view.service(std::string_view(name));
        if (facts.service != nullptr) facts.health = health_of(desk, *facts.service);
        facts.health.serving = all->any && !all->bad;
        facts.health.body.overall = !all->any ? wire::Health::unknown : all->bad ? wire::Health::fail : wire::Health::pass;
        answer_shaped(desk, call, alias, facts);
    };
    if (service.instances.empty()) return finish();
    std::vector<std::string> ids;
    for (const auto slot : service.instances)
        if (const auto* instance = desk.view.instance(slot)) ids.push_back(instance->facts->id.str());
    all->awaited = ids.size();
    for (const auto& id : ids)
        desk.backend.probe_now(id, "", std::nullopt, [all, finish](Result<std::vector<catalog::ProbeAnswer>> answers) {
            if (answers)
                for (const auto& answer : *answers) {
                    all->any = true;
                    all->bad |= answer.observation.outcome == verdict::Outcome::fail || answer.observation.outcome == verdict::Outcome::error;
                }
            if (--all->awaited == 0) finish();
        });
}

void carry_out(Desk& desk, const CallPtr& call, const Alias& alias) {
    if (alias.action == "live") return answer_shaped(desk, call, alias, {own_live(desk)});
    if (alias.action == "ready") return answer_shaped(desk, call, alias, {own_ready(desk)});
    if (alias.action == "health") return answer_shaped(desk, call, alias, {own_health(desk, call->caller.role >= guard::Role::read)});
    if (alias.action == "list") return list_services(desk, call);
    const std::string name = service_name(alias, call);
    const auto* service = desk.view.service(std::string_view(name));
    if (service == nullptr) return answer_error(call, Error{Code::not_found, fmt::format("there is no service \"{}\"", escaped(name))});
    if (alias.action == "verify") return verify_alias(desk, call, alias, *service);
    if (alias.action == "check") return check_alias(desk, call, alias, *service);
    answer_shaped(desk, call, alias, {health_of(desk, *service), service});
}

Access access_of(const Alias& alias) {
    if (alias.action == "health" || alias.action == "live" || alias.action == "ready") return Access::open;
    return alias.action == "verify" || alias.action == "check" ? Access::operate : Access::read;
}

}  // namespace

bool answer_alias(Desk& desk, const CallPtr& call) {
    if (desk.view.document() == nullptr) return false;
    const auto& head = call->request().head;
    for (const Alias& alias : desk.view.document()->aliases) {
        if (alias.method != head.method_name && !(alias.method == "GET" && head.method == wire::Method::head)) continue;
        auto params = match_pattern(alias.path, call->path());
        if (!params) continue;
        const Access access = access_of(alias);
        const bool one_bit = call->health_listener && (access == Access::open || alias.action == "service_health");
        if (call->health_listener && !one_bit) continue;
        call->params = std::move(*params);
        static constexpr Route rules[] = {{wire::Method::get, "", Access::open}, {wire::Method::get, "", Access::read}, {wire::Method::post, "", Access::operate}};
        const Route& rule = access == Access::open ? rules[0] : access == Access::read ? rules[1] : rules[2];
        if (one_bit || desk.may(rule, *call)) {
            carry_out(desk, call, alias);
        } else if (call->caller.name.empty()) {
            answer_problem(call, {401, "unauthenticated", "A token is needed for this"}, {{"WWW-Authenticate", "Bearer realm=\"hale\""}});
        } else {
            answer_problem(call, {403, "denied", fmt::format("{} has role {}; this needs {}", call->caller.name, guard::to_text(call->caller.role), to_text(access))});
        }
        return true;
    }
    return false;
}

}  // namespace hale::api
