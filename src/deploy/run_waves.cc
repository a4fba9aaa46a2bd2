// The part of a deployment that goes in waves: who serves between two of them, how old ones make room, and how they come back.
// Waves are of one service's containers.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "config/load.h"
#include "deploy/run.h"
#include "deploy/strategy.h"

namespace hale::deploy {

using rollout::Fault;
using rollout::Phase;

// Who serves by now, and who is to serve after the present wave.
catalog::Turn Run::turn_of_wave() const {
    const auto& now = record_.progress;
    const Part& part = record_.parts.front();
    catalog::Turn turn{part.service, {}, {}};
    for (std::size_t i = 0; i < record_.candidates.size(); ++i) {
        if (now.containers[i].serving) turn.from.push_back(record_.candidates[i].name);
        if (now.containers[i].serving || now.containers[i].in_wave) turn.to.push_back(record_.candidates[i].name);
    }
    // Who is leaving now served until now; who left in an earlier wave is stopped.
    for (std::size_t i = 0; i < now.old.size(); ++i) {
        if (!now.old[i].stopped) turn.from.push_back(record_.plan.old[i]);
        if (!now.old[i].leaving) turn.to.push_back(record_.plan.old[i]);
    }
    return turn;
}

// Back to all old ones, who run and serve or may serve by now.
catalog::Turn Run::turn_back() const {
    catalog::Turn turn{record_.parts.front().service, record_.parts.front().from, record_.parts.front().from};
    for (const auto& one : record_.candidates) turn.from.push_back(one.name);
    return turn;
}

// Out of the catalog, where they drain; then their containers stop. They stay for the way back.
void Run::yield_old() {
    look_at_all(mine([this](const Looked& now) {
        const Part& part = record_.parts.front();
        std::vector<std::string> names, ids;
        std::vector<catalog::Named> gone;
        for (std::size_t i = 0; i < record_.progress.old.size(); ++i)
            if (record_.progress.old[i].leaving && !record_.progress.old[i].stopped) names.push_back(record_.plan.old[i]);
        for (const auto& one : now.at(part.service).instances)
            if (std::ranges::find(names, one.name) != names.end()) ids.push_back(one.id), gone.push_back({part.service, one.name});
        if (ids.empty()) return stop_old(std::move(names));
        mutate([this, gone] { return catalog::Change{catalog::Unstage{.record = stored(record_), .gone = gone, .services = {}, .others_stay = true}}; }, "make room",
               [this, names = std::move(names), ids = std::move(ids)](Result<> done) mutable {
                   if (!done) return feed(rollout::Failed{Fault::timed_out, done.error().text});
                   parts_.catalog.when_gone(std::move(ids), mine([this, names = std::move(names)]() mutable { stop_old(std::move(names)); }));
               });
    }));
}

void Run::stop_old(std::vector<std::string> names) {
    if (record_.progress.phase != Phase::yielding) return;
    if (names.empty()) return feed(rollout::Yielded{});
    with_strategy(Fault::timed_out, [this, names = std::move(names)](const config::DeploySpec& spec) {
        auto left = std::make_shared<std::size_t>(names.size());
        for (const auto& name : names) {
            stopping_.insert(name);
            containers_->stop(name, spec.stop_timeout, mine([this, left, name](Result<> done) {
                stopping_.erase(name);
                if (!done) return engine_failed(Fault::timed_out, done.error());
                if (--*left == 0) feed(rollout::Yielded{});
            }));
        }
    });
}

// Started, and an instance again at the address that it got this time; then it is given a moment to be eligible.
void Run::restore_old(std::size_t i) {
    // It runs, and will have ended in a moment: started now it would be taken for one that stays.
    if (stopping_.contains(record_.plan.old[i])) return later(look_again_after, [this, i] {
        if (record_.progress.phase == Phase::rolling_back) restore_old(i);
    });
    look_at_all(mine([this, i](const Looked& now) {
        const Part& part = record_.parts.front();
        const auto& there = now.at(part.service).instances;
        const auto known = std::ranges::find(there, record_.plan.old[i], &catalog::InstanceNow::name);
        if (known == there.end()) return start_old(i);
        // It drains, or did: its next life is another instance.
        const std::vector<catalog::Named> gone{{part.service, known->name}};
        mutate([this, gone] { return catalog::Change{catalog::Unstage{.record = stored(record_), .gone = gone, .services = {}, .others_stay = true}}; }, "take back", [this, i, id = known->id](Result<> done) {
            if (!done) return restore_later(i, done.error().text);
            parts_.catalog.when_gone({id}, mine([this, i] { start_old(i); }));
        });
    }));
}

void Run::start_old(std::size_t i) {
    const std::string& name = record_.plan.old[i];
    containers_->inspect(name, mine([this, i, name](Result<docker::Inspected> it) {
        if (!it) return restore_later(i, it.error().text);
        const auto port = parse_unsigned(docker::label(*it, port_label));
        const std::string network = it->attachments.empty() ? it->network_mode : it->attachments.front().network;
        containers_->start(name, network, static_cast<std::uint16_t>(port.value_or(0)), mine([this, i, name, deployment = docker::label(*it, deployment_label)](Result<Containers::Begun> begun) {
            if (!begun) return restore_later(i, begun.error().text);
            if (begun->ended) return restore_later(i, fmt::format("it ended at once, with exit code {}", begun->ended->exit_code));
            put_old(i, begun->address, deployment);
        }));
    }));
}

void Run::put_old(std::size_t i, const std::string& address, const std::string& deployment) {
    look_at_all(mine([this, i, address, deployment](const Looked& now) {
        const Part& part = record_.parts.front();
        const auto& there = now.at(part.service);
        if (!there.spec) return restore_later(i, "its service is gone");
        const std::string json = old_instance_json(record_.plan.old[i], address, deployment);
        auto spec = config::load_instance(*there.spec, json, *there.document);
        if (!spec) return restore_later(i, config::text(spec.error()));
        const catalog::PutApiInstance put{part.service, std::move(*spec), json};
        mutate([put] { return catalog::Change{put}; }, "take back", [this, i](Result<> done) {
            if (!done) return restore_later(i, done.error().text);
            await_old(i, parts_.loop.now() + time_to_return(record_.plan.deadlines));
        });
    }));
}

// It may take a while until its checks pass again: those who would leave for it serve meanwhile.
void Run::await_old(std::size_t i, Instant until) {
    look_at_all(mine([this, i, until](const Looked& now) {
        const auto& there = now.at(record_.parts.front().service).instances;
        const auto known = std::ranges::find(there, record_.plan.old[i], &catalog::InstanceNow::name);
        if (known == there.end()) return restore_later(i, "it was taken away meanwhile");
        const Duration left = std::max<Duration>(until - parts_.loop.now(), ask_again_after);
        parts_.catalog.verify({.service = "", .instance = known->id, .timeout = left, .as_if_serving = false}, mine([this, i, until](catalog::VerifyResult result) {
            const bool passed = result.end == catalog::VerifyEnd::eligible;
            if (!passed && parts_.loop.now() + ask_again_after < until)
                return later(ask_again_after, [this, i, until] {
                    if (record_.progress.phase == Phase::rolling_back) await_old(i, until);
                });
            if (!passed)
                log(LogLevel::warning, fmt::format("deployment {} of {}: {} runs again, and its check does not pass", record_.id, record_.service, record_.plan.old[i]));
            // Asked to stop by a process that is no more, it may have ended since.
            containers_->inspect(record_.plan.old[i], mine([this, i](Result<docker::Inspected> it) {
                const bool over = it && (it->state == docker::ContainerState::exited || it->state == docker::ContainerState::dead);
                if (over) return restore_later(i, "it ended again");
                feed(rollout::Restored{i});
            }));
        }));
    }));
}

void Run::restore_later(std::size_t i, const std::string& why) {
    log(LogLevel::error, fmt::format("deployment {} of {}: {} can't be brought back yet: {}", record_.id, record_.service, record_.plan.old[i], why));
    later(look_again_after, [this, i] {
        if (record_.progress.phase == Phase::rolling_back) restore_old(i);
    });
}

}  // namespace hale::deploy
