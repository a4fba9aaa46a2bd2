#include "probe/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "base/reached.h"
#include "probe/words.h"

namespace hale::probe {

using verdict::Flag;
using verdict::Reason;
using verdict::State;

namespace {

// Whom a check via: proxy asks for.
std::string_view host_of(const config::CheckSpec& check, std::string_view usual) {
    const std::string& own = std::get<config::HttpCheck>(check.what).host;
    return own.empty() ? usual : std::string_view(own);
}

bool declared_unchecked(const catalog::Assignment& assignment) {
    return assignment.checks && std::ranges::any_of(*assignment.checks, [](const auto& check) {
        return std::holds_alternative<config::Unchecked>(check->what);
    });
}

}  // namespace

Subject::Subject(Desk& desk, const catalog::Assignment& assignment, std::shared_ptr<const PlanList> plans,
                 FirstProbes first)
    : desk_(desk),
      cell_(assignment.cell),
      epoch_(assignment.epoch),
      row_(assignment.row),
      word_{.generation = assignment.generation, .version = assignment.first_version},
      unchecked_(declared_unchecked(assignment)),
      id_hash_(hash64(assignment.id)),
      to_(destination_of(assignment.target, assignment.address, assignment.entrance.host, assignment.file_owned)),
      entrance_(entrance_of(assignment, *plans)),
      plans_(std::move(plans)) {
    HALE_CHECK(cell_ != nullptr && epoch_ != nullptr);
    const Instant now = desk_.loop.now();
    for (const Plan& plan : *plans_) {
        if (HALE_BUG_IF(watches_.size() == most_checks)) break;
        watches_.push_back(std::make_unique<Watch>(*this, plan, static_cast<std::uint8_t>(watches_.size()),
                                                   judge_for(plan, assignment, now), key_of(plan),
                                                   first.at + first.apart * static_cast<std::int64_t>(watches_.size())));
    }
    // What was believed before, as far as it is believed still.
    auto record = std::make_shared<catalog::InstanceRecord>();
    record->checker = static_cast<std::uint16_t>(desk_.checker);
    record->since = desk_.loop.utc();
    if (assignment.last_known) {
        const catalog::LastKnown& last = *assignment.last_known;
        for (const auto& watch : watches_) {
            if (last.state == State::healthy || last.state == State::degraded) watch->known_before();
            if (watch->judge().judged() && watch->critical() && watch->judge().kept() == last.state) {
                record->since = last.since;
                record->text = last.text;
                record->word.state = last.state;
            }
        }
    }
    record_ = std::move(record);
    settle();
    hear_engine(assignment);
}

void Subject::hear_engine(const catalog::Assignment& assignment) {
    for (const auto& watch : watches_) watch->container(assignment.container);
}

Subject::~Subject() = default;

verdict::PhaseKey Subject::key_of(const Plan& plan) const { return {hash64(plan.spec->name, id_hash_)}; }

verdict::Judge Subject::judge_for(const Plan& plan, const catalog::Assignment& assignment, Instant now) const {
    const Instant started = now - assignment.generation_age;
    if (!assignment.last_known || plan.container()) return {plan.timing, started, now};
    const catalog::LastKnown& last = *assignment.last_known;
    // What is remembered is the instance's; advisory checks did not decide it.
    const bool any_critical = std::ranges::any_of(*plans_, [](const Plan& p) { return p.spec->critical; });
    if (!plan.spec->critical && any_critical) return {plan.timing, started, now};
    verdict::LastKnown known{
        .state = last.state, .was_eligible = last.was_eligible, .age = last.age, .reason = last.reason};
    if (last.observed == Utc{}) known.age = std::nullopt;
    return verdict::Judge::restored(plan.timing, known, desk_.last_known_max_age, started, now);
}

// What is believed of the instance holds for a check that was added, until it is judged itself: an instance does
// not leave traffic for a question that was not asked yet.
verdict::Judge Subject::judge_joining(const Plan& plan, const catalog::Assignment& assignment, bool was_unchecked,
                                      Instant now) const {
    const Instant started = now - assignment.generation_age;
    if (plan.container()) return {plan.timing, started, now};
    if (was_unchecked) return verdict::Judge::joined(plan.timing, State::healthy, Reason::assumed, started, now);
    switch (word_.state) {
        case State::healthy:
        case State::degraded:
        case State::unhealthy:
            if (reason_ != Reason::assumed) return verdict::Judge::joined(plan.timing, word_.state, reason_, started, now);
            break;
        case State::unknown:
            if (word_.flags.has(Flag::held) && word_.was_eligible)
                return verdict::Judge::joined(plan.timing, State::healthy, Reason::ok, started, now);
            break;
        case State::pending:
            break;
    }
    return {plan.timing, started, now};
}

void Subject::reassign(const catalog::Assignment& assignment, std::shared_ptr<const PlanList> plans) {
    cell_ = assignment.cell;
    epoch_ = assignment.epoch;
    const Destination to =
        destination_of(assignment.target, assignment.address, assignment.entrance.host, assignment.file_owned);
    const bool moved = !(to == to_);
    entrance_ = entrance_of(assignment, *plans);
    const auto old_plans = std::exchange(plans_, std::move(plans));
    auto old = std::exchange(watches_, {});
    to_ = to;
    const bool was_unchecked = std::exchange(unchecked_, declared_unchecked(assignment));
    bool same_questions = !moved && old.size() == plans_->size();
    const Instant now = desk_.loop.now();
    for (const Plan& plan : *plans_) {
        if (HALE_BUG_IF(watches_.size() == most_checks)) break;
        const auto index = static_cast<std::uint8_t>(watches_.size());
        const auto known = std::ranges::find_if(
            old, [&](const auto& watch) { return watch && watch->plan().spec->name == plan.spec->name; });
        if (known != old.end()) {  // Of another kind too: then it is another question of the same check.
            const config::CheckSpec& before = *(*known)->plan().spec;
            const bool changed = (moved && !plan.container()) || (&before != plan.spec.get() && before.question() != plan.spec->question());
            same_questions = same_questions && !changed && known - old.begin() == index;
            (*known)->replan(plan, changed, index);
            watches_.push_back(std::move(*known));
        } else {
            watches_.push_back(std::make_unique<Watch>(
                *this, plan, index, judge_joining(plan, assignment, was_unchecked, now), key_of(plan), now));
        }
    }
    // What gates had asked is another question now; their tallies are by index.
    while (!same_questions && !gates_.empty()) end_gate(gates_.size() - 1, catalog::GateEnd::gone);
    old.clear();
    settle();
    hear_engine(assignment);
}

std::unique_ptr<const catalog::Entrance> Subject::entrance_of(const catalog::Assignment& assignment, const PlanList& plans) {
    if (std::ranges::none_of(plans, [](const Plan& plan) { return plan.spec->through_proxy(); })) return nullptr;
    return std::make_unique<const catalog::Entrance>(assignment.entrance);
}

Destination Subject::destination(const config::CheckSpec& check) const {
    if (!check.through_proxy()) return to_.for_check(check);
    const std::string_view host = host_of(check, entrance_->host);
    const auto& front = desk_.front;
    const bool tls = front.https && (entrance_->tls || !front.http);
    return proxy_destination(tls ? front.https : front.http, host, tls);
}

std::shared_ptr<const Behind> Subject::behind(const config::CheckSpec& check) const {
    if (!check.through_proxy()) return nullptr;
    auto behind = std::make_shared<Behind>(Behind{to_, {}});
    const std::string& path = std::get<config::HttpCheck>(check.what).path;
    const std::string_view prefix = entrance_->stripped;
    if (prefix.size() > 1 && path.starts_with(prefix)) {
        behind->path = path.substr(prefix.size() - (prefix.ends_with('/') ? 1 : 0));
        if (!behind->path.starts_with('/')) behind->path.insert(0, 1, '/');
    }
    return behind;
}

void Subject::retire() {
    while (!gates_.empty()) end_gate(gates_.size() - 1, catalog::GateEnd::gone);
    for (const auto& watch : watches_) desk_.engine.close_idle(destination(*watch->plan().spec));
    watches_.clear();
}

// ---- Orders ----

void Subject::probe_now(catalog::ProbeNow order) {
    auto asker = std::make_shared<Asker>();
    asker->reply = std::move(order.reply);
    ++asker->open;  // Held open until all checks were asked.
    for (std::size_t i = 0; i < watches_.size(); ++i)
        if (order.check.empty() || watches_[i]->plan().spec->name == order.check)
            watches_[i]->ask(asker, order.max_age);
    asker->answered_one();
}

void Subject::open_gate(catalog::OpenGate order) {
    gates_.push_back(std::make_unique<Gate>(*this, std::move(order), desk_.loop, numbers_, watches_.size()));
    for (const std::size_t check : asked_by_gates()) watches_[check]->probe_now(verdict::Trigger::gate);
    check_gates();  // Without any check there is nothing to wait for.
}

void Subject::close_gate(std::uint64_t gate) {
    const auto at = std::ranges::find_if(gates_, [&](const auto& one) { return one->id() == gate; });
    if (at != gates_.end()) end_gate(static_cast<std::size_t>(at - gates_.begin()), catalog::GateEnd::gone);
}

void Subject::passive() {
    for (const auto& watch : watches_)
        if (watch->critical()) watch->passive();
}

void Subject::beat(const catalog::HeartbeatSeen& seen) {
    for (const auto& watch : watches_) {
        if (watch->plan().heartbeat() == nullptr) continue;
        if (!seen.check.empty() && watch->plan().spec->name != seen.check) continue;
        return watch->beat(seen);
    }
}

void Subject::members_changed(const catalog::MembersChanged& change) {
    for (std::size_t i = 0; i < watches_.size(); ++i)
        if (watches_[i]->plan().composite() != nullptr) watches_[i]->members(change.members);
}

void Subject::suspect(Instant until) {
    bool visible = false;
    for (const auto& watch : watches_) visible = watch->hold(until) || visible;
    if (visible) settle();
}

// ---- Gates ----

std::vector<std::size_t> Subject::asked_by_gates() const {
    std::vector<std::size_t> asked;
    for (const bool critical : {true, false}) {
        for (std::size_t i = 0; i < watches_.size(); ++i)
            if (watches_[i]->critical() == critical && !watches_[i]->plan().container()) asked.push_back(i);
        if (!asked.empty()) break;  // Advisory ones only where there is nothing else.
    }
    return asked;
}

bool Subject::gates_take(std::size_t check, std::uint32_t number, const verdict::Observation& seen, bool counted) {
    if (gates_.empty()) return false;
    const auto asked = asked_by_gates();
    if (std::ranges::find(asked, check) == asked.end()) return false;
    // Evidence for a gate travels on its own connection, where there is one at all.
    if (seen.vehicle == verdict::Vehicle::pooled) return gates_want(check);
    verdict::Observation whole = seen;
    whole.text = probe::told(watches_[check]->plan(), destination(*watches_[check]->plan().spec), seen);
    for (const auto& gate : gates_)
        if (number > gate->opened_after()) gate->take(check, whole, counted, watches_[check]->plan().timing.rise);
    check_gates();
    return gates_want(check);
}

bool Subject::gates_want(std::size_t check) const {
    return std::ranges::any_of(
        gates_, [&](const auto& gate) { return gate->wants(check, watches_[check]->plan().timing.rise); });
}

void Subject::check_gates() {
    const auto asked = asked_by_gates();
    for (std::size_t at = gates_.size(); at-- > 0;) {
        const Gate& gate = *gates_[at];
        const auto failed = [&](std::size_t check) { return gate.failed(check, watches_[check]->plan().timing.fall); };
        const auto wants = [&](std::size_t check) { return gate.wants(check, watches_[check]->plan().timing.rise); };
        if (asked.empty() || std::ranges::any_of(asked, failed)) {
            end_gate(at, catalog::GateEnd::failed);
        } else if (std::ranges::none_of(asked, wants)) {
            end_gate(at, catalog::GateEnd::passed);
        }
    }
}

void Subject::end_gate(std::size_t at, catalog::GateEnd how) {
    const auto asked = asked_by_gates();
    std::uint32_t needed = 0;
    for (const std::size_t check : asked) needed = std::max<std::uint32_t>(needed, watches_[check]->plan().timing.rise);
    auto gate = std::move(gates_[at]);
    gates_.erase(gates_.begin() + static_cast<std::ptrdiff_t>(at));
    gate->end(how, row_, word_.state, needed, asked);
}

void Subject::gate_timed_out(Gate& gate) {
    const auto at = std::ranges::find_if(gates_, [&](const auto& one) { return one.get() == &gate; });
    if (at != gates_.end()) end_gate(static_cast<std::size_t>(at - gates_.begin()), catalog::GateEnd::timed_out);
}

// ---- The verdict ----

std::size_t Subject::weighed() const {
    if (watches_.empty() || !watches_.back()->plan().container()) return watches_.size();
    const State state = watches_.back()->judge().state();
    return watches_.size() - (state == State::unhealthy || state == State::degraded ? 0 : 1);
}

void Subject::settle() {
    std::array<verdict::CheckView, most_checks> views;
    verdict::Flags critical_flags;
    verdict::Flags all_flags;
    bool any_critical = false;
    const std::size_t count = weighed();
    for (std::size_t i = 0; i < count; ++i) {
        const Watch& watch = *watches_[i];
        views[i] = verdict::view(watch.judge(), watch.critical());
        if (watch.plan().container()) continue;  // It is never stale, nor suspected.
        const std::uint8_t bits = watch.judge().flags().bits;
        all_flags.bits |= bits;
        if (watch.critical()) critical_flags.bits |= bits;
        any_critical = any_critical || watch.critical();
    }
    verdict::InstanceVerdict folded = verdict::fold_checks(std::span(views).first(count));
    // Where the container has ended, that is why nobody answers.
    if (count > 0 && watches_[count - 1]->plan().container() && views[count - 1].state == State::unhealthy) {
        folded.check = count - 1;
        folded.reason = views[count - 1].reason;
    }
    if (count == 0 && !unchecked_) folded.reason = Reason::never_checked;  // Its service's checks are asked elsewhere.
    verdict::Word next = word_;
    next.state = folded.state;
    next.was_eligible = folded.was_eligible;
    next.flags = any_critical ? critical_flags : all_flags;
    next.flags.set(Flag::held, folded.held);
    const bool first = record_->word.version == 0;
    if (!first && next == word_ && folded.reason == reason_) {
        // The instance stands as it did, but other checks may be to blame. That is told, and is no new version.
        if (!told(folded)) write(false, folded);
        return;
    }
    const State before = first ? record_->word.state : word_.state;
    const bool state_changed = before != next.state;
    word_ = next;
    ++word_.version;
    reason_ = folded.reason;
    // The word first: whoever sees the new epoch must find it.
    cell_->word.store(word_.pack(), std::memory_order_release);
    epoch_->count.fetch_add(1, std::memory_order_release);
    write(state_changed, folded);
}

// Does the record say how each check stands, and which one decided?
bool Subject::told(const verdict::InstanceVerdict& folded) const {
    if (record_->checks.size() != watches_.size()) return false;
    for (std::size_t i = 0; i < watches_.size(); ++i)
        if (record_->checks[i].name != watches_[i]->plan().spec->name || record_->checks[i].state != watches_[i]->judge().state() ||
            record_->checks[i].reason != watches_[i]->judge().reason() || record_->checks[i].critical != watches_[i]->critical())
            return false;
    return !folded.check || record_->decided_by == watches_[*folded.check]->plan().spec->name;
}

void Subject::write(bool state_changed, const verdict::InstanceVerdict& folded) {
    auto record = std::make_shared<catalog::InstanceRecord>();
    const catalog::InstanceRecord& old = *record_;
    const bool first = old.word.version == 0;
    record->checker = static_cast<std::uint16_t>(desk_.checker);
    record->word = word_;
    record->reason = folded.reason;
    record->since = state_changed ? desk_.loop.utc() : old.since;
    record->before = old.before;
    record->before_since = old.before_since;
    if (state_changed && !first) {
        record->before = old.word.state;
        record->before_since = old.since;
    }
    for (const auto& watch : watches_) record->checks.push_back(watch->standing());
    if (folded.check) {
        const Watch& decider = *watches_[*folded.check];
        record->decided_by = decider.plan().spec->name;
        if (folded.reason != Reason::ok) {
            // Of a run those that made it, not what was seen beside it; of slots and of silence all there is.
            const auto& decided = decider.decided();
            const bool run = decided && decided->length != 0 && decided->rule != verdict::Rule::slots;
            const auto recent = decider.recent();
            std::size_t wanted = run ? decided->length : recent.size();
            for (auto seen = recent.rbegin(); seen != recent.rend() && wanted > 0; ++seen) {
                if (run && !(*seen)->counted) continue;
                record->deciding.push_back(**seen);
                --wanted;
            }
            std::ranges::reverse(record->deciding);
        }
    }
    record->text = text_for(folded);
    // Nothing was seen yet since the restart: the sentence of before still holds.
    const bool same_story = !state_changed && folded.reason != Reason::ok &&
                            (first || (folded.reason == old.reason && record->decided_by == old.decided_by));
    if (record->text.empty() && same_story) record->text = old.text;
    record_ = record;
    desk_.outbox.changed({.row = row_, .generation = word_.generation, .record = std::move(record)});
}

std::string Subject::text_for(const verdict::InstanceVerdict& folded) const {
    if (!folded.check || folded.reason == Reason::ok) return {};
    const Watch& decider = *watches_[*folded.check];
    const auto recent = decider.recent();
    for (auto at = recent.rbegin(); at != recent.rend(); ++at)
        if ((*at)->reason == folded.reason) return (*at)->text;
    if (folded.reason == Reason::stale) {
        const auto counted = decider.judge().counted_at();
        const std::string since =
            counted ? fmt::format("for {}", human(desk_.loop.now() - *counted)) : std::string("yet");
        const std::string last =
            recent.empty() ? std::string{} : fmt::format("; the last attempt: {}", recent.back()->text);
        return fmt::format("check {}: no observation was counted {}{}", decider.plan().spec->name, since, last);
    }
    return {};
}

}  // namespace hale::probe
