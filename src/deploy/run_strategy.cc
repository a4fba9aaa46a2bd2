// The part of a deployment that carries its strategy out: hooks, the watch of users' requests, and containers that are taken
// away and made anew one by one.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "deploy/application.h"
#include "deploy/planning.h"
#include "deploy/run.h"

namespace hale::deploy {

using rollout::Fault;
using rollout::Phase;

// What is declared may have changed since it was planned. An application's is in its file.
void Run::with_strategy(Fault otherwise, std::move_only_function<void(const config::DeploySpec&)> then) {
    look_at_all(mine([this, otherwise, then = std::move(then)](const Looked& now) mutable {
        if (record_.of_application()) {
            const auto application = application_of(record_.service, record_.compose, record_.variables, *now.at(record_.service).document);
            if (!application) return feed(rollout::Failed{otherwise, application.error().text});
            return then(application->strategy);
        }
        const auto service = service_as_it_will_be(now, record_.parts.front());
        if (!service) return feed(rollout::Failed{otherwise, service.error().text});
        if (!record_.containers) return then((*service)->deploy ? *(*service)->deploy : config::DeploySpec{});
        const auto spec = containers_of(**service, record_.overrides, *now.at(record_.service).document);
        if (!spec) return feed(rollout::Failed{otherwise, spec.error().text});
        then(*spec);
    }));
}

void Run::run_hooks() {
    with_strategy(Fault::hook_failed, [this, phase = record_.progress.phase](const config::DeploySpec& spec) {
        if (record_.progress.phase != phase) return;
        const bool before = record_.progress.phase == Phase::requested;
        HookFacts facts{.when = before ? "before" : "after", .deployment = record_.id, .service = record_.service, .image = record_.image, .number = record_.number, .targets = {}};
        for (const auto& one : record_.candidates)
            if (!one.target.empty()) facts.targets.push_back(one.target);
        std::vector<HookCall> calls;
        for (const auto& hook : before ? spec.before : spec.after) calls.push_back({hook, facts});
        hooks_ = std::make_unique<Hooks>(Hooks::Parts{.loop = parts_.loop, .catalog = parts_.catalog, .spawner = parts_.spawner, .exec_user = parts_.exec_user});
        hooks_->run(std::move(calls), [this](Result<> done) {
            if (done) feed(rollout::HooksPassed{});
            else feed(rollout::Failed{Fault::hook_failed, done.error().text});
        });
    });
}

void Run::bake() {
    with_strategy(Fault::bake_failed, [this](const config::DeploySpec& spec) {
        baking_ = Baking{.allowed = spec.bake, .seen = {}};
        watch_users();
    });
}

// All parts together: what is switched to in one step is judged as one.
void Run::watch_users() {
    if (record_.progress.phase != Phase::baking || !baking_) return;
    std::vector<std::string> services;
    for (const auto& part : record_.parts)
        if (!part.leaves) services.push_back(part.service);
    auto left = std::make_shared<std::size_t>(services.size());
    auto all = std::make_shared<catalog::TrafficNow>();
    for (const auto& service : services)
        parts_.catalog.traffic(service, mine([this, left, all](catalog::TrafficNow now) {
            if (all->size() < now.size()) all->resize(now.size());
            for (std::size_t i = 0; i < now.size(); ++i) (*all)[i].insert((*all)[i].end(), std::make_move_iterator(now[i].begin()), std::make_move_iterator(now[i].end()));
            if (--*left == 0) judge_baking(*all);
        }));
}

void Run::judge_baking(const catalog::TrafficNow& now) {
    if (record_.progress.phase != Phase::baking || !baking_) return;
    std::vector<std::string> names;
    for (const auto& one : record_.candidates)
        if (!one.service.empty() && !one.kept) names.push_back(one.name);
    baking_->seen.take(now, names);
    record_.baked = baking_->seen.text();
    if (const auto why = worse(baking_->allowed, baking_->seen)) return feed(rollout::Failed{Fault::bake_failed, *why});
    look_at_all(mine([this, names = std::move(names)](const Looked& all) {
        if (record_.progress.phase != Phase::baking) return;
        // What was accepted unverified is not eligible, and was not before.
        for (const auto& [service, there] : all)
            for (const auto& one : there.instances)
                if (!record_.progress.accepted && std::ranges::find(names, one.name) != names.end() && one.serving && !one.eligible)
                    return feed(rollout::Failed{Fault::bake_failed, fmt::format("{} gets no requests any more: see hale explain {}", one.name, one.name)});
        later(watch_every, [this] { watch_users(); });
    }));
}

// Out of traffic, its last words kept, and away.
void Run::remove_container(std::size_t i) {
    look_at_all(mine([this, i](const Looked& now) {
        auto& one = record_.candidates[i];
        std::vector<std::string> ids;
        if (!one.service.empty())
            for (const auto& instance : now.at(one.service).instances)
                if (instance.name == one.name) ids.push_back(instance.id);
        if (ids.empty()) return erase_container(i);
        const std::vector<catalog::Named> gone{{one.service, one.name}};
        mutate([this, gone] { return catalog::Change{catalog::Unstage{.record = stored(record_), .gone = gone, .services = {}, .others_stay = true}}; }, "take one away", [this, i, ids = std::move(ids)](Result<> done) mutable {
            if (done) return parts_.catalog.when_gone(std::move(ids), mine([this, i] { erase_container(i); }));
            again_if_removing(i);
        });
    }));
}

void Run::again_if_removing(std::size_t i) {
    later(look_again_after, [this, i] {
        if (record_.progress.containers[i].removing) remove_container(i);
    });
}

void Run::erase_container(std::size_t i) {
    containers_->logs(record_.candidates[i].name, mine([this, i](std::vector<std::string> lines) {
        auto& one = record_.candidates[i];
        if (!lines.empty()) one.log = std::move(lines);
        auto gone = mine([this, i](Result<> done) {
            if (!record_.progress.containers[i].removing) return;
            if (!done) {
                log(LogLevel::warning, fmt::format("deployment {} of {}: container {}: {}", record_.id, record_.service, record_.candidates[i].name, done.error().text));
                return again_if_removing(i);
            }
            record_.candidates[i].target.clear();
            feed(rollout::Removed{i});
        });
        // What was only started again is left for the next way back, and a fresh one is made in its place.
        containers_->remove(one.name, {deployment_label, record_.id}, Duration{0}, std::move(gone));
    }));
}

}  // namespace hale::deploy
