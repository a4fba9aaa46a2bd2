#include "deploy/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "config/load.h"
#include "deploy/question.h"
#include "rollout/words.h"
#include "verdict/reason.h"

namespace hale::deploy {

using rollout::Do;
using rollout::Fault;
using rollout::Phase;

namespace {

std::string sentence_of(const verdict::Observation& seen) {
    if (!seen.text.empty()) return seen.text;
    return seen.status != 0 ? fmt::format("status {}, as it should be", seen.status) : std::string(verdict::to_text(seen.outcome));
}

bool passed(const verdict::Observation& seen) { return seen.outcome == verdict::Outcome::pass || seen.outcome == verdict::Outcome::warn; }

// The sentence, and what its status usually means.
std::string with_hint(const verdict::Observation& seen) {
    const auto hint = rollout::hint_for_status(seen.status);
    return hint.empty() ? sentence_of(seen) : fmt::format("{} ({})", sentence_of(seen), hint);
}

}  // namespace

Run::Run(Parts parts, Record record, std::move_only_function<void()> over)
    : parts_(std::move(parts)),
      record_(std::move(record)),
      over_(std::move(over)),
      deadline_(parts_.loop, io::member_fire<&Run::deadline>, this),
      wait_(parts_.loop, io::member_fire<&Run::wake>, this) {}

void Run::start() {
    watch_containers();
    if (!asking()) return feed(rollout::Began{});
    // The key went with the former process.
    stage([this](Result<> done) {
        if (done) feed(rollout::Began{});
        else feed(rollout::Failed{Fault::preflight_failed, done.error().text});
    });
}

void Run::abort(Fault why, std::string text) { feed(rollout::Abort{why, std::move(text)}); }

void Run::feed(rollout::Event event) {
    if (rollout::over(record_.progress.phase) || events_.size() >= most_events_waiting) return;
    events_.push_back(std::move(event));
    work();
}

void Run::work() {
    if (working_ || events_.empty()) return;
    working_ = true;
    const rollout::Event event = std::move(events_.front());
    events_.pop_front();
    const rollout::Progress before = record_.progress;
    auto commands = rollout::step(record_.plan, record_.progress, event, parts_.loop.utc());
    note_phase(record_);
    if (record_.progress == before && commands.empty()) {
        working_ = false;
        return work();
    }
    if (record_.progress.phase != before.phase)
        log(LogLevel::info, fmt::format("deployment {} of {}: {}{}{}", record_.id, record_.service, rollout::text(record_.progress.phase), record_.progress.text.empty() ? "" : ": ",
                                        record_.progress.text));
    const auto& now = record_.progress;
    if (rollout::over(now.phase)) deadline_.disarm();
    else arm_deadline();
    store(std::move(commands));
}

void Run::store(std::vector<rollout::Command> commands) {
    mutate([this] { return catalog::Change{catalog::RecordDeployment{stored(record_)}}; }, "deploy",
           [this, commands = std::move(commands)](Result<> done) {
               // What can't be stored can't be gone on from: but what is under way must end all the same.
               if (!done) log(LogLevel::error, fmt::format("deployment {} of {} can't be stored: {}", record_.id, record_.service, done.error().text));
               for (const auto& command : commands) carry_out(command);
               working_ = false;
               if (!rollout::over(record_.progress.phase)) return work();
               events_.clear();
               parts_.loop.post(mine([this] { std::exchange(over_, {})(); }));
           });
}

void Run::carry_out(const rollout::Command& command) {
    const bool of_containers = command.what == Do::pull || command.what == Do::create || command.what == Do::start || command.what == Do::retire_old || command.what == Do::preflight;
    if (record_.containers && !containers_ && of_containers) return feed(rollout::Failed{Fault::preflight_failed, "this daemon has no engine for containers"});
    switch (command.what) {
        case Do::preflight: return record_.containers ? preflight_containers() : preflight();
        case Do::pull: return pull_image();
        case Do::create: return create_container(command.container);
        case Do::start: return start_container(command.container);
        case Do::retire_old: return retire_containers();
        case Do::ask_directly: return ask_directly(command.container);
        case Do::ask_through: return ask_through();
        case Do::switch_route: return switch_route();
        case Do::drain_old: return drain_old();
        case Do::roll_back: return roll_back();
        case Do::close_gates: ++asked_; return;
        case Do::bake: return;  // Its time passes; what goes wrong meanwhile ends it.
    }
}

void Run::arm_deadline() { deadline_.arm(parts_.loop.now() + std::chrono::duration_cast<Duration>(record_.progress.deadline - parts_.loop.utc())); }

void Run::deadline() noexcept {
    // The deadline is of the wall clock, which is set at times, and not quite as fast as the timer's.
    if (parts_.loop.utc() < record_.progress.deadline) return arm_deadline();
    if (record_.progress.phase == Phase::verifying) return out_of_time();
    feed(rollout::Tick{});
}

// Where the version that serves fails as well, it is not this deployment's doing (H3).
void Run::out_of_time() {
    parts_.catalog.look(record_.service, mine([this](catalog::ServiceNow now) {
                            std::size_t serving = 0, eligible = 0;
                            for (const auto& one : now.instances)
                                if (std::ranges::find(record_.from, one.name) != record_.from.end() && one.serving) ++serving, eligible += one.eligible;
                            const bool unanswered = std::ranges::any_of(record_.progress.containers, [](const auto& one) { return one.direct == rollout::Word::fail; });
                            if (record_.progress.phase == Phase::verifying && serving > 0 && eligible == 0 && unanswered)
                                feed(rollout::Failed{Fault::pre_existing, fmt::format("{}; the version that serves is not eligible either", record_.progress.text)});
                            else feed(rollout::Tick{});
                        }));
}

// Declarations may have changed since it was planned; what is not there any more is said at once.
void Run::preflight() {
    stage([this](Result<> done) {
        if (done) feed(rollout::PreflightPassed{});
        else feed(rollout::Failed{Fault::preflight_failed, done.error().text});
    });
}

std::vector<std::string> Run::names_of_candidates(bool kept_too) const {
    std::vector<std::string> out;
    for (const auto& one : record_.candidates)
        if (kept_too || !one.kept) out.push_back(one.name);
    return out;
}

// Puts the instances into the catalog, as candidates. After a restart again: for the key, and for those that are missing.
void Run::stage(std::move_only_function<void(Result<>)> then) {
    parts_.catalog.look(record_.service, mine([this, then = std::move(then)](catalog::ServiceNow now) mutable {
        catalog::Stage change{.record = {}, .candidates = {}, .key = parts_.key, .service = {}, .route = {}};
        std::shared_ptr<const config::ServiceSpec> service = now.spec;
        const auto refused = [](const config::Problems& problems) -> Result<> { return fail(Code::invalid, config::text(problems)); };
        if (!service && !record_.service_json.empty()) {
            auto made = config::load_service(record_.service, record_.service_json, *now.document);
            if (!made) return then(refused(made.error()));
            service = std::make_shared<const config::ServiceSpec>(made->service);
            change.service = catalog::PutApiService{std::move(made->service), std::move(made->routes), record_.service_json};
        }
        if (!service) return then(fail(Code::not_found, fmt::format("there is no service \"{}\" any more", record_.service)));
        if (!record_.route_json.empty()) {
            auto route = config::load_route(record_.route_json, *now.document);
            if (!route) return then(refused(route.error()));
            change.route = catalog::PutApiRoute{std::move(*route), record_.route_json};
        }
        for (const auto& one : record_.candidates) {
            if (one.kept || one.target.empty()) continue;
            std::string json = instance_json(record_, one);
            auto instance = config::load_instance(*service, json, *now.document);
            if (!instance) return then(refused(instance.error()));
            change.candidates.push_back({record_.service, std::move(*instance), std::move(json)});
        }
        // Nothing new, nothing made: everything it is to bring serves already.
        if (change.candidates.empty() && !change.service && !change.route) return then({});
        mutate([this, change] { auto now = change; now.record = stored(record_); return catalog::Change{std::move(now)}; }, "stage", std::move(then));
    }));
}

bool Run::asking() const { return record_.progress.phase == Phase::starting || record_.progress.phase == Phase::verifying; }

void Run::ask_directly(std::size_t candidate) {
    parts_.catalog.look(record_.service, mine([this, candidate, asked = asked_](catalog::ServiceNow now) {
        if (asked != asked_ || !asking()) return;
        const auto& name = record_.candidates[candidate].name;
        const auto there = std::ranges::find(now.instances, name, &catalog::InstanceNow::name);
        if (there != now.instances.end()) return verify(candidate, there->id);
        feed(rollout::Failed{Fault::not_ready, fmt::format("instance \"{}\" was taken away meanwhile", name)});
    }));
}

void Run::verify(std::size_t candidate, const std::string& instance) {
    const Duration left = std::max<Duration>(std::chrono::duration_cast<Duration>(record_.progress.deadline - parts_.loop.utc()), ask_again_after);
    // What was seen until shortly before the end is heard before it.
    const Duration patience = std::max<Duration>(left - heard_before, left / 2);
    parts_.catalog.verify({.service = "", .instance = instance, .timeout = patience, .as_if_serving = true}, mine([this, candidate, instance, asked = asked_](catalog::VerifyResult result) {
        if (asked != asked_ || !asking()) return;
        std::string why = "nobody could be asked";
        for (const auto& one : result.instances) {
            for (const auto& seen : one.outcome.observations) observed(candidate, seen);
            if (!one.outcome.observations.empty()) why = with_hint(one.outcome.observations.back());
        }
        if (result.end == catalog::VerifyEnd::eligible) return feed(rollout::Direct{candidate, true, ""});
        feed(rollout::Direct{candidate, false, fmt::format("{}: {}", record_.candidates[candidate].name, why)});
        later(ask_again_after, [this, candidate, instance, asked] {
            if (asked == asked_ && asking()) verify(candidate, instance);
        });
    }));
}

void Run::observed(std::size_t candidate, const verdict::Observation& seen) {
    auto& kept = record_.candidates[candidate].observations;
    kept.push_back(fmt::format("{} {}", rfc3339(seen.at), sentence_of(seen)));
    if (kept.size() > most_observations) kept.erase(kept.begin());
}

// As often in a row as its check wants, and each instance at least once: they take turns.
void Run::ask_through() {
    parts_.catalog.look(record_.service, mine([this, asked = asked_](catalog::ServiceNow now) {
        if (asked != asked_ || record_.progress.phase != Phase::verifying) return;
        const auto question = now.spec ? question_through(*now.spec, now.routes, now.front, parts_.key) : std::nullopt;
        if (!question) return feed(rollout::Through{.passed = false, .missing = true, .text = "there is no route to it any more"});
        through_needed_ = std::max<std::uint32_t>(question->check->timing.rise, static_cast<std::uint32_t>(names_of_candidates(false).size()));
        parts_.catalog.probe(question->target, question->check, mine([this, asked](Result<verdict::Observation> seen) {
            if (asked == asked_ && record_.progress.phase == Phase::verifying) answered_through(std::move(seen));
        }));
    }));
}

void Run::answered_through(Result<verdict::Observation> seen) {
    if (seen && passed(*seen)) {
        if (++through_passes_ >= through_needed_) return feed(rollout::Through{.passed = true, .missing = false, .text = ""});
        return ask_through();
    }
    through_passes_ = 0;
    // Directly it answered rightly: what is not found is not found on the way.
    feed(rollout::Through{.passed = false, .missing = seen && seen->status == 404, .text = fmt::format("through the proxy: {}", seen ? with_hint(*seen) : seen.error().text)});
    later(ask_again_after, [this, asked = asked_] {
        if (asked == asked_) ask_through();
    });
}

void Run::switch_route() {
    mutate([this] { return catalog::Change{catalog::Switch{stored(record_), record_.from, names_of_candidates(true)}}; }, "switch", [this](Result<> done) {
        if (done) return feed(rollout::Switched{});
        feed(rollout::Failed{done.error().code == Code::unavailable ? Fault::not_ready : Fault::route_changed, done.error().text});
    });
}

// Those that can be taken away leave; the others were drained by the switch.
void Run::drain_old() {
    parts_.catalog.look(record_.service, mine([this](catalog::ServiceNow now) {
        std::vector<std::string> ids;
        for (const auto& one : now.instances)
            if (std::ranges::find(record_.gone, one.name) != record_.gone.end()) ids.push_back(one.id);
        if (ids.empty()) return feed(rollout::Drained{});
        mutate([this] { return catalog::Change{catalog::Unstage{stored(record_), record_.gone}}; }, "drain", [this, ids = std::move(ids)](Result<> done) mutable {
            if (!done) return feed(rollout::Failed{Fault::timed_out, done.error().text});
            parts_.catalog.when_gone(std::move(ids), mine([this] { feed(rollout::Drained{}); }));
        });
    }));
}

void Run::roll_back() {
    if (!record_.progress.users_switched) return take_away();
    mutate([this] { return catalog::Change{catalog::Switch{stored(record_), names_of_candidates(true), record_.from, true}}; }, "switch back", [this](Result<> done) {
        if (done) return take_away();
        log(LogLevel::error, fmt::format("deployment {} of {}: users can't be led back: {}", record_.id, record_.service, done.error().text));
        later(look_again_after, [this] {
            if (record_.progress.phase == Phase::rolling_back) roll_back();
        });
    });
}

void Run::take_away() {
    mutate([this] { return catalog::Change{catalog::Unstage{stored(record_), names_of_candidates(false), !record_.service_json.empty()}}; }, "take away", [this](Result<> done) {
        if (done && containers_) return take_containers_away([this] { feed(rollout::RolledBack{}); });
        if (done) return feed(rollout::RolledBack{});
        later(look_again_after, [this] {
            if (record_.progress.phase == Phase::rolling_back) take_away();
        });
    });
}

void Run::mutate(std::function<catalog::Change()> change, std::string_view what, std::move_only_function<void(Result<>)> then) {
    catalog::Mutation mutation{.change = change(), .actor = record_.actor, .action = fmt::format("deployment: {}", what), .object = record_.service,
                               .detail = detail_json(record_)};
    parts_.catalog.mutate(std::move(mutation), mine([this, change = std::move(change), what = std::string(what), then = std::move(then)](catalog::MutationResult done) mutable {
        if (done) return then({});
        if (done.error().error.code != Code::upgrading) return then(std::unexpected(std::move(done.error().error)));
        // A new process takes over and goes on with this; should it fail, it is here that it goes on.
        later(look_again_after, [this, change = std::move(change), what = std::move(what), then = std::move(then)]() mutable { mutate(std::move(change), what, std::move(then)); });
    }));
}

void Run::later(Duration after, io::Task task) {
    waiting_.emplace(parts_.loop.now() + after, std::move(task));
    wait_.arm(waiting_.begin()->first);
}

void Run::wake() noexcept {
    std::vector<io::Task> due;
    while (!waiting_.empty() && waiting_.begin()->first <= parts_.loop.now()) {
        due.push_back(std::move(waiting_.begin()->second));
        waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) wait_.arm(waiting_.begin()->first);
    for (auto& task : due) task();
}

}  // namespace hale::deploy
