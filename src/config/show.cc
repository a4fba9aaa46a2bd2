#include "config/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "wire/dns.h"

namespace hale::config {

namespace {

using Json = nlohmann::ordered_json;

std::string spelled(Duration duration) { return duration_text(duration); }

Json http_json(const HttpCheck& check, const CheckSpec& spec) {
    constexpr std::string_view redirects[] = {"fail", "accept", "follow"};
    constexpr std::string_view connections[] = {"pooled", "fresh", "both"};
    Json headers = Json::object();
    for (const auto& [name, value] : check.headers) {
        const bool secret = looks_secret(name) || std::ranges::find(check.secret_headers, name) != check.secret_headers.end();
        headers[name] = secret ? "***" : value;
    }
    return {{"http", redacted_url(check.path)},
            {"method", check.method},
            {"headers", std::move(headers)},
            {"host", check.host},
            {"body", check.body},
            {"redirect", redirects[std::to_underlying(check.redirect)]},
            {"max_redirects", check.max_redirects},
            {"via", check.via == Via::proxy ? "proxy" : "direct"},
            {"read", check.read == ReadMode::body ? "body" : "headers"},
            {"body_limit", size_text(check.body_limit)},
            {"connection", connections[std::to_underlying(spec.connection)]}};
}

Json exec_json(const ExecCheck& check) {
    Json out = {{"exec", shown_arguments(check.arguments)}};
    if (!check.user.empty()) out["user"] = check.user;
    return out;
}

Json redis_json(const RedisCheck& check) {
    constexpr std::string_view roles[] = {"any", "master", "replica"};
    Json out = {{"redis", ""}, {"role", roles[std::to_underlying(check.role)]}, {"over_tls", check.over_tls}};
    if (!check.username.empty()) out["username"] = check.username;
    if (!check.password.empty()) out["password"] = "***";
    return out;
}

Json postgres_json(const PostgresCheck& check) {
    constexpr std::string_view roles[] = {"any", "primary", "standby"};
    constexpr std::string_view modes[] = {"off", "prefer", "require"};
    Json out = {{"postgres", ""},        {"user", check.user},
                {"database", check.database}, {"query", check.query},
                {"role", roles[std::to_underlying(check.role)]}, {"tls_mode", modes[std::to_underlying(check.tls)]}};
    if (!check.password.empty()) out["password"] = "***";
    return out;
}

Json dns_json(const DnsCheck& check) {
    Json out = {{"dns", check.name},
            {"record", wire::dns_type_name(check.record)},
            {"rcode", wire::dns_rcode_name(check.rcode)},
            {"answer", check.answer},
            {"transport", check.transport == DnsTransport::tcp ? "tcp" : "udp"}};
    if (check.server) out["server"] = check.server->declared.view();
    return out;
}

Json composite_json(const CompositeCheck& check) {
    constexpr std::string_view needs[] = {"all", "any", "quorum"};
    Json inner = {{"of", check.of}, {"need", needs[std::to_underlying(check.need)]}, {"advisory", check.advisory},
                  {"run", check.run == MemberOrder::sequence ? "sequence" : "parallel"}};
    if (check.need == Need::quorum) inner["quorum"] = check.quorum;
    if (check.caller_timeout) inner["caller_timeout"] = spelled(*check.caller_timeout);
    return {{"composite", std::move(inner)}};
}

Json kind_json(const CheckSpec& spec) {
    if (const auto* http = std::get_if<HttpCheck>(&spec.what)) return http_json(*http, spec);
    if (const auto* tcp = std::get_if<TcpCheck>(&spec.what)) return {{"tcp", ""}, {"send", tcp->send}, {"expect_bytes", tcp->expect_bytes}};
    if (const auto* exec = std::get_if<ExecCheck>(&spec.what)) return exec_json(*exec);
    if (const auto* composite = std::get_if<CompositeCheck>(&spec.what)) return composite_json(*composite);
    if (const auto* none = std::get_if<Unchecked>(&spec.what)) return {{"none", none->reason}};
    if (std::holds_alternative<TlsCheck>(spec.what)) return {{"tls", ""}};
    if (const auto* redis = std::get_if<RedisCheck>(&spec.what)) return redis_json(*redis);
    if (const auto* postgres = std::get_if<PostgresCheck>(&spec.what)) return postgres_json(*postgres);
    if (const auto* smtp = std::get_if<SmtpCheck>(&spec.what))
        return {{"smtp", ""}, {"starttls", smtp->starttls == StartTls::required ? "required" : "none"}, {"over_tls", smtp->over_tls}};
    if (const auto* dns = std::get_if<DnsCheck>(&spec.what)) return dns_json(*dns);
    if (std::holds_alternative<ContainerCheck>(spec.what)) return {{"docker", ""}};
    const auto& heartbeat = std::get<HeartbeatCheck>(spec.what);
    Json inner = {{"every", spelled(heartbeat.every)}, {"grace", spelled(heartbeat.grace)}};
    if (!heartbeat.token_hash.empty()) inner["token"] = "***";
    return {{"heartbeat", std::move(inner)}};
}

// Keys as a check (with `prefix`) or upstream_tls has them. What was read from a file is shown as its text; a private key,
// and the certificate that goes with it, are not.
void add_tls(Json& out, std::string_view prefix, const io::TlsSpec& tls) {
    const auto key = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
    out[key("verify")] = tls.verify;
    out[key("ca")] = tls.ca_pem;
    out[key("name")] = tls.name;
    out[key("alpn")] = tls.alpn;
    out[key("pin")] = tls.key_pin;
    if (!tls.certificate_pem.empty()) out[key("certificate")] = out[key("key")] = "***";
}

Json route_tls_json(const std::shared_ptr<const RouteTls>& tls) {
    if (!tls) return false;
    Json out = {{"redirect", tls->redirect == 0 ? Json("none") : Json(tls->redirect)}, {"hsts", spelled(tls->hsts)}};
    if (tls->client_required) {
        out["client_certificates"] = "require";
        out["client_ca"] = tls->client_ca_pem;
    }
    return out;
}

// `usual`: what the service says of TLS to its instances; a check that says the same says nothing.
Json check_json(const CheckSpec& spec, const std::shared_ptr<const io::TlsSpec>& usual = {}) {
    Json out = kind_json(spec);
    const verdict::JudgePolicy& timing = spec.timing;
    const std::string_view kind = spec.kind();
    if (kind == "none") return out;
    const bool probes = spec.probes();
    if (spec.port) out["port"] = *spec.port;
    if (!same_behind(spec.tls, spec.through_proxy() ? nullptr : usual)) {
        const io::TlsSpec tls = spec.tls ? *spec.tls : io::TlsSpec{};
        add_tls(out, "tls_", tls);
        out["tls_warn_before"] = spelled(tls.expiry_warning);
    }
    if (!spec.expect_text.empty()) {
        Json list = Json::array();
        for (const std::string& text : spec.expect_text) {
            constexpr std::string_view warn = "warn: ";
            if (text.starts_with(warn)) list.push_back({{"warn", text.substr(warn.size())}});
            else list.push_back(text);
        }
        out["expect"] = std::move(list);
    }
    if (probes || kind == "composite") out["interval"] = spelled(timing.interval);
    if (probes) {
        out["timeout"] = spelled(timing.timeout);
        out["confirm_interval"] = spelled(timing.confirm_interval);
        out["down_interval_max"] = spelled(timing.down_interval_max);
        out["start_interval"] = spelled(timing.start_interval);
    }
    if (probes || kind == "heartbeat") out["start_period"] = spelled(timing.start_period);
    out["rise"] = timing.rise;
    out["fall"] = timing.fall;
    out["initial"] = timing.initial == verdict::Initial::up ? "up" : "pending";
    if (timing.m_of_n) {
        out["m_of_n"] = {{"m", timing.m_of_n->m}, {"n", timing.m_of_n->n}, {"missing", verdict::to_text(timing.m_of_n->missing)}};
    }
    out["critical"] = spec.critical;
    if (!probes || kind == "exec" || spec.scope == CheckScope::service) out["scope"] = spec.scope == CheckScope::service ? "service" : "instance";
    return out;
}

Json checks_json(const CheckList& checks, const std::shared_ptr<const io::TlsSpec>& usual) {
    Json out = Json::object();
    for (const auto& check : checks) out[check->name.str()] = check_json(*check, usual);
    return out;
}

// The keys in which an instance's checks differ from the service's.
Json overlay_json(const CheckList& own, const CheckList& service) {
    Json out = Json::object();
    for (const auto& check : own) {
        const auto base = std::ranges::find(service, check->name, [](const auto& spec) { return spec->name; });
        const Json all = check_json(*check);
        if (base == service.end()) {
            out[check->name.str()] = all;
            continue;
        }
        const Json usual = check_json(**base);
        Json differs = Json::object();
        for (const auto& [key, value] : all.items())
            if (!usual.contains(key) || usual[key] != value) differs[key] = value;
        if (!differs.empty()) out[check->name.str()] = std::move(differs);
    }
    return out;
}

Json instance_json(const InstanceSpec& instance, const CheckList* service) {
    Json out = {{"name", instance.name}, {"address", redacted_url(instance.target.declared)}, {"weight", instance.weight}};
    if (!instance.deployment.empty()) out["deployment"] = instance.deployment.view();
    if (instance.checks) out["checks"] = service != nullptr ? overlay_json(*instance.checks, *service) : checks_json(*instance.checks, nullptr);
    return out;
}

Json route_json(const RouteSpec& route) {
    Json out = {{"host", route.host}, {"path", route.path}, {"strip", route.strip}, {"project", route.project}};
    out["tls"] = route.tls.said ? route_tls_json(route.tls.tls) : Json("service");
    return out;
}

Json balance_json(const Balance& balance) {
    switch (balance.kind) {
        case BalanceKind::round_robin: return "round_robin";
        case BalanceKind::least_requests: return "least_requests";
        case BalanceKind::hash_header: return {{"hash", "header:" + balance.name}};
        case BalanceKind::hash_cookie: return {{"hash", "cookie:" + balance.name}};
        case BalanceKind::hash_address: return {{"hash", "address"}};
    }
    return nullptr;
}

// Texts may hold bytes that are no UTF-8; those become U+FFFD.
std::string written(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string to_json(const CheckSpec& check) { return written(check_json(check)); }

std::string to_json(const InstanceSpec& instance) {
    Json out = instance_json(instance, nullptr);
    out["owner"] = to_text(instance.owner);
    return written(out);
}

std::string to_json(const RouteSpec& route) {
    Json out = {{"id", route.id}};
    out.update(route_json(route));
    out["service"] = route.service;
    out["owner"] = to_text(route.owner);
    return written(out);
}

std::string to_json(const ServiceSpec& service, std::span<const RouteSpec> routes) {
    Json out = {{"name", service.name}, {"owner", to_text(service.owner)}};
    Json list = Json::array();
    for (const RouteSpec& route : routes)
        if (route.service == service.name) list.push_back(route_json(route));
    out["routes"] = std::move(list);
    Json instances = Json::array();
    for (const InstanceSpec& instance : service.instances)
        if (!is_implicit(instance)) instances.push_back(instance_json(instance, service.checks.get()));
    out["instances"] = service.instances_fixed ? Json{{"fixed", std::move(instances)}} : std::move(instances);
    out["tls"] = route_tls_json(service.tls);
    if (service.upstream_tls) add_tls(out["upstream_tls"], "", *service.upstream_tls);
    out["checks"] = checks_json(*service.checks, service.upstream_tls);
    out["resolve"] = service.resolve == Resolve::each ? "each" : "first";
    out["balance"] = balance_json(service.balance);
    out["timeouts"] = {{"connect", spelled(service.timeouts.connect)}, {"first_byte", spelled(service.timeouts.first_byte)}, {"idle", spelled(service.timeouts.idle)}};
    out["retry"] = {{"max", service.retry.max}, {"budget", fmt::format("{}%", service.retry.budget_percent)}};
    out["heal"] = {{"policy", to_text(service.heal.policy)}, {"after", spelled(service.heal.after)},
                   {"backoff", {{"first", spelled(service.heal.backoff_first)}, {"max", spelled(service.heal.backoff_max)}}}};
    if (service.panic)
        out["panic"] = {{"below", fmt::format("{}%", service.panic->below_percent)}, {"min_instances", service.panic->min_instances},
                        {"to", service.panic->to == PanicTarget::all ? "all" : "last_good"}};
    out["degraded_weight"] = service.degraded_weight;
    out["replace_timeout"] = spelled(service.replace_timeout);
    if (service.deploy) out["deploy"] = Json::parse(to_json(*service.deploy));
    Json labels = Json::object();
    for (const auto& [name, value] : service.labels) labels[name] = value;
    out["labels"] = std::move(labels);
    return written(out);
}

}  // namespace hale::config
