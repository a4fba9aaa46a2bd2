// The part of a deployment that makes containers: pulls, creates, starts and watches them, and takes away those whose place
// they took.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "config/load.h"
#include "base/text.h"
#include "deploy/application.h"
#include "deploy/planning.h"
#include "deploy/run.h"
#include "deploy/settling.h"

namespace hale::deploy {

using rollout::Do;
using rollout::Fault;
using rollout::Phase;

namespace {
constexpr std::uint32_t most_restarts = 3;  // So many ends, and it is a loop.
}  // namespace

// By this label its containers are known: those that it makes, and those that are there.
Label Run::label() const { return record_.of_application() ? Label{application_label, record_.service} : Label{service_label, record_.service}; }

void Run::ours(std::move_only_function<void(Result<std::vector<docker::Listed>>)> then) {
    containers_->labelled(label(), mine([this, then = std::move(then)](Result<std::vector<docker::Listed>> there) mutable {
        const auto serving = record_.from();
        if (there)
            std::erase_if(*there, [&](const docker::Listed& one) {
                const std::string deployment = docker::label(one, deployment_label);
                // The state may have been moved: what is on record is ours wherever it was made.
                if (deployment.empty() || docker::label(one, home_label) == parts_.home || (parts_.on_record && parts_.on_record(deployment))) return false;
                return one.names.empty() || std::ranges::find(serving, one.names.front()) == serving.end();
            });
        then(std::move(there));
    }));
}

void Run::watch_containers() {
    if (!record_.containers || containers_) return;
    if (parts_.engine == nullptr) return;
    containers_ = std::make_unique<Containers>(*parts_.engine);
    docker::WatchListener& listener = *this;
    watch_ = std::make_unique<docker::Watch>(*parts_.engine, std::vector<std::string>{fmt::format("{}={}", label().name, label().value)}, parts_.seed, listener);
    watch_->start();
}

// What is declared may have changed since it was planned, and its secrets are never stored: read anew for each command.
void Run::with_specs(Fault otherwise, std::move_only_function<void(Specs)> then) {
    look_at_all(mine([this, otherwise, then = std::move(then)](const Looked& now) mutable {
        Specs out{.of = {}, .checks = {}, .document = now.at(record_.service).document};
        if (record_.of_application()) {
            auto application = application_of(record_.service, record_.compose, record_.variables, *out.document);
            if (!application) return feed(rollout::Failed{otherwise, application.error().text});
            for (const auto& one : record_.candidates) {
                const auto found = std::ranges::find(application->containers, one.container, &config::ComposeContainer::name);
                if (found == application->containers.end()) return feed(rollout::Failed{otherwise, fmt::format("the application has no container \"{}\"", one.container)});
                out.of.push_back(found->deploy);
                out.checks.push_back(std::make_shared<const config::CheckList>(found->checks));
            }
            return then(std::move(out));
        }
        const auto service = service_as_it_will_be(now, record_.parts.front());
        if (!service) return feed(rollout::Failed{otherwise, service.error().text});
        auto spec = containers_of(**service, record_.overrides, *out.document);
        if (!spec) return feed(rollout::Failed{otherwise, spec.error().text});
        out.of.assign(record_.candidates.size(), *spec);
        out.checks.assign(record_.candidates.size(), (*service)->checks);
        then(std::move(out));
    }));
}

void Run::with_images(std::shared_ptr<Specs> specs, std::move_only_function<void(Images)> then) {
    std::set<std::string> names;
    for (const auto& one : specs->of) names.insert(one.image);
    auto found = std::make_shared<Images>();
    auto after = std::make_shared<std::move_only_function<void(Images)>>(std::move(then));
    for (const auto& name : names)
        containers_->image(name, mine([found, after, name, count = names.size()](Result<docker::ImageFacts> image) {
            found->insert_or_assign(name, std::move(image));
            if (found->size() == count) (*after)(std::move(*found));
        }));
}

// What never reached the engine is no fault of what was asked of it.
void Run::engine_failed(Fault otherwise, const Error& why, std::size_t container) {
    const bool away = (why.code == Code::unavailable && why.system != 0) || (why.code == Code::timed_out && otherwise != Fault::image_pull_failed);
    if (away) feed(rollout::Failed{Fault::engine_unavailable, why.text});
    else feed(rollout::Failed{otherwise, why.text, container});
}

void Run::preflight_containers() {
    with_specs(Fault::preflight_failed, [this](Specs got) {
        for (const auto& spec : got.of)
            if (const auto missing = missing_env(spec); !missing.empty())
                return feed(rollout::Failed{Fault::preflight_failed, fmt::format("what it needs of its environment is not set: {}", fmt::join(missing, ", "))});
        std::vector<Need> needs;
        std::vector<config::PublishedPort> ports;
        for (const auto& spec : got.of) {
            // A container that stays as it is keeps its ports.
            needs.push_back({.memory = spec.memory, .ports = record_.keeps ? std::vector<config::PublishedPort>{} : spec.ports});
            ports.insert(ports.end(), needs.back().ports.begin(), needs.back().ports.end());
        }
        auto specs = std::make_shared<Specs>(std::move(got));
        containers_->room(ports, mine([this, specs, needs = std::move(needs)](Result<Room> room) {
            if (!room) return engine_failed(Fault::preflight_failed, room.error());
            if (const auto missing = missing_room(needs, *room); !missing.empty()) return feed(rollout::Failed{Fault::preflight_failed, fmt::format("{}", fmt::join(missing, "; "))});
            look_for_images(specs);
        }));
    });
}

void Run::look_for_images(std::shared_ptr<Specs> specs) {
    with_images(specs, [this, specs](const Images& images) {
        bool all_here = true;
        for (const auto& spec : specs->of) {
            const auto& image = images.at(spec.image);
            all_here = all_here && image;
            if (image || (image.error().code == Code::not_found && spec.pull != config::Pull::never)) continue;
            return engine_failed(Fault::preflight_failed, image.error());
        }
        if (!all_here) return feed(rollout::PreflightPassed{});
        settle_plan(*specs, images, Fault::preflight_failed, [this] { feed(rollout::PreflightPassed{}); });
    });
}

Result<docker::ContainerPlan> Run::plan_of(std::size_t i, const Specs& specs, const docker::ImageFacts& image) const {
    const auto& spec = specs.of[i];
    const auto& one = record_.candidates[i];
    std::uint16_t port = spec.port;
    if (!one.service.empty()) {
        HALE_ASSIGN(port, port_of(spec, image));
    }
    const bool application = record_.of_application();
    Belonging whose{.service = application ? service_of(record_.service, one.container) : record_.service, .deployment = record_.id, .number = record_.number,
                    .application = application ? record_.service : "", .container = one.container, .home = parts_.home};
    auto plan = container_plan(spec, whose, one.name, port, parts_.engine->place().path.empty());
    plan.labels[std::string(config_label)] = fingerprint(plan, image.id);
    if (const std::string writes = written_by(plan); !writes.empty()) plan.labels[std::string(writes_label)] = writes;
    return plan;
}

// The images are here: what they say of their ports and their health is known, and so is what is there already.
void Run::settle_plan(const Specs& specs, const Images& images, Fault otherwise, io::Task then) {
    std::vector<Wanted> wanted;
    for (std::size_t i = 0; i < record_.candidates.size(); ++i) {
        const auto& image = images.at(specs.of[i].image);
        auto plan = plan_of(i, specs, *image);
        if (!plan) return feed(rollout::Failed{otherwise, plan.error().text});
        wanted.push_back({specs.of[i], specs.checks[i], *image, std::move(*plan)});
    }
    ours([this, wanted = std::move(wanted), otherwise, then = std::move(then)](Result<std::vector<docker::Listed>> there) mutable {
        const auto settled = there ? settle(record_, wanted, *there) : Result<>(std::unexpected(there.error()));
        if (!settled) return engine_failed(otherwise, settled.error());
        then();
        hear_those_who_stay();
    });
}

// Nothing may happen to them any more, so what was told of them before they were known to stay is asked for.
void Run::hear_those_who_stay() {
    for (const auto& one : record_.candidates)
        if (one.kept)
            containers_->inspect(one.name, mine([this](Result<docker::Inspected> it) {
                if (it) on_container(*it);
            }));
}

void Run::pull_images() {
    with_specs(Fault::image_pull_failed, [this](Specs got) {
        auto specs = std::make_shared<Specs>(std::move(got));
        with_images(specs, [this, specs](const Images& images) {
            std::map<std::string, bool> wanted;
            for (const auto& spec : specs->of)
                if (spec.pull == config::Pull::always || !images.at(spec.image)) wanted[spec.image] = true;
            if (wanted.empty()) return pulled(specs);
            auto left = std::make_shared<std::size_t>(wanted.size());
            const Duration time = std::chrono::duration_cast<Duration>(record_.progress.deadline - parts_.loop.utc());
            for (const auto& [name, yes] : wanted)
                containers_->pull(name, auth_for(name, specs->document->settings.registries), parts_.loop.now() + time, mine([this, name](const docker::PullProgress& told) { pull_told(name, told); }), mine([this, specs, left](Result<> done) {
                    if (!done) return engine_failed(Fault::image_pull_failed, done.error());
                    if (--*left == 0) pulled(specs);
                }));
        });
    });
}

void Run::pull_told(const std::string& image, const docker::PullProgress& told) {
    pulling_.hear(image, told);
    if (record_.progress.phase != Phase::pulling || telling_ || parts_.loop.now() < tell_again_) return;
    std::string now = pulling_.text();
    if (now == record_.doing) return;
    record_.doing = std::move(now);
    tell_again_ = parts_.loop.now() + told_every;
    telling_ = true;
    mutate([this] { return catalog::Change{catalog::RecordDeployment{stored(record_)}}; }, "deploy", [this](Result<>) { telling_ = false; });
}

void Run::pulled(std::shared_ptr<Specs> specs) {
    with_images(specs, [this, specs](const Images& images) {
        for (const auto& [name, image] : images)
            if (!image) return engine_failed(Fault::image_pull_failed, image.error());
        settle_plan(*specs, images, Fault::create_failed, [this] { feed(rollout::Pulled{}); });
    });
}

void Run::create_container(std::size_t i) {
    with_specs(Fault::create_failed, [this, i](Specs specs) {
        const std::string name = specs.of[i].image;
        containers_->image(name, mine([this, i, specs = std::move(specs)](Result<docker::ImageFacts> image) {
            auto plan = image ? plan_of(i, specs, *image) : Result<docker::ContainerPlan>(std::unexpected(image.error()));
            if (!plan) return engine_failed(Fault::create_failed, plan.error());
            containers_->create(std::move(*plan), mine([this, i](Result<> made) {
                if (made) feed(rollout::Created{i});
                else engine_failed(Fault::create_failed, made.error());
            }));
        }));
    });
}

// Started, it becomes an instance: asked directly from its first moment on, beside its own health.
void Run::start_container(std::size_t i) {
    const std::string& name = record_.candidates[i].name;
    // Where it answers it says itself: by its labels.
    containers_->inspect(name, mine([this, i, name](Result<docker::Inspected> it) {
        if (!it) return engine_failed(Fault::start_failed, it.error());
        // What runs once is not started twice, whoever was killed before it was told.
        if (record_.plan.containers[i].one_shot && it->started) {
            const bool over = it->state == docker::ContainerState::exited || it->state == docker::ContainerState::dead;
            return over ? ended(i, *it) : feed(rollout::Started{i});
        }
        const auto port = parse_unsigned(docker::label(*it, port_label));
        const bool instance = !record_.candidates[i].service.empty();
        const std::string network = it->attachments.empty() ? it->network_mode : it->attachments.front().network;
        containers_->start(name, network, instance ? static_cast<std::uint16_t>(port.value_or(0)) : std::uint16_t{0}, mine([this, i, instance](Result<Containers::Begun> begun) {
            // It is being undone meanwhile, and its containers are taken away.
            if (!asking()) return;
            if (!begun) return engine_failed(Fault::start_failed, begun.error(), i);
            if (begun->ended) return ended(i, *begun->ended);
            if (!instance) return feed(rollout::Started{i});
            record_.candidates[i].target = begun->address;
            stage([this, i](Result<> staged) {
                if (staged) feed(rollout::Started{i});
                else feed(rollout::Failed{Fault::start_failed, staged.error().text});
            });
        }));
    }));
}

void Run::on_container(const docker::Inspected& container) {
    const auto found = std::ranges::find(record_.candidates, container.name, &Candidate::name);
    if (found == record_.candidates.end()) return;
    const auto i = static_cast<std::size_t>(found - record_.candidates.begin());
    const auto& plan = record_.plan.containers[i];
    const auto& now = record_.progress.containers[i];
    if (!now.asked_to_start && !plan.external) return;
    // What was stopped long ago says nothing of now.
    if (plan.made && !now.started) return;
    const bool over = container.state == docker::ContainerState::exited || container.state == docker::ContainerState::dead;
    if (container.oom_killed || (over && container.started)) return ended(i, container);
    // What it answered before it ended is said of a container that is no more.
    const auto known = restarts_.try_emplace(i, container.restart_count).first;
    if (now.direct == rollout::Word::pass && container.restart_count > known->second)
        return feed(rollout::Ended{i, static_cast<int>(container.exit_code), false, fmt::format("container {} ended with exit code {} after it had answered rightly", container.name, container.exit_code)});
    known->second = container.restart_count;
    // One that serves already may have ended in its long life: what counts is what it does from now on.
    const std::uint32_t at_first = plan.external ? restarts_at_first_.try_emplace(i, container.restart_count).first->second : 0;
    if (const std::uint32_t ends = container.restart_count - std::min(at_first, container.restart_count); ends >= most_restarts)
        return feed(rollout::Looping{i, fmt::format("container {} ended {} times, the last time with exit code {}", container.name, ends, container.exit_code)});
    if (!plan.container_health || !container.health) return;
    if (container.health->status == docker::HealthStatus::healthy) feed(rollout::Health{i, true, ""});
    if (container.health->status == docker::HealthStatus::unhealthy) {
        const auto& log = container.health->log;
        feed(rollout::Health{i, false, fmt::format("container {} is unhealthy{}", container.name, log.empty() ? "" : fmt::format(": exit code {}: {}", log.back().exit_code, log.back().output))});
    }
}

void Run::ended(std::size_t i, const docker::Inspected& container) {
    const int code = static_cast<int>(container.exit_code);
    feed(rollout::Ended{i, code, container.oom_killed, container.oom_killed ? fmt::format("container {} ran out of memory", container.name) : fmt::format("container {} ended with exit code {}", container.name, code)});
}

void Run::on_gone(const std::string&) {}

void Run::on_engine(bool up, const std::string& text) {
    if (!up) log(LogLevel::warning, fmt::format("deployment {} of {}: the engine {} is away: {}", record_.id, record_.service, parts_.engine->place().shown, text));
}

void Run::on_unreadable(const std::string& id, const Error& why) {
    log(LogLevel::warning, fmt::format("deployment {} of {}: container {} can't be read: {}", record_.id, record_.service, id, why.text));
}

// Earlier versions that Hale made: stopped, and but for the newest few removed.
void Run::retire_containers() {
    with_specs(Fault::timed_out, [this](Specs specs) {
        Duration grace{0};
        std::uint32_t retain = 0;
        for (const auto& spec : specs.of) grace = std::max(grace, spec.stop_timeout), retain = std::max(retain, spec.retain);
        ours([this, grace, retain](Result<std::vector<docker::Listed>> all) {
            if (!all) return feed(rollout::Failed{Fault::timed_out, all.error().text});
            std::set<std::string> stay;
            for (const auto& one : record_.candidates) stay.insert(one.name);
            std::vector<std::string> stop, remove, versions;
            for (const auto& one : *all) {
                const std::string version = docker::label(one, deployment_label);
                if (version.empty() || one.names.empty() || stay.contains(one.names.front())) continue;
                if (std::ranges::find(versions, version) == versions.end()) versions.push_back(version);
                const auto age = static_cast<std::size_t>(std::ranges::find(versions, version) - versions.begin());
                (age < retain ? stop : remove).push_back(one.names.front());
            }
            auto left = std::make_shared<std::size_t>(stop.size() + remove.size());
            if (*left == 0) return feed(rollout::Retired{});
            const auto one_less = [this, left](Result<> done) {
                if (!done) log(LogLevel::warning, fmt::format("deployment {} of {}: {}", record_.id, record_.service, done.error().text));
                if (--*left == 0) feed(rollout::Retired{});
            };
            for (const auto& name : stop) containers_->stop(name, grace, mine(one_less));
            for (const auto& name : remove) containers_->remove(name, label(), grace, mine(one_less));
        });
    });
}

// Their last words first; then they go. What was only started again is stopped again. An engine that is away is asked again until
// undoing has no time left: what it still runs would be left behind.
void Run::take_containers_away(io::Task then) {
    if (std::ranges::find(record_.phases, Phase::creating, &PhaseNote::phase) == record_.phases.end()) return then();  // It made none.
    containers_->create_no_more(mine([this, then = std::move(then)]() mutable { take_those_away(std::move(then), look_again_after); }));
}

void Run::take_those_away(io::Task then, Duration pause) {
    struct Leaving {
        std::size_t left;
        bool all_gone = true;
        io::Task then;
    };
    const auto mine_count = static_cast<std::size_t>(std::ranges::count(record_.candidates, false, &Candidate::kept));
    if (mine_count == 0) return then();
    auto leaving = std::make_shared<Leaving>(mine_count, true, std::move(then));
    for (std::size_t i = 0; i < record_.candidates.size(); ++i) {
        if (record_.candidates[i].kept) continue;
        containers_->logs(record_.candidates[i].name, mine([this, i, leaving, pause](std::vector<std::string> lines) {
            auto& one = record_.candidates[i];
            if (!lines.empty()) one.log = std::move(lines);
            auto gone = mine([this, i, leaving, pause](Result<> done) {
                if (!done && pause == look_again_after) log(LogLevel::warning, fmt::format("deployment {} of {}: container {} is left for now: {}", record_.id, record_.service, record_.candidates[i].name, done.error().text));
                leaving->all_gone = leaving->all_gone && done;
                if (--leaving->left > 0) return;
                if (leaving->all_gone) return leaving->then();
                later(pause, [this, leaving, pause] {
                    if (record_.progress.phase == Phase::rolling_back) take_those_away(std::move(leaving->then), std::min(pause * 2, look_again_at_most));
                });
            });
            if (one.reused) containers_->stop(one.name, Duration{0}, std::move(gone));
            else containers_->remove(one.name, {deployment_label, record_.id}, Duration{0}, std::move(gone));
        }));
    }
}

}  // namespace hale::deploy
