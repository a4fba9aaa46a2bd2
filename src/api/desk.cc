#include "api/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/digest.h"
#include "api/aliases.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/target.h"
#include "base/text.h"
#include "guard/door.h"
#include "wire/http1_write.h"

namespace hale::api {

namespace {

constexpr Duration kept_idempotent = 24h;

http::ServerFields common_fields(std::string_view type) {
    return {{"Content-Type", std::string(type)}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
}

std::string_view method_name(const CallPtr& call) { return call->request().head.method_name; }

}  // namespace

Problem invalid(int status, std::vector<ProblemPart> faults) {
    Problem problem{status, "invalid", "", {}, {}};
    if (!faults.empty()) problem.detail = faults[0].pointer.empty() ? faults[0].detail : fmt::format("{}: {}", faults[0].pointer, faults[0].detail);
    problem.parts = std::move(faults);
    return problem;
}

std::string to_json(const Problem& problem) {
    std::string out;
    JsonWriter json(out);
    json.open('{').text("type", "about:blank").text("title", wire::reason_phrase(problem.status)).number("status", static_cast<std::uint64_t>(problem.status));
    std::string_view detail = problem.detail;
    while (detail.ends_with('\n')) detail.remove_suffix(1);  // Lists of faults come with one.
    json.text("detail", detail).text("code", problem.code);
    if (problem.revision) json.number("revision", *problem.revision);
    if (!problem.parts.empty()) {
        json.open("errors", '[');
        for (const auto& part : problem.parts) {
            json.open('{').text("pointer", part.pointer).text("detail", part.detail);
            if (!part.file.empty()) json.text("file", part.file);
            if (part.line != 0) json.number("line", static_cast<std::uint64_t>(part.line));
            json.close('}');
        }
        json.close(']');
    }
    json.close('}');
    return out;
}

Problem problem_of(const Error& error) {
    switch (error.code) {
        case Code::invalid: return {400, "invalid", error.text};
        case Code::not_found: return {404, "not_found", error.text};
        case Code::conflict: return {409, "conflict", error.text};
        case Code::outdated: return {412, "precondition_failed", error.text};
        case Code::denied: return {403, "denied", error.text};
        case Code::timed_out: return {504, "timed_out", error.text};
        case Code::unavailable: return {503, "unavailable", error.text};
        case Code::exhausted: return {503, "exhausted", error.text};
        case Code::upgrading: return {503, "upgrading", error.text};
        case Code::corrupt:
        case Code::internal: return {500, "internal", error.text};
    }
    std::unreachable();
}

std::string etag(std::uint64_t revision) { return fmt::format("\"{}\"", revision); }

std::optional<std::uint64_t> parse_etag(std::string_view text) {
    text = trim(text);
    if (text.starts_with("W/")) text.remove_prefix(2);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    return parse_unsigned(text);
}

void answer_json(const CallPtr& call, int status, std::string body, http::ServerFields more) {
    auto fields = common_fields("application/json");
    std::ranges::move(more, std::back_inserter(fields));
    call->exchange->answer(status, fields, std::move(body));
}

void stream_json(const CallPtr& call, std::unique_ptr<http::BodyProducer> body) {
    call->exchange->stream(200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}, std::move(body));
}

void answer_at(const CallPtr& call, std::uint64_t revision, std::string body) {
    const auto known = parse_etag(call->request().head.fields.value(wire::Known::if_none_match));
    if (known == revision) {
        call->exchange->answer(304, {{"ETag", etag(revision)}, {"Cache-Control", "no-store"}}, "");
        return;
    }
    answer_json(call, 200, std::move(body), {{"ETag", etag(revision)}});
}

void answer_problem(const CallPtr& call, const Problem& problem, http::ServerFields more) {
    auto fields = common_fields("application/problem+json");
    std::ranges::move(more, std::back_inserter(fields));
    if (problem.status == 503) fields.emplace_back("Retry-After", "5");
    fields.emplace_back("Hale-Reason", problem.code);
    call->exchange->answer(problem.status, fields, to_json(problem));
}

void answer_error(const CallPtr& call, const Error& error) { answer_problem(call, problem_of(error)); }

Desk::Desk(io::Loop& its_loop, Backend& its_backend, const catalog::OwnHealth& its_own, ServerOptions its_options)
    : loop(its_loop),
      backend(its_backend),
      own(its_own),
      options(std::move(its_options)),
      waiting(loop),
      hub(loop, view, options.node),
      random(options.seed) {}

bool Desk::may(const Route& route, const Call& call) const {
    switch (route.access) {
        case Access::unset: return false;
        case Access::open: return true;
        // The socket's peers have a name: whoever has no rights there has none here.
        case Access::metrics: return (call.caller.loopback && !call.request().credentials) || call.caller.role >= guard::Role::read;
        case Access::read: return call.caller.role >= guard::Role::read;
        case Access::operate: return call.caller.role >= guard::Role::operate;
        case Access::admin: return call.caller.role >= guard::Role::admin;
        case Access::heartbeat: {
            if (call.caller.role >= guard::Role::operate) return true;
            // The check's own token, and only for that check.
            const auto secret = guard::bearer(call.request().head.fields.value(wire::Known::authorization));
            const auto* service = view.service(std::string_view(call.param("s")));
            if (secret.empty() || service == nullptr || !service->facts->spec) return false;
            const std::string hash = config::sha256_hex(secret);
            bool found = false;
            for (const auto& check : *service->facts->spec->checks) {
                const auto* heartbeat = std::get_if<config::HeartbeatCheck>(&check->what);
                if (heartbeat == nullptr || heartbeat->token_hash.empty()) continue;
                if (!call.param("check").empty() && call.param("check") != check->name) continue;
                found |= guard::equal_secrets(lower(heartbeat->token_hash), hash);
            }
            return found;
        }
    }
    std::unreachable();
}

void Desk::take(const std::shared_ptr<http::ServerExchange>& exchange, bool health_listener) {
    auto call = std::make_shared<Call>();
    call->exchange = exchange;
    call->health_listener = health_listener;
    const auto& request = exchange->request;
    const auto& head = request.head;
    const bool local_socket = request.credentials.has_value() || request.peer.is_unix();
    // Whoever gets Hale to connect to its own socket would borrow the daemon's identity.
    if (request.credentials && request.credentials->ourselves)
        return answer_problem(call, {403, "denied", "Hale does not administer itself: this request came from its own process"});
    static const std::vector<std::string> none_declared;
    if (!health_listener && !local_socket && !guard::host_allowed(head, view.document() != nullptr ? view.document()->settings.admin_hosts : none_declared))
        return answer_problem(call, {421, "host_not_allowed", "This host name is not one of the admin listener's; declare it under admin.hosts"});
    if (!guard::origin_allowed(head))
        return answer_problem(call, {403, "origin_not_allowed", "Requests from other origins are not answered"});
    const std::string_view whole = head.path_and_query;
    const auto mark = whole.find('?');
    auto query = Query::parse(mark == std::string_view::npos ? std::string_view{} : whole.substr(mark + 1));
    if (!query) return answer_problem(call, {400, "bad_request", "The query is malformed"});
    call->query = std::move(*query);

    const auto identified = guard::identify({head, request.peer, request.credentials}, tokens,
                                            {options.daemon_uid, options.operators_gid}, loop.utc());
    call->caller = identified.caller;

    Found found = find_route(head.method, whole.substr(0, mark));
    if (health_listener) {
        // Health only, and of services too: this listener is opened for machines that cannot hold a token.
        const bool health_route = found.route != nullptr && found.route->answer == "Health";
        if (health_route) {
            call->route = found.route;
            call->params = std::move(found.params);
            return found.route->handle(*this, call);
        }
        if (answer_alias(*this, call)) return;
        return answer_problem(call, {404, "not_found", "Only health is answered here"});
    }
    if (found.route == nullptr) {
        if (found.others.empty() && answer_alias(*this, call)) return;
        if (call->caller.role == guard::Role::none && !identified.caller.loopback)
            return answer_problem(call, {401, "unauthenticated", "Credentials are needed"}, {{"WWW-Authenticate", "Bearer realm=\"hale\""}});
        if (found.others.empty()) return answer_problem(call, {404, "not_found", fmt::format("There is no {}", escaped(whole.substr(0, mark)))});
        std::string allow;
        for (const auto method : found.others) {
            if (!allow.empty()) allow += ", ";
            allow += wire::method_text(method);
        }
        if (head.method == wire::Method::options) return call->exchange->answer(204, {{"Allow", allow}}, "");
        return answer_problem(call, {405, "method_not_allowed", fmt::format("This path has {}", allow)}, {{"Allow", allow}});
    }
    call->route = found.route;
    call->params = std::move(found.params);
    if (may(*found.route, *call)) {
        if (left && found.route->access != Access::open) return answer_error(call, catalog::upgrading());
        const std::string_view key = head.fields.value(wire::Known::idempotency_key);
        if (!key.empty() && takes_key(*found.route)) return carry_out_once(call, key);
        return found.route->handle(*this, call);
    }
    if (call->caller.role == guard::Role::none && !(request.credentials && !identified.bad_token)) {
        const std::string challenge = identified.bad_token ? "Bearer realm=\"hale\", error=\"invalid_token\"" : "Bearer realm=\"hale\"";
        return answer_problem(call, {401, "unauthenticated", identified.bad_token ? "The token is not valid, or no longer" : "A token is needed for this"},
                              {{"WWW-Authenticate", challenge}});
    }
    answer_problem(call, {403, "denied", fmt::format("{} has role {}; this needs {}", call->caller.name, guard::to_text(call->caller.role), to_text(found.route->access))});
}

void when_newer(Desk& desk, const CallPtr& call, std::function<std::uint64_t(const catalog::View&)> revision, std::function<void()> answer) {
    if (!call->query.has("wait")) return answer();
    const auto wait = parse_duration(call->query.value("wait"));
    if (!wait || *wait < Duration{0})
        return answer_problem(call, {400, "invalid", "wait is no duration", {{"/wait", "allowed: a duration like 30s, at most 5m", "", 0}}});
    auto known = call->query.has("revision") ? parse_etag(call->query.value("revision"))
                                             : parse_etag(call->request().head.fields.value(wire::Known::if_none_match));
    if (!known) return answer_problem(call, {400, "invalid", "wait needs revision=N or If-None-Match", {{"/revision", "allowed: a number", "", 0}}});
    const std::uint64_t now = revision(desk.view);
    if (now == 0 || now > *known || *wait == Duration{0}) return answer();
    if (!desk.waiting.add(call, std::move(revision), *known, desk.loop.now() + std::min(*wait, longest_wait), std::move(answer)))
        answer_problem(call, {503, "exhausted", fmt::format("{} requests wait already; try again", most_waiting)});
}

namespace {

std::string done_body(const catalog::MutationDone& done, const MutationPlan& plan, bool once) {
    std::string body;
    JsonWriter json(body);
    json.open('{').number("revision", done.revision);
    if (!done.id.empty()) json.text("id", done.id);
    if (plan.members) plan.members(json);
    if (once && plan.once) plan.once(json);
    json.close('}');
    return body;
}

// Stored before the answer: whose question it answers.
std::string request_digest(const CallPtr& call) {
    return config::sha256_hex(fmt::format("{} {}\n{}", method_name(call), call->request().head.target, call->request().body));
}

// A replay says what the first answer said, but for secrets. Of a new instance it is the name that was kept: its id
// is known only once it is there.
void replay(Desk& desk, const CallPtr& call, const config::PutIdempotent& before) {
    std::string body = before.body.substr(before.body.find('{'));
    Body kept(body, "");
    http::ServerFields fields{{"Idempotent-Replayed", "true"}};
    if (const auto revision = kept.number("revision")) fields.emplace_back("ETag", etag(*revision));
    if (call->route->handle == create_instance)
        if (const auto* made = desk.view.instance(std::string_view(kept.text("instance"))))
            body.insert(body.size() - 1, fmt::format(R"(,"id":{})", json_quoted(made->facts->id)));
    answer_json(call, before.status, std::move(body), std::move(fields));
}

}  // namespace

void Desk::carry_out_once(const CallPtr& call, std::string_view given) {
    if (given.size() > 255) return answer_problem(call, {400, "invalid", "Idempotency-Key is longer than 255 bytes"});
    std::string key(given), in_use = fmt::format("{} {}", call->caller.name, given);
    if (!keys_in_use->insert(in_use).second)
        return answer_problem(call, {409, "conflict", "The first request with this Idempotency-Key is still under way"});
    call->keyed = Keyed{key, request_digest(call), {nullptr, [keys = std::weak_ptr(keys_in_use), in_use = std::move(in_use)](void*) {
                                                        if (const auto there = keys.lock()) there->erase(in_use);
                                                    }}};
    backend.answered(key, call->caller.name, [this, call](Result<std::optional<config::PutIdempotent>> before) {
        if (!before || (*before && loop.utc() - (*before)->at < kept_idempotent)) {
            const Keyed keyed = *std::exchange(call->keyed, {});
            if (!before) return answer_error(call, before.error());
            // 64 hex digits of the request, then the answer.
            if (!(*before)->body.starts_with(keyed.digest))
                return answer_problem(call, {422, "idempotency_key_reused", "This Idempotency-Key came with another request before"});
            return replay(*this, call, **before);
        }
        call->route->handle(*this, call);
    });
}

std::optional<catalog::KeptAnswer> kept_answer(Desk& desk, const CallPtr& call, const std::shared_ptr<MutationPlan>& plan) {
    if (!call->keyed) return {};
    const bool by_name = call->route->handle == create_instance;
    return catalog::KeptAnswer{{call->keyed->key, call->caller.name, plan->status, "", desk.loop.utc()},
                               [digest = call->keyed->digest, plan, by_name](std::uint64_t revision, const std::string& id) {
                                   return digest + done_body({revision, by_name ? "" : id}, *plan, false);
                               }};
}

void mutate(Desk& desk, const CallPtr& call, catalog::Change change, MutationPlan its_plan) {
    const auto plan = std::make_shared<MutationPlan>(std::move(its_plan));
    catalog::Mutation mutation{.change = std::move(change),
                               .actor = call->caller.name,
                               .action = fmt::format("{} {}", method_name(call), call->path()),
                               .object = plan->object,
                               .detail = plan->detail};
    const auto& fields = call->request().head.fields;
    if (fields.has(wire::Known::if_match) && trim(fields.value(wire::Known::if_match)) != "*") {
        mutation.if_match = parse_etag(fields.value(wire::Known::if_match));
        if (!mutation.if_match) return answer_problem(call, {412, "precondition_failed", "If-Match is no ETag of this daemon"});
    }
    mutation.idempotent = kept_answer(desk, call, plan);
    desk.backend.mutate(std::move(mutation), [call, plan](catalog::MutationResult result) {
        call->keyed.reset();
        if (result) {
            if (plan->after) plan->after();
            return answer_json(call, plan->status, done_body(*result, *plan, true), {{"ETag", etag(result->revision)}});
        }
        Problem problem = problem_of(result.error().error);
        if (result.error().adoption_revision) {
            if (plan->after) plan->after();
            problem.status = 500;
            problem.code = "adoption_timeout";
            problem.revision = result.error().adoption_revision;
        }
        answer_problem(call, problem);
    });
}

const catalog::ServiceView* need_service(Desk& desk, const CallPtr& call) {
    const auto* service = desk.view.service(std::string_view(call->param("s")));
    if (service == nullptr) answer_error(call, no_such_service(desk.view, call->param("s")));
    return service;
}

const catalog::InstanceView* need_instance(Desk& desk, const CallPtr& call) {
    const auto* instance = desk.view.instance(std::string_view(call->param("i")));
    if (instance == nullptr) answer_error(call, Error{Code::not_found, fmt::format("there is no instance \"{}\"", escaped(call->param("i")))});
    return instance;
}

}  // namespace hale::api
