#include "api/target.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/url.h"

namespace hale::api {

namespace {

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
        const auto host = wire::normal_host(text.substr(0, slash), scratch);
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
        return fail(Code::not_found, fmt::format("there is no service \"{}\"", escaped(target)));
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
    if (auto found = as_host(view, target)) return *found;
    return fail(Code::not_found, fmt::format("\"{}\" is no service, no instance, and no route takes it as a host; see `hale list`", escaped(target)));
}

}  // namespace hale::api
