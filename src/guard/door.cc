#include "guard/door.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "wire/url.h"

namespace hale::guard {

Caller caller_of(const io::PeerCredentials& peer, const UnixRights& rights) {
    Caller caller{.name = fmt::format("uid:{}", peer.uid), .role = Role::none, .loopback = true};
    const bool operators = rights.operators_gid != ~0u &&
                           (peer.gid == rights.operators_gid || std::ranges::find(peer.groups, rights.operators_gid) != peer.groups.end());
    if (peer.uid == 0 || peer.uid == rights.daemon_uid) caller.role = Role::admin;
    else if (operators) caller.role = Role::operate;
    return caller;
}

std::string_view bearer(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (authorization.size() <= scheme.size() || !equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return {};
    return trim(authorization.substr(scheme.size()));
}

Identified identify(const Asking& asking, const Tokens& tokens, const UnixRights& rights, Utc now) {
    const bool loopback = asking.peer.is_unix() || asking.credentials || asking.peer.ip.is_loopback();
    if (asking.head.fields.has(wire::Known::authorization)) {
        const auto* token = tokens.find(bearer(asking.head.fields.value(wire::Known::authorization)), now);
        const auto role = token != nullptr ? parse_role(token->role) : std::nullopt;
        if (!role) return {.caller = {.loopback = loopback}, .bad_token = true};
        return {.caller = {.name = token->name, .role = *role, .loopback = loopback}};
    }
    if (asking.credentials) return {.caller = caller_of(*asking.credentials, rights)};
    return {.caller = {.loopback = loopback}};
}

bool host_allowed(const wire::RequestHead& head, std::span<const std::string> declared) {
    wire::HostScratch scratch;
    const auto host = wire::normal_host(head.host, scratch);
    if (!host) return false;
    std::string_view bare = *host;
    if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
    if (bare == "localhost" || Ip::parse(bare)) return true;
    return std::ranges::any_of(declared, [&](const std::string& name) { return equal_ignoring_case(name, bare); });
}

bool origin_allowed(const wire::RequestHead& head) {
    if (!head.fields.has(wire::Known::origin)) return true;
    const std::string_view origin = head.fields.value(wire::Known::origin);
    const auto scheme = origin.find("://");
    return scheme != std::string_view::npos && equal_ignoring_case(origin.substr(scheme + 3), head.authority);
}

}  // namespace hale::guard
