// Reads containers and images: the two long documents, and what both say in the same words.
#include <algorithm>

#include "base/text.h"
#include "docker/answers.h"
#include "docker/document.h"

namespace hale::docker {

namespace {

std::optional<Port> port_of(std::string_view said) {  // "80/tcp", "80"
    const std::size_t slash = said.find('/');
    const auto number = parse_unsigned(said.substr(0, slash));
    if (!number || *number == 0 || *number > 65535) return std::nullopt;
    Port port{.number = static_cast<std::uint16_t>(*number)};
    if (slash == said.npos) return port;
    port.protocol = said.substr(slash + 1);
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") return std::nullopt;
    return port;
}

std::vector<Port> exposed_of(const Json& config) {
    std::vector<Port> out;
    const Json& all = member(config, "ExposedPorts");
    if (!all.is_object()) return out;
    for (const auto& [name, ignored] : all.items()) {
        if (out.size() == most_items) break;
        if (const auto port = port_of(name)) out.push_back(*port);
    }
    std::ranges::sort(out);
    return out;
}

std::optional<HealthCheck> health_check_of(const Json& config) {
    const Json& said = member(config, "Healthcheck");
    if (!said.is_object()) return std::nullopt;
    HealthCheck out{.test = words(said, "Test"),
                    .interval = nanoseconds_of(said, "Interval"),
                    .timeout = nanoseconds_of(said, "Timeout"),
                    .start_period = nanoseconds_of(said, "StartPeriod"),
                    .retries = count_of(said, "Retries")};
    if (out == HealthCheck{}) return std::nullopt;
    return out;
}

// A check's output may have lines, which mean something to people.
std::string output_of(const Json& of) {
    const Json& said = member(of, "Output");
    if (!said.is_string()) return {};
    std::string out;
    for (std::string_view line : split(std::string_view(said.get_ref<const std::string&>()).substr(0, most_message_bytes), '\n')) {
        if (!out.empty()) out += '\n';
        out += plain(line, most_message_bytes);
    }
    while (out.ends_with('\n')) out.pop_back();
    return out;
}

std::optional<Health> health_of(const Json& state) {
    const Json* said = &member(state, "Health");
    if (!said->is_object()) said = &member(state, "Healthcheck");  // Podman's own word.
    const std::string status = word(*said, "Status");
    Health out{.failing_streak = count_of(*said, "FailingStreak")};
    for (const HealthStatus one : {HealthStatus::starting, HealthStatus::healthy, HealthStatus::unhealthy})
        if (status == text(one)) out.status = one;
    if (out.status == HealthStatus::none) return std::nullopt;
    if (const Json& log = member(*said, "Log"); log.is_array()) {
        for (const Json& entry : log) {
            if (out.log.size() == most_items) break;
            out.log.push_back({.began = instant(entry, "Start"), .ended = instant(entry, "End"), .exit_code = number(entry, "ExitCode"), .output = output_of(entry)});
        }
    }
    return out;
}

void read_networks(const Json& settings, Inspected& out) {
    if (const Json& networks = member(settings, "Networks"); networks.is_object()) {
        for (const auto& [name, one] : networks.items()) {
            if (out.attachments.size() == most_items) break;
            out.attachments.push_back({.network = plain(name, most_name_bytes),
                                       .network_id = word(one, "NetworkID"),
                                       .ip = address(one, "IPAddress"),
                                       .ip6 = address(one, "GlobalIPv6Address"),
                                       .gateway = address(one, "Gateway"),
                                       .aliases = words(one, "Aliases")});
        }
    }
    const Json& ports = member(settings, "Ports");
    if (!ports.is_object()) return;
    for (const auto& [name, places] : ports.items()) {
        const auto port = port_of(name);
        if (!port || !places.is_array()) continue;  // Null: exposed, but not published.
        for (const Json& place : places) {
            if (out.published.size() == most_items) return;
            const auto number = parse_unsigned(word(place, "HostPort"));
            if (number && *number > 0 && *number <= 65535)
                out.published.push_back({.port = *port, .host_ip = word(place, "HostIp"), .host_port = static_cast<std::uint16_t>(*number)});
        }
    }
}

ContainerState state_of(const Json& state) {
    const std::string said = word(state, "Status");
    for (int i = 1; i <= static_cast<int>(ContainerState::dead); ++i)
        if (said == text(static_cast<ContainerState>(i))) return static_cast<ContainerState>(i);
    if (said == "configured" || said == "initialized") return ContainerState::created;  // Podman's words.
    if (said == "stopped") return ContainerState::exited;
    return ContainerState::unknown;
}

}  // namespace

Result<Inspected> read_inspected(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about a container", body));
    const Json& config = member(document, "Config");
    const Json& state = member(document, "State");
    Inspected out;
    out.id = word(document, "Id");
    if (out.id.empty()) return unreadable("the answer about a container", "it has no Id");
    if (!state.is_object()) return unreadable("the answer about a container", "it has no State");
    out.name = word(document, "Name");
    if (out.name.starts_with('/')) out.name.erase(0, 1);
    out.image = word(config, "Image");
    out.image_id = word(document, "Image");
    out.created = instant(document, "Created");
    out.state = state_of(state);
    out.exit_code = number(state, "ExitCode");
    out.oom_killed = truth(state, "OOMKilled");
    out.error = sentence(state, "Error");
    out.started = instant(state, "StartedAt");
    out.finished = instant(state, "FinishedAt");
    out.pid = size_of(state, "Pid");
    out.restart_count = count_of(document, "RestartCount");
    out.health = health_of(state);
    out.health_check = health_check_of(config);
    read_networks(member(document, "NetworkSettings"), out);
    out.network_mode = word(member(document, "HostConfig"), "NetworkMode");
    out.exposed = exposed_of(config);
    out.labels = labels_of(config, "Labels");
    out.tty = truth(config, "Tty");
    out.stop_signal = word(config, "StopSignal");
    if (const Json& timeout = member(config, "StopTimeout"); timeout.is_number_integer())
        out.stop_timeout = std::chrono::seconds(std::clamp<std::int64_t>(whole_number(timeout), 0, 365 * 24 * 3600));
    return out;
}

Result<ImageFacts> read_image(std::string_view body) {
    HALE_ASSIGN(const Json document, parse_object("the answer about an image", body));
    const Json& config = member(document, "Config");
    ImageFacts out{.id = word(document, "Id"),
                   .tags = words(document, "RepoTags"),
                   .digests = words(document, "RepoDigests"),
                   .health_check = health_check_of(config),
                   .exposed = exposed_of(config),
                   .stop_signal = word(config, "StopSignal"),
                   .user = word(config, "User"),
                   .entrypoint = words(config, "Entrypoint"),
                   .command = words(config, "Cmd"),
                   .labels = labels_of(config, "Labels"),
                   .os = word(document, "Os"),
                   .architecture = word(document, "Architecture"),
                   .bytes = size_of(document, "Size")};
    if (out.id.empty()) return unreadable("the answer about an image", "it has no Id");
    return out;
}

}  // namespace hale::docker
