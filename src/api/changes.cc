// Mutations of traffic and verdict layers: overrides, drain, pause, resume, weights, reload, tokens.

#include <fmt/format.h>

#include <algorithm>

#include "api/body.h"
#include "api/desk.h"
#include "api/handlers.h"
#include "base/text.h"
#include "guard/tokens.h"

namespace hale::api {

namespace {

constexpr Duration usual_override = 1h;
constexpr Duration usual_pause = 30s;
constexpr Duration longest_token = longest_duration;

void lay_override(Desk& desk, const CallPtr& call, std::string service, std::string instance) {
    Body body(call->request().body, "state for reason");
    const std::string word = body.text("state", true);
    const auto state = verdict::parse_override_state(word);
    if (!word.empty() && !state) body.fault("state", "allowed: up, down, maintenance");
    const Duration lasts = body.duration("for").value_or(usual_override);
    const std::string reason = body.text("reason", true);
    if (reason.size() > 1'000) body.fault("reason", "is longer than 1,000 bytes");
    if (!body.ok()) return answer_problem(call, body.problem());
    const std::string object = instance.empty() ? service : instance;
    const Utc now = desk.loop.utc();
    MutationPlan plan{.object = object};
    plan.detail = fmt::format(R"({{"state":{},"for":{},"reason":{}}})", json_quoted(word), seconds(lasts), json_quoted(reason));
    plan.members = [word, scope = instance.empty() ? "service" : "instance", author = call->caller.name, reason, now, lasts, object](JsonWriter& json) {
        json.text("object", object).open("override", '{').text("state", word).text("scope", scope).text("author", author).text("reason", reason);
        json.time("created", now).time("expires", now + lasts).close('}');
    };
    mutate(desk, call, catalog::SetOverride{std::move(service), std::move(instance), *state, lasts, reason, now}, std::move(plan));
}

MutationPlan plain(const std::string& object) {
    MutationPlan plan{.object = object};
    plan.members = [object](JsonWriter& json) { json.text("object", object); };
    return plan;
}

}  // namespace

void override_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call)) lay_override(desk, call, service->facts->name.str(), "");
}

void override_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call)) lay_override(desk, call, instance->facts->service.str(), instance->facts->id.str());
}

void unset_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call)) mutate(desk, call, catalog::ClearOverride{service->facts->name.str(), ""}, plain(service->facts->name.str()));
}

void unset_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call))
        mutate(desk, call, catalog::ClearOverride{instance->facts->service.str(), instance->facts->id.str()}, plain(instance->facts->id.str()));
}

void drain_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call)) mutate(desk, call, catalog::Drain{service->facts->name.str(), ""}, plain(service->facts->name.str()));
}

void drain_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call))
        mutate(desk, call, catalog::Drain{instance->facts->service.str(), instance->facts->id.str()}, plain(instance->facts->id.str()));
}

void pause_service(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    Body body(call->request().body, "max");
    auto most = body.duration("max");
    if (call->query.has("max")) {
        most = parse_duration(call->query.value("max"));
        if (!most) body.fault("max", "must be a duration");
    }
    if (most && (*most <= Duration{0} || *most > 10min)) body.fault("max", "allowed: more than 0s, at most 10m");
    if (!body.ok()) return answer_problem(call, body.problem());
    MutationPlan plan = plain(service->facts->name.str());
    plan.detail = fmt::format(R"({{"max":{}}})", seconds(most.value_or(usual_pause)));
    mutate(desk, call, catalog::Pause{service->facts->name.str(), most.value_or(usual_pause)}, std::move(plan));
}

void pause_instance(Desk& desk, const CallPtr& call) {
    if (need_instance(desk, call) != nullptr)
        answer_problem(call, {400, "invalid", "Only a whole service can be paused; drain takes an instance out"});
}

void resume_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call)) mutate(desk, call, catalog::Resume{service->facts->name.str(), ""}, plain(service->facts->name.str()));
}

void resume_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call))
        mutate(desk, call, catalog::Resume{instance->facts->service.str(), instance->facts->id.str()}, plain(instance->facts->id.str()));
}

void put_instance(Desk& desk, const CallPtr& call) {
    const auto* instance = need_instance(desk, call);
    if (instance == nullptr) return;
    Body body(call->request().body, "weight");
    const auto weight = body.number("weight", true);
    if (weight && (*weight < 1 || *weight > 1'000)) body.fault("weight", "allowed: 1 to 1000; to take it out of traffic, drain it");
    if (!body.ok()) return answer_problem(call, body.problem());
    MutationPlan plan = plain(instance->facts->id.str());
    plan.detail = fmt::format(R"({{"weight":{}}})", *weight);
    mutate(desk, call, catalog::SetWeight{instance->facts->id.str(), static_cast<std::uint32_t>(*weight)}, std::move(plan));
}

void list_tokens(Desk& desk, const CallPtr& call) {
    std::string body;
    JsonWriter json(body);
    json.open('{').number("revision", desk.view.revision()).open("items", '[');
    for (const auto& token : desk.tokens.all())
        json.open('{').text("name", token.name).text("role", token.role).time("created", token.created).time("expires", token.expires).close('}');
    json.close(']').null("next").close('}');
    answer_json(call, 200, std::move(body));
}

void create_token(Desk& desk, const CallPtr& call) {
    Body body(call->request().body, "name role for");
    const std::string name = body.text("name", true), word = body.text("role", true);
    const auto role = guard::parse_role(word);
    if (!word.empty() && !role) body.fault("role", "allowed: read, operate, admin");
    const auto lasts = body.duration("for");
    if (lasts && *lasts <= Duration{0}) body.fault("for", "must be more than 0s");
    if (lasts && *lasts > longest_token) body.beyond("for", fmt::format("is too long for a token; allowed: at most {}", longest_duration_text));
    if (name.size() > 64 || std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '/'; }))
        body.fault("name", "allowed: up to 64 characters without blanks and slashes");
    if (!body.ok()) return answer_problem(call, body.problem());
    if (desk.tokens.named(name) != nullptr) return answer_error(call, Error{Code::conflict, fmt::format("there is a token \"{}\" already; delete it first", name)});
    if (desk.tokens.all().size() >= guard::most_tokens) return answer_error(call, Error{Code::exhausted, "there are 10,000 tokens already"});
    if (!desk.options.secret_bytes) return answer_error(call, Error{Code::unavailable, "this daemon was given no source of secrets"});
    const Utc now = desk.loop.utc();
    auto made = guard::make_token(name, *role, desk.options.secret_bytes(guard::token_random_bytes), now, lasts ? std::optional<Utc>(now + *lasts) : std::nullopt);
    MutationPlan plan{.object = name, .status = 201};
    plan.detail = fmt::format(R"({{"name":{},"role":{}}})", json_quoted(name), json_quoted(word));
    plan.members = [stored = made.stored](JsonWriter& json) {
        json.text("name", stored.name).text("role", stored.role).time("created", stored.created).time("expires", stored.expires);
    };
    plan.once = [secret = made.secret](JsonWriter& json) { json.text("secret", secret); };
    plan.after = [&desk, stored = made.stored] { desk.tokens.put(stored); };
    mutate(desk, call, catalog::PutApiToken{made.stored}, std::move(plan));
}

void delete_token(Desk& desk, const CallPtr& call) {
    const std::string& name = call->param("name");
    if (desk.tokens.named(name) == nullptr) return answer_error(call, Error{Code::not_found, fmt::format("there is no token \"{}\"", escaped(name))});
    MutationPlan plan = plain(name);
    plan.after = [&desk, name] { desk.tokens.remove(name); };
    mutate(desk, call, catalog::RemoveApiToken{name}, std::move(plan));
}

void reload_config(Desk& desk, const CallPtr& call) {
    const auto plan = std::make_shared<MutationPlan>();
    plan->members = [source = desk.view.reload().source](JsonWriter& json) { json.text("source", source); };
    desk.backend.reload(call->caller.name, kept_answer(desk, call, plan), [&desk, call](catalog::MutationResult result) {
        call->keyed.reset();
        if (result) {
            std::string body;
            JsonWriter json(body);
            json.open('{').number("revision", result->revision).text("source", desk.view.reload().source).open("warnings", '[');
            if (desk.view.document() != nullptr)
                for (const auto& warning : desk.view.document()->warnings) json.text(warning);
            json.close(']').close('}');
            return answer_json(call, 200, std::move(body), {{"ETag", etag(result->revision)}});
        }
        Problem problem = problem_of(result.error().error);
        if (problem.status == 400) {
            problem.status = 422;
            problem.code = "config_invalid";
            // "hale.yml:12:5: services.web.check: what is wrong; allowed: …", one a line.
            for (const auto line : split(result.error().error.text, '\n')) {
                if (line.empty()) continue;
                ProblemPart part{.detail = std::string(line)};
                const auto pieces = split(line, ':');
                if (pieces.size() > 2)
                    if (const auto number = parse_unsigned(pieces[1])) part.file = pieces[0], part.line = static_cast<int>(*number);
                problem.parts.push_back(std::move(part));
            }
        }
        if (result.error().adoption_revision) problem = {500, "adoption_timeout", problem.detail, {}, result.error().adoption_revision};
        answer_problem(call, problem);
    });
}

}  // namespace hale::api
