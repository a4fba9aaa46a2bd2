#include "docker/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "wire/scram.h"

namespace hale::docker {

using Json = nlohmann::json;

namespace {

// Text of others may be anything; what is no UTF-8 is replaced, so that writing can't fail.
std::string written(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string named(std::string_view what, std::string_view name) { return fmt::format("{} {}", what, escaped(name, 200)); }

Request with_name(Request request, std::string_view name, std::string_view kind) {
    if (name.empty()) request.fault = fmt::format("the {} has no name", kind);
    if (name == "." || name == "..") request.fault = fmt::format("that is no name of a {}", kind);  // It would be another path.
    return request;
}

// {"label":["a=b"]} as it stands in a query.
std::string filters(const Json& all) { return "filters=" + percent_encoded(written(all)); }

Json pairs(const std::map<std::string, std::string>& all) {
    Json out = Json::array();
    for (const auto& [name, value] : all) out.push_back(name + "=" + value);
    return out;
}

std::int64_t whole_seconds(Duration d) { return duration_cast<std::chrono::seconds>(std::max(d, Duration{0}) + 999'999'999ns).count(); }

Json health_check_of(const HealthCheck& check) {
    Json out = Json::object();
    if (!check.test.empty()) out["Test"] = check.test;
    if (check.interval > 0ns) out["Interval"] = check.interval.count();
    if (check.timeout > 0ns) out["Timeout"] = check.timeout.count();
    if (check.start_period > 0ns) out["StartPeriod"] = check.start_period.count();
    if (check.retries > 0) out["Retries"] = check.retries;
    return out;
}

// Mounts and not Binds: a folder that is not there is an error, and not made by the engine as root's.
Json mounts_of(const std::vector<Mount>& all) {
    Json out = Json::array();
    for (const Mount& mount : all) {
        Json one{{"Type", mount.kind == Mount::Kind::bind ? "bind" : mount.kind == Mount::Kind::volume ? "volume" : "tmpfs"}, {"Target", mount.target}};
        if (!mount.source.empty()) one["Source"] = mount.source;
        if (mount.read_only) one["ReadOnly"] = true;
        out.push_back(std::move(one));
    }
    return out;
}

Json host_config_of(const ContainerPlan& plan) {
    Json out = Json::object();
    if (!plan.mounts.empty()) out["Mounts"] = mounts_of(plan.mounts);
    for (const Publish& one : plan.ports)
        out["PortBindings"][fmt::format("{}/{}", one.port.number, one.port.protocol)].push_back({{"HostIp", one.host_ip}, {"HostPort", one.host_port == 0 ? "" : std::to_string(one.host_port)}});
    if (!plan.network.empty()) out["NetworkMode"] = plan.network;
    if (!plan.extra_hosts.empty()) out["ExtraHosts"] = plan.extra_hosts;
    if (plan.memory_bytes > 0) out["Memory"] = plan.memory_bytes;
    if (plan.processors > 0 && plan.processors < 1e6) out["NanoCpus"] = static_cast<std::int64_t>(std::llround(plan.processors * 1e9));
    switch (plan.restart.kind) {
        case RestartPolicy::Kind::no: break;
        case RestartPolicy::Kind::always: out["RestartPolicy"]["Name"] = "always"; break;
        case RestartPolicy::Kind::unless_stopped: out["RestartPolicy"]["Name"] = "unless-stopped"; break;
        case RestartPolicy::Kind::on_failure: out["RestartPolicy"] = {{"Name", "on-failure"}, {"MaximumRetryCount", plan.restart.most_retries}}; break;
    }
    if (plan.init) out["Init"] = true;
    if (plan.read_only) out["ReadonlyRootfs"] = true;
    return out;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) out += c;
        else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

Reference split_reference(std::string_view image) {
    if (const std::size_t at = image.find('@'); at != image.npos) {
        // A tag beside a digest decides nothing.
        std::string_view repository = image.substr(0, at);
        const std::size_t colon = repository.rfind(':');
        if (colon != repository.npos && repository.find('/', colon) == repository.npos) repository = repository.substr(0, colon);
        return {std::string(repository), std::string(image.substr(at + 1))};
    }
    const std::size_t colon = image.rfind(':');
    if (colon == image.npos || image.find('/', colon) != image.npos) return {std::string(image), "latest"};
    return {std::string(image.substr(0, colon)), std::string(image.substr(colon + 1))};
}

std::string registry_header(const RegistryAuth& auth) {
    if (auth.empty()) return {};
    Json document = Json::object();
    if (!auth.identity_token.empty()) {
        document["identitytoken"] = auth.identity_token;
    } else {
        document["username"] = auth.user;
        document["password"] = auth.password;
    }
    document["serveraddress"] = auth.server.empty() ? "https://index.docker.io/v1/" : auth.server;
    // The alphabet for URLs, with padding: what engines of all versions read.
    std::string out = wire::base64(written(document));
    std::ranges::replace(out, '+', '-');
    std::ranges::replace(out, '/', '_');
    return out;
}

Request image_request(std::string_view image) {
    // Slashes of a name stay: the engine's router knows them.
    std::string path;
    for (const std::string_view part : split(image, '/')) path += "/" + percent_encoded(part);
    Request request{.path = fmt::format("/images{}/json", path), .what = named("inspect image", image)};
    // A dot segment would be another path.
    for (const std::string_view part : split(image, '/'))
        if (part.empty() || part == "." || part == "..") request.fault = "that is no name of an image";
    return request;
}

Request pull_request(const PullPlan& plan) {
    const Reference reference = split_reference(plan.image);
    Request request{.method = "POST",
                    .path = fmt::format("/images/create?fromImage={}&tag={}", percent_encoded(reference.repository), percent_encoded(reference.version)),
                    .what = named("pull image", plan.image)};
    if (!plan.platform.empty()) request.path += "&platform=" + percent_encoded(plan.platform);
    request.registry = registry_header(plan.auth);
    if (reference.repository.empty() || reference.version.empty()) request.fault = "that is no name of an image";
    return request;
}

Request create_request(const ContainerPlan& plan) {
    Request request{.method = "POST", .path = "/containers/create", .what = plan.name.empty() ? named("create a container of", plan.image) : named("create container", plan.name)};
    if (!plan.name.empty()) request.path += "?name=" + percent_encoded(plan.name);
    Json document{{"Image", plan.image}, {"HostConfig", host_config_of(plan)}};
    if (!plan.environment.empty()) document["Env"] = pairs(plan.environment);
    if (!plan.labels.empty()) document["Labels"] = plan.labels;
    if (plan.command) document["Cmd"] = *plan.command;
    if (plan.entrypoint) document["Entrypoint"] = *plan.entrypoint;
    if (!plan.user.empty()) document["User"] = plan.user;
    if (!plan.working_folder.empty()) document["WorkingDir"] = plan.working_folder;
    if (!plan.host_name.empty()) document["Hostname"] = plan.host_name;
    for (const Publish& one : plan.ports) document["ExposedPorts"][fmt::format("{}/{}", one.port.number, one.port.protocol)] = Json::object();
    if (!plan.stop_signal.empty()) document["StopSignal"] = plan.stop_signal;
    if (plan.stop_timeout) document["StopTimeout"] = whole_seconds(*plan.stop_timeout);
    if (plan.health_check) document["Healthcheck"] = health_check_of(*plan.health_check);
    if (plan.tty) document["Tty"] = true;
    if (!plan.network.empty() && !plan.aliases.empty()) document["NetworkingConfig"]["EndpointsConfig"][plan.network]["Aliases"] = plan.aliases;
    request.body = written(document);
    if (plan.image.empty()) request.fault = "the plan names no image";
    return request;
}

Request create_request(std::string_view name, const Recreation& as) {
    Request request{.method = "POST", .path = "/containers/create?name=" + percent_encoded(name), .what = named("create container", name)};
    request.body = as.body;
    return request;
}

Request container_request(std::string_view verb, std::string_view container, std::string_view query) {
    return with_name({.method = "POST",
                      .path = fmt::format("/containers/{}/{}{}{}", percent_encoded(container), verb, query.empty() ? "" : "?", query),
                      .what = fmt::format("{} container {}", verb, escaped(container, 200))},
                     container, "container");
}

Request stop_request(std::string_view container, Duration grace) { return container_request("stop", container, fmt::format("t={}", whole_seconds(grace))); }

Request kill_request(std::string_view container, std::string_view signal) {
    return container_request("kill", container, signal.empty() ? std::string{} : "signal=" + percent_encoded(signal));
}

Request rename_request(std::string_view container, std::string_view name) { return container_request("rename", container, "name=" + percent_encoded(name)); }

Request remove_request(std::string_view container, RemovePlan plan) {
    return with_name({.method = "DELETE",
                      .path = fmt::format("/containers/{}?force={:d}&v={:d}", percent_encoded(container), plan.force, plan.volumes),
                      .what = named("remove container", container)},
                     container, "container");
}

Request wait_request(std::string_view container) {
    Request request = container_request("wait", container, "condition=not-running");
    request.what = named("wait for container", container);
    return request;
}

Request inspect_request(std::string_view container) {
    return with_name({.path = fmt::format("/containers/{}/json", percent_encoded(container)), .what = named("inspect container", container)}, container, "container");
}

Request list_request(const std::vector<std::string>& labels) {
    Request request{.path = "/containers/json?all=1", .what = "list containers"};
    if (labels.empty()) return request;
    Json asked = Json::object();
    asked["label"] = labels;
    request.path += "&" + filters(asked);
    return request;
}

Request logs_request(std::string_view container, const LogsPlan& plan) {
    Request request{.path = fmt::format("/containers/{}/logs?stdout=1&stderr=1&tail={}&follow={:d}&timestamps={:d}", percent_encoded(container), plan.tail, plan.follow, plan.timestamps),
                    .what = named("read logs of container", container)};
    if (plan.since) {
        const auto at = plan.since->time_since_epoch();
        request.path += fmt::format("&since={}.{:09}", at / 1s, (at % 1s).count());
    }
    return with_name(std::move(request), container, "container");
}

Request exec_create_request(std::string_view container, const ExecPlan& plan) {
    Json document{{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", plan.command}};
    if (!plan.environment.empty()) document["Env"] = pairs(plan.environment);
    if (!plan.user.empty()) document["User"] = plan.user;
    if (!plan.working_folder.empty()) document["WorkingDir"] = plan.working_folder;
    Request request = container_request("exec", container);
    request.what = named("run a command in container", container);
    request.body = written(document);
    if (plan.command.empty()) request.fault = "there is no command";
    return request;
}

Request exec_start_request(std::string_view id) {
    return {.method = "POST", .path = fmt::format("/exec/{}/start", percent_encoded(id)), .what = "run a command in a container", .body = R"({"Detach":false,"Tty":false})"};
}

Request exec_inspect_request(std::string_view id) { return {.path = fmt::format("/exec/{}/json", percent_encoded(id)), .what = "ask how a command ended"}; }

Request network_request(std::string_view network) {
    return with_name({.path = fmt::format("/networks/{}", percent_encoded(network)), .what = named("inspect network", network)}, network, "network");
}

Request create_network_request(const NetworkPlan& plan) {
    Json document{{"Name", plan.name}, {"Driver", plan.driver}, {"CheckDuplicate", true}, {"Internal", plan.internal}};
    if (!plan.labels.empty()) document["Labels"] = plan.labels;
    return with_name({.method = "POST", .path = "/networks/create", .what = named("create network", plan.name), .body = written(document)}, plan.name, "network");
}

Request connect_request(std::string_view network, std::string_view container, const std::vector<std::string>& aliases) {
    Json document = Json::object();
    document["Container"] = container;
    if (!aliases.empty()) document["EndpointConfig"]["Aliases"] = aliases;
    return with_name({.method = "POST",
                      .path = fmt::format("/networks/{}/connect", percent_encoded(network)),
                      .what = fmt::format("connect container {} to network {}", escaped(container, 200), escaped(network, 200)),
                      .body = written(document)},
                     network, "network");
}

Request disconnect_request(std::string_view network, std::string_view container) {
    return with_name({.method = "POST",
                      .path = fmt::format("/networks/{}/disconnect", percent_encoded(network)),
                      .what = fmt::format("disconnect container {} from network {}", escaped(container, 200), escaped(network, 200)),
                      .body = written(Json{{"Container", container}, {"Force", false}})},
                     network, "network");
}

Request remove_network_request(std::string_view network) {
    return with_name({.method = "DELETE", .path = fmt::format("/networks/{}", percent_encoded(network)), .what = named("remove network", network)}, network, "network");
}

Request events_request(const EventsPlan& plan) {
    // Named one by one: each health check would tell of three more (exec_create, exec_start, exec_die). Podman says
    // "died" and "remove" for two of them.
    Json asked = Json::object();
    asked["type"] = Json::array({"container"});
    asked["event"] = Json::array({"create", "start", "restart", "die", "oom", "health_status", "stop", "kill", "pause", "unpause", "rename", "update", "destroy", "died", "remove"});
    // Podman tells nothing at all where a label has no value: whoever hears looks at those.
    for (const auto& label : plan.labels)
        if (label.find('=') != label.npos) asked["label"].push_back(label);
    Request request{.path = "/events?" + filters(asked), .what = "follow events"};
    if (plan.since) request.path += fmt::format("&since={}", plan.since->time_since_epoch() / 1s);
    return request;
}

}  // namespace hale::docker
