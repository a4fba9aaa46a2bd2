#include "deploy/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "config/load.h"
#include "deploy/application.h"
#include "deploy/dependencies.h"
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

bool asks_engine(Do what) {
    constexpr std::array all{Do::preflight, Do::pull, Do::create, Do::start, Do::retire_old, Do::yield_old, Do::remove, Do::restore_old};
    return std::ranges::find(all, what) != all.end();
}

// It answers rightly, and would get no traffic all the same.
std::string unwanted(const catalog::Verified& one, std::string_view service) {
    const auto state = one.outcome.state;
    if (state != verdict::State::healthy && state != verdict::State::degraded) return fmt::format("it answers rightly now, and is still {}", verdict::to_text(state));
    return fmt::format("it answers rightly, but an override (down or maintenance) keeps users away from it; `hale unset {}` ends that", service);
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
    // What a container answered before this process looked at it is said of one that may have ended since.
    if (record_.containers)
        for (auto& one : record_.progress.containers) one.direct = rollout::Word::none;
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
    const Utc at = parts_.loop.utc();
    auto commands = rollout::step(record_.plan, record_.progress, event, at);
    note_phase(record_);
    if (record_.progress == before && commands.empty()) {
        // After a restart there may be nothing to do but to wait: not for ever.
        if (!rollout::over(record_.progress.phase)) arm_deadline();
        working_ = false;
        return work();
    }
    record_.seen_whole = note_seen(record_.seen, seen(at, event)) && record_.seen_whole;
    if (record_.progress.phase != before.phase) {
        // Whoever is asked still is asked for a phase that is over.
        if (hooks_) parts_.loop.post([over = std::move(hooks_)] {});
        log(LogLevel::info, fmt::format("deployment {} of {}: {}{}{}", record_.id, record_.service, rollout::text(record_.progress.phase), record_.progress.text.empty() ? "" : ": ",
                                        record_.progress.text));
    }
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
    if (record_.containers && !containers_ && asks_engine(command.what)) return feed(rollout::Failed{Fault::preflight_failed, "this daemon has no engine for containers"});
    switch (command.what) {
        case Do::preflight: return preflight();
        case Do::pull: return pull_images();
        case Do::create: return create_container(command.container);
        case Do::start: return start_container(command.container);
        case Do::retire_old: return retire_containers();
        case Do::ask_directly: return ask_directly(command.container);
        case Do::ask_through: return ask_through();
        case Do::switch_route: return switch_route();
        case Do::drain_old: return drain_old();
        case Do::roll_back: return roll_back();
        case Do::close_gates: ++asked_; return;
        case Do::run_hooks: return run_hooks();
        case Do::bake: return bake();
        case Do::remove: return remove_container(command.container);
        case Do::yield_old: return yield_old();
        case Do::restore_old: return restore_old(command.container);
    }
}

void Run::arm_deadline() {
    deadline_.arm(parts_.loop.now() + std::chrono::duration_cast<Duration>(rollout::next_look(record_.plan, record_.progress) - parts_.loop.utc()));
}

void Run::deadline() noexcept {
    // The deadline is of the wall clock, which is set at times, and not quite as fast as the timer's.
    if (parts_.loop.utc() < rollout::next_look(record_.plan, record_.progress)) return arm_deadline();
    const auto& now = record_.progress;
    const bool past = parts_.loop.utc() >= now.deadline;
    if (past && now.phase == Phase::verifying && !now.text.empty()) return out_of_time();
    // Nothing was seen that could be told: then it is told that, and nothing is guessed.
    const bool silent = past && now.text.empty() && (now.phase <= Phase::verifying || now.phase == Phase::switching);
    if (silent) return feed(rollout::Failed{Fault::timed_out, fmt::format("{} was not over after {}; was the engine busy, or this daemon stopped meanwhile?", rollout::text(now.phase), human(std::chrono::duration_cast<Duration>(now.deadline - now.entered)))});
    feed(rollout::Tick{});
}

// Where the version that serves fails as well, it is not this deployment's doing (H3).
void Run::out_of_time() {
    look_at_all(mine([this](const Looked& now) {
        std::size_t serving = 0, unhealthy = 0;
        const auto from = record_.from();
        for (const auto& [service, there] : now)
            for (const auto& one : there.instances)
                if (std::ranges::find(from, one.name) != from.end() && one.serving) ++serving, unhealthy += one.unhealthy;
        const bool unanswered = std::ranges::any_of(record_.progress.containers, [](const auto& one) { return one.direct == rollout::Word::fail; });
        if (record_.progress.phase == Phase::verifying && serving > 0 && unhealthy == serving && unanswered)
            feed(rollout::PreExisting{fmt::format("{}; the version that serves is unhealthy too", record_.progress.text)});
        else feed(rollout::Tick{});
    }));
}

void Run::preflight() {
    const auto look = [this](const std::vector<config::DeploySpec>& specs) {
        std::vector<std::string> needs;
        for (const auto& spec : specs)
            for (const auto& need : spec.needs)
                if (std::ranges::find(needs, need) == needs.end()) needs.push_back(need);
        look_at_dependencies(parts_.catalog, needs, mine([this](const std::vector<std::string>& missing) {
            if (!missing.empty()) return feed(rollout::Failed{Fault::dependency_missing, fmt::format("{}", fmt::join(missing, "; "))});
            if (record_.containers) preflight_containers();
            else preflight_targets();
        }));
    };
    if (record_.containers) with_specs(Fault::preflight_failed, [look](const Specs& specs) { look(specs.of); });
    else with_strategy(Fault::preflight_failed, [look](const config::DeploySpec& spec) { look({spec}); });
}

// Declarations may have changed since it was planned; what is not there any more is said at once.
void Run::preflight_targets() {
    stage([this](Result<> done) {
        if (done) feed(rollout::PreflightPassed{});
        else feed(rollout::Failed{Fault::preflight_failed, done.error().text});
    });
}

void Run::look_at_all(std::move_only_function<void(const Looked&)> then) {
    std::set<std::string> names{record_.service};
    for (const auto& part : record_.parts) names.insert(part.service);
    auto found = std::make_shared<Looked>();
    auto after = std::make_shared<std::move_only_function<void(const Looked&)>>(std::move(then));
    for (const auto& name : names)
        parts_.catalog.look(name, mine([found, after, name, count = names.size()](catalog::ServiceNow now) {
            found->insert_or_assign(name, std::move(now));
            if (found->size() == count) (*after)(*found);
        }));
}

Result<std::shared_ptr<const config::ServiceSpec>> Run::service_as_it_will_be(const Looked& now, const Part& part) const {
    const auto& there = now.at(part.service);
    const std::string& said = !part.declares.empty() ? part.declares : there.spec ? std::string{} : part.makes;
    if (said.empty()) {
        if (there.spec) return there.spec;
        return fail(Code::not_found, fmt::format("there is no service \"{}\" any more", part.service));
    }
    auto made = config::load_service(part.service, said, *there.document);
    if (!made) return fail(Code::invalid, config::text(made.error()));
    return std::make_shared<const config::ServiceSpec>(std::move(made->service));
}

std::vector<catalog::Turn> Run::turns(bool back) const {
    if (record_.plan.in_waves()) return {back ? turn_back() : turn_of_wave()};
    std::vector<catalog::Turn> out;
    for (const auto& part : record_.parts) {
        catalog::Turn turn{part.service, part.from, {}};
        for (const auto& one : record_.candidates)
            if (one.service == part.service) turn.to.push_back(one.name);
        if (back) std::swap(turn.from, turn.to);
        out.push_back(std::move(turn));
    }
    return out;
}

std::vector<catalog::Named> Run::made_instances() const {
    std::vector<catalog::Named> out;
    for (const auto& one : record_.candidates)
        if (!one.kept && !one.service.empty()) out.push_back({one.service, one.name});
    return out;
}

std::vector<std::string> Run::made_services() const {
    std::vector<std::string> out;
    for (const auto& part : record_.parts)
        if (!part.makes.empty()) out.push_back(part.service);
    return out;
}

// Puts the instances into the catalog, as candidates. After a restart again: for the key, and for those that are missing.
void Run::stage(std::move_only_function<void(Result<>)> then) {
    look_at_all(mine([this, then = std::move(then)](const Looked& now) mutable {
        if (!wants_candidates()) return;
        catalog::Stage change{.record = {}, .candidates = {}, .key = parts_.key, .services = {}, .route = {}, .wave = record_.progress.wave};
        const auto refused = [](const config::Problems& problems) -> Result<> { return fail(Code::invalid, config::text(problems)); };
        std::map<std::string, std::shared_ptr<const config::ServiceSpec>> services;
        for (const auto& part : record_.parts) {
            const auto& there = now.at(part.service);
            services[part.service] = there.spec;
            if (there.spec || part.makes.empty()) continue;
            auto made = config::load_service(part.service, part.makes, *there.document);
            if (!made) return then(refused(made.error()));
            services[part.service] = std::make_shared<const config::ServiceSpec>(made->service);
            change.services.push_back({std::move(made->service), std::move(made->routes), part.makes});
        }
        if (!record_.route_json.empty()) {
            auto route = config::load_route(record_.route_json, *now.at(record_.service).document);
            if (!route) return then(refused(route.error()));
            change.route = catalog::PutApiRoute{std::move(*route), record_.route_json};
        }
        for (const auto& one : record_.candidates) {
            if (one.service.empty()) continue;
            // What serves since an earlier wave is staged no more.
            if (record_.plan.in_waves() && !record_.progress.containers[static_cast<std::size_t>(&one - record_.candidates.data())].in_wave) continue;
            const auto& service = services.at(one.service);
            if (!service) return then(fail(Code::not_found, fmt::format("there is no service \"{}\" any more", one.service)));
            if (one.kept || one.target.empty()) continue;
            const Part& part = *record_.part(one.service);
            // What is declared of it now is of those who serve.
            std::string json = instance_json(record_, one, part.declares.empty() || part.declared.empty() ? "" : checks_of(part.declares));
            auto instance = config::load_instance(*service, json, *now.at(one.service).document);
            if (!instance) return then(refused(instance.error()));
            change.candidates.push_back({one.service, std::move(*instance), std::move(json)});
        }
        // Nothing new, nothing made: everything it is to bring serves already.
        if (change.candidates.empty() && change.services.empty() && !change.route) return then({});
        mutate([this, change] { auto with = change; with.record = stored(record_); return catalog::Change{std::move(with)}; }, "stage", std::move(then), &Run::wants_candidates);
    }));
}

// Nothing is staged any more once it is being undone: nobody would take it away.
bool Run::wants_candidates() const { return asking() || record_.progress.phase == Phase::requested; }

bool Run::asking() const { return record_.progress.phase == Phase::starting || record_.progress.phase == Phase::verifying; }

void Run::ask_directly(std::size_t candidate) {
    parts_.catalog.look(record_.candidates[candidate].service, mine([this, candidate, asked = asked_](catalog::ServiceNow now) {
        if (asked != asked_ || !asking()) return;
        const auto& name = record_.candidates[candidate].name;
        const auto there = std::ranges::find(now.instances, name, &catalog::InstanceNow::name);
        if (there != now.instances.end()) {
            if (now.spec) {
                auto asks = asked_directly(*now.spec, now.routes);
                record_.candidates[candidate].host = std::move(asks.host), record_.candidates[candidate].path = std::move(asks.path);
            }
            return verify(candidate, there->id);
        }
        feed(rollout::Failed{Fault::not_ready, fmt::format("instance \"{}\" was taken away meanwhile", name)});
    }));
}

void Run::verify(std::size_t candidate, const std::string& instance) {
    Duration left = std::max<Duration>(std::chrono::duration_cast<Duration>(record_.progress.deadline - parts_.loop.utc()), ask_again_after);
    // Asked while others are started still: what it said is heard before verifying ends, however long starting may take.
    if (record_.progress.phase == Phase::starting) left = std::min(left, record_.plan.deadlines.verifying);
    // What was seen until shortly before the end is heard before it.
    const Duration patience = std::max<Duration>(left - heard_before, left / 2);
    parts_.catalog.verify({.service = "", .instance = instance, .timeout = patience, .as_if_serving = true}, mine([this, candidate, instance, asked = asked_](catalog::VerifyResult result) {
        if (asked != asked_ || !asking()) return;
        // Nothing new does not take back what was seen before.
        std::string why = last_word_of(candidate);
        if (why.empty()) why = result.end == catalog::VerifyEnd::timed_out ? "no answer came in time" : "nobody could be asked";
        for (const auto& one : result.instances) {
            for (const auto& seen : one.outcome.observations) observed(candidate, seen);
            if (!one.outcome.observations.empty()) why = last_word_of(candidate);
            if (one.outcome.end == catalog::GateEnd::passed && !one.eligible) why = unwanted(one, record_.candidates[candidate].service);
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
    if (seen.address != SocketAddress{}) record_.candidates[candidate].address = seen.address.text();
    kept.push_back(fmt::format("{} {}", rfc3339(seen.at), sentence_of(seen)));
    if (kept.size() > most_observations) kept.erase(kept.begin());
    last_words_.resize(record_.candidates.size());
    last_words_[candidate] = with_hint(seen);
}

// Of what was seen before this process there are the kept observations alone.
std::string Run::last_word_of(std::size_t candidate) const {
    if (candidate < last_words_.size() && !last_words_[candidate].empty()) return last_words_[candidate];
    const auto& kept = record_.candidates[candidate].observations;
    return kept.empty() ? "" : kept.back().substr(kept.back().find(' ') + 1);
}

// Each service that new instances come to, one after the other. As often in a row as its check wants, and each instance at
// least once: they take turns.
void Run::ask_through() {
    look_at_all(mine([this, asked = asked_](const Looked& now) {
        if (asked != asked_ || record_.progress.phase != Phase::verifying) return;
        through_passes_.resize(record_.parts.size(), 0);
        for (std::size_t i = 0; i < record_.parts.size(); ++i) {
            const Part& part = record_.parts[i];
            std::uint32_t needed = 0;
            for (std::size_t c = 0; c < record_.candidates.size(); ++c)
                needed += record_.candidates[c].service == part.service && !record_.candidates[c].kept && record_.plan.containers[c].routed && record_.progress.containers[c].in_wave;
            if (needed == 0) continue;
            const auto& there = now.at(part.service);
            const auto service = service_as_it_will_be(now, part);
            const auto question = service ? question_through(**service, there.routes, there.front, parts_.key) : std::nullopt;
            if (!question) return feed(rollout::Through{.passed = false, .missing = true, .text = fmt::format("there is no route to {} any more", part.service)});
            if (through_passes_[i] >= std::max<std::uint32_t>(question->check->timing.rise, needed)) continue;
            parts_.catalog.probe(question->target, question->check, mine([this, i, asked](Result<verdict::Observation> seen) {
                if (asked == asked_ && record_.progress.phase == Phase::verifying) answered_through(i, std::move(seen));
            }));
            return;
        }
        feed(rollout::Through{.passed = true, .missing = false, .text = ""});
    }));
}

void Run::answered_through(std::size_t part, Result<verdict::Observation> seen) {
    if (seen && passed(*seen)) {
        ++through_passes_[part];
        return ask_through();
    }
    through_passes_[part] = 0;
    // Directly it answered rightly: what is not found is not found on the way.
    feed(rollout::Through{.passed = false, .missing = seen && seen->status == 404, .text = fmt::format("through the proxy: {}", seen ? with_hint(*seen) : seen.error().text)});
    later(ask_again_after, [this, asked = asked_] {
        if (asked == asked_) ask_through();
    });
}

// How services are declared from now on; `back`: as they were before.
Result<std::vector<catalog::PutApiService>> Run::declarations(const Looked& now, bool back) const {
    std::vector<catalog::PutApiService> out;
    for (const auto& part : record_.parts) {
        const std::string& json = back ? part.declared : part.declares;
        if (part.declares.empty() || json.empty()) continue;
        auto made = config::load_service(part.service, json, *now.at(part.service).document);
        if (!made) return fail(Code::invalid, config::text(made.error()));
        out.push_back({std::move(made->service), std::move(made->routes), json});
    }
    return out;
}

void Run::switch_route() {
    look_at_all(mine([this](const Looked& now) {
        if (record_.progress.phase != Phase::switching) return;
        auto declares = declarations(now, false);
        if (!declares) return feed(rollout::Failed{Fault::route_changed, declares.error().text});
        mutate([this, declares = *declares] { return catalog::Change{catalog::Switch{.record = stored(record_), .turns = turns(false), .declares = declares, .regardless = record_.progress.accepted}}; }, "switch", [this](Result<> done) {
            if (done) return feed(rollout::Switched{});
            feed(rollout::Failed{done.error().code == Code::unavailable ? Fault::not_ready : Fault::route_changed, done.error().text});
        });
    }));
}

// Those that can be taken away leave; the others were drained by the switch.
void Run::drain_old() {
    look_at_all(mine([this](const Looked& now) {
        std::vector<std::string> ids;
        catalog::Unstage change{.record = {}, .gone = {}, .services = {}};
        for (const auto& part : record_.parts) {
            for (const auto& one : now.at(part.service).instances)
                if (std::ranges::find(part.gone, one.name) != part.gone.end()) ids.push_back(one.id);
            for (const auto& name : part.gone) change.gone.push_back({part.service, name});
        }
        const bool leaves = std::ranges::any_of(record_.parts, &Part::leaves);
        if (ids.empty() && !leaves) return feed(rollout::Drained{});
        mutate([this, change] { auto with = change; with.record = stored(record_); return catalog::Change{std::move(with)}; }, "drain", [this, ids = std::move(ids)](Result<> done) mutable {
            if (!done) return feed(rollout::Failed{Fault::timed_out, done.error().text});
            parts_.catalog.when_gone(std::move(ids), mine([this] { take_services_away(); }));
        });
    }));
}

// Their last instances have left.
void Run::take_services_away() {
    std::vector<std::string> services;
    for (const auto& part : record_.parts)
        if (part.leaves) services.push_back(part.service);
    if (services.empty()) return feed(rollout::Drained{});
    mutate([this, services] { return catalog::Change{catalog::Unstage{.record = stored(record_), .gone = {}, .services = services}}; }, "take away", [this](Result<> done) {
        if (!done) log(LogLevel::warning, fmt::format("deployment {} of {}: {}", record_.id, record_.service, done.error().text));
        feed(rollout::Drained{});
    });
}

// A switch may be under way, or be done and not told yet: mutations are carried out in order, so leading back behind it is right in each case.
void Run::roll_back() {
    const bool sure = record_.progress.users_switched;
    if (!sure && std::ranges::find(record_.phases, Phase::switching, &PhaseNote::phase) == record_.phases.end()) return take_away();
    look_at_all(mine([this, sure](const Looked& now) {
        if (record_.progress.phase != Phase::rolling_back) return;  // Its time was over meanwhile.
        const auto declares = declarations(now, true);
        if (!declares) log(LogLevel::error, fmt::format("deployment {} of {}: {}", record_.id, record_.service, declares.error().text));
        const auto as_before = declares ? *declares : std::vector<catalog::PutApiService>{};
        mutate([this, as_before] { return catalog::Change{catalog::Switch{.record = stored(record_), .turns = turns(true), .declares = as_before, .back = !record_.plan.in_waves(), .undo = record_.plan.in_waves()}}; }, "switch back", [this, sure](Result<> done) {
            if (done) return take_away();
            if (!sure && done.error().code == Code::conflict) return take_away_unless_serving();
            log(LogLevel::error, fmt::format("deployment {} of {}: users can't be led back: {}", record_.id, record_.service, done.error().text));
            later(look_again_after, [this] {
                if (record_.progress.phase == Phase::rolling_back) roll_back();
            });
        });
    }));
}

// Somebody else changed who serves: nothing is to be led back, unless it was switched to before that.
void Run::take_away_unless_serving() {
    look_at_all(mine([this](const Looked& now) {
        record_.progress.users_switched = std::ranges::any_of(record_.candidates, [&](const Candidate& one) {
            const auto there = now.find(one.service);
            return !one.kept && there != now.end() && std::ranges::any_of(there->second.instances, [&](const auto& other) { return other.serving && other.name == one.name; });
        });
        if (record_.progress.users_switched) roll_back();
        else take_away();
    }));
}

void Run::take_away() {
    mutate([this] { return catalog::Change{catalog::Unstage{.record = stored(record_), .gone = made_instances(), .services = made_services()}}; }, "take away", [this](Result<> done) {
        if (done && containers_) return take_containers_away([this] { feed(rollout::RolledBack{}); });
        if (done) return feed(rollout::RolledBack{});
        later(look_again_after, [this] {
            if (record_.progress.phase == Phase::rolling_back) take_away();
        });
    });
}

void Run::mutate(std::function<catalog::Change()> change, std::string_view what, std::move_only_function<void(Result<>)> then, bool (Run::*while_so)() const) {
    catalog::Mutation mutation{.change = change(), .actor = record_.actor, .action = fmt::format("deployment: {}", what), .object = record_.service,
                               .detail = detail_json(record_)};
    parts_.catalog.mutate(std::move(mutation), mine([this, change = std::move(change), what = std::string(what), then = std::move(then), while_so](catalog::MutationResult done) mutable {
        if (done) return then({});
        if (done.error().error.code != Code::upgrading) return then(std::unexpected(std::move(done.error().error)));
        // A new process takes over and goes on with this; should it fail, it is here that it goes on.
        later(look_again_after, [this, change = std::move(change), what = std::move(what), then = std::move(then), while_so]() mutable {
            if (while_so == nullptr || (this->*while_so)()) mutate(std::move(change), what, std::move(then), while_so);
        });
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
