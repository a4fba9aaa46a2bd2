// The part of control that carries out what deployments ask: their instances come without traffic, take it over in one
// step, and go; and what was said of each deployment is kept.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>
#include <utility>

#include "base/text.h"
#include "catalog/control.h"
#include "verdict/ledger.h"

namespace hale::catalog {

namespace {

const config::StoredDeployment* record_of(const Change& change) {
    if (const auto* stage = std::get_if<Stage>(&change)) return &stage->record;
    if (const auto* to = std::get_if<Switch>(&change)) return &to->record;
    if (const auto* unstage = std::get_if<Unstage>(&change)) return &unstage->record;
    if (const auto* record = std::get_if<RecordDeployment>(&change)) return &record->record;
    return nullptr;
}

std::uint32_t under_way_with(const Instance& instance) {
    const auto of = [](const Generation& one) { return static_cast<std::uint32_t>(one.cell->in_flight.load(std::memory_order_acquire)); };
    return of(instance.current) + (instance.next ? of(*instance.next) : 0);
}

bool listed(const std::vector<std::string>& names, const Instance& instance) {
    return std::ranges::find(names, instance.name.view()) != names.end();
}

// What it concerns: what the deployment is of, and every service that it names.
std::set<std::string> concerned(const Change& change) {
    std::set<std::string> out;
    if (const auto* record = record_of(change)) out.insert(record->service);
    if (const auto* stage = std::get_if<Stage>(&change)) {
        for (const auto& one : stage->candidates) out.insert(one.service);
        for (const auto& one : stage->services) out.insert(one.spec.name);
    } else if (const auto* to = std::get_if<Switch>(&change)) {
        for (const auto& turn : to->turns) out.insert(turn.service);
    } else if (const auto* unstage = std::get_if<Unstage>(&change)) {
        for (const auto& one : unstage->gone) out.insert(one.service);
    }
    return out;
}

// Are they the deployment's, of whichever wave?
bool is_of(std::string_view instances, std::string_view deployment) { return deployment_of(instances) == deployment; }

}  // namespace

bool Control::audited(const Change& change) {
    const auto* record = record_of(change);
    return record == nullptr || record->over;
}

std::string wave_of(const std::string& deployment, std::uint32_t wave) { return wave < 2 ? deployment : fmt::format("{}.{}", deployment, wave); }

std::uint32_t wave_number(std::string_view wave) {
    const auto dot = wave.find('.');
    return dot == wave.npos ? 1 : static_cast<std::uint32_t>(parse_unsigned(wave.substr(dot + 1)).value_or(1));
}

std::string_view deployment_of(std::string_view wave) { return wave.substr(0, wave.find('.')); }

Result<> Control::check_turn(const Turn& turn, const Switch& how) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    const Service* service = membership.service(turn.service);
    if (service == nullptr) return fail(Code::not_found, fmt::format("there is no service \"{}\" any more", turn.service));
    std::set<std::string> serving, known;
    for (const auto& one : service->instances) {
        if (one->leaving) continue;
        known.insert(one->name.str());
        if (one->lifecycle == verdict::Lifecycle::serving && !one->candidate()) serving.insert(one->name.str());
    }
    for (const auto& name : turn.to)
        if (!known.contains(name)) return fail(Code::conflict, fmt::format("instance \"{}\" is not there any more", name));
    const std::set<std::string> wanted(turn.to.begin(), turn.to.end()), before(turn.from.begin(), turn.from.end());
    if (serving == wanted) return {};  // It has happened.
    if (how.undo) return {};
    if (serving != before)
        return fail(Code::conflict, fmt::format("service \"{}\" was changed meanwhile: {} served when this began, {} serve now", service->name.view(),
                                                before.empty() ? "none" : fmt::format("{}", fmt::join(before, ", ")),
                                                serving.empty() ? "none" : fmt::format("{}", fmt::join(serving, ", "))));
    if (how.back || how.regardless) return {};
    for (const auto& one : service->instances) {
        if (!listed(turn.to, *one)) continue;
        verdict::Standing standing = standing_of(*one);
        standing.lifecycle = verdict::Lifecycle::serving;
        if (!verdict::eligibility(standing).eligible)
            return fail(Code::unavailable, fmt::format("{} would get no traffic: it is {}", one->name.view(), verdict::to_text(standing.word.state)));
    }
    return {};
}

Result<> Control::check_staging(const Change& change) const {
    if (const auto* stage = std::get_if<Stage>(&change)) {
        for (const auto& name : concerned(change)) {
            const auto other = candidates_.find(name);
            if (other != candidates_.end() && !is_of(other->second.deployment, stage->record.id))
                return fail(Code::conflict, fmt::format("deployment {} of service \"{}\" is under way", other->second.deployment, name));
        }
        for (const auto& one : stage->candidates)
            if (one.spec.deployment != wave_of(stage->record.id, stage->wave))
                return fail(Code::invalid, fmt::format("instance \"{}\" is not of deployment {}", one.spec.name.view(), stage->record.id));
    }
    if (const auto* to = std::get_if<Switch>(&change))
        for (const auto& turn : to->turns) HALE_TRY(check_turn(turn, *to));
    return {};
}

std::vector<config::Change> Control::journal_of_staging(const Change& change) const {
    std::vector<config::Change> out;
    const auto* record = record_of(change);
    if (record == nullptr) return out;
    out.emplace_back(config::PutDeployment{settled(*record, change)});
    // The oldest of those that are over go.
    std::vector<const config::StoredDeployment*> over;
    for (const auto& [id, one] : deployments_)
        if (one->over && one->service == record->service && id != record->id) over.push_back(one.get());
    if (over.size() >= most_kept_deployments) {
        std::ranges::sort(over, {}, &config::StoredDeployment::number);
        for (const auto* one : over | std::views::take(over.size() - most_kept_deployments + 1)) out.emplace_back(config::RemoveDeployment{one->id});
    }
    const auto* to = std::get_if<Switch>(&change);
    if (to == nullptr) return out;
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    for (const auto& turn : to->turns)
        for (const auto& one : membership.service(turn.service)->instances) {
            const bool in = listed(turn.to, *one), before = listed(turn.from, *one);
            if (one->leaving || (!in && !before)) continue;
            // What is said of an instance is kept by its id, and the id only with its verdict.
            out.emplace_back(config::PutVerdict{stored(*one)});
            out.emplace_back(config::PutTraffic{{.key = one->id.str(), .weight = one->weight, .draining = !in && !one->candidate() && !(to->back && one->spec->deployment == record->id)}});
        }
    return out;
}

// As it is kept: control says whether its instances are a candidate.
config::StoredDeployment Control::settled(config::StoredDeployment record, const Change& change) const {
    const auto* to = std::get_if<Switch>(&change);
    const auto* unstage = std::get_if<Unstage>(&change);
    const std::string now = candidate_of(record.service).deployment;
    if (const auto* stage = std::get_if<Stage>(&change)) record.candidate = std::max(1u, stage->wave);
    else if (to != nullptr && to->back) record.candidate = 1;
    else if ((to != nullptr && !to->undo) || (unstage != nullptr && !unstage->others_stay)) record.candidate = 0;
    else record.candidate = is_of(now, record.id) ? wave_number(now) : 0;
    return record;
}

Candidate Control::candidate_of(std::string_view service) const {
    const auto found = candidates_.find(service);
    return found == candidates_.end() ? Candidate{} : found->second;
}

void Control::settle_candidate(const Change& change) {
    const auto* record = record_of(change);
    if (record == nullptr) return;
    const auto* stage = std::get_if<Stage>(&change);
    const auto* to = std::get_if<Switch>(&change);
    if (stage != nullptr) {
        for (const auto& name : concerned(change)) candidates_[name] = {wave_of(record->id, stage->wave), stage->key};
    } else if (to != nullptr && to->back) {
        for (const auto& name : concerned(change)) candidates_[name].deployment = record->id;
    } else if ((to != nullptr && !to->undo) || (std::holds_alternative<Unstage>(change) && !std::get<Unstage>(change).others_stay)) {
        std::erase_if(candidates_, [&](const auto& one) { return is_of(one.second.deployment, record->id); });
    }
}

void Control::apply_staging(const Change& change, Effects& effects) {
    const auto* record = record_of(change);
    if (record == nullptr) return;
    auto kept = std::make_shared<const config::StoredDeployment>(settled(*record, change));
    for (const auto& one : journal_of_staging(RecordDeployment{*record})) {
        const auto* gone = std::get_if<config::RemoveDeployment>(&one);
        if (gone == nullptr) continue;
        deployments_.erase(gone->id);
        effects.tell.emplace_back(DeploymentGone{gone->id});
    }
    deployments_[record->id] = kept;
    effects.tell.emplace_back(DeploymentPut{std::move(kept)});
    if (std::holds_alternative<RecordDeployment>(change)) return;
    const auto* to = std::get_if<Switch>(&change);
    for (const auto& name : concerned(change)) {
        Service* service = membership_.service(name);
        if (service == nullptr) continue;
        service->candidate = candidate_of(name);
        const auto turn = to == nullptr ? std::vector<Turn>::const_iterator{} : std::ranges::find(to->turns, name, &Turn::service);
        for (const auto& one : service->instances) {
            if (one->leaving) continue;
            if (to != nullptr && turn != to->turns.end()) {
                if (listed(turn->to, *one) || one->candidate()) one->lifecycle = verdict::Lifecycle::serving;
                else if (listed(turn->from, *one)) one->lifecycle = verdict::Lifecycle::draining;
            }
            membership_.touch(*one, effects);
        }
        effects.services.insert(service->name);
    }
}

// Of a deployment that a former process left: whoever goes on with it brings a key.
Candidate Control::candidate_before(const std::string& wave) {
    for (const auto& name : declared_.service_names()) {
        const auto spec = declared_.merged(name);
        if (!spec) continue;
        if (std::ranges::any_of(spec->instances, [&](const auto& one) { return one.deployment.view() == wave; })) candidates_[name] = {wave, ""};
    }
    return {wave, ""};
}

void Control::restore_deployments(std::vector<config::StoredDeployment> stored, Effects& effects) {
    for (auto& one : stored) {
        if (one.candidate)
            if (auto candidate = candidate_before(wave_of(one.id, one.candidate)); !candidates_.contains(one.service)) candidates_[one.service] = std::move(candidate);
        auto kept = std::make_shared<const config::StoredDeployment>(std::move(one));
        deployments_[kept->id] = kept;
        effects.tell.emplace_back(DeploymentPut{std::move(kept)});
    }
}

ServiceNow Control::look(std::string_view service) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    ServiceNow now{.document = declared_.document(), .spec = nullptr, .instances = {}, .routes = {}, .front = front_};
    const Service* there = membership.service(service);
    if (there == nullptr) return now;
    now.spec = there->spec;
    now.declared = declared_.declared_json(service);
    for (const auto& one : there->instances)
        if (!one->leaving)
            now.instances.push_back({.id = one->id.str(), .name = one->name.str(), .declared = one->spec->target.declared.str(), .deployment = one->spec->deployment.str(),
                                     .serving = one->lifecycle == verdict::Lifecycle::serving && !one->candidate(), .eligible = one->eligible,
                                     .of_file = one->spec->owner == config::Owner::file, .draining = one->lifecycle == verdict::Lifecycle::draining, .in_flight = under_way_with(*one),
                                     .unhealthy = one->current.word().state == verdict::State::unhealthy});
    for (const auto& route : declared_.routes())
        if (route.spec.service == service) now.routes.push_back(route.spec);
    return now;
}

void Control::when_gone(std::vector<std::string> instances, io::Task gone) {
    leaving_.push_back({std::move(instances), std::move(gone)});
    tell_gone();
}

void Control::tell_gone() {
    std::vector<io::Task> told;
    std::erase_if(leaving_, [&](Leaving& one) {
        std::erase_if(one.instances, [&](const std::string& id) { return membership_.instance(id) == nullptr; });
        if (!one.instances.empty()) return false;
        told.push_back(std::move(one.gone));
        return true;
    });
    for (auto& gone : told) gone();
}

}  // namespace hale::catalog
