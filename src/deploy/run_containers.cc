// The part of a deployment that makes containers: pulls, creates, starts and watches them, and takes away those whose place
// they took.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "config/load.h"
#include "deploy/planning.h"
#include "deploy/run.h"

namespace hale::deploy {

using rollout::Do;
using rollout::Fault;
using rollout::Phase;

namespace {
constexpr std::uint32_t most_restarts = 3;  // So many ends, and it is a loop.
}  // namespace

void Run::watch_containers() {
    if (!record_.containers || containers_) return;
    if (parts_.engine == nullptr) return;
    containers_ = std::make_unique<Containers>(*parts_.engine);
    docker::WatchListener& listener = *this;
    watch_ = std::make_unique<docker::Watch>(*parts_.engine, std::vector<std::string>{fmt::format("{}={}", deployment_label, record_.id)}, parts_.seed, listener);
    watch_->start();
}

// What is declared may have changed since it was planned, and its secrets are never stored: read anew for each command.
void Run::with_spec(Fault otherwise, std::move_only_function<void(const config::DeploySpec&, const catalog::ServiceNow&)> then) {
    parts_.catalog.look(record_.service, mine([this, otherwise, then = std::move(then)](catalog::ServiceNow now) mutable {
        std::shared_ptr<const config::ServiceSpec> service = now.spec;
        if (!service && !record_.service_json.empty()) {
            auto made = config::load_service(record_.service, record_.service_json, *now.document);
            if (made) service = std::make_shared<const config::ServiceSpec>(std::move(made->service));
        }
        if (!service) return feed(rollout::Failed{otherwise, fmt::format("there is no service \"{}\" any more", record_.service)});
        auto spec = containers_of(*service, record_.overrides, *now.document);
        if (!spec) return feed(rollout::Failed{otherwise, spec.error().text});
        now.spec = service;
        then(*spec, now);
    }));
}

void Run::preflight_containers() {
    with_spec(Fault::preflight_failed, [this](const config::DeploySpec& spec, const catalog::ServiceNow& now) {
        if (const auto missing = missing_env(spec); !missing.empty())
            return feed(rollout::Failed{Fault::preflight_failed, fmt::format("what it needs of its environment is not set: {}", fmt::join(missing, ", "))});
        containers_->image(spec.image, mine([this, spec, service = now.spec](Result<docker::ImageFacts> image) {
            if (!image && image.error().code == Code::not_found && spec.pull != config::Pull::never) return feed(rollout::PreflightPassed{});
            if (!image) return feed(rollout::Failed{Fault::preflight_failed, image.error().text});
            settle_image(spec, *service, *image);
        }));
    });
}

// The image is here: what it says of its port and its health is known.
void Run::settle_image(const config::DeploySpec& spec, const config::ServiceSpec& service, const docker::ImageFacts& image) {
    const auto port = port_of(spec, image);
    if (!port) return feed(rollout::Failed{record_.progress.phase == Phase::requested ? Fault::preflight_failed : Fault::create_failed, port.error().text});
    settle_health(record_, service, own_health(spec, image));
    if (record_.progress.phase == Phase::requested) return feed(rollout::PreflightPassed{});
    feed(rollout::Pulled{});
}

void Run::pull_image() {
    with_spec(Fault::image_pull_failed, [this](const config::DeploySpec& spec, const catalog::ServiceNow& now) {
        const auto settle = [this, spec, service = now.spec] {
            containers_->image(spec.image, mine([this, spec, service](Result<docker::ImageFacts> image) {
                if (!image) return feed(rollout::Failed{Fault::image_pull_failed, image.error().text});
                settle_image(spec, *service, *image);
            }));
        };
        const auto pull = [this, spec, settle, auth = auth_for(spec.image, now.document->settings.registries)] {
            const Duration left = std::chrono::duration_cast<Duration>(record_.progress.deadline - parts_.loop.utc());
            containers_->pull(spec.image, auth, parts_.loop.now() + left, mine([this, settle](Result<> pulled) {
                if (pulled) settle();
                else feed(rollout::Failed{Fault::image_pull_failed, pulled.error().text});
            }));
        };
        if (spec.pull == config::Pull::always) return pull();
        containers_->image(spec.image, mine([settle, pull](Result<docker::ImageFacts> there) {
            if (there) settle();
            else pull();
        }));
    });
}

void Run::create_container(std::size_t i) {
    with_spec(Fault::create_failed, [this, i](const config::DeploySpec& spec, const catalog::ServiceNow&) {
        containers_->image(spec.image, mine([this, i, spec](Result<docker::ImageFacts> image) {
            if (!image) return feed(rollout::Failed{Fault::create_failed, image.error().text});
            const auto port = port_of(spec, *image);
            if (!port) return feed(rollout::Failed{Fault::create_failed, port.error().text});
            containers_->create(container_plan(spec, record_.service, record_.id, record_.candidates[i].name, *port), mine([this, i](Result<> made) {
                if (made) feed(rollout::Created{i});
                else feed(rollout::Failed{Fault::create_failed, made.error().text});
            }));
        }));
    });
}

// Started, it becomes an instance: asked directly from its first moment on, beside its own health.
void Run::start_container(std::size_t i) {
    with_spec(Fault::start_failed, [this, i](const config::DeploySpec& spec, const catalog::ServiceNow&) {
        containers_->image(spec.image, mine([this, i, spec](Result<docker::ImageFacts> image) {
            const auto port = image ? port_of(spec, *image) : Result<std::uint16_t>(std::unexpected(image.error()));
            if (!port) return feed(rollout::Failed{Fault::start_failed, port.error().text});
            containers_->start(record_.candidates[i].name, spec.network_of(record_.service), *port, mine([this, i](Result<std::string> address) {
                if (!address) return feed(rollout::Failed{Fault::start_failed, address.error().text});
                record_.candidates[i].target = *address;
                stage([this, i](Result<> staged) {
                    if (staged) feed(rollout::Started{i});
                    else feed(rollout::Failed{Fault::start_failed, staged.error().text});
                });
            }));
        }));
    });
}

void Run::on_container(const docker::Inspected& container) {
    const auto found = std::ranges::find(record_.candidates, container.name, &Candidate::name);
    if (found == record_.candidates.end()) return;
    const auto i = static_cast<std::size_t>(found - record_.candidates.begin());
    const auto& plan = record_.plan.containers[i];
    const auto& now = record_.progress.containers[i];
    if (!now.asked_to_start) return;
    if (container.oom_killed) return feed(rollout::Ended{i, static_cast<int>(container.exit_code), true, fmt::format("container {} ran out of memory", container.name)});
    const bool ended = container.state == docker::ContainerState::exited || container.state == docker::ContainerState::dead;
    if (ended && container.started)
        return feed(rollout::Ended{i, static_cast<int>(container.exit_code), false, fmt::format("container {} ended with exit code {}", container.name, container.exit_code)});
    if (container.restart_count >= most_restarts)
        return feed(rollout::Looping{i, fmt::format("container {} ended {} times, the last time with exit code {}", container.name, container.restart_count, container.exit_code)});
    if (!plan.container_health || !container.health) return;
    if (container.health->status == docker::HealthStatus::healthy) feed(rollout::Health{i, true, ""});
    if (container.health->status == docker::HealthStatus::unhealthy) {
        const auto& log = container.health->log;
        feed(rollout::Health{i, false, fmt::format("container {} is unhealthy{}", container.name, log.empty() ? "" : fmt::format(": exit code {}: {}", log.back().exit_code, log.back().output))});
    }
}

void Run::on_gone(const std::string&) {}

void Run::on_engine(bool up, const std::string& text) {
    if (!up) log(LogLevel::warning, fmt::format("deployment {} of {}: the engine {} is away: {}", record_.id, record_.service, parts_.engine->place().shown, text));
}

void Run::on_unreadable(const std::string& id, const Error& why) {
    log(LogLevel::warning, fmt::format("deployment {} of {}: container {} can't be read: {}", record_.id, record_.service, id, why.text));
}

// Earlier versions of this service that Hale made: stopped, and but for the newest few removed.
void Run::retire_containers() {
    with_spec(Fault::timed_out, [this](const config::DeploySpec& spec, const catalog::ServiceNow&) {
        containers_->of_service(record_.service, mine([this, spec](Result<std::vector<docker::Listed>> all) {
            if (!all) return feed(rollout::Failed{Fault::timed_out, all.error().text});
            std::vector<std::string> stop, remove, versions;
            for (const auto& one : *all) {
                const auto version = one.labels.find(std::string(deployment_label));
                if (version == one.labels.end() || version->second == record_.id || one.names.empty()) continue;
                if (std::ranges::find(versions, version->second) == versions.end()) versions.push_back(version->second);
                const auto age = static_cast<std::size_t>(std::ranges::find(versions, version->second) - versions.begin());
                (age < spec.retain ? stop : remove).push_back(one.names.front());
            }
            auto left = std::make_shared<std::size_t>(stop.size() + remove.size());
            if (*left == 0) return feed(rollout::Retired{});
            const auto one_less = [this, left](Result<> done) {
                if (!done) log(LogLevel::warning, fmt::format("deployment {} of {}: {}", record_.id, record_.service, done.error().text));
                if (--*left == 0) feed(rollout::Retired{});
            };
            for (const auto& name : stop) containers_->stop(name, spec.stop_timeout, mine(one_less));
            for (const auto& name : remove) containers_->remove(name, record_.service, spec.stop_timeout, mine(one_less));
        }));
    });
}

// Their last words first; then they go.
void Run::take_containers_away(io::Task then) {
    auto left = std::make_shared<std::size_t>(record_.candidates.size());
    auto after = std::make_shared<io::Task>(std::move(then));
    for (std::size_t i = 0; i < record_.candidates.size(); ++i)
        containers_->logs(record_.candidates[i].name, mine([this, i, left, after](std::vector<std::string> lines) {
            if (!lines.empty()) record_.candidates[i].log = std::move(lines);
            containers_->remove(record_.candidates[i].name, record_.service, Duration{0}, mine([this, i, left, after](Result<> done) {
                if (!done) log(LogLevel::warning, fmt::format("deployment {} of {}: container {} is left: {}", record_.id, record_.service, record_.candidates[i].name, done.error().text));
                if (--*left == 0) (*after)();
            }));
        }));
}

}  // namespace hale::deploy
