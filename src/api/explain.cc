#include "api/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/check_spec.h"

namespace hale::api {

using catalog::InstanceView;
using catalog::ServiceView;
using verdict::State;

namespace {

constexpr std::string_view indent = "         ";

std::string_view shape(State state) {
    switch (state) {
        case State::healthy: return "●";
        case State::degraded: return "◆";
        case State::unhealthy: return "▲";
        case State::pending: return "◌";
        case State::unknown: return "○";
    }
    return "○";
}

std::string clock(Utc at, Utc now, bool tenths) {
    const std::string whole = rfc3339(at);  // 2026-11-21T14:18:21.100Z
    const std::string time = whole.substr(11, tenths ? 10 : 8);
    return now - at < 24h ? time : whole.substr(0, 10) + " " + time;
}

// "GET http://10.0.0.4:3000/up: connect refused after 0.4 ms" → what was asked, and what came of it.
std::pair<std::string_view, std::string_view> halves(std::string_view text) {
    const auto colon = text.find(": ");
    if (colon == std::string_view::npos) return {{}, text};
    return {text.substr(0, colon), text.substr(colon + 2)};
}

const config::CheckSpec* check_named(const InstanceView& instance, std::string_view name) {
    if (!instance.facts->checks) return nullptr;
    for (const auto& check : *instance.facts->checks)
        if (name.empty() || check->name == name) return check.get();
    return nullptr;
}

const catalog::CheckStanding* standing_of(const InstanceView& instance, std::string_view name) {
    if (!instance.record) return nullptr;
    for (const auto& check : instance.record->checks)
        if (name.empty() || check.name == name) return &check;
    return nullptr;
}

std::string host_sent(const catalog::View& view, const InstanceView& instance, const config::CheckSpec& check) {
    const auto* http = std::get_if<config::HttpCheck>(&check.what);
    if (http == nullptr) return {};
    if (!http->host.empty()) return http->host;
    for (const auto& route : view.routes())
        if (route.spec.service == instance.facts->service && !route.spec.host.starts_with('*')) return route.spec.host;
    return {};
}

std::string asked_text(const InstanceView& instance, const config::CheckSpec* check) {
    const auto* http = check != nullptr ? std::get_if<config::HttpCheck>(&check->what) : nullptr;
    const std::string where = instance.facts->where();
    if (http != nullptr) {
        const std::string base = where.find("://") == std::string::npos ? "http://" + where : where;
        return fmt::format("{} {}{}", http->method, base, redacted_url(http->path));
    }
    return fmt::format("{} {}", check != nullptr ? check->kind() : "check", where);
}

// "3 of 3 failures (fall 3): ", as it was when it was decided; runs grow on.
std::string decided_text(const catalog::Decided& decided, State state, const verdict::JudgePolicy& timing) {
    const auto said = [&](std::string_view what, std::string_view rule, std::uint32_t threshold) {
        return fmt::format("{} of {} {} ({} {}): ", decided.length, decided.needed, what, rule, threshold);
    };
    switch (decided.rule) {
        case verdict::Rule::fails: return said("failures", "fall", timing.fall);
        case verdict::Rule::answers: return said(state == State::healthy ? "passes" : "answers", "rise", timing.rise);
        case verdict::Rule::passes: return said("passes", "rise", timing.rise);
        case verdict::Rule::slots:
        case verdict::Rule::not_passes: {
            const std::string_view what = decided.rule == verdict::Rule::slots ? "failures" : "warnings or failures";
            if (!timing.m_of_n) return said(what, "fall", timing.fall);
            return fmt::format("{} of {} {} ({} of {}): ", decided.length, decided.needed, what, timing.m_of_n->m, timing.m_of_n->n);
        }
        case verdict::Rule::silence: return "nothing was counted: ";
        case verdict::Rule::news: break;
    }
    return {};
}

std::string rule_line(const catalog::View& view, const InstanceView& instance) {
    const auto& record = *instance.record;
    const auto* check = check_named(instance, record.decided_by);
    const auto* standing = standing_of(instance, record.decided_by);
    const bool bad = record.word.state == State::unhealthy || record.word.state == State::degraded;
    std::string line;
    if (check != nullptr && standing != nullptr && standing->decided) line = decided_text(*standing->decided, standing->state, check->timing);
    std::string_view asked;
    if (!record.deciding.empty()) asked = halves(record.deciding.back().text).first;
    else if (bad) asked = halves(record.text).first;
    line += asked.empty() ? asked_text(instance, check) : std::string(asked);
    if (check != nullptr)
        if (const auto host = host_sent(view, instance, *check); !host.empty()) line += fmt::format(", Host {}", host);
    if (instance.record->checks.size() > 1 && !record.decided_by.empty()) line += fmt::format(" (check {})", record.decided_by);
    return line;
}

// The condition as declared, with what it was held against where a pass leaves that behind: "[STATUS] (200) == 2xx".
std::string resolved(std::string_view condition, const catalog::LastProbe& last) {
    std::string out(condition);
    const auto fill = [&](std::string_view placeholder, const std::string& value) {
        if (const auto at = out.find(placeholder); at != std::string::npos) out.insert(at + placeholder.size(), fmt::format(" ({})", value));
    };
    if (last.status != 0) fill("[STATUS]", fmt::format("{}", last.status));
    if (last.total_us >= 0) fill("[RESPONSE_TIME]", human(last.total_us * 1us));
    return out;
}

std::string passed_text(const config::CheckSpec& check, const catalog::LastProbe& last) {
    constexpr std::size_t most_conditions = 4;
    const auto after = [&](std::string_view what) {
        return last.total_us < 0 ? std::string(what) : fmt::format("{} after {}", what, human(last.total_us * 1us));
    };
    std::string line;
    if (std::holds_alternative<config::HttpCheck>(check.what)) line = after(fmt::format("answered {}", last.status));
    else if (std::holds_alternative<config::TcpCheck>(check.what) || std::holds_alternative<config::TlsCheck>(check.what)) line = after("connected");
    else if (check.connects() || std::holds_alternative<config::DnsCheck>(check.what)) line = after("answered as asked");
    else if (std::holds_alternative<config::ExecCheck>(check.what)) line = after("ended well");
    else if (std::holds_alternative<config::HeartbeatCheck>(check.what)) line = "the last beat came in time";
    else if (std::holds_alternative<config::CompositeCheck>(check.what)) line = "its members are as needed";
    else line = after("passed");
    const auto& conditions = check.expect_text;
    for (std::size_t i = 0; i < std::min(conditions.size(), most_conditions); ++i)
        line += fmt::format("{}{}", i == 0 ? ", as asked: " : ", ", resolved(conditions[i], last));
    if (conditions.size() > most_conditions) line += fmt::format(" and {} more", conditions.size() - most_conditions);
    return line;
}

// Of a verdict that no trouble decided: the last probe, whatever it saw.
std::string last_text(const InstanceView& instance) {
    const auto& record = *instance.record;
    const auto& last = instance.last;
    const std::string_view name = last.check < record.checks.size() ? std::string_view(record.checks[last.check].name) : std::string_view{};
    const auto* check = check_named(instance, name);
    std::string line;
    if (last.outcome == verdict::Outcome::pass && check != nullptr) line = passed_text(*check, last);
    else line = std::string(reason_text(last.reason, instance.detail ? halves(instance.detail->text).second : std::string_view{}));
    if (last.phase != verdict::Phase::none) line += fmt::format(" (phase {})", verdict::to_text(last.phase));
    if (last.outcome != verdict::Outcome::pass && last.run_length != 0 && last.run_outcome == last.outcome)
        line += fmt::format(" ({} of {} that would count against it)", last.run_length, last.run_needed);
    if (record.checks.size() > 1 && name != record.decided_by) line += fmt::format(" (check {})", name);
    return line;
}

std::string observed_line(const InstanceView& instance, Utc now) {
    const auto& record = *instance.record;
    std::string line;
    if (record.deciding.empty()) {
        const bool plain = record.reason == verdict::Reason::ok && instance.last.any;
        line = plain ? last_text(instance) : std::string(reason_text(record.reason, halves(record.text).second));
        if (instance.last.any) line += fmt::format("   {}", clock(instance.last.at, now, true));
        return line;
    }
    const auto& last = record.deciding.back();
    line = std::string(reason_text(last.reason, halves(last.text).second));
    if (last.phase != verdict::Phase::none) line += fmt::format(" (phase {})", verdict::to_text(last.phase));
    line += ' ';
    for (const auto& seen : record.deciding) {
        line += fmt::format("  {}", clock(seen.at, now, true));
        if (seen.trigger == verdict::Trigger::traffic) line += " (asked by traffic)";
        else if (seen.trigger == verdict::Trigger::on_demand) line += " (on demand)";
        else if (seen.trigger == verdict::Trigger::gate) line += " (asked by a gate)";
    }
    return line;
}

std::string history_line(const InstanceView& instance, const Telling& telling) {
    std::string line;
    const auto also = [&](std::string part) {
        if (!line.empty()) line += "; ";
        line += part;
    };
    if (instance.record && instance.record->before && instance.record->before_since != Utc{})
        also(fmt::format("{} before that for {}", verdict::to_text(*instance.record->before), human(instance.record->since - instance.record->before_since)));
    if (instance.next_probe > telling.now) also(fmt::format("next probe in {}", human(instance.next_probe - telling.now)));
    else if (instance.next_probe != Utc{}) also("next probe now");
    if (instance.record) also(fmt::format("decided by checker {} on {}", instance.record->checker, telling.node));
    if (line.empty()) line = "no probe has finished yet";
    return line;
}

std::string override_line(const config::Override* layer, Utc now) {
    if (layer == nullptr) return "no override";
    return fmt::format("override {} on the {} by {} until {} (for {} more): {}", verdict::to_text(layer->state), layer->instance.empty() ? "service" : "instance",
                       layer->author, clock(layer->expires, now, false), human(layer->expires - now), layer->reason);
}

void explain_instance_text(std::vector<std::string>& text, const catalog::View& view, const InstanceView& instance, const Telling& telling) {
    const auto& facts = *instance.facts;
    const State state = instance.state();
    std::string line = fmt::format("  {}  {}  (generation {})   {} {}", facts.name, facts.where(), facts.generation,
                                   shape(state), verdict::to_text(state));
    if (instance.record && instance.record->since != Utc{})
        line += fmt::format("  since {} ({})", clock(instance.record->since, telling.now, false), human(telling.now - instance.record->since));
    if (instance.record) line += fmt::format("  v{}", instance.record->word.version);
    text.push_back(std::move(line));
    if (facts.unchecked) text.push_back(fmt::format("{}not checked, as declared (check: none)", indent));
    else if (instance.record && (instance.last.any || !instance.record->deciding.empty())) {
        text.push_back(fmt::format("{}{}", indent, rule_line(view, instance)));
        text.push_back(fmt::format("{}{}", indent, observed_line(instance, telling.now)));
    } else {
        const auto reason = reason_of(instance);
        text.push_back(fmt::format("{}{} ({})", indent, reason_text(reason, instance.record ? instance.record->text : ""), verdict::code(reason)));
    }
    text.push_back(fmt::format("{}{}", indent, history_line(instance, telling)));
    std::string flags;
    if (instance.record)
        for (const auto flag : {verdict::Flag::stale, verdict::Flag::held, verdict::Flag::checking, verdict::Flag::flapping, verdict::Flag::suspect, verdict::Flag::ejected})
            if (instance.record->word.flags.has(flag)) flags += fmt::format("{}{}", flags.empty() ? "" : ", ", verdict::to_text(flag));
    if (!flags.empty()) text.push_back(fmt::format("{}flags: {}", indent, flags));
    const bool usual = instance.eligible == (state == State::healthy || state == State::degraded);
    if (!usual || facts.lifecycle != verdict::Lifecycle::serving)
        text.push_back(fmt::format("{}{}: rule {}, {}", indent, instance.eligible ? "eligible" : "not eligible", instance.rule, eligibility_rule(instance.rule)));
    if (facts.next)
        text.push_back(fmt::format("{}generation {} at {} is {} beside it", indent, facts.next->generation, facts.next->address, verdict::to_text(facts.next->state)));
    text.push_back(fmt::format("{}{}", indent, override_line(facts.override.get(), telling.now)));
}

std::string headline(const Resolved& target, const Serving& serving) {
    std::string line;
    if (target.route != nullptr) line = fmt::format("{}  →  route {}  →  service {}", target.host, target.route->spec.id, target.service->facts->name);
    else if (target.instance != nullptr) line = fmt::format("{}  →  instance {}  →  service {}", target.instance->facts->id, target.instance->facts->name, target.service->facts->name);
    else line = fmt::format("service {}  {} {}", target.service->facts->name, shape(target.service->standing.state), verdict::to_text(target.service->standing.state));
    constexpr std::size_t column = 72;
    std::size_t width = 0;
    for (const char c : line) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    line.append(width + 3 < column ? column - width : 3, ' ');
    if (!serving.routed) return line + "WATCHED, NOT ROUTED";
    return line + (serving.yes ? "SERVING YES" : fmt::format("SERVING NO: {} {}", serving.status, serving.reason));
}

void write_rule(JsonWriter& json, const InstanceView& instance) {
    json.open("rule", '{').number("number", instance.rule).text("text", eligibility_rule(instance.rule)).close('}');
    const std::string_view name = instance.record ? std::string_view(instance.record->decided_by) : std::string_view{};
    if (const auto* check = check_named(instance, name)) {
        const auto& timing = check->timing;
        json.open("thresholds", '{').text("check", check->name).number("rise", timing.rise).number("fall", timing.fall);
        json.decimal("interval", seconds(timing.interval)).decimal("timeout", seconds(timing.timeout)).decimal("confirm_interval", seconds(timing.confirm_interval));
        if (timing.m_of_n) json.open("m_of_n", '{').number("m", timing.m_of_n->m).number("n", timing.m_of_n->n).close('}');
        json.open("expect", '[');
        for (const auto& condition : check->expect_text) json.text(condition);
        json.close(']').close('}');
    } else {
        json.null("thresholds");
    }
}

void write_explained(JsonWriter& json, const catalog::View& view, const InstanceView& instance, const Telling& telling) {
    json.open('{');
    write_instance_members(json, view, instance, telling);
    write_rule(json, instance);
    json.open("deciding", '[');
    if (instance.record)
        for (const auto& seen : instance.record->deciding) write_observation(json, instance.record->decided_by, seen, looked_from(instance, telling.node));
    json.close(']');
    if (instance.record && instance.record->before)
        json.open("before", '{').text("state", verdict::to_text(*instance.record->before)).time("since", instance.record->before_since)
            .decimal("seconds", seconds(instance.record->since - instance.record->before_since)).close('}');
    else json.null("before");
    if (instance.facts->next)
        json.open("next_generation", '{').number("generation", instance.facts->next->generation).text("address", instance.facts->next->address)
            .text("state", verdict::to_text(instance.facts->next->state)).close('}');
    else json.null("next_generation");
    json.close('}');
}

// Names that do not resolve now: what they named last is what is used.
std::vector<std::string> failing_lookups(const catalog::View& view, const ServiceView& service, const InstanceView* one) {
    std::vector<std::string> lines;
    if (view.failed_lookups().empty() || !service.facts->spec) return lines;
    for (const auto& [name, error] : view.failed_lookups())
        if (std::ranges::any_of(service.facts->spec->instances, [&](const auto& instance) {
                return instance.target.host == name && (one == nullptr || one->facts->declared == instance.target.declared);
            }))
            lines.push_back(fmt::format("{}look-up of {} fails: {}; its last addresses stay in use", indent, name, error));
    return lines;
}

// Trouble first, then as they stand.
int urgency(State state) {
    switch (state) {
        case State::unhealthy: return 0;
        case State::unknown: return 1;
        case State::pending: return 2;
        case State::degraded: return 3;
        case State::healthy: return 4;
    }
    return 5;
}

}  // namespace

std::string_view eligibility_rule(int rule) {
    static constexpr std::array<std::string_view, 9> texts{"",
                                                           "its lifecycle is not `serving`",
                                                           "an override takes it out",
                                                           "an override `up` puts it in",
                                                           "ejected by passive outlier detection",
                                                           "healthy or degraded",
                                                           "unhealthy or pending",
                                                           "unknown, but judged before: as it was then",
                                                           "never judged"};
    return rule > 0 && static_cast<std::size_t>(rule) < texts.size() ? texts[static_cast<std::size_t>(rule)] : "not decided yet";
}

Serving serving(const catalog::View& view, const ServiceView& service) {
    Serving out;
    out.routed = std::ranges::any_of(view.routes(), [&](const auto& route) { return route.spec.service == service.facts->name; });
    const auto& layer = service.facts->override;
    if (layer && layer->state == verdict::OverrideState::maintenance) out.status = 503, out.reason = "maintenance";
    else if (service.facts->paused_until) out.status = 503, out.reason = "paused";
    else if (service.standing.counts.eligible == 0 && !service.standing.panic) out.status = 503, out.reason = "no_eligible_instance";
    else out.yes = true;
    return out;
}

Explanation explain(const catalog::View& view, const Resolved& target, std::string_view asked, const Telling& telling) {
    const ServiceView& service = *target.service;
    const Serving served = serving(view, service);
    std::vector<catalog::Slot> slots;
    if (target.instance != nullptr) slots.push_back(target.instance->facts->slot);
    else slots = service.instances;
    std::ranges::stable_sort(slots, {}, [&](catalog::Slot slot) {
        const auto* instance = view.instance(slot);
        return instance != nullptr ? urgency(instance->state()) : 9;
    });
    const std::size_t shown = std::min(slots.size(), most_explained);

    Explanation out;
    out.text.push_back(headline(target, served));
    for (std::size_t i = 0; i < shown; ++i)
        if (const auto* instance = view.instance(slots[i])) explain_instance_text(out.text, view, *instance, telling);
    if (slots.empty()) out.text.push_back(fmt::format("  no instances: {}", reason_text(service.standing.reason, service.standing.text)));
    if (shown < slots.size()) out.text.push_back(fmt::format("  and {} more; `hale list --selector` narrows", slots.size() - shown));
    for (auto& line : failing_lookups(view, service, target.instance)) out.text.push_back(std::move(line));
    if (service.facts->draining) out.text.push_back(fmt::format("{}draining: `hale resume {}` ends it", indent, service.facts->name));
    if (service.facts->paused_until) out.text.push_back(fmt::format("{}paused until {}", indent, clock(*service.facts->paused_until, telling.now, false)));
    if (service.standing.panic) out.text.push_back(fmt::format("{}panic: traffic goes to instances that are not eligible, as declared", indent));

    std::vector<std::string> hints;
    const InstanceView* first = shown == 0 ? nullptr : view.instance(slots[0]);
    if (first != nullptr) hints.push_back(fmt::format("hale check {} -o json", first->facts->name));
    if (first != nullptr && first->facts->override)
        hints.push_back(fmt::format("hale unset {}", first->facts->override->instance.empty() ? service.facts->name : first->facts->name));
    hints.push_back(fmt::format("hale watch {}", service.facts->name));
    std::string hint;
    for (const auto& one : hints) hint += fmt::format("{}{}", hint.empty() ? "" : "   ·   ", one);
    out.text.push_back(fmt::format("  try    {}", hint));

    JsonWriter json(out.json);
    json.open('{').text("target", asked).text("kind", target.kind()).number("revision", view.revision());
    if (target.route != nullptr) {
        json.text("host", target.host).open("route", '{').text("id", target.route->spec.id).text("host", target.route->spec.host);
        json.text("path", target.route->spec.path).text("service", target.route->spec.service).close('}');
    } else {
        json.null("host").null("route");
    }
    json.open("service", '{');
    write_service_members(json, service, telling);
    json.close('}').open("serving", '{').boolean("routed", served.routed).boolean("yes", served.yes);
    if (served.yes) json.null("status").null("reason");
    else json.number("status", static_cast<std::uint64_t>(served.status)).text("reason", served.reason);
    json.close('}').open("instances", '[');
    for (std::size_t i = 0; i < shown; ++i)
        if (const auto* instance = view.instance(slots[i])) write_explained(json, view, *instance, telling);
    json.close(']').number("more", slots.size() - shown).open("text", '[');
    for (const auto& line : out.text) json.text(line);
    json.close(']').open("try", '[');
    for (const auto& one : hints) json.text(one);
    json.close(']').close('}');
    return out;
}

}  // namespace hale::api
