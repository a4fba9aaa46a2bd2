#include "api/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/nearest.h"
#include "base/text.h"
#include "wire/url.h"

namespace hale::api {

namespace {

constexpr std::size_t most_names_compared = 1000;

std::optional<Resolved> as_service(const catalog::View& view, std::string_view name) {
    const auto* service = view.service(name);
    if (service == nullptr) return std::nullopt;
    return Resolved{.service = service};
}

std::optional<Resolved> as_instance(const catalog::View& view, std::string_view name) {
    const auto* instance = view.instance(name);
    const auto* service = instance != nullptr ? view.service(instance->facts->service_slot) : nullptr;
    if (service == nullptr) return std::nullopt;
    return Resolved{.service = service, .instance = instance};
}

std::optional<Resolved> as_host(const catalog::View& view, std::string_view text) {
    Resolved out{.path = "/"};
    if (text.find("://") != std::string_view::npos) {
        const auto url = wire::parse_url(text);
        if (!url) return std::nullopt;
        out.host = url->host;
        if (!url->path.empty()) out.path = url->path;
    } else {
        const auto slash = text.find('/');
        if (slash != std::string_view::npos) out.path = text.substr(slash);
        wire::HostScratch scratch;
        const std::string_view said = text.substr(0, slash);
        // People write ::1 where a Host header needs its brackets.
        const auto literal = Ip::parse(said);
        const std::string bracketed = literal && !literal->is_v4() ? fmt::format("[{}]", literal->text()) : std::string(said);
        const auto host = wire::normal_host(bracketed, scratch);
        if (!host) return std::nullopt;
        out.host = *host;
    }
    std::string scratch;
    wire::MatchPath match;
    if (wire::path_for_match(out.path, scratch, match) != wire::PathFault::none) return std::nullopt;
    out.route = view.route(out.host, match.path);
    if (out.route == nullptr) return std::nullopt;
    out.service = view.service(out.route->spec.service);
    if (out.service == nullptr) return std::nullopt;
    return out;
}

bool is_bare_word(std::string_view target) {
    return target.find("://") == std::string_view::npos &&
           target.substr(0, target.find_first_of(":/")).find('.') == std::string_view::npos && !target.starts_with('[') && !Ip::parse(target);
}

bool is_named(const catalog::View& view, std::string_view host) {
    return std::ranges::any_of(view.routes(), [&](const catalog::RouteFacts& route) { return route.spec.host == host; });
}

// Among so many names at most: this answers within one turn of the loop, however many instances there are.
std::string nearest_name(const catalog::View& view, std::string_view target) {
    std::vector<std::string> known;
    const auto room = [&] { return known.size() < most_names_compared; };
    for (const auto& [name, slot] : view.service_names()) {
        if (!room()) break;
        known.push_back(name);
    }
    for (const catalog::RouteFacts& route : view.routes()) {
        if (!room()) break;
        if (route.spec.host != "*") known.push_back(route.spec.host);
    }
    for (catalog::Slot slot = 0; slot < view.instance_slots() && room(); ++slot) {
        if (const auto* instance = view.instance(slot)) known.push_back(instance->facts->name.str());
    }
    return nearest(target, known);
}

Error unknown_name(const catalog::View& view, std::string_view target, bool catch_all_takes_it) {
    std::string text = fmt::format("no service, instance or host named \"{}\"", escaped(target));
    if (const std::string near = nearest_name(view, target); !near.empty()) text += fmt::format("; did you mean {}?", near);
    else text += "; see `hale list`";
    if (catch_all_takes_it) text += fmt::format(" (as a host, a catch-all route would take it: host:{})", escaped(target));
    return {Code::not_found, std::move(text)};
}

}  // namespace

Result<Resolved> resolve(const catalog::View& view, std::string_view target) {
    const auto forced = [&](std::string_view prefix) {
        if (!target.starts_with(prefix)) return false;
        target.remove_prefix(prefix.size());
        return true;
    };
    if (target.empty()) return fail(Code::invalid, "no target given; name a host, service or instance");
    if (forced("service:")) {
        if (auto found = as_service(view, target)) return *found;
        return std::unexpected(no_such_service(view, target));
    }
    if (forced("instance:")) {
        if (auto found = as_instance(view, target)) return *found;
        return fail(Code::not_found, fmt::format("there is no instance \"{}\"", escaped(target)));
    }
    if (forced("host:")) {
        if (auto found = as_host(view, target)) return *found;
        return fail(Code::not_found, fmt::format("no route takes host \"{}\"", escaped(target)));
    }
    if (auto found = as_service(view, target)) return *found;
    if (auto found = as_instance(view, target)) return *found;
    const auto host = as_host(view, target);
    const bool by_catch_all = host && host->route->spec.host == "*" && !is_named(view, host->host);
    if (host && !(by_catch_all && is_bare_word(target))) return *host;
    return std::unexpected(unknown_name(view, target, by_catch_all));
}

Error no_such_service(const catalog::View& view, std::string_view name, std::string_view otherwise) {
    std::set<std::string> known;
    // A service that is gone, or an application, may have deployments of that very name.
    const auto deployed = std::ranges::any_of(view.deployments(), [&](const auto& one) { return one.second->service == name; });
    if (deployed) return {Code::not_found, fmt::format("there is no service \"{}\"{}", escaped(name, 80), otherwise)};
    for (const auto& [service, slot] : view.service_names()) {
        if (known.size() >= most_names_compared) break;
        known.insert(service);
    }
    for (const auto& [id, deployment] : view.deployments()) {
        if (known.size() >= most_names_compared) break;
        known.insert(deployment->service);
    }
    std::string text = fmt::format("there is no service \"{}\"", escaped(name, 80));
    if (const std::string near = nearest(name, std::vector<std::string>(known.begin(), known.end())); !near.empty()) text += fmt::format("; did you mean {}?", near);
    else text += otherwise;
    return {Code::not_found, std::move(text)};
}

}  // namespace hale::api
