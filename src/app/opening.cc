// The part of the daemon that opens what it listens on, or goes on with sockets that were handed to it.

#include <fmt/format.h>

#include <utility>

#include "app/daemon.h"
#include "base/log.h"

namespace hale::app {

namespace {

// What one worker listens on for one role. Its own sockets, or one more at the address, or, where another socket is
// not let in beside the handed one, that one together with its other owners.
struct Part {
    std::function<Result<SocketAddress>(proxy::Worker&, const SocketAddress&)> listen;
    SocketAddress address;
    std::vector<os::Listening> own;
    std::optional<os::Listening> shared;
    bool file_is_ours = true;
};

Result<SocketAddress> open_part(WorkerThread& one, Part& part) {
    std::optional<SocketAddress> first;
    for (auto& socket : part.own) {
        const SocketAddress local = socket.local;
        one.thread->net().inherit(std::move(socket), part.file_is_ours);
        HALE_TRY(part.listen(*one.worker, local));
        if (!first) first = local;
    }
    if (first) return *first;
    auto opened = part.listen(*one.worker, part.address);
    if (opened || opened.error().code != Code::conflict || !part.shared) return opened;
    one.thread->net().inherit(std::move(*part.shared), part.file_is_ours);
    return part.listen(*one.worker, part.address);
}

}  // namespace

Result<> Daemon::open_admin(std::string_view role, const std::optional<SocketAddress>& declared, int mode, SocketAddress& where) {
    SocketAddress address = declared.value_or(SocketAddress{});
    auto handed = sockets_.take(role, declared);
    const std::string said = !handed.empty() ? handed.front().declared : address.text();
    if (!handed.empty()) {
        address = handed.front().listening.local;
        api_thread_->net().inherit(std::move(handed.front().listening), !said.empty());
    }
    if (role == "admin") {
        HALE_ASSIGN(where, server_->listen_admin(address, admin_tls_.get()));
    } else if (role == "health") {
        HALE_ASSIGN(where, server_->listen_health(address));
    } else {
        HALE_TRY(server_->listen_socket(address.path.str(), mode));
        where = address;
    }
    sockets_.opened(role, said, where);
    return {};
}

// Every worker binds all there is for it, one worker after the other, and then waits at the gate inside its own turn.
Result<> Daemon::open_traffic(std::string& content, const std::shared_future<void>& opened) {
    struct Role {
        std::string_view name;
        std::optional<SocketAddress> declared;
        std::function<Result<SocketAddress>(proxy::Worker&, const SocketAddress&)> listen;
        std::vector<RoleSocket> handed = {};
        std::vector<std::vector<std::size_t>> shares = {};  // Of `handed`, by worker.
        os::Descriptor lent = {};                           // For workers that get none and may not open one beside it.
        SocketAddress address = {};
        std::string said = {};
    };
    std::vector<Role> roles;
    // Over TLS first: who comes without is sent to its port.
    roles.push_back({"https", settings_.https, [](proxy::Worker& worker, const SocketAddress& address) { return worker.listen_secure(address); }});
    roles.push_back({"http", settings_.http, [](proxy::Worker& worker, const SocketAddress& address) { return worker.listen(address); }});
    for (Role& role : roles) {
        role.handed = sockets_.take(role.name, role.declared);
        role.shares = shared_out(role.handed.size(), workers_.size());
        if (role.declared) role.address = *role.declared, role.said = role.declared->text();
        if (role.handed.empty()) continue;
        role.address = role.handed.front().listening.local;
        role.said = role.handed.front().declared;
        HALE_ASSIGN(role.lent, os::duplicate(role.handed.front().listening.socket.get()));
    }
    std::erase_if(roles, [](const Role& role) { return role.handed.empty() && !role.declared; });
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        std::vector<Part> parts;
        for (Role& role : roles) {
            Part part{.listen = role.listen, .address = role.address, .own = {}, .shared = {}, .file_is_ours = !role.said.empty()};
            for (const std::size_t which : role.shares[i]) part.own.push_back(std::move(role.handed[which].listening));
            if (part.own.empty() && role.lent) {
                HALE_ASSIGN(auto copy, os::duplicate(role.lent.get()));
                part.shared = os::Listening{std::move(copy), role.address};
            }
            parts.push_back(std::move(part));
        }
        std::promise<Result<std::vector<SocketAddress>>> bound;
        auto result = bound.get_future();
        WorkerThread& one = workers_[i];
        one.thread->loop().post([&one, &bound, parts = std::move(parts), opened]() mutable {
            const auto open = [&]() -> Result<std::vector<SocketAddress>> {
                std::vector<SocketAddress> where;
                for (Part& part : parts) {
                    HALE_ASSIGN(where.emplace_back(), open_part(one, part));
                }
                return where;
            };
            bound.set_value(open());
            opened.wait();
        });
        HALE_ASSIGN(const auto where, result.get());
        for (std::size_t r = 0; r < roles.size(); ++r) {
            roles[r].address = where[r];  // Port 0: the first worker's choice is everybody's.
            if (i == 0) content += fmt::format(",\"{}\":\"{}\"", roles[r].name, where[r].text());
            sockets_.opened(roles[r].name, roles[r].said, where[r]);
        }
    }
    catalog::Front front;
    for (const Role& role : roles) (role.name == "https" ? front.https : front.http) = role.address;
    control_thread_->loop().post([this, front = std::move(front)]() mutable { control_->set_front(std::move(front)); });
    return {};
}

}  // namespace hale::app
