#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "config/show.h"

namespace hale::config {

namespace {

using Json = nlohmann::ordered_json;

Json variables_json(const std::vector<EnvValue>& variables) {
    Json out = Json::object();
    for (const EnvValue& one : variables) out[one.name] = one.secret ? hidden_text : std::string_view(one.value);
    return out;
}

template <class T>
Json spelled_json(const std::vector<T>& list) {
    Json out = Json::array();
    for (const T& one : list) out.push_back(one.text());
    return out;
}

Json health_json(const ContainerHealth& health) {
    if (health.from != ContainerHealth::From::command) return health.from == ContainerHealth::From::none ? "none" : "image";
    return {{"command", health.shell ? Json(health.command.front()) : Json(health.command)},
            {"interval", duration_text(health.interval)},
            {"timeout", duration_text(health.timeout)},
            {"retries", health.retries},
            {"start_period", duration_text(health.start_period)}};
}

std::string auto_or(const std::optional<Duration>& duration) { return duration ? duration_text(*duration) : "auto"; }

Json hooks_json(const std::vector<DeployHook>& hooks) {
    Json out = Json::array();
    for (const DeployHook& hook : hooks) {
        Json one = Json::object();
        if (hook.exec.empty()) {
            one["http"] = redacted_url(hook.url);
            one["method"] = hook.method;
            Json headers = Json::object();
            for (const HookHeader& header : hook.headers) headers[header.name] = header.secret ? std::string(hidden_text) : header.value;
            one["headers"] = std::move(headers);
            one["status"] = hook.status == 0 ? Json("2xx") : Json(hook.status);
        } else {
            one["exec"] = shown_arguments(hook.exec);
        }
        one["timeout"] = duration_text(hook.timeout);
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace

std::string to_json(const DeploySpec& deploy) {
    Json out = Json::object();
    if (!deploy.image.empty()) out["image"] = deploy.image;
    out["pull"] = to_text(deploy.pull);
    out["replicas"] = deploy.replicas;
    out["port"] = deploy.port == 0 ? Json("auto") : Json(deploy.port);
    out["command"] = deploy.command;
    out["entrypoint"] = deploy.entrypoint;
    out["env"] = variables_json(deploy.env);
    out["secrets"] = variables_json(deploy.secrets);
    out["required_env"] = deploy.required_env;
    out["needs"] = deploy.needs;
    out["volumes"] = spelled_json(deploy.volumes);
    out["ports"] = spelled_json(deploy.ports);
    out["network"] = deploy.network.empty() ? "auto" : deploy.network;
    out["aliases"] = deploy.aliases;
    out["memory"] = deploy.memory == 0 ? "none" : size_text(deploy.memory);
    out["cpus"] = deploy.cpus == 0 ? Json("none") : Json(deploy.cpus);
    out["restart"] = to_text(deploy.restart);
    out["stop_signal"] = deploy.stop_signal.empty() ? "image" : deploy.stop_signal;
    out["stop_timeout"] = duration_text(deploy.stop_timeout);
    out["user"] = deploy.user;
    Json labels = Json::object();
    for (const auto& [name, value] : deploy.labels) labels[name] = value;
    out["labels"] = std::move(labels);
    out["health"] = health_json(deploy.health);
    out["retain"] = deploy.retain;
    out["deadlines"] = {{"pulling", duration_text(deploy.deadlines.pulling)},
                        {"creating", duration_text(deploy.deadlines.creating)},
                        {"starting", duration_text(deploy.deadlines.starting)},
                        {"verifying", auto_or(deploy.deadlines.verifying)},
                        {"draining", auto_or(deploy.deadlines.draining)}};
    // Without `for` the rest has no effect, and is refused.
    out["bake"] = {{"for", duration_text(deploy.bake.duration)}};
    if (deploy.bake.duration > 0s) {
        out["bake"]["max_error_ratio"] = deploy.bake.max_error_ratio;
        out["bake"]["min_requests"] = deploy.bake.min_requests;
        out["bake"]["max_p95"] = deploy.bake.max_p95 > 0s ? duration_text(deploy.bake.max_p95) : "none";
    }
    out["breaker"] = {{"failures", deploy.breaker_auto ? Json("auto") : deploy.breaker == 0 ? Json("none") : Json(deploy.breaker)}};
    out["max_healthy_percent"] = deploy.max_healthy_percent;
    out["min_healthy_percent"] = deploy.min_healthy_percent;
    out["pre_existing"] = to_text(deploy.pre_existing);
    out["before"] = hooks_json(deploy.before);
    out["after"] = hooks_json(deploy.after);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hale::config
