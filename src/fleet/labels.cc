#include "fleet/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.h"
#include "config/load.h"
#include "docker/reach.h"

namespace hale::fleet {

namespace {

using Json = nlohmann::json;

constexpr std::string_view label_prefix = "hale.";
constexpr std::size_t most_label_depth = 8;
constexpr std::size_t most_label_bytes = 4096;
// Keys of a service that labels may say, each with all that is below it: "hale.check.interval".
constexpr std::array<std::string_view, 9> said_of_service{"check", "checks", "heal", "timeouts", "retry", "balance", "panic", "tls", "degraded_weight"};
constexpr std::string_view known_labels =
    "hale.service, hale.host, hale.path, hale.strip, hale.port, hale.network, hale.weight, and those that begin with hale.check., hale.checks., hale.heal., "
    "hale.timeouts., hale.retry., hale.balance., hale.panic., hale.tls, hale.degraded_weight";

bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto digits = [](std::string_view some) { return !some.empty() && std::ranges::all_of(some, [](char c) { return c >= '0' && c <= '9'; }); };
    const auto point = text.find('.');
    if (!digits(text.substr(0, point)) || (text.size() > 1 && text[0] == '0' && point != 1)) return false;
    return point == text.npos || digits(text.substr(point + 1));
}

// As it would stand in a file: numbers, truth values and lists are not texts.
Json value_of(const std::string& said) {
    if (said == "true" || said == "false" || is_number(said) || said.starts_with('[') || said.starts_with('{')) {
        Json read = Json::parse(said, nullptr, false);
        if (!read.is_discarded()) return read;
    }
    return said;
}

Error wrong(std::string_view key, std::string_view what, std::string_view allowed = {}) {
    return {Code::invalid, fmt::format("label {}: {}{}{}", key, what, allowed.empty() ? "" : "; allowed: ", allowed)};
}

// "check.m_of_n.m" into {"check": {"m_of_n": {"m": …}}}.
Result<> put(Json& into, std::string_view key, const std::string& said) {
    const std::string_view path = key.substr(label_prefix.size());
    const auto steps = split(path, '.');
    if (steps.size() > most_label_depth || std::ranges::any_of(steps, [](std::string_view step) { return step.empty(); })) return std::unexpected(wrong(key, "is no key"));
    if (said.size() > most_label_bytes) return std::unexpected(wrong(key, fmt::format("longer than {} bytes", most_label_bytes)));
    Json* at = &into;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        Json& next = (*at)[std::string(steps[i])];
        const bool last = i + 1 == steps.size();
        if (last ? !next.is_null() : !next.is_null() && !next.is_object()) return std::unexpected(wrong(key, "another label says a value for the whole"));
        at = &next;
    }
    *at = value_of(said);
    return {};
}

Result<> put_routes(Json& service, const docker::Inspected& container) {
    const std::string hosts = label(container, "hale.host"), path = label(container, "hale.path"), strip = label(container, "hale.strip");
    if (hosts.empty()) {
        for (const std::string_view key : {"hale.path", "hale.strip"})
            if (!label(container, key).empty()) return std::unexpected(wrong(key, "there is no hale.host that it belongs to"));
        return {};
    }
    for (const std::string_view host : split(hosts, ',')) {
        Json route{{"host", std::string(trim(host))}};
        if (!path.empty()) route["path"] = path;
        if (!strip.empty()) route["strip"] = value_of(strip);
        service["routes"].push_back(std::move(route));
    }
    return {};
}

Result<std::uint16_t> port_said(const docker::Inspected& container) {
    if (const std::string said = label(container, port_label); !said.empty()) {
        const auto number = parse_unsigned(said);
        if (number && *number > 0 && *number <= 65535) return static_cast<std::uint16_t>(*number);
        return std::unexpected(wrong(port_label, fmt::format("\"{}\" is no port", escaped(said, 60)), "1 to 65535"));
    }
    std::vector<std::uint16_t> ports;
    for (const auto& one : container.exposed)
        if (one.protocol == "tcp") ports.push_back(one.number);
    if (ports.size() == 1) return ports.front();
    if (ports.empty()) return std::unexpected(wrong(port_label, "its image exposes no port: this label has to say on which one it listens"));
    return std::unexpected(wrong(port_label, fmt::format("its image exposes the ports {}: this label has to say which one is meant", fmt::join(ports, ", "))));
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

bool claims(const docker::Inspected& container) {
    if (container.labels.contains(std::string(deployment_label))) return false;
    if (container.labels.contains(std::string(service_label))) return true;
    if (label(container, compose_service_label).empty() || label(container, compose_project_label).empty()) return false;
    return std::ranges::any_of(container.labels, [](const auto& one) { return one.first.starts_with(label_prefix); });
}

std::string service_of(const docker::Inspected& container) {
    if (const std::string said = label(container, service_label); !said.empty()) return said;
    if (!claims(container)) return {};
    return lower(fmt::format("{}-{}", label(container, compose_project_label), label(container, compose_service_label)));
}

std::string instance_name(std::string_view container) {
    std::string out = lower(container);
    const auto edge = [](char c) { return c == '.' || c == '_' || c == '-'; };
    if (out.size() > 63) out = out.substr(out.size() - 63);
    while (!out.empty() && edge(out.front())) out.erase(0, 1);
    while (!out.empty() && edge(out.back())) out.pop_back();
    return out;
}

Result<Claim> claim_of(const docker::Inspected& container, const docker::Place& engine) {
    Claim out{.container = container.name, .service = service_of(container), .instance = instance_name(container.name), .instance_json = {}, .service_json = {}, .created = container.created};
    if (!config::is_service_name(out.service))
        return std::unexpected(wrong(service_label, fmt::format("\"{}\" is no service name", escaped(out.service, 80)), "lower case letters, digits, . _ -, at most 63"));
    Json service = Json::object();
    for (const auto& [key, said] : container.labels) {
        if (!key.starts_with(label_prefix)) continue;
        const std::string_view path = std::string_view(key).substr(label_prefix.size());
        const std::string_view root = path.substr(0, path.find('.'));
        if (std::ranges::find(said_of_service, root) != said_of_service.end()) {
            HALE_TRY(put(service, key, said));
        } else if (path != "service" && path != "host" && path != "path" && path != "strip" && path != "port" && path != "network" && path != "weight") {
            return std::unexpected(wrong(escaped(key, 80), "is not known", known_labels));
        }
    }
    HALE_TRY(put_routes(service, container));
    HALE_ASSIGN(const std::uint16_t port, port_said(container));
    std::string network = label(container, network_label);
    if (network.empty() && !engine.path.empty()) {
        HALE_ASSIGN(network, docker::network_of(container));
    }
    HALE_ASSIGN(const std::string address, docker::address_of(container, engine, network, port));
    Json instance{{"name", out.instance}, {"address", address}};
    if (const std::string weight = label(container, "hale.weight"); !weight.empty()) instance["weight"] = value_of(weight);
    out.instance_json = text_of(instance);
    out.service_json = text_of(service);
    return out;
}

Result<std::uint16_t> deployed_port(const docker::Inspected& container) {
    const auto port = parse_unsigned(label(container, port_label));
    if (!port || *port == 0 || *port > 65535) return fail(Code::not_found, fmt::format("container {} has no port that anybody comes to", container.name));
    return static_cast<std::uint16_t>(*port);
}

Result<std::string> deployed_at(const docker::Inspected& container, const docker::Place& engine) {
    HALE_ASSIGN(const std::uint16_t port, deployed_port(container));
    HALE_ASSIGN(const std::string network, docker::network_of(container));
    return docker::address_of(container, engine, network, port);
}

std::string label_of(std::string_view pointer) {
    std::string out(label_prefix.substr(0, label_prefix.size() - 1));
    bool first = true;
    for (const std::string_view step : split(pointer, '/')) {
        if (step.empty()) continue;
        // Routes are made of labels that are called otherwise.
        if (std::exchange(first, false) && step == "routes") return "hale.host";
        out += fmt::format(".{}", step);
    }
    return first ? std::string("hale.*") : out;
}

}  // namespace hale::fleet
