#include "probe/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/reached.h"
#include "verdict/cadence.h"

namespace hale::probe {

Checker::Checker(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::Spawner* spawner, CheckerOptions options,
                 ReportSink sink)
    : loop_(loop),
      options_(std::move(options)),
      outbox_(loop, options_.number, std::move(sink)),
      engine_(loop, net, resolver, spawner, options_.engine),
      desk_{.loop = loop, .engine = engine_, .outbox = outbox_, .last_known_max_age = options_.last_known_max_age, .checker = options_.number} {}

Checker::~Checker() { HALE_CHECK(!running_); }

void Checker::start() { running_ = true; }

void Checker::stop() {
    for (auto& subject : by_row_)
        if (subject) subject->retire();
    by_row_.clear();
    instances_ = 0;
    plans_.clear();
    outbox_.flush();
    engine_.close();
    running_ = false;
}

void Checker::apply(std::vector<catalog::CheckerCommand> commands) {
    HALE_CHECK(running_);
    for (catalog::CheckerCommand& command : commands) std::visit([this](auto& order) { take(order); }, command);
    // What the commands made true is told before they are acknowledged.
    outbox_.flush();
}

std::string Checker::from() const { return fmt::format("{}/checker-{}", options_.node, options_.number); }

CheckerStats Checker::stats() const {
    return {.checker = options_.number,
            .engine = engine_.stats(),
            .instances = instances_,
            .connections_open = engine_.pool().open(),
            .connections_kept = engine_.pool().kept(),
            .discarded = outbox_.discarded_in_all(),
            .lag = desk_.lag};
}

Subject* Checker::find(verdict::RowId row) { return row < by_row_.size() ? by_row_[row].get() : nullptr; }

Subject* Checker::find(verdict::RowId row, std::uint16_t generation) {
    Subject* subject = find(row);
    if (subject != nullptr && subject->generation() == generation) return subject;
    HALE_REACHED("checker: a command for a generation that is gone");
    outbox_.discarded();
    return nullptr;
}

std::shared_ptr<const PlanList> Checker::plans_for(const std::shared_ptr<const config::CheckList>& checks) {
    if (!checks) return std::make_shared<const PlanList>();
    if (plans_.size() >= prune_at_) {
        std::erase_if(plans_, [](const auto& one) { return one.second.plans.expired(); });
        prune_at_ = std::max<std::size_t>(64, plans_.size() * 2);
    }
    Planned& planned = plans_[checks.get()];
    if (planned.checks.lock() == checks)
        if (auto plans = planned.plans.lock()) return plans;
    auto plans = make_plans(*checks);
    planned = {checks, plans};
    return plans;
}

FirstProbes Checker::first_probes(const catalog::Assignment& assignment, std::size_t count) {
    const Instant now = loop_.now();
    if (assignment.last_known) {
        const auto begin = [&](std::uint32_t rank) { return verdict::first_probe_restored(now, rank, assignment.restored_total); };
        const Instant at = begin(assignment.restored_rank);
        return {at, assignment.restored_total > 1 ? begin(1) - begin(0) : Duration{0}};
    }
    const Duration apart = new_probes_apart * options_.of;
    const Instant at = std::max(now, next_new_);
    next_new_ = at + apart * static_cast<std::int64_t>(count);
    return {at, apart};
}

void Checker::take(catalog::Assignment& assignment) {
    if (assignment.row >= by_row_.size()) by_row_.resize(assignment.row + 1);
    auto& place = by_row_[assignment.row];
    auto plans = plans_for(assignment.checks);
    if (place && place->generation() == assignment.generation) return place->reassign(assignment, std::move(plans));
    if (place) remove(assignment.row);
    const FirstProbes first = first_probes(assignment, plans->size());
    place = std::make_unique<Subject>(desk_, assignment, std::move(plans), first);
    ++instances_;
}

void Checker::take(catalog::Unassign& order) {
    if (find(order.row, order.generation) != nullptr) remove(order.row);
}

void Checker::remove(verdict::RowId row) {
    by_row_[row]->retire();
    by_row_[row].reset();
    --instances_;
}

void Checker::take(catalog::ProbeNow& order) {
    if (Subject* subject = find(order.row, order.generation)) return subject->probe_now(std::move(order));
    order.reply({});
}

void Checker::take(catalog::OpenGate& order) {
    if (Subject* subject = find(order.row, order.generation)) return subject->open_gate(std::move(order));
    order.reply({.row = order.row, .end = catalog::GateEnd::gone});
}

void Checker::take(catalog::CloseGate& order) {
    if (Subject* subject = find(order.row)) subject->close_gate(order.gate);
}

void Checker::take(catalog::Passive& signal) {
    if (Subject* subject = find(signal.row, signal.generation)) subject->passive();
}

void Checker::take(catalog::HeartbeatSeen& seen) {
    if (Subject* subject = find(seen.row, seen.generation)) subject->beat(seen);
}

void Checker::take(catalog::MembersChanged& change) {
    if (Subject* subject = find(change.row, change.generation)) subject->members_changed(change);
}

void Checker::take(catalog::SuspectSelf& order) {
    const Instant until = loop_.now() + std::min(order.hold, verdict::longest_hold);
    for (auto& subject : by_row_)
        if (subject) subject->suspect(until);
}

void Checker::take(catalog::LastEligible& note) {
    if (Subject* subject = find(note.row)) subject->set_last_eligible(note.last);
}

void Checker::take(catalog::CheckerSettings& settings) {
    engine_.set_targets(std::move(settings.targets));
    desk_.front = std::move(settings.front);
    engine_.set_limits(std::max(1u, settings.in_flight / options_.of), settings.in_flight_per_host);
}

}  // namespace hale::probe
