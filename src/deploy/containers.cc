#include "deploy/containers.h"

#include <fmt/format.h>

#include <algorithm>
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

void Containers::image(const std::string& name, std::move_only_function<void(Result<docker::ImageFacts>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.inspect_image(name, engine_.soon(), [this, id, then = std::move(then)](Result<docker::ImageFacts> it) mutable {
            over(id);
            then(std::move(it));
        });
    });
}

void Containers::pull(const std::string& name, const docker::RegistryAuth& auth, Instant by, Done then) {
    begin([&](std::uint64_t id) {
        return engine_.pull({.image = name, .platform = {}, .auth = auth}, by, [](const docker::PullProgress&) {}, [this, id, then = std::move(then)](Result<docker::Pulled> it) mutable {
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
            const auto made_by = there->labels.find(std::string(deployment_label));
            if (made_by != there->labels.end() && made_by->second == plan.labels.at(std::string(deployment_label))) return then({});
            return then(fail(Code::conflict, fmt::format("a container named {} is there already, and this deployment did not make it: it is left alone", plan.name)));
        }
        if (there.error().code != Code::not_found) return then(std::unexpected(std::move(there.error())));
        begin([&](std::uint64_t id) {
            const std::string network = plan.network;
            return engine_.inspect_network(network, engine_.soon(), [this, id, plan = std::move(plan), then = std::move(then)](Result<docker::NetworkFacts> found) mutable {
                over(id);
                const auto make = [this](docker::ContainerPlan what, Done done) {
                    begin([&](std::uint64_t call) {
                        return engine_.create(what, engine_.soon(), [this, call, done = std::move(done)](Result<docker::Created> made) mutable {
                            over(call);
                            if (made) done({});
                            else done(std::unexpected(std::move(made.error())));
                        });
                    });
                };
                if (found) return make(std::move(plan), std::move(then));
                if (found.error().code != Code::not_found) return then(std::unexpected(std::move(found.error())));
                docker::NetworkPlan network_plan{.name = plan.network};
                network_plan.labels[std::string(service_label)] = plan.labels.at(std::string(service_label));
                begin([&](std::uint64_t call) {
                    return engine_.create_network(network_plan, engine_.soon(), [this, call, make, plan = std::move(plan), then = std::move(then)](Result<std::string> made) mutable {
                        over(call);
                        // Two containers of one deployment may both have found none.
                        if (!made && made.error().code != Code::conflict) return then(std::unexpected(std::move(made.error())));
                        make(std::move(plan), std::move(then));
                    });
                });
            });
        });
    });
}

void Containers::start(const std::string& name, const std::string& network, std::uint16_t port, std::move_only_function<void(Result<std::string>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.start(name, engine_.soon(), [this, id, name, network, port, then = std::move(then)](Result<> started) mutable {
            over(id);
            if (!started) return then(std::unexpected(std::move(started.error())));
            inspect(name, [this, network, port, then = std::move(then)](Result<docker::Inspected> it) mutable {
                if (!it) return then(std::unexpected(std::move(it.error())));
                if (it->state == docker::ContainerState::exited || it->state == docker::ContainerState::dead)
                    return then(fail(Code::unavailable, fmt::format("container {} ended at once, with exit code {}{}", it->name, it->exit_code, it->error.empty() ? "" : ": " + it->error)));
                then(address_of(*it, engine_.place(), network, port));
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

void Containers::remove(const std::string& name, const std::string& service, Duration grace, Done then) {
    inspect(name, [this, name, service, grace, then = std::move(then)](Result<docker::Inspected> it) mutable {
        if (!it && it.error().code == Code::not_found) return then({});
        if (!it) return then(std::unexpected(std::move(it.error())));
        const auto label = it->labels.find(std::string(service_label));
        if (label == it->labels.end() || label->second != service) return then({});
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
                    if (text->size() < most_log_bytes) text->append(piece.substr(0, most_log_bytes - text->size()));
                },
                [this, id, text, then = std::move(then)](Result<>) mutable {
                    over(id);
                    std::vector<std::string> lines;
                    for (const auto line : split(*text, '\n'))
                        if (!line.empty()) lines.push_back(escaped(line, 500));
                    if (lines.size() > most_log_lines) lines.erase(lines.begin(), lines.end() - most_log_lines);
                    then(std::move(lines));
                });
        });
    });
}

void Containers::of_service(const std::string& service, std::move_only_function<void(Result<std::vector<docker::Listed>>)> then) {
    begin([&](std::uint64_t id) {
        return engine_.list({fmt::format("{}={}", service_label, service)}, engine_.soon(), [this, id, then = std::move(then)](Result<std::vector<docker::Listed>> all) mutable {
            over(id);
            if (all) std::ranges::sort(*all, [](const auto& a, const auto& b) { return b.created.value_or(Utc{}) < a.created.value_or(Utc{}); });
            then(std::move(all));
        });
    });
}

}  // namespace hale::deploy
