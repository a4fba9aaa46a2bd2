#include "probe/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/reached.h"
#include "base/text.h"
#include "probe/engine.h"
#include "probe/subject.h"
#include "probe/words.h"

namespace hale::probe {

using verdict::Observation;
using verdict::Outcome;
using verdict::Trigger;

namespace {

// A judge that has nothing more to say at its horizon is not asked again in the same instant.
constexpr Duration least_rest = 1ms;
constexpr Duration common_beat = 8ms;  // Far below any interval (100 ms at least).

float to_float(Duration d) { return d < Duration::zero() ? -1.0f : static_cast<float>(seconds(d)); }
Duration from_float(float s) { return s < 0 ? Duration{-1} : Duration{std::llround(double{s} * 1e9)}; }

}  // namespace

Watch::Watch(Subject& subject, const Plan& plan, std::uint8_t index, const verdict::Judge& judge, verdict::PhaseKey key,
             Instant first_probe)
    : subject_(subject),
      plan_(&plan),
      judge_(judge),
      key_(key),
      timer_(subject.desk().loop, io::member_fire<&Watch::wake>, this),
      next_{first_probe, Trigger::scheduled, false},
      index_(index) {
    if (plan_->heartbeat() != nullptr) {
        extra().beat.last = subject.desk().loop.now();
        next_.at = missed_at(*plan_->heartbeat(), extra().beat);
    }
    if (plan_->container()) schedule(subject.desk().loop.now());
    rearm();
}

Watch::~Watch() { abandon(); }

Watch::Extra& Watch::extra() {
    if (!extra_) extra_ = std::make_unique<Extra>();
    return *extra_;
}

// ---- When ----

void Watch::wake() noexcept {
    const Instant now = subject_.desk().loop.now();
    if (now >= judge_.next_horizon(plan_->timing) && noted(judge_.tick(plan_->timing, now))) subject_.settle();
    if (flight_ == nullptr && now >= next_.at) begin(next_.trigger, next_.fresh);
    rearm();
}

// Scheduled probes of one shard start on a common beat, a few at a time: the loop then wakes once for many of them
// and for many of their answers, instead of once for each.
Instant Watch::together(const verdict::NextProbe& next) {
    if (next.trigger != verdict::Trigger::scheduled || next.at == never) return next.at;
    const auto over = next.at.time_since_epoch() % common_beat;
    return over == Duration{0} ? next.at : next.at + (common_beat - over);
}

// While a probe flies its end will look at the schedule; only the horizon can't wait.
void Watch::rearm() {
    // What the engine said holds until it says something else, however long it is silent: no time passes for it.
    if (plan_->container()) return timer_.disarm();
    const Instant now = subject_.desk().loop.now();
    const Instant horizon = std::max(judge_.next_horizon(plan_->timing), now + least_rest);
    const Instant at = flight_ != nullptr ? horizon : std::min(horizon, together(next_));
    if (at == never) return timer_.disarm();
    if (timer_.armed() && timer_.at() == at) return;
    timer_.arm(at);
}

void Watch::schedule(Instant last_end) {
    const auto& timing = plan_->timing;
    if (plan_->container()) {
        next_ = {never, Trigger::scheduled, false};
        return;
    }
    if (const auto* heartbeat = plan_->heartbeat()) {
        // Nobody is asked, so there are no slots: the next look is at the deadline, or at the judge's pace when a
        // second look would settle the matter.
        const Beat& beat = extra().beat;
        const Instant deadline = missed_at(*heartbeat, beat);
        const auto pace = judge_.pace(timing, last_end);
        const bool missed = last_end >= deadline;
        Instant at = missed ? last_end + timing.interval : deadline;
        if (pace && (missed || beat.ever)) at = std::min(at, last_end + *pace);
        next_ = {at, Trigger::scheduled, false};
        return;
    }
    next_ = verdict::next_probe(timing, judge_, key_, last_end);
}

void Watch::begin(Trigger trigger, bool fresh) {
    if (plan_->from_memory()) return look_now(trigger);
    switch (plan_->spec->connection) {
        case config::ConnectionMode::pooled:
            break;
        case config::ConnectionMode::fresh:
            fresh = true;
            break;
        case config::ConnectionMode::both:
            turn_ = !turn_;
            fresh = fresh || !turn_;
            break;
    }
    number_ = subject_.next_number();
    flight_ = subject_.desk().engine.start(Order{.plan = plan_,
                                                 .to = subject_.destination(*plan_->spec),
                                                 .behind = subject_.behind(*plan_->spec),
                                                 .trigger = trigger,
                                                 .fresh = fresh,
                                                 .first_contact = !passed_once_,
                                                 .generation = subject_.generation()},
                                           *this);
}

void Watch::probe_now(Trigger trigger) {
    if (flight_ != nullptr) return;
    begin(trigger, true);
    rearm();
}

void Watch::passive() {
    const Instant now = subject_.desk().loop.now();
    if (plan_->from_memory() || flight_ != nullptr) return;
    if (last_passive_ != Instant::min() && now - last_passive_ < plan_->timing.confirm_interval) return;
    last_passive_ = now;
    probe_now(Trigger::traffic);
}

// ---- What was seen ----

Look Watch::look_at_memory() const {
    static const Extra nothing;
    const Extra& extra = extra_ ? *extra_ : nothing;
    if (const auto* heartbeat = plan_->heartbeat()) return look(*heartbeat, extra.beat, subject_.desk().loop.now());
    if (const auto* composite = plan_->composite()) return look(*composite, extra.members);
    if (!extra.container) return {Outcome::error, verdict::Reason::never_checked, "the engine has said nothing of it yet"};
    return {extra.container->outcome, extra.container->reason, extra.container->text};
}

void Watch::look_now(Trigger trigger) {
    const Instant now = subject_.desk().loop.now();
    const Look looked = look_at_memory();
    Observation seen;
    seen.outcome = looked.outcome;
    seen.reason = looked.reason;
    seen.trigger = trigger;
    seen.generation = subject_.generation();
    seen.started = seen.ended = now;
    seen.at = subject_.desk().loop.utc();
    if (plan_->container()) seen.text = looked.text;
    else if (looked.outcome != Outcome::pass) seen.text = fmt::format("{}: {}", asked(*plan_, {}, {}), looked.text);
    if (plan_->container() && extra_ && extra_->container) seen.evidence = extra_->container->evidence;
    number_ = subject_.next_number();
    finish(std::move(seen));
}

void Watch::on_probed(Observation&& seen) noexcept {
    flight_ = nullptr;
    finish(std::move(seen));
}

void Watch::finish(Observation&& seen) {
    const auto& timing = plan_->timing;
    const Instant due = next_.at;
    const bool slot = seen.trigger == Trigger::scheduled;
    // From its time to when it left in truth: waiting for a place counts.
    const bool by_time = slot || seen.trigger == Trigger::confirmation;
    if (by_time && !plan_->from_memory()) subject_.desk().lag.add(std::max(Duration{0}, seen.started - due));
    const verdict::Judgement judged = judge_.observe(timing, {.outcome = seen.outcome,
                                                              .reason = seen.reason,
                                                              .trigger = seen.trigger,
                                                              .started = seen.started,
                                                              .ended = seen.ended,
                                                              // The engine's word is no guess that flapping should slow down.
                                                              .last_eligible = subject_.last_eligible() || plan_->container()});
    seen.counted = judged.counted;
    if (seen.outcome == Outcome::pass || seen.outcome == Outcome::warn) passed_once_ = true;
    if (timing.m_of_n && !plan_->from_memory())
        miss_slots(slot ? std::min(due, seen.started) : seen.started, seen.ended);
    std::shared_ptr<const Observation> detail;
    remember(seen, detail);
    schedule(seen.ended);
    // A look that came too soon after another to count is taken again when it does.
    if (plan_->composite() != nullptr && !judged.counted && seen.outcome != Outcome::error)
        next_.at = std::min(next_.at, seen.ended + timing.confirm_interval);
    if (noted(judged)) subject_.settle();
    if (subject_.gates_take(index_, number_, seen, judged.counted)) {
        const bool well = seen.outcome == Outcome::pass || seen.outcome == Outcome::warn;
        const Instant soon = well ? seen.ended : seen.ended + timing.confirm_interval;
        if (soon < next_.at) next_ = {soon, Trigger::gate, true};
    }
    const verdict::Run run = judge_.run(timing);
    const Instant now = subject_.desk().loop.now();
    subject_.desk().outbox.seen({.row = subject_.row(),
                                 .generation = subject_.generation(),
                                 .check = index_,
                                 .outcome = seen.outcome,
                                 .reason = seen.reason,
                                 .phase = seen.phase,
                                 .trigger = seen.trigger,
                                 .vehicle = seen.vehicle,
                                 .counted = seen.counted,
                                 .status = seen.status,
                                 .run_length = static_cast<std::uint16_t>(std::min<std::uint32_t>(run.length, 65535)),
                                 .run_needed = static_cast<std::uint16_t>(std::min<std::uint32_t>(run.needed, 65535)),
                                 .run_outcome = run.outcome,
                                 .check_state = judge_.state(),
                                 .certificate_until = seen.certificate_until,
                                 .at = seen.at,
                                 .next_probe = next_.at == never ? Utc{} : subject_.desk().loop.utc() + (next_.at - now),
                                 .timings = seen.timings,
                                 .detail = std::move(detail)});
    if (judged.first_failure && !plan_->container())
        subject_.desk().outbox.first_failure({.row = subject_.row(), .address = seen.address, .at = seen.ended, .timeout = timing.timeout, .confirm_interval = timing.confirm_interval});
    if (extra_ && !extra_->askers.empty()) answer(seen);
    rearm();
}

// Slots in (from, until] had no probe of their own.
void Watch::miss_slots(Instant from, Instant until) {
    auto missed = verdict::slots_within(key_, judge_.interval_in_force(plan_->timing), from, until);
    for (missed = std::min<std::uint64_t>(missed, verdict::most_slots); missed > 0; --missed)
        if (noted(judge_.missed_slot(plan_->timing, until))) subject_.settle();
}

void Watch::remember(const Observation& seen, std::shared_ptr<const Observation>& detail) {
    const bool plain = seen.outcome == Outcome::pass;
    last_ = {.started = seen.started,
             .ended = seen.ended,
             .dns = to_float(seen.timings.dns),
             .connect = to_float(seen.timings.connect),
             .first_byte = to_float(seen.timings.first_byte),
             .total = to_float(seen.timings.total),
             .status = seen.status,
             .trigger = seen.trigger,
             .vehicle = seen.vehicle,
             .counted = seen.counted,
             .plain = plain};
    if (plain && (!extra_ || extra_->recent.empty())) return;
    if (plain && judge_.kept() == verdict::State::healthy && judge_.flags() == verdict::Flags{}) {
        // All is well again: the story of the trouble is control's to keep.
        if (plan_->from_memory() || !extra_->askers.empty()) {
            extra_->recent.clear();
        } else {
            extra_.reset();
        }
        return;
    }
    auto whole = std::make_shared<const Observation>(seen);
    auto& recent = extra().recent;
    if (recent.size() == most_recent) recent.erase(recent.begin());
    recent.push_back(whole);
    if (!plain) detail = std::move(whole);
}

Observation Watch::last_observation() const {
    if (!last_.plain && extra_ && !extra_->recent.empty()) return *extra_->recent.back();
    Observation seen;
    seen.outcome = Outcome::pass;
    seen.reason = verdict::Reason::ok;
    seen.trigger = last_.trigger;
    seen.vehicle = last_.vehicle;
    seen.counted = last_.counted;
    seen.status = last_.status;
    seen.generation = subject_.generation();
    seen.started = last_.started;
    seen.ended = last_.ended;
    seen.at = subject_.desk().loop.utc() - (subject_.desk().loop.now() - last_.ended);
    seen.timings.dns = from_float(last_.dns);
    seen.timings.connect = from_float(last_.connect);
    seen.timings.first_byte = from_float(last_.first_byte);
    seen.timings.total = from_float(last_.total);
    if (const Destination to = subject_.destination(*plan_->spec); !to.is_name())
        seen.address = to.address();
    return seen;
}

// ---- Who asks ----

void Watch::ask(std::shared_ptr<Asker> asker, std::optional<Duration> max_age) {
    const Instant now = subject_.desk().loop.now();
    ++asker->open;
    const bool fresh_enough = max_age && last_.ended != Instant::min() && now - last_.ended <= *max_age;
    if (fresh_enough || extra().askers.size() >= most_askers) {
        if (last_.ended != Instant::min())
            asker->answers.push_back({.check = plan_->spec->name.str(), .observation = told_whole(last_observation()), .shared = true});
        asker->answered_one();
        return;
    }
    extra().askers.push_back({std::move(asker), flight_ != nullptr});
    if (flight_ == nullptr) probe_now(Trigger::on_demand);
}

// For people, with its sentence.
Observation Watch::told_whole(Observation seen) const {
    seen.text = told(*plan_, subject_.destination(*plan_->spec), seen);
    return seen;
}

void Watch::answer(const Observation& seen) {
    const Observation whole = told_whole(seen);
    // Taken out first: an asker may ask again at once.
    for (Extra::Waiting& waiting : std::exchange(extra_->askers, {})) {
        waiting.asker->answers.push_back({.check = plan_->spec->name.str(), .observation = whole, .shared = waiting.shared});
        waiting.asker->answered_one();
    }
}

void Watch::beat(const catalog::HeartbeatSeen& seen) {
    Beat& beat = extra().beat;
    beat.last = subject_.desk().loop.now();
    beat.ever = true;
    beat.reported = seen.outcome;
    beat.text = evidence(seen.text);
    look_now(Trigger::scheduled);
}

void Watch::members(const std::vector<catalog::MemberState>& changed) {
    auto& members = extra().members;
    bool news = false;
    for (const catalog::MemberState& member : changed) {
        const auto at = std::ranges::find(members, member.member, &catalog::MemberState::member);
        if (at == members.end()) {
            news = true;
            members.push_back(member);
        } else {
            news = news || at->state != member.state || at->stale != member.stale;
            *at = member;
        }
    }
    if (!news) return;  // Something else of their services turned.
    // As if somebody had asked: several changes in a row don't make a run.
    look_now(Trigger::on_demand);
}

void Watch::container(const std::shared_ptr<const catalog::ContainerWord>& word) {
    if (!plan_->container() || !word) return;
    if (extra_ && extra_->container && *extra_->container == *word) return;
    extra().container = word;
    look_now(Trigger::scheduled);
}

bool Watch::hold(Instant until) {
    if (plan_->container()) return false;  // Whatever is wrong with us: it is not we who saw this.
    const bool visible = noted(judge_.hold_unhealthy(subject_.desk().loop.now(), until));
    rearm();
    return visible;
}

// ---- Other questions ----

void Watch::replan(const Plan& plan, bool changed, std::uint8_t index) {
    const bool timing_changed = !(plan_->timing == plan.timing);
    if (plan_->spec->kind() != plan.spec->kind()) {
        // What was kept for the old kind says nothing to the new one.
        if (extra_) extra_->members.clear(), extra_->container.reset();
        if (plan.heartbeat() != nullptr) extra().beat.last = subject_.desk().loop.now();
        if (plan.from_memory() && extra_)
            for (Extra::Waiting& waiting : std::exchange(extra_->askers, {})) waiting.asker->answered_one();
    }
    if (changed && flight_ != nullptr) {
        subject_.desk().outbox.discarded();
        subject_.desk().engine.cancel(std::exchange(flight_, nullptr));
    } else if (flight_ != nullptr) {
        flight_->set_plan(plan);
    }
    plan_ = &plan;
    index_ = index;
    if (changed) return question_changed();
    if (timing_changed && flight_ == nullptr)
        schedule(std::max(last_.ended, subject_.desk().loop.now() - plan.timing.interval));
    rearm();
}

void Watch::question_changed() {
    const Instant now = subject_.desk().loop.now();
    if (flight_ != nullptr) {
        subject_.desk().outbox.discarded();
        subject_.desk().engine.cancel(std::exchange(flight_, nullptr));
    }
    if (extra_) extra_->recent.clear();
    last_ = {};
    (void)judge_.question_changed(plan_->timing, now);  // The subject settles once all its checks are replanned.
    next_ = {now, Trigger::confirmation, true};
    if (plan_->heartbeat() != nullptr || plan_->container()) schedule(now);
    rearm();
}

void Watch::abandon() {
    if (flight_ != nullptr) {
        subject_.desk().outbox.discarded();
        subject_.desk().engine.cancel(std::exchange(flight_, nullptr));
    }
    timer_.disarm();
    if (!extra_) return;
    for (Extra::Waiting& waiting : std::exchange(extra_->askers, {})) waiting.asker->answered_one();
}

// ---- What it says ----

catalog::CheckStanding Watch::standing() const {
    const verdict::Run run = judge_.run(plan_->timing);
    return {.name = plan_->spec->name,
            .state = judge_.state(),
            .critical = plan_->spec->critical,
            .run_outcome = run.outcome,
            .run_length = run.length,
            .run_needed = run.needed,
            .decided = decided_,
            .reason = judge_.reason()};
}

bool Watch::noted(const verdict::Judgement& judged) {
    // News only lift the veil from what was decided before.
    if (judged.change && judged.change->rule != verdict::Rule::news) {
        const auto shortened = [](std::uint32_t n) { return static_cast<std::uint16_t>(std::min<std::uint32_t>(n, 65535)); };
        decided_ = catalog::Decided{judged.change->rule, shortened(judged.change->length), shortened(judged.change->needed)};
    }
    return judged.visible();
}

std::span<const std::shared_ptr<const Observation>> Watch::recent() const {
    if (!extra_) return {};
    return extra_->recent;
}

}  // namespace hale::probe
