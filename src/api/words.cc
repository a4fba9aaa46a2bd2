#include "api/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/show.h"
#include "verdict/reason.h"

namespace hale::api {

using catalog::InstanceView;
using catalog::ServiceView;

namespace {

constexpr std::array all_flags{verdict::Flag::stale,    verdict::Flag::held,    verdict::Flag::checking,
                               verdict::Flag::flapping, verdict::Flag::suspect, verdict::Flag::ejected};

void write_run(JsonWriter& json, verdict::Outcome outcome, std::uint32_t length, std::uint32_t needed) {
    if (length == 0) {
        json.null("run");
        return;
    }
    json.open("run", '{').text("outcome", verdict::to_text(outcome)).number("length", length).number("needed", needed).close('}');
}

void write_checks(JsonWriter& json, const InstanceView& instance) {
    json.open("checks", '{');
    if (instance.record) {
        const auto& checks = instance.record->checks;
        for (std::size_t i = 0; i < checks.size(); ++i) {
            const auto& check = checks[i];
            json.open(check.name, '{').text("state", verdict::to_text(check.state)).boolean("critical", check.critical);
            // The record is as of the last change of the verdict; runs grow on after it.
            if (instance.last.any && instance.last.check == i && instance.last.run_length != 0)
                write_run(json, instance.last.run_outcome, instance.last.run_length, instance.last.run_needed);
            else write_run(json, check.run_outcome, check.run_length, check.run_needed);
            if (check.decided)
                json.open("decided", '{').text("rule", verdict::to_text(check.decided->rule)).number("length", check.decided->length)
                    .number("needed", check.decided->needed).close('}');
            json.close('}');
        }
    } else if (instance.facts->checks) {
        for (const auto& check : *instance.facts->checks)
            json.open(check->name, '{').text("state", "pending").boolean("critical", check->critical).null("run").close('}');
    }
    json.close('}');
}

void write_seconds(JsonWriter& json, std::string_view key, std::int32_t microseconds) {
    if (microseconds >= 0) json.decimal(key, microseconds / 1e6);
}

void write_last_probe(JsonWriter& json, const InstanceView& instance, std::string_view node) {
    const auto& last = instance.last;
    if (!last.any) {
        json.null("last_probe");
        return;
    }
    std::string_view name;
    if (instance.record && last.check < instance.record->checks.size()) name = instance.record->checks[last.check].name;
    else if (instance.facts->checks && last.check < instance.facts->checks->size()) name = (*instance.facts->checks)[last.check]->name;
    json.open("last_probe", '{').text("check", name).time("at", last.at);
    json.text("outcome", verdict::to_text(last.outcome)).text("code", verdict::code(last.reason));
    if (last.phase == verdict::Phase::none) json.null("phase");
    else json.text("phase", verdict::to_text(last.phase));
    if (last.status != 0) json.number("status", last.status);
    json.open("seconds", '{');
    write_seconds(json, "dns", last.dns_us);
    write_seconds(json, "connect", last.connect_us);
    write_seconds(json, "tls", last.tls_us);
    write_seconds(json, "first_byte", last.first_byte_us);
    write_seconds(json, "total", last.total_us);
    json.close('}');
    if (last.certificate_until != 0) json.time("certificate_until", Utc{std::chrono::seconds(last.certificate_until)});
    json.text("from", looked_from(instance, node)).text("connection", verdict::to_text(last.vehicle));
    json.text("trigger", verdict::to_text(last.trigger));
    if (instance.detail && !instance.detail->evidence.empty()) json.text("evidence", instance.detail->evidence);
    json.close('}');
}

}  // namespace

std::string looked_from(const InstanceView& instance, std::string_view node) {
    return fmt::format("{}/checker-{}", node, instance.record ? instance.record->checker : 0);
}

std::string_view reason_text(verdict::Reason reason, std::string_view text) {
    return text.empty() ? verdict::facts(reason).sentence : text;
}

verdict::Reason reason_of(const InstanceView& instance) {
    if (instance.record) return instance.record->reason;
    return instance.facts->unchecked ? verdict::Reason::unchecked : verdict::Reason::never_checked;
}

void write_override(JsonWriter& json, std::string_view key, const config::Override* layer) {
    if (layer == nullptr) {
        json.null(key);
        return;
    }
    json.open(key, '{').text("state", verdict::to_text(layer->state)).text("scope", layer->instance.empty() ? "service" : "instance");
    json.text("author", layer->author).text("reason", layer->reason).time("created", layer->created).time("expires", layer->expires).close('}');
}

void write_instance_members(JsonWriter& json, const catalog::View& view, const InstanceView& instance, const Telling& telling) {
    const auto& facts = *instance.facts;
    const verdict::Word word = instance.record ? instance.record->word : verdict::Word{.generation = facts.generation};
    json.text("id", facts.id).text("service", facts.service).text("instance", facts.name).text("address", facts.declared);
    if (!facts.resolved) json.null("resolved");
    else json.text("resolved", facts.resolved->text());
    json.number("generation", facts.generation).text("state", verdict::to_text(word.state)).text("lifecycle", verdict::to_text(facts.lifecycle));
    json.open("flags", '[');
    for (const auto flag : all_flags)
        if (word.flags.has(flag)) json.text(verdict::to_text(flag));
    if (facts.override) json.text("overridden");
    if (const ServiceView* service = view.service(facts.service_slot); service != nullptr && service->standing.suppressed) json.text("suppressed");
    json.close(']').boolean("eligible", instance.eligible).boolean("held", word.flags.has(verdict::Flag::held));
    json.number("version", word.version).number("revision", instance.revision);
    json.time("since", instance.record ? instance.record->since : Utc{}).time("observed_at", instance.observed);
    if (instance.observed == Utc{}) json.null("age");
    else json.decimal("age", seconds(std::chrono::round<std::chrono::milliseconds>(telling.now - instance.observed)));
    const verdict::Reason reason = reason_of(instance);
    json.open("reason", '{').text("code", verdict::code(reason));
    json.text("text", reason_text(reason, instance.record ? std::string_view(instance.record->text) : std::string_view{}));
    json.boolean("retryable", verdict::facts(reason).retryable).close('}');
    write_checks(json, instance);
    write_override(json, "override", facts.override.get());
    write_last_probe(json, instance, telling.node);
    json.time("next_probe", instance.next_probe);
}

void write_instance(JsonWriter& json, const catalog::View& view, const InstanceView& instance, const Telling& telling) {
    json.open('{');
    write_instance_members(json, view, instance, telling);
    json.close('}');
}

void write_service_members(JsonWriter& json, const ServiceView& service, const Telling&) {
    const auto& facts = *service.facts;
    const auto& standing = service.standing;
    const auto& counts = standing.counts;
    json.text("service", facts.name).text("state", verdict::to_text(standing.state));
    json.open("instances", '{').number("total", counts.total).number("eligible", counts.eligible).number("healthy", counts.healthy);
    json.number("degraded", counts.degraded).number("unhealthy", counts.unhealthy).number("pending", counts.pending);
    json.number("unknown", counts.unknown).number("draining", counts.draining).close('}');
    json.open("checks", '{');
    if (facts.spec && facts.spec->checks)
        for (const auto& check : *facts.spec->checks)
            json.open(check->name, '{')
                .text("kind", check->kind())
                .text("scope", check->scope == config::CheckScope::service ? "service" : "instance")
                .boolean("critical", check->critical)
                .close('}');
    json.close('}').boolean("panic", standing.panic);
    write_override(json, "override", facts.override.get());
    json.open("flags", '[');
    if (facts.override) json.text("overridden");
    if (standing.suppressed) json.text("suppressed");
    json.close(']').boolean("draining", facts.draining).time("paused_until", facts.paused_until);
    json.number("version", standing.version).number("revision", service.revision).time("since", standing.since);
    json.open("reason", '{').text("code", verdict::code(standing.reason)).text("text", reason_text(standing.reason, standing.text));
    json.boolean("retryable", verdict::facts(standing.reason).retryable).close('}');
}

void write_service(JsonWriter& json, const ServiceView& service, const Telling& telling) {
    json.open('{');
    write_service_members(json, service, telling);
    json.close('}');
}

const config::CheckSpec* check_of(const catalog::ServiceFacts& service, std::string_view name) {
    if (service.spec && service.spec->checks)
        for (const auto& check : *service.spec->checks)
            if (check->name == name) return check.get();
    return nullptr;
}

std::uint64_t check_revision(const catalog::ServiceFacts& service, const config::CheckSpec& check) {
    const auto added = std::ranges::find(service.check_revisions, check.name.view(), [](const auto& one) { return std::string_view(one.first); });
    return added != service.check_revisions.end() ? added->second : service.revision;
}

void write_check(JsonWriter& json, const catalog::ServiceFacts& service, const config::CheckSpec& check) {
    json.open('{').text("service", service.name).text("check", check.name).text("owner", config::to_text(service.owner));
    json.number("revision", check_revision(service, check)).raw("spec", config::to_json(check)).close('}');
}

void write_observation(JsonWriter& json, std::string_view check, const verdict::Observation& seen, std::string_view from) {
    json.open('{').text("check", check).time("at", seen.at).text("outcome", verdict::to_text(seen.outcome)).text("code", verdict::code(seen.reason));
    if (seen.phase == verdict::Phase::none) json.null("phase");
    else json.text("phase", verdict::to_text(seen.phase));
    json.text("text", reason_text(seen.reason, seen.text));
    if (seen.status != 0) json.number("status", seen.status);
    json.open("seconds", '{');
    const auto spent = [&](std::string_view key, Duration d) {
        if (d >= Duration{0}) json.decimal(key, seconds(d));
    };
    spent("dns", seen.timings.dns);
    spent("connect", seen.timings.connect);
    spent("tls", seen.timings.tls);
    spent("first_byte", seen.timings.first_byte);
    spent("total", seen.timings.total);
    json.close('}').boolean("counted", seen.counted).text("trigger", verdict::to_text(seen.trigger));
    json.text("connection", verdict::to_text(seen.vehicle)).text("from", from);
    if (seen.address == SocketAddress{}) json.null("address");
    else json.text("address", seen.address.text());
    if (seen.evidence.empty()) json.null("evidence");
    else json.text("evidence", seen.evidence);
    json.close('}');
}

}  // namespace hale::api
