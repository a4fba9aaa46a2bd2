// The part of control that carries out what deployments ask: their instances come without traffic, take it over in one
// step, and go; and what was said of each deployment is kept.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>
#include <utility>

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

bool listed(const std::vector<std::string>& names, const Instance& instance) {
    return std::ranges::find(names, instance.name.view()) != names.end();
}

}  // namespace

Result<> Control::check_switch(const Switch& to) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    const Service* service = membership.service(to.record.service);
    if (service == nullptr) return fail(Code::not_found, fmt::format("there is no service \"{}\" any more", to.record.service));
    std::set<std::string> serving, known;
    for (const auto& one : service->instances) {
        if (one->leaving) continue;
        known.insert(one->name.str());
        if (one->lifecycle == verdict::Lifecycle::serving && !one->candidate()) serving.insert(one->name.str());
    }
    for (const auto& name : to.to)
        if (!known.contains(name)) return fail(Code::conflict, fmt::format("instance \"{}\" is not there any more", name));
    const std::set<std::string> wanted(to.to.begin(), to.to.end()), before(to.from.begin(), to.from.end());
    if (serving == wanted) return {};  // It has happened.
    if (serving != before)
        return fail(Code::conflict, fmt::format("service \"{}\" was changed meanwhile: {} served when this began, {} serve now", service->name.view(),
                                                before.empty() ? "none" : fmt::format("{}", fmt::join(before, ", ")),
                                                serving.empty() ? "none" : fmt::format("{}", fmt::join(serving, ", "))));
    if (to.back) return {};
    for (const auto& one : service->instances) {
        if (!listed(to.to, *one)) continue;
        verdict::Standing standing = standing_of(*one);
        standing.lifecycle = verdict::Lifecycle::serving;
        if (!verdict::eligibility(standing).eligible)
            return fail(Code::unavailable, fmt::format("{} would get no traffic: it is {}", one->name.view(), verdict::to_text(standing.word.state)));
    }
    return {};
}

Result<> Control::check_staging(const Change& change) const {
    if (const auto* stage = std::get_if<Stage>(&change)) {
        const auto other = candidates_.find(stage->record.service);
        if (other != candidates_.end() && other->second.deployment != stage->record.id)
            return fail(Code::conflict, fmt::format("deployment {} of service \"{}\" is under way", other->second.deployment, stage->record.service));
        for (const auto& one : stage->candidates)
            if (one.service != stage->record.service || one.spec.deployment != stage->record.id)
                return fail(Code::invalid, fmt::format("instance \"{}\" is not of deployment {}", one.spec.name.view(), stage->record.id));
    }
    if (const auto* to = std::get_if<Switch>(&change)) return check_switch(*to);
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
    for (const auto& one : membership.service(record->service)->instances) {
        const bool in = listed(to->to, *one), before = listed(to->from, *one);
        if (one->leaving || (!in && !before)) continue;
        // What is said of an instance is kept by its id, and the id only with its verdict.
        out.emplace_back(config::PutVerdict{stored(*one)});
        out.emplace_back(config::PutTraffic{{.key = one->id.str(), .weight = one->weight, .draining = !in && !one->candidate() && !(to->back && one->spec->deployment == record->id)}});
    }
    return out;
}

// As it is kept: control says whether its instances are a candidate.
config::StoredDeployment Control::settled(config::StoredDeployment record, const Change& change) const {
    if (const auto* to = std::get_if<Switch>(&change)) record.candidate = to->back;
    else if (std::holds_alternative<Stage>(change)) record.candidate = true;
    else record.candidate = !std::holds_alternative<Unstage>(change) && candidate_of(record.service).deployment == record.id;
    return record;
}

Candidate Control::candidate_of(std::string_view service) const {
    const auto found = candidates_.find(service);
    return found == candidates_.end() ? Candidate{} : found->second;
}

void Control::settle_candidate(const Change& change) {
    const auto* record = record_of(change);
    if (record == nullptr) return;
    if (const auto* stage = std::get_if<Stage>(&change)) {
        candidates_[record->service] = {record->id, stage->key};
    } else if (const auto* to = std::get_if<Switch>(&change)) {
        if (to->back) candidates_[record->service].deployment = record->id;
        else candidates_.erase(record->service);
    } else if (std::holds_alternative<Unstage>(change) && candidate_of(record->service).deployment == record->id) {
        candidates_.erase(record->service);
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
    Service* service = membership_.service(record->service);
    if (service == nullptr) return;
    service->candidate = candidate_of(record->service);
    if (std::holds_alternative<RecordDeployment>(change)) return;
    const auto* to = std::get_if<Switch>(&change);
    for (const auto& one : service->instances) {
        if (one->leaving) continue;
        if (to != nullptr && (listed(to->to, *one) || one->candidate())) one->lifecycle = verdict::Lifecycle::serving;
        else if (to != nullptr && listed(to->from, *one)) one->lifecycle = verdict::Lifecycle::draining;
        membership_.touch(*one, effects);
    }
    effects.services.insert(service->name);
}

void Control::restore_deployments(std::vector<config::StoredDeployment> stored, Effects& effects) {
    for (auto& one : stored) {
        if (one.candidate) candidates_[one.service] = {one.id, ""};  // Whoever goes on with it brings a key.
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
    for (const auto& one : there->instances)
        if (!one->leaving)
            now.instances.push_back({one->id.str(), one->name.str(), one->spec->target.declared.str(), one->spec->deployment.str(),
                                     one->lifecycle == verdict::Lifecycle::serving && !one->candidate(), one->eligible, one->spec->owner == config::Owner::file});
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
