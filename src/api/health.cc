#include "api/health.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/handlers.h"
#include "base/text.h"
#include "verdict/reason.h"

namespace hale::api {

namespace {

using wire::Health;
using verdict::State;

constexpr std::size_t most_services_told = wire::max_health_components;

Health health_of_state(State state) {
    switch (state) {
        case State::healthy: return Health::pass;
        case State::degraded: return Health::warn;
        case State::unhealthy: return Health::fail;
        case State::pending:
        case State::unknown: return Health::unknown;
    }
    return Health::unknown;
}

bool in_maintenance(const config::Override* layer) { return layer != nullptr && layer->state == verdict::OverrideState::maintenance; }

HealthAnswer own(const Desk& desk, Health overall, std::string line) {
    HealthAnswer answer;
    answer.body.overall = overall;
    answer.body.service_id = "hale";
    answer.body.version = "1";
    answer.body.timestamp = rfc3339(desk.loop.utc());
    answer.serving = overall == Health::pass || overall == Health::warn;
    answer.line = std::move(line);
    return answer;
}

std::string_view nagios_word(Health health) {
    switch (health) {
        case Health::pass: return "OK";
        case Health::warn: return "WARNING";
        case Health::fail: return "CRITICAL";
        case Health::unknown: return "UNKNOWN";
    }
    return "UNKNOWN";
}

void answer_health(const CallPtr& call, HealthAnswer answer) {
    if (call->query.is_true("strict") && answer.body.overall == Health::warn) {
        answer.body.overall = Health::fail;
        answer.serving = false;
    }
    std::string_view format = call->query.value("format");
    if (format.empty()) {
        const auto accept = call->request().head.fields.value(wire::Known::accept);
        format = accept.find("spring-boot.actuator") != std::string_view::npos ? "spring" : "health+json";
    }
    auto text = health_text(answer, format);
    if (!text)
        return answer_problem(call, {400, "invalid", "/format: allowed: health+json, spring, microprofile, xabaril, simple, nagios, text",
                                     {{"/format", "allowed: health+json, spring, microprofile, xabaril, simple, nagios, text", "", 0}}});
    http::ServerFields fields{{"Content-Type", text->type}, {"Cache-Control", "no-store"}};
    if (!answer.serving) fields.emplace_back("Retry-After", "5");
    call->exchange->answer(answer.serving ? 200 : 503, fields, std::move(text->body));
}

}  // namespace

HealthAnswer own_live(const Desk& desk) { return own(desk, Health::pass, "hale is alive"); }

HealthAnswer own_ready(const Desk& desk) {
    if (desk.own.serving()) return own(desk, Health::pass, "hale is ready");
    const bool stopping = desk.own.stopping.load(std::memory_order_relaxed), stuck = desk.own.adoption_failed.load(std::memory_order_relaxed);
    auto answer = own(desk, Health::fail, stopping ? "hale is stopping" : stuck ? "a worker does not adopt routes" : "hale is starting");
    answer.body.notes.push_back(answer.line);
    return answer;
}

HealthAnswer own_health(const Desk& desk, bool detailed) {
    HealthAnswer answer = own_ready(desk);
    if (answer.serving && desk.own.reload_failed.load(std::memory_order_relaxed)) {
        answer.body.overall = Health::warn;
        answer.line = "the configuration on disk is not the one in force";
        if (detailed) answer.body.notes.push_back(answer.line);
    }
    if (!detailed) {
        // One bit, whoever asks.
        answer.body.notes.clear();
        return answer;
    }
    answer.body.release_id = desk.options.version;
    answer.body.description = fmt::format("{} services, {} instances, revision {}", desk.view.service_names().size(), desk.view.instance_count(), desk.view.revision());
    for (const auto& [name, slot] : desk.view.service_names()) {
        if (answer.body.components.size() == most_services_told) break;
        const auto* service = desk.view.service(slot);
        if (service == nullptr) continue;
        wire::HealthComponent part{.name = name, .status = health_of_state(service->standing.state)};
        if (part.status != Health::pass) part.output = std::string(reason_text(service->standing.reason, service->standing.text));
        answer.body.components.push_back(std::move(part));
    }
    return answer;
}

HealthAnswer health_of(const Desk& desk, const catalog::ServiceView& service) {
    HealthAnswer answer;
    const auto& standing = service.standing;
    answer.body.overall = health_of_state(standing.state);
    answer.body.version = "1";
    answer.body.service_id = service.facts->name;
    answer.body.timestamp = rfc3339(desk.loop.utc());
    answer.body.description = fmt::format("{} of {} instances eligible", standing.counts.eligible, standing.counts.total);
    answer.line = fmt::format("{} {}: {} of {} eligible", service.facts->name, verdict::to_text(standing.state), standing.counts.eligible, standing.counts.total);
    if (answer.body.overall != Health::pass) answer.body.notes.push_back(std::string(reason_text(standing.reason, standing.text)));
    if (standing.panic) answer.body.notes.emplace_back("panic: traffic goes to instances that are not eligible");
    if (in_maintenance(service.facts->override.get())) {
        answer.body.overall = Health::fail;
        answer.body.notes.emplace_back("maintenance");
        answer.line = fmt::format("{} maintenance: {}", service.facts->name, service.facts->override->reason);
    }
    bool stale = false;
    for (const auto slot : service.instances) {
        const auto* instance = desk.view.instance(slot);
        if (instance == nullptr) continue;
        stale |= instance->record && instance->record->word.flags.has(verdict::Flag::stale);
        if (answer.body.components.size() >= most_services_told) continue;
        wire::HealthComponent part{.name = instance->facts->name.str(), .status = health_of_state(instance->state())};
        if (part.status != Health::pass) part.output = std::string(reason_text(reason_of(*instance), instance->record ? instance->record->text : ""));
        if (instance->observed != Utc{}) part.time = rfc3339(instance->observed);
        answer.body.components.push_back(std::move(part));
    }
    if (stale) answer.body.notes.emplace_back("stale: the last evidence is older than it should be");
    answer.serving = answer.body.overall == Health::pass || answer.body.overall == Health::warn;
    return answer;
}

std::optional<HealthText> health_text(const HealthAnswer& answer, std::string_view format) {
    using wire::HealthShape;
    if (format == "nagios") return HealthText{"text/plain; charset=utf-8", fmt::format("{} - {}\n", nagios_word(answer.body.overall), answer.line)};
    if (format == "text" || format == "plain") return HealthText{"text/plain; charset=utf-8", std::string(answer.serving ? "OK\n" : "UNAVAILABLE\n")};
    const std::pair<std::string_view, HealthShape> shapes[] = {{"health+json", HealthShape::health_json}, {"health json", HealthShape::health_json}, {"health_json", HealthShape::health_json},
                                                               {"hale", HealthShape::health_json},        {"spring", HealthShape::spring},           {"microprofile", HealthShape::microprofile},
                                                               {"xabaril", HealthShape::xabaril},         {"simple", HealthShape::simple}};
    const auto found = std::ranges::find(shapes, format, &std::pair<std::string_view, HealthShape>::first);
    if (found == std::end(shapes)) return std::nullopt;
    auto text = wire::write_health_body(found->second, answer.body);
    return HealthText{std::string(text.content_type), std::move(text.body)};
}

void live(Desk& desk, const CallPtr& call) { answer_health(call, own_live(desk)); }
void ready(Desk& desk, const CallPtr& call) { answer_health(call, own_ready(desk)); }

void health(Desk& desk, const CallPtr& call) {
    const bool detailed = call->query.is_true("detailed");
    if (detailed && call->caller.role < guard::Role::read) {
        if (call->caller.name.empty())
            return answer_problem(call, {401, "unauthenticated", "Details need a token"}, {{"WWW-Authenticate", "Bearer realm=\"hale\", scope=\"health:details\""}});
        return answer_problem(call, {403, "denied", "Details need role read"});
    }
    answer_health(call, own_health(desk, detailed));
}

void service_health(Desk& desk, const CallPtr& call) {
    const std::string& name = call->param("service");
    const auto* service = desk.view.service(std::string_view(name));
    if (service == nullptr) return answer_error(call, Error{Code::not_found, fmt::format("there is no service \"{}\"", escaped(name))});
    HealthAnswer answer = health_of(desk, *service);
    if (call->caller.role < guard::Role::read) {
        // The dedicated listener knows nobody: one bit.
        answer.body.components.clear();
        answer.body.notes.clear();
        answer.body.description.clear();
    }
    answer_health(call, std::move(answer));
}

}  // namespace hale::api
