#include "app/sockets.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace hale::app {

std::vector<std::vector<std::size_t>> shared_out(std::size_t sockets, std::size_t workers) {
    std::vector<std::vector<std::size_t>> of(workers);
    if (workers == 0) return of;
    for (std::size_t i = 0; i < sockets; ++i) of[i % workers].push_back(i);
    return of;
}

Result<> Sockets::check(const std::vector<RoleSocket>& sockets) {
    for (const auto& one : sockets)
        if (std::ranges::find(socket_roles, one.role) == std::end(socket_roles))
            return fail(Code::invalid, fmt::format("a socket on {} was passed under the name \"{}\" (LISTEN_FDNAMES); allowed: {}", one.listening.local.text(),
                                                   escaped(one.role), fmt::join(socket_roles, ", ")));
    return {};
}

std::vector<RoleSocket> Sockets::take(std::string_view role, const std::optional<SocketAddress>& declared) {
    std::vector<RoleSocket> taken, rest;
    for (auto& one : std::exchange(handed_, {})) {
        if (one.role != role) rest.push_back(std::move(one));
        else if (one.activated() || (declared && one.declared == declared->text())) taken.push_back(std::move(one));
        else log(LogLevel::warning, fmt::format("nobody listens on {} any more: listen.{} is {} now", one.listening.local.text(), role, declared ? declared->text() : "not set"));
    }
    handed_ = std::move(rest);
    return taken;
}

bool Sockets::activated(std::string_view role) const {
    return std::ranges::any_of(handed_, [&](const auto& one) { return one.role == role && one.activated(); });
}

void Sockets::opened(std::string_view role, std::string_view declared, const SocketAddress& local) {
    open_.push_back({std::string(role), std::string(declared), local});
}

std::vector<RoleSocket> Sockets::named(std::vector<os::Listening> all) const {
    std::vector<RoleSocket> out;
    for (auto& one : all) {
        const auto known = std::ranges::find(open_, one.local, &Open::local);
        if (known != open_.end()) out.push_back({known->role, known->declared, std::move(one)});
    }
    return out;
}

}  // namespace hale::app
