#include "deploy/container_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "docker/requests.h"

namespace hale::deploy {

Result<std::uint16_t> port_of(const config::DeploySpec& spec, const docker::ImageFacts& image) {
    if (spec.port != 0) return spec.port;
    std::vector<std::uint16_t> ports;
    for (const auto& one : image.exposed)
        if (one.protocol == "tcp") ports.push_back(one.number);
    if (ports.size() == 1) return ports.front();
    return fail(Code::invalid, ports.empty() ? fmt::format("image {} exposes no port: deploy.port has to say on which one it listens", spec.image)
                                             : fmt::format("image {} exposes the ports {}: deploy.port has to say which one is meant", spec.image, fmt::join(ports, ", ")));
}

namespace {

docker::RestartPolicy::Kind restart_of(config::Restart restart) {
    using Kind = docker::RestartPolicy::Kind;
    switch (restart) {
        case config::Restart::no: return Kind::no;
        case config::Restart::always: return Kind::always;
        case config::Restart::unless_stopped: return Kind::unless_stopped;
        case config::Restart::on_failure: return Kind::on_failure;
    }
    return Kind::no;
}

std::optional<docker::HealthCheck> health_of(const config::ContainerHealth& health) {
    using From = config::ContainerHealth::From;
    if (health.from == From::image) return std::nullopt;
    if (health.from == From::none) return docker::HealthCheck{.test = {"NONE"}};
    docker::HealthCheck out{.test = {health.shell ? "CMD-SHELL" : "CMD"}, .interval = health.interval, .timeout = health.timeout, .start_period = health.start_period, .retries = health.retries};
    out.test.insert(out.test.end(), health.command.begin(), health.command.end());
    return out;
}

}  // namespace

docker::ContainerPlan container_plan(const config::DeploySpec& spec, const Belonging& whose, std::string_view name, std::uint16_t port, bool far) {
    docker::ContainerPlan out;
    out.name = name;
    out.image = spec.image;
    for (const auto* list : {&spec.env, &spec.secrets})
        for (const auto& one : *list) out.environment[one.name] = one.value;
    for (const auto& [key, value] : spec.labels) out.labels[key] = value;
    out.labels[std::string(service_label)] = whose.service;
    out.labels[std::string(deployment_label)] = whose.deployment;
    out.labels[std::string(number_label)] = fmt::format("{}", whose.number);
    if (!whose.home.empty()) out.labels[std::string(home_label)] = whose.home;
    if (port != 0) out.labels[std::string(port_label)] = fmt::format("{}", port);
    if (!whose.application.empty()) {
        out.labels[std::string(application_label)] = whose.application;
        out.labels[std::string(container_label)] = whose.container;
    }
    if (!spec.command.empty()) out.command = spec.command;
    if (!spec.entrypoint.empty()) out.entrypoint = spec.entrypoint;
    out.user = spec.user;
    for (const auto& one : spec.volumes)
        out.mounts.push_back({one.of_host() ? docker::Mount::Kind::bind : docker::Mount::Kind::volume, one.source, one.path, one.read_only});
    for (const auto& one : spec.ports) out.ports.push_back({{one.container, one.udp ? "udp" : "tcp"}, one.ip, one.host});
    if (far && port != 0 && std::ranges::none_of(out.ports, [&](const auto& one) { return one.port == docker::Port{port, "tcp"}; })) out.ports.push_back({{port, "tcp"}, "", 0});
    out.network = spec.network_of(whose.service);
    out.aliases = spec.aliases;
    out.memory_bytes = spec.memory;
    out.processors = spec.cpus;
    out.restart.kind = restart_of(spec.restart);
    out.stop_signal = spec.stop_signal;
    out.stop_timeout = spec.stop_timeout;
    out.health_check = health_of(spec.health);
    return out;
}

std::optional<rollout::HealthCheck> own_health(const config::DeploySpec& spec, const docker::ImageFacts& image) {
    const auto said = health_of(spec.health);
    const auto& check = said ? said : image.health_check;
    if (!check || check->off() || check->test.empty()) return std::nullopt;
    rollout::HealthCheck out;  // The engine's own figures, where none is said.
    if (check->start_period > Duration{0}) out.start_period = check->start_period;
    if (check->interval > Duration{0}) out.interval = check->interval;
    if (check->timeout > Duration{0}) out.timeout = check->timeout;
    if (check->retries != 0) out.retries = check->retries;
    return out;
}

std::string exactly(std::string_view image, const docker::ImageFacts& facts) {
    const std::string repository = docker::split_reference(image).repository;
    const auto same = std::ranges::find_if(facts.digests, [&](const std::string& one) { return one.starts_with(repository + "@"); });
    if (same != facts.digests.end()) return *same;
    return facts.digests.empty() ? facts.id : facts.digests.front();
}

std::vector<std::string> missing_env(const config::DeploySpec& spec) {
    std::vector<std::string> out;
    for (const auto& name : spec.required_env) {
        const auto set = [&](const std::vector<config::EnvValue>& list) {
            return std::ranges::any_of(list, [&](const auto& one) { return one.name == name && !one.value.empty(); });
        };
        if (!set(spec.env) && !set(spec.secrets)) out.push_back(name);
    }
    return out;
}

docker::RegistryAuth auth_for(std::string_view image, const std::vector<config::RegistryLogin>& registries) {
    const auto slash = image.find('/');
    const std::string_view first = slash == image.npos ? std::string_view{} : image.substr(0, slash);
    const bool named = first.contains('.') || first.contains(':') || first == "localhost";
    const std::string_view host = named ? first : "docker.io";
    for (const auto& one : registries)
        if (one.host == host) return {.user = one.username, .password = one.password, .server = named ? one.host : "", .identity_token = {}};
    return {};
}

}  // namespace hale::deploy
