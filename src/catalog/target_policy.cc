#include "catalog/target_policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::catalog {

namespace {

// An admin listener on every address is reached by all of ours; loopback is the one we can know.
bool same_place(const SocketAddress& own, const SocketAddress& to) {
    if (own.is_unix() || to.is_unix()) return own.path == to.path;
    if (own.port != to.port) return false;
    return own.ip == to.ip || (to.ip.is_loopback() && (own.ip.is_loopback() || own.ip.is_unspecified()));
}

}  // namespace

std::optional<std::string> TargetPolicy::refusal(const SocketAddress& to, bool trusted) const {
    if (!to.is_unix()) {
        const auto denied = std::ranges::find_if(deny, [&](const Cidr& block) { return block.contains(to.ip); });
        if (denied != deny.end())
            return fmt::format("{} lies in {}, which targets.deny forbids", to.ip.text(), denied->text());
    }
    if (trusted) return std::nullopt;
    if (!to.is_unix() && to.ip.is_link_local())
        return fmt::format("{} is link-local; only the file may name such a target", to.ip.text());
    if (!to.is_unix() && to.ip.is_unspecified()) return fmt::format("{} is no address of a target", to.ip.text());
    if (std::ranges::any_of(own, [&](const SocketAddress& admin) { return same_place(admin, to); }))
        return fmt::format("{} is Hale's own admin listener", to.text());
    return std::nullopt;
}

}  // namespace hale::catalog
