#include "api/route_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/handlers.h"
#include "base/check.h"
#include "base/text.h"

namespace hale::api {

namespace {

using enum Access;
using wire::Method;

constexpr std::string_view list_keys = "service state unhealthy selector limit cursor wait revision";

constexpr std::array table{
    // Health, without credentials.
    Route{Method::get, "/live", open, live, "live", "Is the daemon alive? Never depends on targets", "format", "", "Health", "200 503"},
    Route{Method::get, "/livez", open, live, "livez", "Alias of /live", "format", "", "Health", "200 503"},
    Route{Method::get, "/ready", open, ready, "ready", "Is the daemon ready to serve?", "format", "", "Health", "200 503"},
    Route{Method::get, "/readyz", open, ready, "readyz", "Alias of /ready", "format", "", "Health", "200 503"},
    Route{Method::get, "/health", open, health, "health", "Hale's own health: one bit, or details for role read", "detailed format strict", "", "Health", "200 503"},
    Route{Method::get, "/healthz", open, health, "healthz", "Alias of /health", "detailed format strict", "", "Health", "200 503"},
    Route{Method::get, "/health/{service}", read, service_health, "serviceHealth", "A service's verdict as a health answer", "format strict", "", "Health", "200 503"},
    // Machines that read.
    Route{Method::get, "/metrics", Access::metrics, api::metrics, "metrics", "Prometheus text", "", "", "Text"},
    Route{Method::get, "/probe", read, probe, "probe", "One probe as metrics, compatible with blackbox_exporter", "target module debug", "", "Text"},
    Route{Method::get, "/sd/prometheus", read, service_discovery, "serviceDiscovery", "Targets in Prometheus' http_sd form", "", "", "ServiceDiscovery"},
    Route{Method::get, "/openapi.json", read, openapi, "openapi", "This document", "", "", "Any"},
    // Services.
    Route{Method::get, "/api/v1/services", read, list_services, "listServices", "All services with their verdicts", "selector state unhealthy limit cursor wait revision", "", "ServiceList", "200 304"},
    Route{Method::post, "/api/v1/services", operate, create_service, "createService", "Make a service; its name is in the body", "", "Service", "Done", "201"},
    Route{Method::get, "/api/v1/services/{s}", read, get_service, "getService", "A service as declared, and its verdict", "", "", "ServiceDeclared", "200 304"},
    Route{Method::put, "/api/v1/services/{s}", operate, put_service, "putService", "Make or replace a service of the API", "", "Service", "Done", "200 201"},
    Route{Method::delete_, "/api/v1/services/{s}", operate, delete_service, "deleteService", "Remove a service of the API", "", "", "Done"},
    Route{Method::get, "/api/v1/services/{s}/instances", read, list_instances, "listInstances", "A service's instances with their verdicts", list_keys, "", "InstanceList", "200 304"},
    Route{Method::post, "/api/v1/services/{s}/instances", operate, create_instance, "createInstance", "Add an instance", "", "Instance", "Done", "201"},
    Route{Method::get, "/api/v1/services/{s}/verdict", read, service_verdict, "serviceVerdict", "A service's verdict", "wait revision", "", "ServiceVerdict", "200 304"},
    Route{Method::get, "/api/v1/services/{s}/explain", read, explain_service, "explainService", "Why", "", "", "Explanation"},
    Route{Method::post, "/api/v1/services/{s}:verify", operate, verify_service, "verifyService", "Immediate probes of every serving instance, and what came of them", "timeout", "Verify", "Verified"},
    Route{Method::post, "/api/v1/services/{s}:check", operate, check_service, "checkService", "One probe of every instance now", "check max_age", "", "Checked"},
    Route{Method::put, "/api/v1/services/{s}/override", operate, override_service, "overrideService", "Lay an override over the verdict", "", "Override", "Done"},
    Route{Method::delete_, "/api/v1/services/{s}/override", operate, unset_service, "unsetService", "End the override", "", "", "Done"},
    Route{Method::post, "/api/v1/services/{s}:drain", operate, drain_service, "drainService", "No new requests", "", "", "Done"},
    Route{Method::post, "/api/v1/services/{s}:pause", operate, pause_service, "pauseService", "New requests wait", "max", "Pause", "Done"},
    Route{Method::post, "/api/v1/services/{s}:resume", operate, resume_service, "resumeService", "End pause and drain", "", "", "Done"},
    Route{Method::post, "/api/v1/services/{s}/heartbeat", heartbeat, beat, "heartbeat", "Tell the service's only heartbeat check", "outcome text", "Heartbeat", "Accepted", "202"},
    Route{Method::post, "/api/v1/services/{s}/heartbeat/{check}", heartbeat, beat, "heartbeatOf", "Tell a heartbeat check", "outcome text", "Heartbeat", "Accepted", "202"},
    Route{Method::get, "/api/v1/services/{s}/checks/{c}", read, get_check, "getCheck", "A check as declared", "", "", "CheckDeclared", "200 304"},
    Route{Method::put, "/api/v1/services/{s}/checks/{c}", operate, put_check, "putCheck", "Make or replace a check of the API", "", "Check", "Done"},
    Route{Method::delete_, "/api/v1/services/{s}/checks/{c}", operate, delete_check, "deleteCheck", "Remove a check of the API", "", "", "Done"},
    // Instances.
    Route{Method::get, "/api/v1/instances/{i}", read, get_instance, "getInstance", "An instance: what is declared of it and its verdict", "wait revision", "", "InstanceVerdict"},
    Route{Method::put, "/api/v1/instances/{i}", operate, put_instance, "putInstance", "Set its weight", "", "Weight", "Done"},
    Route{Method::delete_, "/api/v1/instances/{i}", operate, delete_instance, "deleteInstance", "Remove an instance of the API", "", "", "Done"},
    Route{Method::get, "/api/v1/instances/{i}/verdict", read, instance_verdict, "instanceVerdict", "An instance's verdict", "wait revision", "", "InstanceVerdict", "200 304"},
    Route{Method::get, "/api/v1/instances/{i}/explain", read, explain_instance, "explainInstance", "Why", "", "", "Explanation"},
    Route{Method::post, "/api/v1/instances/{i}:verify", operate, verify_instance, "verifyInstance", "Immediate probes, and what came of them", "timeout", "Verify", "Verified"},
    Route{Method::post, "/api/v1/instances/{i}:check", operate, check_instance, "checkInstance", "One probe now", "check max_age", "", "Checked"},
    Route{Method::put, "/api/v1/instances/{i}/override", operate, override_instance, "overrideInstance", "Lay an override over the verdict", "", "Override", "Done"},
    Route{Method::delete_, "/api/v1/instances/{i}/override", operate, unset_instance, "unsetInstance", "End the override", "", "", "Done"},
    Route{Method::post, "/api/v1/instances/{i}:drain", operate, drain_instance, "drainInstance", "No new requests", "", "", "Done"},
    Route{Method::post, "/api/v1/instances/{i}:pause", operate, pause_instance, "pauseInstance", "Refused: only a whole service can be paused", "", "", "Done"},
    Route{Method::post, "/api/v1/instances/{i}:resume", operate, resume_instance, "resumeInstance", "End a drain", "", "", "Done"},
    // Routes and checks.
    Route{Method::get, "/api/v1/routes", read, list_routes, "listRoutes", "All routes", "service limit cursor", "", "RouteList", "200 304"},
    Route{Method::post, "/api/v1/routes", operate, create_route, "createRoute", "Make a route to a service that is there", "", "Route", "Done", "201"},
    Route{Method::post, "/api/v1/routes:add", operate, add_route, "addRoute", "Service, instances and route in one step", "", "RouteAdd", "Done", "201"},
    Route{Method::get, "/api/v1/routes/{id}", read, get_route, "getRoute", "A route", "", "", "Route", "200 304"},
    Route{Method::put, "/api/v1/routes/{id}", operate, put_route, "putRoute", "Replace a route of the API", "", "Route", "Done"},
    Route{Method::delete_, "/api/v1/routes/{id}", operate, delete_route, "deleteRoute", "Remove a route of the API", "", "", "Done"},
    Route{Method::get, "/api/v1/checks", read, list_checks, "listChecks", "All checks", "service limit cursor", "", "CheckList", "200 304"},
    Route{Method::post, "/api/v1/checks", operate, create_check, "createCheck", "Add a check to a service of the API", "", "NewCheck", "Done", "201"},
    // Verdicts across services.
    Route{Method::get, "/api/v1/verdicts", read, list_verdicts, "listVerdicts", "Verdicts of all instances", list_keys, "", "InstanceList", "200 304"},
    Route{Method::get, "/api/v1/resolve", read, resolve_target, "resolve", "What a host, service or instance name means", "target", "", "Resolved"},
    Route{Method::get, "/api/v1/explain", read, explain_target, "explain", "Why", "target", "", "Explanation"},
    Route{Method::post, "/api/v1/verify", operate, verify_target, "verify", "Immediate probes of a host's, service's or instance's instances", "target timeout", "Verify", "Verified"},
    Route{Method::get, "/api/v1/events", read, events, "events", "Live changes as server-sent events of CloudEvents JSON", "service instance types", "", "Text"},
    // Certificates.
    Route{Method::get, "/api/v1/certificates", read, list_certificates, "listCertificates", "Certificates of the traffic listener, and those being got", "state", "", "CertificateList"},
    Route{Method::get, "/api/v1/certificates/{host}", read, get_certificate, "getCertificate", "A host's certificate", "", "", "Certificate"},
    Route{Method::post, "/api/v1/certificates/{host}:renew", operate, renew_certificate, "renewCertificate", "Ask the authority for the next one now", "", "", "Accepted", "202"},
    // Deployments.
    Route{Method::post, "/api/v1/services/{s}:deploy", operate, deploy_service, "deployService", "Bring new instances, verify them without users' traffic, and switch to them", "", "Deploy", "Begun", "200 202"},
    Route{Method::post, "/api/v1/services/{s}:rollback", operate, rollback_service, "rollbackService", "Deploy what the service had before", "", "Rollback", "Begun", "202"},
    Route{Method::post, "/api/v1/services/{s}:scale", operate, scale_service, "scaleService", "As many containers as that, of what was deployed last", "", "Scale", "Begun", "202"},
    Route{Method::post, "/api/v1/applications/{a}:deploy", admin, deploy_application, "deployApplication", "Bring the containers of a compose file, verify them without users' traffic, and switch to all of them at once", "", "DeployApplication", "Begun", "200 202"},
    Route{Method::get, "/api/v1/deployments/{id}/replay", read, replay_deployment, "replayDeployment", "What it saw, given to the machine again: the same decisions follow", "", "", "Replay", "200"},
    Route{Method::get, "/api/v1/deployments", read, list_deployments, "listDeployments", "Deployments, the newest first", "service limit wait revision", "", "DeploymentList", "200 304"},
    Route{Method::get, "/api/v1/deployments/{id}", read, get_deployment, "getDeployment", "A deployment: how far it is, what was seen, and why it ended", "wait revision", "", "Deployment", "200 304"},
    Route{Method::post, "/api/v1/deployments/{id}:abort", operate, abort_deployment, "abortDeployment", "End it and undo it, while there is a way back", "", "", "Accepted", "202"},
    // Containers by hand.
    Route{Method::get, "/api/v1/containers", read, list_containers, "listContainers", "Containers of Hale's services, and the verdicts of their instances", "service all", "", "ContainerList"},
    Route{Method::get, "/api/v1/containers/{name}/logs", operate, container_logs, "containerLogs", "What a container writes, one JSON object a line", "follow tail since", "", "Lines"},
    Route{Method::get, "/api/v1/services/{s}/logs", operate, service_logs, "serviceLogs", "The same of all containers that a service has", "follow tail since", "", "Lines"},
    Route{Method::post, "/api/v1/containers/{name}:exec", admin, run_in_container, "runInContainer", "Run a command inside a container, and wait for its end", "", "Command", "CommandDone"},
    Route{Method::post, "/api/v1/instances/{i}:stop", operate, stop_instance, "stopInstance", "Drain it, and stop its container", "", "ByHand", "ActedOn"},
    Route{Method::post, "/api/v1/instances/{i}:start", operate, start_instance, "startInstance", "Start its container; once its checks pass it gets requests again", "", "ByHand", "ActedOn"},
    Route{Method::post, "/api/v1/instances/{i}:restart", operate, restart_instance, "restartInstance", "Both, one after the other", "", "ByHand", "ActedOn"},
    // The daemon.
    Route{Method::get, "/api/v1/audit", admin, audit, "audit", "Who changed what", "limit before", "", "Audit"},
    Route{Method::get, "/api/v1/tokens", admin, list_tokens, "listTokens", "Names, roles and expiries", "", "", "TokenList"},
    Route{Method::post, "/api/v1/tokens", admin, create_token, "createToken", "Make a token; its secret is shown once", "", "Token", "NewToken", "201"},
    Route{Method::delete_, "/api/v1/tokens/{name}", admin, delete_token, "deleteToken", "Revoke a token", "", "", "Done"},
    Route{Method::post, "/api/v1/config:reload", operate, reload_config, "reloadConfig", "Read the configuration again", "", "", "Done"},
    Route{Method::get, "/api/v1/config", read, get_config, "getConfig", "The configuration in force, and how the last reload went", "", "", "Config"},
    Route{Method::post, "/api/v1/upgrade", admin, upgrade, "upgrade", "Hand over to the program that lies at the daemon's path now", "", "", "Upgraded"},
    Route{Method::get, "/api/v1/doctor", read, doctor, "doctor", "What is not as it should be", "", "", "Doctor"},
};

std::optional<std::string> segment_value(std::string_view pattern, std::string_view segment, std::string_view& name) {
    const auto end = pattern.find('}');
    if (!pattern.starts_with('{') || end == std::string_view::npos) {
        if (pattern != segment) return std::nullopt;
        name = {};
        return "";
    }
    const std::string_view suffix = pattern.substr(end + 1);
    if (segment.size() <= suffix.size() || !segment.ends_with(suffix)) return std::nullopt;
    name = pattern.substr(1, end - 1);
    segment.remove_suffix(suffix.size());
    // "{s}" alone does not swallow an action: no name holds a colon but an address', and that is escaped.
    if (suffix.empty() && segment.find(':') != std::string_view::npos) return std::nullopt;
    return percent_decoded(segment, false);
}

}  // namespace

std::string_view to_text(Access access) {
    switch (access) {
        case Access::unset: return "unset";
        case Access::open: return "open";
        case Access::metrics: return "metrics";
        case Access::read: return "read";
        case Access::operate: return "operate";
        case Access::admin: return "admin";
        case Access::heartbeat: return "heartbeat";
    }
    std::unreachable();
}

const std::string& Call::param(std::string_view name) const {
    static const std::string none;
    const auto found = std::ranges::find(params, name, &Params::value_type::first);
    return found == params.end() ? none : found->second;
}

std::string_view Call::path() const {
    const std::string_view whole = request().head.path_and_query;
    return whole.substr(0, whole.find('?'));
}

std::span<const Route> all_routes() { return table; }

// What is committed says so in its answer; all else only looks.
bool takes_key(const Route& route) { return route.method == Method::post && (route.answer == "Done" || route.answer == "NewToken"); }
bool takes_match(const Route& route) { return mutates(route) && (route.answer == "Done" || route.answer == "NewToken") && route.handle != reload_config; }

bool mutates(const Route& route) { return route.method != Method::get && route.method != Method::head && route.method != Method::options; }

std::optional<Params> match_pattern(std::string_view pattern, std::string_view path) {
    Params params;
    for (;;) {
        const auto pattern_end = pattern.find('/'), path_end = path.find('/');
        if ((pattern_end == std::string_view::npos) != (path_end == std::string_view::npos)) return std::nullopt;
        std::string_view name;
        auto value = segment_value(pattern.substr(0, pattern_end), path.substr(0, path_end), name);
        if (!value) return std::nullopt;
        if (!name.empty()) params.emplace_back(name, std::move(*value));
        if (pattern_end == std::string_view::npos) return params;
        pattern.remove_prefix(pattern_end + 1);
        path.remove_prefix(path_end + 1);
    }
}

Found find_route(wire::Method method, std::string_view path) {
    Found found;
    if (method == Method::head) method = Method::get;
    for (const Route& route : table) {
        auto params = match_pattern(route.path, path);
        if (!params) continue;
        if (route.method == method) {
            found.route = &route;
            found.params = std::move(*params);
            found.others.clear();
            return found;
        }
        found.others.push_back(route.method);
    }
    return found;
}

}  // namespace hale::api
