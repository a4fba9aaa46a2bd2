#include "deploy/settling.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "deploy/planning.h"
#include "deploy/strategy.h"

namespace hale::deploy {

namespace {

// Texts that follow each other, so that no two lists read the same.
class Spelling {
public:
    Spelling& add(std::string_view text) {
        out_ += fmt::format("{}:{};", text.size(), text);
        return *this;
    }
    template <class T>
        requires std::is_arithmetic_v<T>
    Spelling& add(T value) {
        return add(std::string_view(fmt::format("{}", value)));
    }
    Spelling& add(const std::vector<std::string>& list) {
        add(list.size());
        for (const auto& one : list) add(std::string_view(one));
        return *this;
    }
    const std::string& text() const { return out_; }

private:
    std::string out_;
};

const docker::Listed* find_named(const std::vector<docker::Listed>& there, const std::string& name) {
    const auto found = std::ranges::find_if(there, [&](const auto& one) { return std::ranges::find(one.names, name) != one.names.end(); });
    return found == there.end() ? nullptr : &*found;
}

// By which its containers are named.
std::string part_of(const Record& record, const Candidate& one) {
    return one.container.empty() ? record.service : fmt::format("{}-{}", record.service, one.container);
}

}  // namespace

std::string written_by(const docker::ContainerPlan& plan) {
    std::string out;
    for (const auto& one : plan.mounts)
        if (!one.read_only && !one.source.empty()) out += (out.empty() ? "" : " ") + one.source;
    return out;
}

std::string fingerprint(const docker::ContainerPlan& plan, const std::string& image_id) {
    Spelling all;
    all.add(std::string_view(image_id)).add(std::string_view(plan.user)).add(std::string_view(plan.network)).add(std::string_view(plan.stop_signal));
    for (const auto& [name, value] : plan.environment) all.add(std::string_view(name)).add(std::string_view(value));
    for (const auto& [name, value] : plan.labels)
        if (!name.starts_with("hale.") || name == port_label) all.add(std::string_view(name)).add(std::string_view(value));
    all.add(plan.command ? *plan.command : std::vector<std::string>{}).add(plan.entrypoint ? *plan.entrypoint : std::vector<std::string>{});
    for (const auto& one : plan.mounts) all.add(std::string_view(one.source)).add(std::string_view(one.target)).add(static_cast<int>(one.kind)).add(one.read_only ? 1 : 0);
    for (const auto& one : plan.ports) all.add(one.port.number).add(std::string_view(one.port.protocol)).add(std::string_view(one.host_ip)).add(one.host_port);
    all.add(plan.aliases).add(plan.memory_bytes).add(plan.processors).add(static_cast<int>(plan.restart.kind));
    if (plan.health_check)
        all.add(plan.health_check->test).add(plan.health_check->interval.count()).add(plan.health_check->timeout.count()).add(plan.health_check->start_period.count()).add(
            plan.health_check->retries);
    return fmt::format("{:016x}{:016x}", hash64(all.text(), 1), hash64(all.text(), 2));
}

std::uint64_t highest_number(const std::vector<docker::Listed>& there) {
    std::uint64_t out = 0;
    for (const auto& one : there)
        if (!label(one, deployment_label).empty()) out = std::max(out, parse_unsigned(label(one, number_label)).value_or(0));
    return out;
}

Result<> settle(Record& record, const std::vector<Wanted>& wanted, const std::vector<docker::Listed>& there) {
    std::set<std::string> taken;   // Containers that are a candidate already.
    const std::vector<std::string> from = record.from();
    std::set<std::string> names;
    for (const auto& one : record.candidates) names.insert(one.name);
    for (const auto& one : there) names.insert(one.names.begin(), one.names.end());
    Duration verifying = rollout::least_verification;
    Duration grace{0}, starting{0};
    for (std::size_t i = 0; i < record.candidates.size(); ++i) {
        Candidate& one = record.candidates[i];
        rollout::ContainerPlan& plan = record.plan.containers[i];
        const Wanted& want = wanted[i];
        const std::string& print = want.plan.labels.at(std::string(config_label));
        const auto health = own_health(want.spec, want.image);
        grace = std::max(grace, want.spec.stop_timeout);
        starting = std::max(starting, want.spec.deadlines.starting);
        one.image = exactly(want.spec.image, want.image);
        plan.container_health = health.has_value() && !plan.one_shot;
        if (!plan.direct && !plan.container_health && !plan.one_shot && one.unverified.empty())
            return fail(Code::invalid, fmt::format("nothing verifies container {}: its image has no HEALTHCHECK, and it says neither x-hale.check nor check: none with its reason",
                                                   one.container.empty() ? one.name : one.container));
        verifying = std::max(verifying, verification_of(want.checks ? *want.checks : config::CheckList{}, health));

        const auto is_ours = [&](const docker::Listed& other) {
            return !other.names.empty() && !taken.contains(other.names.front()) && label(other, container_label) == one.container;
        };
        const docker::Listed* stays = nullptr;
        const docker::Listed* again = nullptr;
        // Nor is one made anew whose volume can have one writer at a time.
        const bool only_writer = !plan.routed && record.of_application() && !written_by(want.plan).empty();
        if ((record.keeps || only_writer) && !plan.one_shot)
            // The oldest first: they are the last to go.
            for (const auto& other : there | std::views::reverse) {
                const bool serves = one.service.empty() || std::ranges::find(from, other.names.empty() ? std::string{} : other.names.front()) != from.end();
                if (is_ours(other) && serves && other.state == docker::ContainerState::running && label(other, config_label) == print) {
                    stays = &other;
                    break;
                }
            }
        if (stays == nullptr && !plan.one_shot)
            for (const auto& [name, container] : record.way_back) {
                const auto* other = container == one.container ? find_named(there, name) : nullptr;
                const bool stopped = other != nullptr && (other->state == docker::ContainerState::exited || other->state == docker::ContainerState::created);
                // What this deployment started itself stays what it is.
                if (other != nullptr && is_ours(*other) && (stopped || (one.reused && one.name == name))) {
                    again = other;
                    break;
                }
            }
        const bool had_anothers_name = one.kept || one.reused;
        one.kept = plan.external = stays != nullptr;
        one.reused = plan.made = again != nullptr;
        // Two versions of what nobody is routed to (a database) would write over each other.
        if (stays == nullptr && again == nullptr && !plan.routed && !plan.one_shot)
            for (const auto& other : there) {
                if (other.state != docker::ContainerState::running || !is_ours(other) || label(other, deployment_label) == record.id) continue;
                const std::string theirs = label(other, writes_label), mine = written_by(want.plan);
                for (const auto volume : split(mine, ' '))
                    if (!volume.empty() && std::ranges::any_of(split(theirs, ' '), [&](const auto one_of) { return one_of == volume; }))
                        return fail(Code::conflict, fmt::format("container {} writes volume {}, and so does {}, which runs: two versions of it at once would damage it. Stop the old one first: docker stop {}",
                                                                part_of(record, one), volume, other.names.front(), other.names.front()));
            }
        // One that is left of a deployment which is not on record keeps its name, and whoever made it without us keeps it too.
        const auto* namesake = stays == nullptr && again == nullptr ? find_named(there, one.name) : nullptr;
        const std::string theirs = namesake != nullptr ? label(*namesake, deployment_label) : "";
        const bool taken_name = !theirs.empty() && theirs != record.id;
        if ((had_anothers_name || taken_name) && !one.kept && !one.reused) one.name = free_name(names, part_of(record, one), record.number, i + 1);
        if (const auto* chosen = stays != nullptr ? stays : again) one.name = chosen->names.front();
        if (again != nullptr) one.image = again->image;  // As it was made then.
        plan.name = one.name;
        taken.insert(one.name);
        auto& progress = record.progress.containers[i];
        if (progress.asked_to_start) continue;
        if (record.progress.phase <= rollout::Phase::pulling) progress.created = plan.external || plan.made;
        progress.started = plan.external;
    }
    bool leaves = false;
    for (auto& part : record.parts) {
        std::erase_if(part.gone, [&](const std::string& name) { return taken.contains(name); });
        leaves = leaves || std::ranges::any_of(part.from, [&](const std::string& name) { return !taken.contains(name); });
    }
    // Containers that are no instance are retired too.
    record.plan.has_old = leaves || std::ranges::any_of(there, [&](const auto& other) {
                              return !other.names.empty() && !taken.contains(other.names.front()) && other.state == docker::ContainerState::running;
                          });
    const Duration return_before = time_to_return(record.plan.deadlines);
    if (!record.verifying_said) record.plan.deadlines.verifying = verifying;
    settle_breaker(record, verifying);
    record.plan.deadlines.retiring = grace + stopping_margin;
    record.plan.deadlines.starting = starting + verifying * static_cast<std::int64_t>(waiting_depth(record.plan));
    settle_return(record, return_before);
    return {};
}

}  // namespace hale::deploy
