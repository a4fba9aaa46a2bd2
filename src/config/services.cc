// Services, their instances and their routes, each right by itself. What is wrong between them: together.cc.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

namespace {

constexpr std::size_t max_routes_per_service = 10'000;

bool is_host(std::string_view host) {
    if (host == "*") return true;
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (Ip::parse(host)) return true;
    if (host.empty() || host.size() > 253) return false;
    for (const std::string_view label : split(host, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        for (const char c : label)
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
    }
    return true;
}

void settle_host(Reading& reading, const Node& node, RouteSpec& route) {
    std::string host = lower(route.host);
    if (host.ends_with('.')) host.pop_back();
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    constexpr std::string_view allowed = "a host name in lower-case A-labels, *.example.org, an IP address, or *; no port";
    if (std::ranges::any_of(host, [](char c) { return static_cast<unsigned char>(c) > 127; }))
        return reading.problem(node, fmt::format("\"{}\" is not ASCII", escaped(host, 80)), std::string(allowed));
    if (!is_host(host)) return reading.problem(node, fmt::format("\"{}\" is no host", escaped(host, 80)), std::string(allowed));
    // As requests spell it, once theirs is normal.
    if (const auto ip = Ip::parse(host)) host = ip->is_v4() ? ip->text() : fmt::format("[{}]", ip->text());
    route.host = std::move(host);
}

void settle_path(Reading& reading, const Node& node, RouteSpec& route) {
    std::string_view path = route.path;
    constexpr std::string_view allowed = "an absolute path of plain characters, without query, dot segments or empty segments";
    bool right = path.starts_with('/');
    for (const char c : path) right &= c > ' ' && c < 127 && !std::string_view("?#%\\").contains(c);
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (right && path.size() > 1)
        for (const std::string_view segment : split(path.substr(1), '/')) right &= !segment.empty() && segment != "." && segment != "..";
    if (!right) return reading.problem(node, fmt::format("\"{}\" is no path prefix", escaped(route.path, 80)), std::string(allowed));
    route.path = std::string(path);
}

void read_routes(Reading& reading, const ServiceDraft& draft, std::vector<RouteSpec>& routes) {
    if (draft.hosts != nullptr && draft.routes != nullptr) {
        const Reading::Step step(reading, "routes");
        return reading.problem(*draft.routes, "hosts and routes at once; hosts is short for routes with path /", "one of them");
    }
    const Node* list = draft.hosts != nullptr ? draft.hosts : draft.routes;
    if (list == nullptr) return;
    const Reading::Step step(reading, draft.hosts != nullptr ? "hosts" : "routes");
    const Key* outer = std::exchange(reading.key, find_key(Section::service, draft.hosts != nullptr ? "hosts" : "routes"));
    if (reading.list(*list)) {
        if (list->items.size() > max_routes_per_service) reading.problem(*list, fmt::format("more than {} routes", max_routes_per_service));
        const std::string kept = reading.shown;
        for (std::size_t i = 0; i < list->items.size() && i < max_routes_per_service; ++i) {
            const Reading::Step inner(reading, i);
            RouteSpec route;
            route.owner = draft.spec.owner;
            route.service = draft.spec.name;
            if (reading.effective) reading.shown = fmt::format("{}routes[{}].", kept, i);
            if (draft.hosts != nullptr) {
                route.mark = reading.mark(list->items[i].place);
                if (reading.text(list->items[i], route.host, 255)) settle_host(reading, list->items[i], route);
                reading.record("host", list->items[i]);
                reading.record_default("path", "/");
                reading.record_default("strip", "false");
                reading.record_default("project", "\"\"");
                reading.record_default("tls", "service");
                route.id = route_id(route.host, route.path);
            } else {
                read_route(reading, list->items[i], route);
            }
            routes.push_back(std::move(route));
        }
        reading.shown = kept;
    }
    reading.key = outer;
}

// The list inside `instances:`; null when it says `fixed` alone or is wrong.
const Node* instance_list(Reading& reading, const Node& node, ServiceSpec& spec) {
    if (node.is_list()) return &node;
    if (node.is_scalar() && node.text == "fixed") {
        spec.instances_fixed = true;
        return nullptr;
    }
    const Node* fixed = node.find("fixed");
    if (node.is_map() && node.entries.size() == 1 && fixed != nullptr && fixed->is_list()) {
        spec.instances_fixed = true;
        return fixed;
    }
    reading.refuse(node, "not a list of instances");
    return nullptr;
}

void name_the_unnamed(ServiceSpec& spec) {
    std::unordered_set<std::string> taken;
    for (const InstanceSpec& instance : spec.instances)
        if (instance.named) taken.insert(instance.name.str());
    for (std::size_t i = 0; i < spec.instances.size(); ++i) {
        InstanceSpec& instance = spec.instances[i];
        if (instance.named) continue;
        for (std::size_t n = i + 1;; ++n) {
            instance.name = fmt::format("{}-{}", spec.name, n);
            if (taken.insert(instance.name.str()).second) break;
        }
    }
}

bool needs_address(const CheckSpec& check) {
    return check.connects() || std::holds_alternative<Unchecked>(check.what);
}

void read_instances(Reading& reading, const ServiceDraft& draft, ServiceSpec& spec) {
    if (draft.instances != nullptr) {
        const Reading::Step step(reading, "instances");
        const Key* outer = std::exchange(reading.key, find_key(Section::service, "instances"));
        const Node* list = instance_list(reading, *draft.instances, spec);
        if (list != nullptr && list->items.size() > max_instances_per_service) {
            reading.problem(*list, fmt::format("more than {} instances", max_instances_per_service));
            list = nullptr;
        }
        if (list != nullptr) {
            spec.instances.reserve(list->items.size());
            const std::string kept = reading.shown;
            for (std::size_t i = 0; i < list->items.size(); ++i) {
                const Reading::Step inner(reading, i);
                if (reading.effective) reading.shown = fmt::format("{}instances[{}].", kept, i);
                InstanceSpec instance;
                instance.owner = spec.owner;
                if (read_instance(reading, list->items[i], *spec.checks, instance)) spec.instances.push_back(std::move(instance));
            }
            reading.shown = kept;
        }
        reading.key = outer;
        name_the_unnamed(spec);
    }
    const CheckList& checks = *spec.checks;
    if (spec.instances.empty() && !spec.deploy && !checks.empty() && std::ranges::none_of(checks, [](const auto& check) { return needs_address(*check); })) {
        InstanceSpec implicit;
        implicit.name = spec.name;
        implicit.named = true;
        implicit.owner = spec.owner;
        implicit.mark = spec.mark;
        spec.instances.push_back(std::move(implicit));
    }
}

}  // namespace

bool is_service_name(std::string_view text) {
    const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= 63 && alphanumeric(text.front()) && alphanumeric(text.back()) &&
           std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_implicit(const InstanceSpec& instance) { return instance.target.declared.empty(); }

std::string route_id(std::string_view host, std::string_view path) {
    // A NUL occurs in neither, so two different pairs never spell the same.
    return fmt::format("r-{:012x}", hash64(fmt::format("{}{}{}", host, '\0', path)) >> 16);
}

void read_route(Reading& reading, const Node& node, RouteSpec& route) {
    route.mark = reading.mark(node.place);
    read_section(reading, Section::route, &node, &route);
    if (!node.is_map()) return;
    const Node* host = node.find("host");
    const Node* path = node.find("path");
    if (host == nullptr) {
        reading.problem(node, "the route has no host", "host: a name, *.example.org, or *");
    } else if (host->is_scalar()) {
        const Reading::Step step(reading, "host");
        settle_host(reading, *host, route);
    }
    if (path != nullptr && path->is_scalar()) {
        const Reading::Step step(reading, "path");
        settle_path(reading, *path, route);
    }
    route.id = route_id(route.host, route.path);
}

// Everybody who asks such an instance speaks DNS, and its port is known: the one of a server that says none is 53.
static bool asked_by_dns_alone(const CheckList& checks) {
    return !checks.empty() && std::ranges::all_of(checks, [](const auto& check) { return !needs_address(*check) || std::holds_alternative<DnsCheck>(check->what); }) &&
           std::ranges::any_of(checks, [](const auto& check) { return std::holds_alternative<DnsCheck>(check->what); });
}

bool read_instance(Reading& reading, const Node& node, const CheckList& checks, InstanceSpec& instance) {
    instance.mark = reading.mark(node.place);
    InstanceDraft draft;
    draft.spec = instance;
    const Node* address = &node;
    if (node.is_map()) {
        read_section(reading, Section::instance, &node, &draft);
        address = draft.address;
        if (address == nullptr) return reading.problem(node, "the instance has no address", "address: ip:port, [v6]:port, name:port, http(s)://name[:port], unix:/path"), false;
    } else {
        reading.record("address", node);
        reading.record_default("weight", "1");
    }
    if (!address->is_scalar()) return reading.refuse(*address, "not an address"), false;
    constexpr std::string_view allowed = "ip:port, [v6]:port, name:port, http(s)://name[:port], unix:/path";
    auto target = Target::parse(address->text);
    if (!target && asked_by_dns_alone(checks)) {
        if (auto at_usual_port = dns_server(address->text)) target = std::move(at_usual_port);
    }
    if (!target) {
        // The sentence of Target names the address and what is allowed; the latter has its own place here.
        std::string what = target.error().text;
        if (const auto end = what.find("; allowed: "); end != std::string::npos) what.resize(end);
        return reading.problem(*address, std::move(what), std::string(allowed)), false;
    }
    draft.spec.target = std::move(*target);
    draft.spec.checks = overlaid(reading, draft, checks);
    instance = std::move(draft.spec);
    return true;
}

void read_service(Reading& reading, std::string_view name, const Node& node, const Node* defaults, ServiceSpec& service,
                  std::vector<RouteSpec>& routes) {
    service.name = name;
    service.mark = reading.mark(node.place);
    if (!is_service_name(name))
        reading.problem(node, fmt::format("\"{}\" is no service name", escaped(name, 80)), "lower case letters, digits, . _ -, at most 63, first and last a letter or digit");
    ServiceDraft draft;
    draft.spec = std::move(service);
    const std::string kept = reading.shown;
    if (reading.effective) reading.shown = fmt::format("services.{}.", name);
    read_section(reading, Section::service, &node, &draft);
    if (!draft.deploy) reading.record_default("deploy", "none");
    draft.spec.checks = std::make_shared<const CheckList>(read_checks(reading, draft, defaults));
    read_routes(reading, draft, routes);
    ServiceSpec& spec = draft.spec;
    read_instances(reading, draft, spec);
    reading.shown = kept;
    service = std::move(draft.spec);
}

}  // namespace hale::config
