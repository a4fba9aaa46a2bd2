// Immediate probes: verify, check, heartbeat; and /probe for Prometheus.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "api/body.h"
#include "api/desk.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/target.h"
#include "base/text.h"
#include "config/load.h"
#include "wire/url.h"

namespace hale::api {

namespace {

constexpr Duration usual_verify = 30s;
constexpr Duration longest_verify = 10min;
constexpr std::size_t most_checked_at_once = 1'000;  // Instances of one `check` of a service.

std::string_view to_text(catalog::VerifyEnd end) {
    switch (end) {
        case catalog::VerifyEnd::eligible: return "eligible";
        case catalog::VerifyEnd::not_eligible: return "not_eligible";
        case catalog::VerifyEnd::nothing_to_verify: return "nothing_to_verify";
        case catalog::VerifyEnd::timed_out: return "timed_out";
        case catalog::VerifyEnd::upgrading: return "upgrading";
    }
    std::unreachable();
}

std::string_view to_text(catalog::GateEnd end) {
    switch (end) {
        case catalog::GateEnd::passed: return "passed";
        case catalog::GateEnd::failed: return "failed";
        case catalog::GateEnd::timed_out: return "timed_out";
        case catalog::GateEnd::gone: return "gone";
    }
    std::unreachable();
}

std::string from_of(const Desk& desk, std::string_view id) {
    const auto* instance = desk.view.instance(id);
    return instance != nullptr ? looked_from(*instance, desk.options.node) : desk.options.node;
}

void start_verify(Desk& desk, const CallPtr& call, std::string service, std::string instance) {
    Body body(call->request().body, "timeout");
    Duration timeout = body.duration("timeout").value_or(usual_verify);
    if (call->query.has("timeout")) {
        const auto given = parse_duration(call->query.value("timeout"));
        if (given) timeout = *given;
        else body.fault("timeout", "must be a duration");
    }
    if (timeout <= Duration{0} || timeout > longest_verify) body.fault("timeout", "allowed: more than 0s, at most 10m");
    if (!body.ok()) return answer_problem(call, body.problem());
    desk.backend.verify({std::move(service), std::move(instance), timeout}, [&desk, call, timeout](catalog::VerifyResult result) {
        if (result.end == catalog::VerifyEnd::upgrading) return answer_error(call, catalog::upgrading());
        std::string out;
        JsonWriter json(out);
        json.open('{').text("end", to_text(result.end)).boolean("eligible", result.end == catalog::VerifyEnd::eligible);
        json.decimal("timeout", seconds(timeout)).number("revision", result.revision).open("instances", '[');
        for (const auto& one : result.instances) {
            json.open('{').text("id", one.instance).text("instance", one.name).text("end", to_text(one.outcome.end)).boolean("eligible", one.eligible);
            json.text("state", verdict::to_text(one.outcome.state)).number("passes", one.outcome.passes).number("needed", one.outcome.needed).number("fails", one.outcome.fails);
            json.open("observations", '[');
            for (const auto& seen : one.outcome.observations) write_observation(json, "", seen, from_of(desk, one.instance));
            json.close(']').close('}');
        }
        json.close(']').close('}');
        answer_json(call, 200, std::move(out));
    });
}

// The worst is what a caller must know: fail over error over warn over pass.
int badness(verdict::Outcome outcome) {
    switch (outcome) {
        case verdict::Outcome::pass: return 0;
        case verdict::Outcome::warn: return 1;
        case verdict::Outcome::error: return 2;
        case verdict::Outcome::fail: return 3;
    }
    return 2;
}

struct Gathering {
    std::string items;
    std::size_t awaited = 0;
    std::size_t told = 0;
    std::optional<verdict::Outcome> worst;
    std::optional<Error> error;
};

void gather(Desk& desk, const CallPtr& call, std::vector<std::pair<std::string, std::string>> instances, const std::string& object) {
    std::optional<Duration> max_age;
    if (call->query.has("max_age")) {
        const auto text = call->query.value("max_age");
        if (const auto whole = parse_unsigned(text); whole && *whole < 1'000'000'000) max_age = std::chrono::seconds(static_cast<std::int64_t>(*whole));
        else max_age = parse_duration(text);
        if (max_age && *max_age > longest_duration) max_age = longest_duration;
        if (!max_age) return answer_problem(call, {400, "invalid", "/max_age: allowed: seconds or a duration", {{"/max_age", "allowed: seconds or a duration", "", 0}}});
    }
    if (instances.empty()) return answer_error(call, Error{Code::not_found, fmt::format("no checks matched: \"{}\" has no instances", object)});
    if (instances.size() > most_checked_at_once)
        return answer_error(call, Error{Code::exhausted, fmt::format("\"{}\" has {} instances; at most {} are checked at once", object, instances.size(), most_checked_at_once)});
    auto all = std::make_shared<Gathering>();
    all->awaited = instances.size();
    const std::string check(call->query.value("check"));
    for (auto& [id, name] : instances) {
        desk.backend.probe_now(id, check, max_age, [&desk, call, all, id, name, object](Result<std::vector<catalog::ProbeAnswer>> answers) {
            if (answers) {
                for (const auto& answer : *answers) {
                    JsonWriter json(all->items);
                    if (all->told++ != 0) all->items += ',';
                    std::string seen;
                    JsonWriter inner(seen);
                    write_observation(inner, answer.check, answer.observation, from_of(desk, id));
                    json.open('{').text("id", id).text("instance", name).text("check", answer.check).boolean("shared", answer.shared).raw("observation", seen).close('}');
                    if (!all->worst || badness(answer.observation.outcome) > badness(*all->worst)) all->worst = answer.observation.outcome;
                }
            } else if (!all->error) {
                all->error = answers.error();
            }
            if (--all->awaited != 0) return;
            if (all->told == 0) {
                if (all->error) return answer_error(call, *all->error);
                return answer_problem(call, {404, "no_checks_matched", fmt::format("no checks matched on \"{}\"", object)});
            }
            std::string out;
            JsonWriter json(out);
            json.open('{').text("object", object).text("outcome", verdict::to_text(*all->worst)).number("revision", desk.view.revision());
            json.raw("results", "[" + all->items + "]").close('}');
            answer_json(call, 200, std::move(out));
        });
    }
}

std::vector<std::pair<std::string, std::string>> instances_of(const Desk& desk, const catalog::ServiceView& service) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto slot : service.instances)
        if (const auto* instance = desk.view.instance(slot)) out.emplace_back(instance->facts->id, instance->facts->name);
    return out;
}

}  // namespace

void verify_service(Desk& desk, const CallPtr& call) {
    if (const auto* service = need_service(desk, call)) start_verify(desk, call, service->facts->name.str(), "");
}

void verify_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call)) start_verify(desk, call, "", instance->facts->id.str());
}

void verify_target(Desk& desk, const CallPtr& call) {
    const auto target = resolve(desk.view, call->query.value("target"));
    if (!target) return answer_error(call, target.error());
    if (target->instance != nullptr) start_verify(desk, call, "", target->instance->facts->id.str());
    else start_verify(desk, call, target->service->facts->name.str(), "");
}

void check_service(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    auto asked = instances_of(desk, *service);
    const std::string name = service->facts->name.str();
    if (service->facts->spec && catalog::judged_apart(*service->facts->spec)) asked.emplace_back(catalog::scope_id(name), name);
    gather(desk, call, std::move(asked), name);
}

void check_instance(Desk& desk, const CallPtr& call) {
    if (const auto* instance = need_instance(desk, call)) gather(desk, call, {{instance->facts->id.str(), instance->facts->name.str()}}, instance->facts->name.str());
}

void beat(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    if (service == nullptr) return;
    std::string word(call->query.value("outcome")), text(call->query.value("text"));
    if (!call->request().body.empty()) {
        Body body(call->request().body, "outcome text");
        if (body.has("outcome")) word = body.text("outcome");
        if (body.has("text")) text = body.text("text");
        if (!body.ok()) return answer_problem(call, body.problem());
    }
    verdict::Outcome outcome = verdict::Outcome::pass;
    if (word == "warn") outcome = verdict::Outcome::warn;
    else if (word == "fail") outcome = verdict::Outcome::fail;
    else if (!word.empty() && word != "pass")
        return answer_problem(call, {400, "invalid", "/outcome: allowed: pass, warn, fail", {{"/outcome", "allowed: pass, warn, fail", "", 0}}});
    desk.backend.heartbeat(service->facts->name.str(), call->param("check"), outcome, escaped(text), [call](Result<> result) {
        if (!result) return answer_error(call, result.error());
        answer_json(call, 202, R"({"accepted":true})");
    });
}

namespace {

// A service is as its worst instance. Whoever asks for no module asks what a verdict asks: an advisory check that
// fails is a warning then.
void probe_all(Desk& desk, const CallPtr& call, const std::vector<std::string>& ids, const std::string& module,
               const std::function<void(const verdict::Observation&)>& write) {
    struct All {
        std::size_t awaited = 0;
        std::optional<verdict::Observation> worst;
        std::optional<Error> error;
    };
    auto all = std::make_shared<All>();
    all->awaited = ids.size();
    for (const auto& id : ids)
        desk.backend.probe_now(id, module, std::nullopt, [&desk, call, all, id, module, write](Result<std::vector<catalog::ProbeAnswer>> answers) {
            if (!answers && answers.error().code != Code::not_found) all->error = answers.error();  // It may have left meanwhile.
            const auto* instance = desk.view.instance(std::string_view(id));
            const auto advisory = [&](std::string_view name) {
                return module.empty() && instance != nullptr && instance->facts->checks &&
                       std::ranges::any_of(*instance->facts->checks, [&](const auto& check) { return check->name == name && !check->critical; });
            };
            if (answers)
                for (const auto& answer : *answers) {
                    verdict::Observation seen = answer.observation;
                    if (advisory(answer.check) && badness(seen.outcome) > badness(verdict::Outcome::warn)) seen.outcome = verdict::Outcome::warn;
                    if (!all->worst || badness(seen.outcome) > badness(all->worst->outcome)) all->worst = std::move(seen);
                }
            if (--all->awaited != 0) return;
            if (all->error) return answer_error(call, *all->error);
            if (!all->worst) return answer_problem(call, {404, "no_checks_matched", "no checks matched; module names a check of the service"});
            write(*all->worst);
        });
}

}  // namespace

// Targets: an instance or service by name, the declared address of an instance, or what probe_endpoint.allow names.
void probe(Desk& desk, const CallPtr& call) {
    const std::string target(call->query.value("target"));
    const std::string module(call->query.value("module"));
    if (target.empty()) return answer_problem(call, {400, "invalid", "/target: is needed", {{"/target", "is needed", "", 0}}});
    const Exposition form = exposition_for(call->request().head.fields.value(wire::Known::accept));
    const auto write = [call, form](const verdict::Observation& seen) {
        call->exchange->answer(200, {{"Content-Type", std::string(content_type(form))}, {"Cache-Control", "no-store"}, {"Vary", "Accept"}}, probe_metrics(seen, form));
    };
    std::vector<std::string> ids;
    if (const auto known = resolve(desk.view, target); known && known->route == nullptr) {
        if (known->instance != nullptr) ids.push_back(known->instance->facts->id.str());
        else for (auto& [id, name] : instances_of(desk, *known->service)) ids.push_back(std::move(id));
    }
    for (catalog::Slot slot = 0; ids.empty() && slot < desk.view.instance_slots(); ++slot)
        if (const auto* instance = desk.view.instance(slot); instance != nullptr && instance->facts->declared == target) ids.push_back(instance->facts->id.str());
    if (ids.size() > most_checked_at_once)
        return answer_error(call, Error{Code::exhausted, fmt::format("\"{}\" has {} instances; at most {} are probed at once", target, ids.size(), most_checked_at_once)});
    if (!ids.empty()) return probe_all(desk, call, ids, module, write);
    const auto* document = desk.view.document();
    const bool allowed = document != nullptr && std::ranges::find(document->settings.probe_endpoint_allow, target) != document->settings.probe_endpoint_allow.end();
    if (!allowed)
        return answer_problem(call, {403, "target_not_allowed", "Only configured services and what probe_endpoint.allow names are probed"});
    std::string check = R"({"tcp":""})";
    if (target.find("://") != std::string::npos) {
        const auto url = wire::parse_url(target);
        if (!url) return answer_error(call, url.error());
        check = fmt::format(R"({{"http":{}}})", json_quoted(url->origin_form()));
    }
    auto spec = config::load_check("probe", check, *document);
    if (!spec) return answer_problem(call, {400, "invalid", config::text(spec.error())});
    desk.backend.probe_target({target, std::move(*spec)}, [call, write](Result<verdict::Observation> seen) {
        if (!seen) return answer_error(call, seen.error());
        write(*seen);
    });
}

}  // namespace hale::api
