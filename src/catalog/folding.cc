#include "catalog/folding.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "base/log.h"
#include "verdict/panic.h"

namespace hale::catalog {

namespace {

bool is_connect_trouble(verdict::Reason reason) {
    using enum verdict::Reason;
    return reason == connect_refused || reason == connect_timeout || reason == connect_failed || reason == connect_reset;
}

const config::CompositeCheck* composite_of(const config::CheckSpec& check) { return std::get_if<config::CompositeCheck>(&check.what); }

std::uint32_t passing_checks(const Instance& instance) {
    if (!instance.current.record) return 0;
    return static_cast<std::uint32_t>(std::ranges::count_if(instance.current.record->checks, [](const CheckStanding& check) {
        return check.state == verdict::State::healthy || check.state == verdict::State::degraded;
    }));
}

std::string member_service(const std::string& member) { return member.substr(0, member.find('/')); }

// The worst of a check's states over a service's instances: what a composite sees of "service/check".
int badness(verdict::State state) {
    using enum verdict::State;
    switch (state) {
        case healthy: return 0;
        case degraded: return 1;
        case pending: return 2;
        case unknown: return 3;
        case unhealthy: return 4;
    }
    std::unreachable();
}

}  // namespace

verdict::Standing standing_of(const Instance& instance) {
    const auto own = instance.override ? std::optional{instance.override->state} : std::nullopt;
    const auto whole = instance.service->override ? std::optional{instance.service->override->state} : std::nullopt;
    // It has a check now, of which its checker has not said anything yet: it serves as it did.
    const bool still_unchecked = instance.current.record && instance.current.record->reason == verdict::Reason::unchecked;
    return verdict::Standing{.lifecycle = instance.lifecycle_now(),
                             .override = verdict::stronger(own, whole),
                             .word = instance.current.word(),
                             .unchecked = instance.unchecked() || still_unchecked};
}

bool Folding::next_is_ready(const Instance& instance) {
    return instance.next && verdict::eligibility({.word = instance.next->word(), .unchecked = instance.unchecked()}).eligible;
}

bool Folding::judge_eligibility(Instance& instance) {
    const auto now = verdict::eligibility(standing_of(instance));
    const bool changed = now.eligible != instance.eligible || now.rule != instance.rule;
    instance.eligible = now.eligible;
    instance.rule = static_cast<std::uint8_t>(now.rule);
    return changed;
}

void Folding::tell_verdict(Instance& instance, Effects& effects) {
    effects.tell.emplace_back(VerdictPut{instance.slot, instance.current.record, instance.eligible, instance.rule});
}

void Folding::take(CheckReport report, Moment at, Effects& effects) {
    discarded_ += report.discarded;
    std::vector<Service*> touched;
    for (auto& change : report.changes) {
        const auto [instance, generation] = membership_.by_row(change.row, change.generation);
        if (instance == nullptr) {
            ++discarded_;
            continue;
        }
        highest_version_ = std::max(highest_version_, change.record->word.version);
        generation->record = std::move(change.record);
        if (std::ranges::find(touched, instance->service) == touched.end()) touched.push_back(instance->service);
        if (generation == instance->next.get()) {
            if (next_is_ready(*instance)) ready_.push_back(instance);
            else membership_.touch(*instance, effects);
            continue;
        }
        judge_eligibility(*instance);
        if (!instance->scope_only) tell_verdict(*instance, effects);
    }
    for (auto& seen : report.seen) {
        const auto [instance, generation] = membership_.by_row(seen.row, seen.generation);
        if (instance == nullptr) {
            ++discarded_;
            continue;
        }
        if (seen.counted) generation->observed = seen.at;
        if (seen.outcome == verdict::Outcome::fail && is_connect_trouble(seen.reason) && needs_lookup(*instance->spec))
            doubted_.insert(instance->spec->target.host.str());
        if (instance->scope_only || generation != &instance->current) continue;
        effects.tell.emplace_back(SeenPut{instance->slot, std::move(seen)});
    }
    for (Service* service : touched) {
        fold(*service, at, effects);
        tell_members(service->name, effects);  // One of its checks may have turned where the service did not.
    }
}

void Folding::refold(const std::vector<std::string>& services, Moment at, Effects& effects) {
    for (const auto& name : services) {
        Service* service = membership_.service(name);
        if (service == nullptr) continue;
        for (const auto& instance : service->instances)
            if (judge_eligibility(*instance)) tell_verdict(*instance, effects);
        fold(*service, at, effects);
        tell_members(name, effects);
        // Members of a composite declared just now have long been judged: say so.
        for (const auto& instance : service->instances) send_members(*instance, effects);
        if (service->scope) send_members(*service->scope, effects);
    }
}

void Folding::set_ending(EndingCertificates ending, Moment at, Effects& effects) {
    const auto before = std::exchange(ending_, std::move(ending));
    std::set<std::string> touched;
    for (const auto& [service, one] : before) touched.insert(service);
    for (const auto& [service, one] : ending_) touched.insert(service);
    refold({touched.begin(), touched.end()}, at, effects);
}

void Folding::fold(Service& service, Moment at, Effects& effects) {
    std::vector<verdict::InstanceView> instances;
    instances.reserve(service.instances.size());
    for (const auto& instance : service.instances)
        instances.push_back({standing_of(*instance),
                             instance->current.record ? instance->current.record->reason : verdict::Reason::never_checked});
    std::vector<verdict::CheckView> checks;
    if (service.scope && service.scope->current.record)
        for (const auto& check : service.scope->current.record->checks)
            checks.push_back({.state = check.state, .kept = check.state, .judged = true, .critical = check.critical,
                              .reason = check.reason});
    const verdict::ServiceVerdict folded = verdict::fold_service(instances, checks);

    service.passing_checks = 0;
    for (const auto& instance : service.instances) service.passing_checks += passing_checks(*instance);
    if (service.scope) service.passing_checks += passing_checks(*service.scope);

    ServiceStanding next;
    next.state = folded.state;
    next.reason = folded.reason;
    if (folded.check) {
        const InstanceRecord& record = *service.scope->current.record;
        const CheckStanding& check = record.checks[*folded.check];
        if (record.decided_by == check.name) next.text = record.text;
        if (next.text.empty()) next.text = fmt::format("check {}: {}", check.name, code(check.reason));
    } else if (folded.instance && folded.state != verdict::State::healthy) {
        const Instance& one = *service.instances[*folded.instance];
        next.text = fmt::format("{}: {}", one.name, one.current.record && !one.current.record->text.empty() ? one.current.record->text
                                                                                                        : std::string{code(folded.reason)});
    }
    // Users will be turned away soon, however well the instances are.
    if (const auto ending = ending_.find(service.name.view()); ending != ending_.end() && next.state == verdict::State::healthy) {
        const auto& [host, source, until] = ending->second;
        next.state = verdict::State::degraded;
        next.reason = verdict::Reason::certificate_expiring;
        next.text = fmt::format("the certificate that Hale shows for {} ({}) {} at {}", host, source, until <= at.utc ? "ended" : "ends", rfc3339(until));
    }
    next.counts = {folded.counts.total,     folded.counts.eligible, folded.counts.healthy, folded.counts.degraded,
                   folded.counts.unhealthy, folded.counts.pending,  folded.counts.unknown, folded.counts.draining};
    const ServiceStanding& last = service.standing;
    next.panic = service.panic;
    for (const auto& one : service.instances)
        if (one->eligible) one->good_until = never;
        else if (one->good_until == never) one->good_until = at.now;
    if (wants_panic(service) != service.panic) panic_turns_.push_back(service.name.str());
    const bool same_state = service.told && last.state == next.state;
    const auto known = known_.find(service.name.view());
    next.since = same_state ? last.since : known != known_.end() && known->second.state == next.state ? known->second.since : at.utc;
    next.version = last.version;
    tell_last_eligible(service, effects);
    if (same_state && last.reason == next.reason && last.counts == next.counts && last.text == next.text && last.panic == next.panic) return;
    if (!same_state || last.reason != next.reason) ++next.version;
    highest_version_ = std::max(highest_version_, next.version);
    if (next.panic != last.panic) tell_panic(service, next, effects);
    service.standing = std::move(next);
    service.told = true;
    if (!same_state && known == known_.end())
        effects.remember.emplace_back(config::PutStanding{{service.name.str(), service.standing.state, service.standing.since}});
    effects.tell.emplace_back(StandingPut{service.slot, service.standing});
}

void Folding::known_before(std::vector<config::StoredStanding> standings) {
    for (auto& standing : standings) known_.insert_or_assign(standing.service, std::move(standing));
}

std::vector<config::Change> Folding::end_of_restore() {
    std::vector<config::Change> changes;
    for (const auto& [name, known] : std::exchange(known_, {})) {
        const Service* service = membership_.service(name);
        if (service == nullptr) changes.emplace_back(config::RemoveStanding{name});
        else if (service->standing.state != known.state)
            changes.emplace_back(config::PutStanding{{name, service->standing.state, service->standing.since}});
    }
    return changes;
}

// It is control that decides, and workers are told: each deciding for itself would remember another past, and differ
// from the others and from what readers see between the two thresholds.
bool Folding::wants_panic(const Service& service) {
    const auto& declared = service.spec->panic;
    if (!declared || !service.routed) return false;
    std::uint32_t covered = 0, eligible = 0;
    for (const auto& instance : service.instances) {
        const auto standing = standing_of(*instance);
        if (!verdict::covered_by_panic(standing)) continue;
        ++covered;
        eligible += verdict::eligibility(standing).eligible;
    }
    return verdict::in_panic({.below_percent = declared->below_percent, .min_instances = declared->min_instances}, covered, eligible, service.panic);
}

bool Folding::turn_panic(Service& service, Moment at) {
    if (wants_panic(service) == service.panic) return false;
    service.panic = !service.panic;
    service.panicked_at = at.now;
    return true;
}

void Folding::tell_panic(const Service& service, const ServiceStanding& now, Effects& effects) {
    const auto text = now.panic ? fmt::format("service {}: {} of {} instances are eligible, fewer than {} %: as declared, requests go to {} as well",
                                              service.name, now.counts.eligible, now.counts.total, service.spec->panic->below_percent,
                                              service.spec->panic->to == config::PanicTarget::all ? "the others" : "those that were good before")
                                : fmt::format("service {}: requests go to eligible instances alone again", service.name);
    log(LogLevel::warning, text);
    effects.tell.emplace_back(Notice{now.panic ? "panic.began" : "panic.ended", service.name.str(), text});
}

// Flapping must never keep the last one down: each checker knows which of its instances have no eligible sibling.
void Folding::tell_last_eligible(Service& service, Effects& effects) {
    const auto eligible = std::ranges::count_if(service.instances, [](const auto& one) { return one->eligible; });
    for (const auto& instance : service.instances) {
        const bool last = eligible - (instance->eligible ? 1 : 0) == 0;
        if (std::exchange(instance->last_eligible, last) != last) effects.commands.emplace_back(LastEligible{instance->current.row, last});
    }
}

void Folding::rebuild_dependents() {
    dependents_.clear();
    for (const auto& [name, service] : membership_.services()) {
        const auto depend = [&](const Instance& instance) {
            for (const auto& check : *membership_.carried(instance)) {
                const auto* composite = composite_of(*check);
                if (composite == nullptr) continue;
                for (const auto* list : {&composite->of, &composite->advisory})
                    for (const auto& member : *list) {
                        auto& ids = dependents_[member_service(member)];
                        if (ids.empty() || ids.back() != instance.id) ids.push_back(instance.id.str());
                    }
            }
        };
        for (const auto& instance : service->instances) depend(*instance);
        if (service->scope) depend(*service->scope);
    }
}

MemberState Folding::member_state(const std::string& member) {
    MemberState out{.member = member};
    const Service* service = membership_.service(member_service(member));
    if (service == nullptr) return out;
    const auto slash = member.find('/');
    if (slash == std::string::npos) {
        out.state = service->standing.state;
        return out;
    }
    const std::string_view wanted = std::string_view{member}.substr(slash + 1);
    int worst = -1;
    const auto look = [&](const Instance& instance) {
        if (!instance.current.record) return;
        for (const auto& check : instance.current.record->checks) {
            if (check.name != wanted || badness(check.state) <= worst) continue;
            worst = badness(check.state);
            out.state = check.state;
            out.stale = instance.current.record->word.flags.has(verdict::Flag::stale);
        }
    };
    for (const auto& instance : service->instances) look(*instance);
    if (service->scope) look(*service->scope);
    return out;
}

void Folding::tell_members(std::string_view service, Effects& effects) {
    const auto found = dependents_.find(service);
    if (found == dependents_.end()) return;
    for (const auto& id : found->second)
        if (Instance* instance = membership_.instance(id)) send_members(*instance, effects);
}

void Folding::send_members(Instance& instance, Effects& effects) {
    MembersChanged changed{instance.current.row, instance.current.number, {}};
    for (const auto& check : *membership_.carried(instance))
        if (const auto* composite = composite_of(*check))
            for (const auto* list : {&composite->of, &composite->advisory})
                for (const auto& member : *list) changed.members.push_back(member_state(member));
    if (changed.members.empty()) return;
    if (instance.next) effects.commands.emplace_back(MembersChanged{instance.next->row, instance.next->number, changed.members});
    effects.commands.emplace_back(std::move(changed));
}

}  // namespace hale::catalog
