#include "deploy/containers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace hale::deploy {

template <class Begin>
void Containers::begin(Begin begin) {
    const auto id = next_++;
    calls_.emplace(id, nullptr);
    auto call = begin(id);
    if (const auto at = calls_.find(id); at != calls_.end()) at->second = std::move(call);
}

void Containers::over(std::uint64_t id) {
    engine_.loop().post([this, id, here = std::weak_ptr(self_)] {
        if (!here.expired()) calls_.erase(id);
    });
}

namespace {

// By trying: whoever listens there is in the way of the engine as well.
struct Nobody final : io::AcceptHandler {
    void on_accept(std::unique_ptr<io::Stream>) noexcept override {}
};
bool taken(io::Net& net, const config::PublishedPort& port) {
    const auto ip = Ip::parse(port.ip.empty() ? "0.0.0.0" : port.ip);
    if (port.udp || !ip) return false;
    Nobody nobody;
    const auto listening = net.listen({.address = {.ip = *ip, .port = port.host, .path = {}}}, nobody);
    return !listening && listening.error().system == EADDRINUSE;
}

}  // namespace

void Containers::room(const std::vector<config::PublishedPort>& ports, std::move_only_function<void(Result<Room>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.info(engine_.soon(), [this, id, ports, then = std::move(then)](Result<docker::EngineInfo> info) mutable {
            over(id);
            if (!info) return then(std::unexpected(std::move(info.error())));
            Room room{.memory_bytes = info->memory_bytes, .disk = info->root, .free_disk_bytes = info->free_disk_bytes, .containers = {}, .taken = {}};
            const bool here = !engine_.place().path.empty();
            std::error_code unknown;
            if (const auto space = std::filesystem::space(info->root, unknown); here && !info->root.empty() && !unknown) room.free_disk_bytes = space.available;
            if (ports.empty()) return then(std::move(room));
            for (const auto& port : ports)
                if (here && taken(engine_.net(), port)) room.taken.push_back(port);
            begin([&](std::uint64_t call) {
                return engine_.list({}, engine_.soon(), [this, call, room = std::move(room), then = std::move(then)](Result<std::vector<docker::Listed>> all) mutable {
                    over(call);
                    if (!all) return then(std::unexpected(std::move(all.error())));
                    room.containers = std::move(*all);
                    then(std::move(room));
                });
            });
        });
    });
}

void Containers::image(const std::string& name, std::move_only_function<void(Result<docker::ImageFacts>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.inspect_image(name, engine_.soon(), [this, id, then = std::move(then)](Result<docker::ImageFacts> it) mutable {
            over(id);
            then(std::move(it));
        });
    });
}

void Containers::pull(const std::string& name, const docker::RegistryAuth& auth, Instant by, std::move_only_function<void(const docker::PullProgress&)> progress, Done then) {
    begin([&](std::uint64_t id) {
        return engine_.pull({.image = name, .platform = {}, .auth = auth}, by, std::move(progress), [this, id, then = std::move(then)](Result<docker::Pulled> it) mutable {
            over(id);
            if (it) then({});
            else then(std::unexpected(std::move(it.error())));
        });
    });
}

void Containers::inspect(const std::string& name, std::move_only_function<void(Result<docker::Inspected>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.inspect(name, engine_.soon(), [this, id, then = std::move(then)](Result<docker::Inspected> it) mutable {
            over(id);
            then(std::move(it));
        });
    });
}

void Containers::create(docker::ContainerPlan plan, Done then) {
    // Its name first: what is there already by our own hand is fine, what somebody else made is not touched.
    const std::string name = plan.name;
    inspect(name, [this, plan = std::move(plan), then = std::move(then)](Result<docker::Inspected> there) mutable {
        if (there) {
            if (label(*there, deployment_label) == label(plan, deployment_label)) return then({});
            return then(fail(Code::conflict, fmt::format("a container named {} is there already, and this deployment did not make it: it is left alone", plan.name)));
        }
        if (there.error().code != Code::not_found) return then(std::unexpected(std::move(there.error())));
        const std::string network = plan.network, service = plan.labels.at(std::string(service_label));
        with_network(network, service, [this, plan = std::move(plan), then = std::move(then)](Result<> there_is) mutable {
            if (there_is) make(std::move(plan), std::move(then));
            else then(std::move(there_is));
        });
    });
}

// The engine takes two networks of one name for two networks: so one call makes it, and the others wait for that.
void Containers::with_network(const std::string& name, const std::string& service, Done then) {
    auto& waiting = networks_[name];
    waiting.push_back(std::move(then));
    if (waiting.size() > 1) return;
    const auto settled = [this, name](Result<> result) {
        for (auto& one : std::exchange(networks_[name], {})) one(result);
    };
    begin([&](std::uint64_t id) {
        return engine_.inspect_network(name, engine_.soon(), [this, id, name, service, settled](Result<docker::NetworkFacts> found) {
            over(id);
            if (found) return settled({});
            if (found.error().code != Code::not_found) return settled(std::unexpected(found.error()));
            docker::NetworkPlan plan{.name = name};
            plan.labels[std::string(service_label)] = service;
            begin([&](std::uint64_t call) {
                return engine_.create_network(plan, engine_.soon(), [this, call, settled](Result<std::string> made) {
                    over(call);
                    // Another deployment was quicker.
                    if (!made && made.error().code != Code::conflict) return settled(std::unexpected(made.error()));
                    settled({});
                });
            });
        });
    });
}

void Containers::make(docker::ContainerPlan plan, Done then) {
    if (no_more_) return then(fail(Code::conflict, fmt::format("container {} is not made: its deployment is being undone", plan.name)));
    ++creating_;
    begin([&](std::uint64_t id) {
        return engine_.create(plan, engine_.soon(), [this, id, then = std::move(then)](Result<docker::Created> made) mutable {
            over(id);
            if (--creating_ == 0)
                for (auto& one : std::exchange(waiting_, {})) engine_.loop().post(std::move(one));
            if (made) then({});
            else then(std::unexpected(std::move(made.error())));
        });
    });
}

void Containers::create_no_more(io::Task then) {
    no_more_ = true;
    if (creating_ == 0) return then();
    waiting_.push_back(std::move(then));
}

void Containers::start(const std::string& name, const std::string& network, std::uint16_t port, std::move_only_function<void(Result<Begun>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.start(name, engine_.soon(), [this, id, name, network, port, then = std::move(then)](Result<> started) mutable {
            over(id);
            if (!started) return then(std::unexpected(std::move(started.error())));
            inspect(name, [this, network, port, then = std::move(then)](Result<docker::Inspected> it) mutable {
                if (!it) return then(std::unexpected(std::move(it.error())));
                if (it->state == docker::ContainerState::exited || it->state == docker::ContainerState::dead) return then(Begun{{}, std::move(*it)});
                if (port == 0) return then(Begun{});
                auto address = address_of(*it, engine_.place(), network, port);
                if (address) then(Begun{std::move(*address), {}});
                else then(std::unexpected(std::move(address.error())));
            });
        });
    });
}

void Containers::stop(const std::string& name, Duration grace, Done then) {
    begin([&](std::uint64_t id) {
        return engine_.stop(name, grace, engine_.loop().now() + grace + stop_margin, [this, id, then = std::move(then)](Result<> stopped) mutable {
            over(id);
            if (!stopped && stopped.error().code == Code::not_found) return then({});
            then(std::move(stopped));
        });
    });
}

void Containers::remove(const std::string& name, const Label& whose, Duration grace, Done then) {
    inspect(name, [this, name, whose, grace, then = std::move(then)](Result<docker::Inspected> it) mutable {
        if (!it && it.error().code == Code::not_found) return then({});
        if (!it) return then(std::unexpected(std::move(it.error())));
        if (label(*it, whose.name) != whose.value) return then({});
        stop(name, grace, [this, name, then = std::move(then)](Result<> stopped) mutable {
            if (!stopped) return then(std::move(stopped));
            begin([&](std::uint64_t id) {
                return engine_.remove(name, {.force = true, .volumes = true}, engine_.soon(), [this, id, then = std::move(then)](Result<> removed) mutable {
                    over(id);
                    if (!removed && removed.error().code == Code::not_found) return then({});
                    then(std::move(removed));
                });
            });
        });
    });
}

void Containers::logs(const std::string& name, std::move_only_function<void(std::vector<std::string>)> then) {
    inspect(name, [this, name, then = std::move(then)](Result<docker::Inspected> it) mutable {
        if (!it) return then({});
        auto text = std::make_shared<std::string>();
        begin([&](std::uint64_t id) {
            return engine_.logs(
                name, {.tail = most_log_lines, .follow = false, .timestamps = false, .tty = it->tty, .since = {}}, engine_.soon(),
                [text](docker::Source, std::string_view piece) {
                    // What went wrong stands at the end.
                    text->append(piece);
                    if (text->size() > 2 * most_log_bytes) text->erase(0, text->size() - most_log_bytes);
                },
                [this, id, text, then = std::move(then)](Result<>) mutable {
                    over(id);
                    std::vector<std::string> lines;
                    const std::size_t beyond = text->size() > most_log_bytes ? text->size() - most_log_bytes : 0;
                    for (const auto line : split(std::string_view(*text).substr(beyond), '\n'))
                        if (!line.empty()) lines.push_back(escaped(line, 500));
                    if (lines.size() > most_log_lines) lines.erase(lines.begin(), lines.end() - most_log_lines);
                    then(std::move(lines));
                });
        });
    });
}

void Containers::labelled(const Label& label, std::move_only_function<void(Result<std::vector<docker::Listed>>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.list({fmt::format("{}={}", label.name, label.value)}, engine_.soon(), [this, id, then = std::move(then)](Result<std::vector<docker::Listed>> all) mutable {
            over(id);
            if (all) std::ranges::sort(*all, [](const auto& a, const auto& b) { return b.created.value_or(Utc{}) < a.created.value_or(Utc{}); });
            then(std::move(all));
        });
    });
}

}  // namespace hale::deploy
