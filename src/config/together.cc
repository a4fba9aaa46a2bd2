// What may be wrong between objects that are right by themselves.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/text.h"
#include "config/load.h"

namespace hale::config {

namespace {

struct Names {
    std::unordered_map<std::string_view, const ServiceSpec*> services;
};

std::string owned(const ServiceSpec& service, const Mark& mark) {
    return service.owner == Owner::file ? fmt::format("file, {}", mark.text()) : std::string(to_text(service.owner));
}

Problem at(const Mark& mark, std::string key, std::string what, std::string allowed = {}) {
    std::string pointer;
    for (const std::string_view step : split(key, '.')) pointer += fmt::format("/{}", step);
    return {mark, std::move(key), std::move(pointer), std::move(what), std::move(allowed)};
}

void check_names(std::span<const ServiceSpec* const> services, Names& names, Problems& problems) {
    for (const ServiceSpec* service : services) {
        const auto [found, fresh] = names.services.emplace(service->name, service);
        if (!fresh)
            problems.push_back(at(service->mark, "services." + service->name,
                                  fmt::format("service {} is declared twice: owner {}, and owner {}", service->name,
                                              owned(*found->second, found->second->mark), owned(*service, service->mark))));
    }
}

void check_instances(const ServiceSpec& service, Problems& problems) {
    std::unordered_map<std::string_view, const InstanceSpec*> by_name;
    std::unordered_map<std::string_view, const InstanceSpec*> by_address;
    by_name.reserve(service.instances.size());
    by_address.reserve(service.instances.size());
    const std::string key = "services." + service.name + ".instances";
    for (const InstanceSpec& instance : service.instances) {
        if (const auto [found, fresh] = by_name.emplace(instance.name, &instance); !fresh)
            problems.push_back(at(instance.mark, key, fmt::format("instance name {} is used twice, first at {}", instance.name, found->second->mark.text())));
        // Two names may share one address; two nameless ones could not be told apart.
        if (instance.target.declared.empty()) continue;
        const auto [found, fresh] = by_address.emplace(instance.target.declared, &instance);
        if (!fresh && !(instance.named && found->second->named))
            problems.push_back(at(instance.mark, key, fmt::format("address {} is listed twice, first at {}", instance.target.declared, found->second->mark.text()),
                                  "different addresses, or a name for each"));
    }
}

void check_routes(std::span<const RouteSpec* const> routes, const Names& names, const Gaps& gaps, Problems& problems) {
    std::unordered_map<std::string, const RouteSpec*> taken;
    taken.reserve(routes.size());
    std::unordered_set<std::string_view> said;
    for (const RouteSpec* route : routes) {
        const auto [other, fresh] = taken.emplace(fmt::format("{}{}", route->host, route->path), route);
        if (!fresh)
            problems.push_back(at(route->mark, fmt::format("services.{}.routes", route->service),
                                  fmt::format("host {} with path {} belongs to service {} (owner {}, {}) and to service {} (owner {}, {})", route->host, route->path,
                                              other->second->service, to_text(other->second->owner), other->second->mark.text(), route->service,
                                              to_text(route->owner), route->mark.text()),
                                  "another host or path for one of them"));
        const auto service = names.services.find(route->service);
        if (service == names.services.end() && gaps.services.contains(route->service)) continue;
        if (service == names.services.end())
            problems.push_back(at(route->mark, "routes", fmt::format("route {}{} leads to service {}, which does not exist", route->host, route->path, route->service)));
        else if (const auto& checks = *service->second->checks;
                 std::ranges::none_of(checks, [](const auto& check) { return check->scope == CheckScope::instance; }) && said.insert(route->service).second)
            problems.push_back(at(service->second->mark, "services." + route->service,
                                  checks.empty() ? fmt::format("service {} is routed and has no check", route->service)
                                                 : fmt::format("service {} is routed, and all its checks are of scope service: they never put an instance into traffic",
                                                               route->service),
                                  checks.empty() ? "check: {http: /up}, or check: none with reason: a sentence" : "one check of scope instance beside them"));
    }
}

// Clients are asked for certificates once a connection, before any path is known: a host has one authority of clients.
void check_client_authorities(std::span<const RouteSpec* const> routes, const Names& names, Problems& problems) {
    struct Asked {
        const RouteSpec* route;
        const std::string* authority;
    };
    std::unordered_map<std::string_view, Asked> by_host;
    for (const RouteSpec* route : routes) {
        const auto service = names.services.find(route->service);
        if (service == names.services.end()) continue;
        const auto& tls = route->tls.or_else(service->second->tls);
        if (!tls || !tls->client_required) continue;
        const auto [known, fresh] = by_host.emplace(route->host, Asked{route, &tls->client_ca_pem});
        if (!fresh && *known->second.authority != tls->client_ca_pem)
            problems.push_back(at(route->mark, fmt::format("services.{}.routes", route->service),
                                  fmt::format("host {}: its route {} has another client_ca than its route {} ({}), and clients are asked once for both", route->host, route->path,
                                              known->second.route->path, known->second.route->mark.text()),
                                  "one client_ca for a host"));
    }
}

// Walks the graph of composites: member names, cycles, and how long a whole answer may take.
class Composites {
public:
    Composites(const Names& names, const Gaps& gaps, Problems& problems) : names_(names), gaps_(gaps), problems_(problems) {}

    void check(const ServiceSpec& service) {
        for (const auto& check : *service.checks)
            if (std::holds_alternative<CompositeCheck>(check->what)) worst(service, *check);
    }

private:
    enum class Visit : std::uint8_t { under_way, done };
    struct Known {
        Visit visit = Visit::under_way;
        Duration worst{};
    };
    struct Member {
        std::string name;
        Duration worst{};
    };

    static std::string key_of(const ServiceSpec& service, const CheckSpec& check) {
        return fmt::format("services.{}.checks.{}.composite", service.name, check.name);
    }

    Duration worst(const ServiceSpec& service, const CheckSpec& check) {
        const auto* composite = std::get_if<CompositeCheck>(&check.what);
        if (composite == nullptr)
            return std::holds_alternative<HeartbeatCheck>(check.what) || std::holds_alternative<Unchecked>(check.what) ? Duration{0} : check.timing.timeout;
        const std::string key = key_of(service, check);
        const auto [known, fresh] = known_.emplace(&check, Known{});
        if (!fresh) {
            if (known->second.visit == Visit::under_way) {
                std::string circle;
                const auto start = std::ranges::find(trail_, &check, &std::pair<const CheckSpec*, std::string>::first);
                for (auto step = start; step != trail_.end(); ++step) circle += step->second + " → ";
                problems_.push_back(at(service.mark, key, fmt::format("composites depend on each other in a circle: {}{}/{}", circle, service.name, check.name)));
            }
            return known->second.worst;
        }
        if (trail_.size() >= max_nesting) {
            problems_.push_back(at(service.mark, key, fmt::format("composites of composites deeper than {}", max_nesting)));
            return {};
        }
        trail_.emplace_back(&check, fmt::format("{}/{}", service.name, check.name));
        std::vector<Member> members;
        for (const auto* list : {&composite->of, &composite->advisory})
            for (const std::string& name : *list) members.push_back({name, worst_of_member(service, name, key)});
        trail_.pop_back();
        Duration total{0};
        for (const Member& member : members) total = composite->run == MemberOrder::sequence ? total + member.worst : std::max(total, member.worst);
        known_[&check] = {Visit::done, total};
        if (composite->caller_timeout && total > *composite->caller_timeout && !gaps_.timing) {
            std::string sum;
            for (const Member& member : members) sum += fmt::format("{}{} {}", sum.empty() ? "" : composite->run == MemberOrder::sequence ? " + " : ", ", member.name, duration_text(member.worst));
            problems_.push_back(at(service.mark, key + ".caller_timeout",
                                   fmt::format("the worst case is {} ({}: {}), and the caller waits {}", duration_text(total),
                                               composite->run == MemberOrder::sequence ? "sum" : "maximum", sum, duration_text(*composite->caller_timeout)),
                                   fmt::format("at least {}, or shorter timeouts of the members", duration_text(total))));
        }
        return total;
    }

    Duration worst_of_member(const ServiceSpec& service, std::string_view name, const std::string& key) {
        const auto slash = name.find('/');
        const auto found = names_.services.find(name.substr(0, slash));
        if (found == names_.services.end() && gaps_.services.contains(name.substr(0, slash))) return {};
        if (found == names_.services.end()) {
            problems_.push_back(at(service.mark, key, fmt::format("member {}: there is no service {}", name, name.substr(0, slash))));
            return {};
        }
        const ServiceSpec& other = *found->second;
        if (slash == std::string_view::npos) {
            Duration longest{0};
            for (const auto& one : *other.checks) longest = std::max(longest, worst(other, *one));
            return longest;
        }
        const auto one = std::ranges::find(*other.checks, name.substr(slash + 1), [](const auto& spec) -> std::string_view { return spec->name; });
        if (one == other.checks->end()) {
            problems_.push_back(at(service.mark, key, fmt::format("member {}: service {} has no check {}", name, other.name, name.substr(slash + 1))));
            return {};
        }
        return worst(other, **one);
    }

    static constexpr std::size_t max_nesting = 64;

    const Names& names_;
    const Gaps& gaps_;
    Problems& problems_;
    std::unordered_map<const CheckSpec*, Known> known_;
    std::vector<std::pair<const CheckSpec*, std::string>> trail_;
};

}  // namespace

Problems check_together(std::span<const ServiceSpec* const> services, std::span<const RouteSpec* const> routes, const Gaps& gaps) {
    Problems problems;
    Names names;
    check_names(services, names, problems);
    for (const ServiceSpec* service : services) check_instances(*service, problems);
    check_routes(routes, names, gaps, problems);
    check_client_authorities(routes, names, problems);
    Composites composites(names, gaps, problems);
    for (const ServiceSpec* service : services) composites.check(*service);
    if (problems.size() > max_problems) problems.resize(max_problems);
    return problems;
}

Problems check_together(std::span<const ServiceSpec> services, std::span<const RouteSpec> routes) {
    std::vector<const ServiceSpec*> all_services;
    std::vector<const RouteSpec*> all_routes;
    for (const ServiceSpec& service : services) all_services.push_back(&service);
    for (const RouteSpec& route : routes) all_routes.push_back(&route);
    return check_together(all_services, all_routes);
}

}  // namespace hale::config
