#include "fleet/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "config/load.h"
#include "docker/reach.h"

namespace hale::fleet {

Fleet::Fleet(Parts parts)
    : parts_(parts), settle_(parts.loop, io::member_fire<&Fleet::compare>, this), tick_(parts.loop, io::member_fire<&Fleet::tick>, this) {}

Fleet::~Fleet() = default;

void Fleet::look() {
    looks_left_ = looks_for_first;
    look_whether();
}

// A deployment that was asked for a moment ago is not on record yet.
void Fleet::look_whether() {
    if (!made_ && looks_left_ > 0 && !tick_.armed()) {
        --looks_left_;
        tick_.arm(parts_.loop.now() + look_every);
    }
    if (std::exchange(asked_, true)) {
        again_ = true;
        return;
    }
    parts_.catalog.look({}, mine([this](catalog::Housing housing) {
        asked_ = false;
        const bool again = std::exchange(again_, false);
        discover_ = housing.document->settings.docker_discover;
        const auto begin = [this](std::unique_ptr<docker::Watch>& watch, std::string_view label, docker::WatchListener& listener) {
            if (watch) return;
            watch = std::make_unique<docker::Watch>(parts_.engine, std::vector<std::string>{std::string(label)}, ++parts_.seed, listener);
            watch->start();
        };
        // Deployments' own have this label too.
        if (discover_ || housing.deployed) begin(made_, service_label, *this);
        if (discover_) begin(composed_, compose_service_label, composed_listener_);
        // What labels said before discovery was switched off is taken back without asking the engine.
        if (discover_ || !housing.discovered.empty()) compare_soon();
        if (again) look_whether();
    }));
}

// ---- What the engine says ----

void Fleet::Composed::on_container(const docker::Inspected& container) {
    // Those that say their service themselves are told by the other watch.
    if (container.labels.contains(std::string(service_label)) || container.labels.contains(std::string(deployment_label))) return;
    if (claims(container)) fleet_.on_container(container);
}

void Fleet::Composed::on_engine(bool up, const std::string&) {
    if (up) fleet_.began_to_see(fleet_.composed_whole_);
}

void Fleet::on_container(const docker::Inspected& container) {
    const Instant now = parts_.loop.now();
    Resident& one = residents_[container.id];
    one.now = container;
    one.claims = claims(container);
    // Put aside, it is its instance's still: until another runs, it says why there is none.
    settle_key(one, {service_of(container), one.claims ? instance_name(usual_name(container)) : std::string(usual_name(container))});
    one.evidence.seen(container, now);
    if (one.claims && one.evidence.running()) {
        auto claim = claim_of(container, parts_.engine.place());
        one.wrong = claim ? "" : claim.error().text;
        if (claim) one.claim = std::move(*claim);
        one.served = true;
    }
    tell(one);
    if (one.claims) compare_soon();
    if (!tick_.armed()) tick_.arm(now + look_every);
}

void Fleet::settle_key(Resident& resident, Key key) {
    if (resident.key == key && ids_.contains(key)) return;
    if (const auto old = ids_.find(resident.key); old != ids_.end()) {
        old->second.erase(resident.now.id);
        if (old->second.empty()) ids_.erase(old);
        resident.served = false;  // Another name is another instance.
    }
    ids_[key].insert(resident.now.id);
    resident.key = std::move(key);
}

void Fleet::on_event(const docker::Event& event) {
    const auto found = residents_.find(event.id);
    if (found == residents_.end()) return;
    found->second.evidence.heard(event, parts_.loop.now());
    // Users are led away now, not after the engine was asked how it is.
    if (event.kind == docker::EventKind::die || event.kind == docker::EventKind::kill) tell(found->second);
}

void Fleet::on_gone(const std::string& id) {
    const auto found = residents_.find(id);
    if (found == residents_.end()) return;
    Resident gone = std::move(found->second);
    residents_.erase(found);
    ids_[gone.key].erase(id);
    if (ids_[gone.key].empty()) ids_.erase(gone.key);
    tries_.erase(id);
    gone.evidence.removed();
    // Nothing lifts what was said of it: its instance leaves, or somebody is to see why it does not answer.
    if (!gone.key.first.empty() && resident_of(gone.key) == nullptr) tell(gone.key, gone.evidence.word(parts_.loop.now()));
    if (gone.claims) compare_soon();
}

void Fleet::began_to_see(bool& whole) {
    whole = true;
    compare_soon();
    // What an earlier Hale deployed serves again as soon as it is found.
    if (!residents_.empty()) tick_.arm(parts_.loop.now() + settle_time);
}

void Fleet::on_engine(bool up, const std::string& text) {
    if (up) {
        log(LogLevel::info, fmt::format("containers: {}", text));
        return began_to_see(made_whole_);
    }
    log(LogLevel::warning, fmt::format("the engine {} is away: {}; traffic and checks go on, and what it said of containers holds", parts_.engine.place().shown, text));
    parts_.catalog.notice("engine.away", parts_.engine.place().shown, text);
}

void Fleet::on_unreadable(const std::string& id, const Error& why) { log(LogLevel::warning, fmt::format("container {} can't be read: {}", id, why.text)); }

void Fleet::tell(const Resident& resident) {
    const Key& key = resident.key;
    if (key.first.empty()) return;
    // A retired one of the same name says nothing of the one that runs; nor does one that is put aside, whether it runs or not.
    if ((!resident.evidence.running() || is_aside(resident.now)) && resident_of(key) != &resident) return;
    tell(key, resident.evidence.word(parts_.loop.now()));
}

void Fleet::tell(const Key& key, std::shared_ptr<const catalog::ContainerWord> word) {
    const auto known = told_.find(key);
    const bool before = known != told_.end();
    if (before ? word && *known->second == *word : !word) return;
    if (word) told_.insert_or_assign(key, word);
    else told_.erase(known);
    std::vector<catalog::ContainerTold> one;
    one.push_back({key.first, key.second, std::move(word)});
    parts_.catalog.tell(std::move(one));
}

// The one that runs under its own name, else the newest that was ever started.
const Fleet::Resident* Fleet::resident_of(const Key& key) const {
    const Resident* best = nullptr;
    const auto ids = ids_.find(key);
    if (ids == ids_.end()) return nullptr;
    for (const auto& id : ids->second) {
        const Resident& one = residents_.at(id);
        const auto rank = [](const Resident& of) { return std::tuple{of.evidence.running() || of.evidence.restarting(), of.evidence.begun(), !is_aside(of.now), of.now.created.value_or(Utc{})}; };
        if (best == nullptr || rank(one) > rank(*best)) best = &one;
    }
    return best;
}

// ---- What labels say ----

// A container that ended badly stays to be seen; one that somebody stopped, or that had done its work, leaves.
bool Fleet::stands(const Resident& resident) const {
    if (!resident.claims || !resident.served || is_aside(resident.now)) return false;
    return resident.evidence.running() || resident.evidence.restarting() || resident.evidence.ended_badly();
}

void Fleet::compare_soon() {
    if (!settle_.armed()) settle_.arm(parts_.loop.now() + settle_time);
}

void Fleet::compare() noexcept {
    // Until everything there is was told, what is not told may be there.
    if (discover_ && !(made_whole_ && composed_whole_)) return;
    if (std::exchange(comparing_, true)) {
        compare_again_ = true;
        return;
    }
    std::set<std::string> services;
    for (const auto& [id, one] : residents_)
        if (one.claims) services.insert(service_of(one.now));
    parts_.catalog.look({services.begin(), services.end()}, mine([this](catalog::Housing housing) { compare_with(std::move(housing)); }));
}

void Fleet::compare_with(catalog::Housing housing) {
    std::map<std::string, std::vector<Claim>> claims_of;
    refused_now_.clear();
    for (const auto& [service, json] : housing.discovered) claims_of[service];
    if (discover_) {
        for (const auto& [id, one] : residents_) {
            if (!stands(one)) continue;
            if (one.claim) claims_of[one.claim->service].push_back(*one.claim);
            else if (!one.wrong.empty()) refused_now_.insert({one.now.name, one.wrong});
        }
        for (const auto& [key, before] : treated_)
            if (before.claim && std::ranges::none_of(claims_of[key.first], [&](const Claim& one) { return one.instance == key.second; }))
                claims_of[key.first].push_back(*before.claim);
    }
    document_ = housing.document;
    others_ = std::move(housing.others);
    to_send_.clear();
    for (auto& [service, claims] : claims_of) {
        const auto other = others_.find(service);
        std::vector<Refusal> refused;
        Wanted next = wanted(service, std::move(claims), other == others_.end() ? nullptr : other->second, *document_, refused);
        refused_now_.insert(refused.begin(), refused.end());
        const auto now = housing.discovered.find(service);
        if (next.in_force != (now == housing.discovered.end() ? std::string{} : now->second)) to_send_.push_back(std::move(next));
    }
    // First what goes: it may be in the way of what comes.
    std::ranges::stable_partition(to_send_, [](const Wanted& one) { return one.claims.empty(); });
    send_next();
}

void Fleet::send_next() {
    if (to_send_.empty()) {
        say_refused();
        comparing_ = false;
        if (std::exchange(compare_again_, false)) compare_soon();
        return;
    }
    const Wanted& next = to_send_.front();
    std::string names;
    for (const auto& one : next.claims) names += fmt::format("{}{}", names.empty() ? "" : ", ", one.container);
    catalog::Mutation mutation{.change = next.change, .actor = "docker", .action = "discover", .object = next.change.name,
                               .detail = nlohmann::json{{"containers", names}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    parts_.catalog.mutate(std::move(mutation), mine([this](catalog::MutationResult result) { answered(result); }));
}

void Fleet::answered(const catalog::MutationResult& result) {
    Wanted sent = std::move(to_send_.front());
    to_send_.pop_front();
    if (result) {
        log(LogLevel::info, sent.claims.empty() ? fmt::format("service {}: none of its containers is there any more", sent.change.name)
                                                : fmt::format("service {}: {} by labels", sent.change.name, sent.claims.size() == 1 ? "1 instance" : fmt::format("{} instances", sent.claims.size())));
        return send_next();
    }
    const Error& why = result.error().error;
    if (why.code == Code::upgrading || why.code == Code::unavailable || why.code == Code::timed_out || why.code == Code::exhausted) {
        log(LogLevel::warning, fmt::format("service {}: what labels say is not in force: {}", sent.change.name, why.text));
        to_send_.clear();
        comparing_ = compare_again_ = false;
        settle_.arm(parts_.loop.now() + look_every);
        return;
    }
    // It can't stand: without the newest of them it may.
    std::vector<Claim> claims = std::move(sent.claims);
    if (claims.empty()) {
        log(LogLevel::error, fmt::format("service {}: taking back what labels said: {}", sent.change.name, why.text));
        return send_next();
    }
    refused_now_.insert({claims.back().container, why.text});
    claims.pop_back();
    std::vector<Refusal> refused;
    const auto other = others_.find(sent.change.name);
    to_send_.push_front(wanted(sent.change.name, std::move(claims), other == others_.end() ? nullptr : other->second, *document_, refused));
    refused_now_.insert(refused.begin(), refused.end());
    send_next();
}

// Each once, as long as it stays.
void Fleet::say_refused() {
    std::set<Refusal> now = refused_now_;
    now.insert(left_.begin(), left_.end());
    if (now == refused_) return;
    for (const auto& one : now) {
        if (refused_.contains(one)) continue;
        log(LogLevel::warning, text(one));
        parts_.catalog.notice("labels.refused", one.container, text(one));
    }
    refused_ = std::move(now);
    std::vector<std::string> lines;
    for (const auto& one : refused_) {
        if (lines.size() == most_told_refusals) break;
        lines.push_back(text(one));
    }
    parts_.catalog.refused(std::move(lines));
}

// ---- Looking after them ----

void Fleet::tick() noexcept {
    if (!made_) return look_whether();
    if (residents_.empty() && told_.empty()) return;
    tick_.arm(parts_.loop.now() + look_every);
    for (const auto& [id, one] : residents_) tell(one);  // What was said for a while only.
    parts_.catalog.look({}, mine([this](catalog::Housing housing) { look_after(housing); }));
}

void Fleet::look_after(const catalog::Housing& housing) {
    const Instant now = parts_.loop.now();
    std::set<Key> housed;
    std::vector<Patient> patients;
    go_on_with_cut_off(housing);  // Before the rest: whoever is in its hands is not treated.
    for (const auto& one : housing.instances) {
        const Key key{one.service, one.name};
        housed.insert(key);
        const Resident* resident = resident_of(key);
        Patient patient{.service = one.service, .name = one.name, .heal = one.spec ? one.spec->heal : config::Heal{}};
        patient.unhealthy = one.state == verdict::State::unhealthy;
        patient.since = one.since;
        patient.eligible = one.eligible;
        patient.serving = one.serving;
        patient.overridden = one.overridden;
        patient.paused = one.paused;
        patient.deploying = one.deploying;
        patient.in_hand = resident == nullptr || resident->evidence.restarting() || resident->evidence.in_hand() || treatments_.contains(key) || is_aside(resident->now);
        patients.push_back(std::move(patient));
        if (resident != nullptr && !one.deploying) follow_address(one, *resident, *housing.document);
    }
    take_up_former(housing);
    // Who left and is nowhere any more.
    std::vector<Key> nowhere;
    for (const auto& [key, word] : told_)
        if (!housed.contains(key) && resident_of(key) == nullptr) nowhere.push_back(key);
    for (const Key& key : nowhere) tell(key, nullptr);

    const auto orders = healing_.decide(patients, following(), now, parts_.loop.utc());
    if (healing_.held() != held_said_) {
        held_said_ = healing_.held();
        if (!held_said_.empty()) {
            log(LogLevel::warning, fmt::format("healing waits: {}", held_said_));
            parts_.catalog.notice("healing.held", "", held_said_);
        }
    }
    for (const auto& order : orders) {
        const auto one = std::ranges::find_if(housing.instances, [&](const auto& it) { return it.service == order.service && it.name == order.name; });
        treat(order, *one);
    }
}

// A container of a deployment that was started again may be elsewhere in its network. (Labels' own say so by themselves.)
void Fleet::follow_address(const catalog::HousedInstance& housed, const Resident& resident, const config::Document& document) {
    if (housed.deployment.empty() || !resident.evidence.running() || !housed.spec) return;
    const auto address = deployed_at(resident.now, parts_.engine.place());
    if (!address || *address == housed.declared) return;
    put_instance({housed.service, housed.name}, *housed.spec, *address, housed.deployment, "follow", document, [key = Key{housed.service, housed.name}](Result<> done) {
        if (!done) log(LogLevel::warning, fmt::format("instance {} of service {} keeps its old address: {}", key.second, key.first, done.error().text));
    });
}

void Fleet::put_instance(const Key& key, const config::ServiceSpec& service, const std::string& address, const std::string& deployment, std::string action, const config::Document& document,
                         std::move_only_function<void(Result<>)> then) {
    if (!moving_.insert(key).second) return;
    std::string json = nlohmann::json{{"name", key.second}, {"address", address}, {"deployment", deployment}}.dump();
    auto spec = config::load_instance(service, json, document);
    if (!spec) {
        moving_.erase(key);
        return then(fail(Code::invalid, config::text(spec.error())));
    }
    catalog::Mutation mutation{.change = catalog::PutApiInstance{key.first, std::move(*spec), std::move(json)}, .actor = "docker", .action = std::move(action),
                               .object = fmt::format("{}/{}", key.first, key.second), .detail = nlohmann::json{{"address", address}, {"deployment", deployment}}.dump()};
    parts_.catalog.mutate(std::move(mutation), mine([this, key, address, then = std::move(then)](catalog::MutationResult result) mutable {
        moving_.erase(key);
        if (!result) return then(std::unexpected(result.error().error));
        log(LogLevel::info, fmt::format("container {} of service {} is at {}", key.second, key.first, address));
        then({});
    }));
}

// The audit first: what is not on record is not done.
void Fleet::treat(const Order& order, const catalog::HousedInstance& housed) {
    const Key key{order.service, order.name};
    const Resident* resident = resident_of(key);
    if (resident == nullptr) return healing_.ended(order.service, order.name, parts_.loop.now());
    const std::string what = order.what == config::HealPolicy::replace ? "replace" : "restart";
    const std::string why = fmt::format("unhealthy for {}: {}", human(parts_.loop.utc() - housed.since), housed.why);
    const std::string text = fmt::format("healing: {} container {} of service {} (try {}): {}", what, resident->now.name, order.service, order.tried + 1, why);
    catalog::Mutation mutation{.change = catalog::Witness{}, .actor = "healing", .action = what, .object = fmt::format("{}/{}", order.service, order.name),
                               .detail = nlohmann::json{{"try", order.tried + 1}, {"why", why}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    parts_.catalog.mutate(std::move(mutation), mine([this, order, key, what, text, id = resident->now.id](catalog::MutationResult written) {
        const auto there = residents_.find(id);
        const bool in_hands = treatments_.contains(key);
        if (!written || there == residents_.end() || in_hands) {
            log(LogLevel::warning, fmt::format("{}: not done: {}", text, !written ? written.error().error.text : in_hands ? "it is treated already" : "it is gone"));
            return healing_.ended(order.service, order.name, parts_.loop.now());
        }
        log(LogLevel::warning, text);
        parts_.catalog.notice(fmt::format("healing.{}", what), fmt::format("{}/{}", order.service, order.name), text);
        treated_.insert_or_assign(key, there->second);
        const auto& now = there->second.now;
        auto& treatment = treatments_[key];
        treatment = std::make_unique<Treatment>(parts_.engine, id, now.name, now.stop_timeout ? Duration(*now.stop_timeout) : usual_grace);
        const auto may_i = [this, key](Treatment::Step step, std::move_only_function<void(std::string)> then) {
            parts_.catalog.look({}, mine([key, step, then = std::move(then)](const catalog::Housing& housing) mutable {
                const auto one = std::ranges::find_if(housing.instances, [&](const auto& other) { return other.service == key.first && other.name == key.second; });
                const bool first = step == Treatment::Step::stop;
                if (one == housing.instances.end() || !one->serving) return then("it serves no more");
                if (first && one->eligible) return then("it gets requests again");
                then(first && one->deploying ? "a deployment of its service is under way" : "");
            }));
        };
        treatment->begin(order.what, may_i, mine([this, order](Result<> how) { treated(order, how); }));
    }));
}

void Fleet::treated(const Order& order, const Result<>& how) {
    const Key key{order.service, order.name};
    if (!how) {
        const std::string text = fmt::format("healing: container {} of service {}: {}", order.name, order.service, how.error().text);
        log(LogLevel::error, text);
        parts_.catalog.notice("healing.failed", fmt::format("{}/{}", order.service, order.name), text);
    }
    if (const auto ids = ids_.find(key); !how && ids != ids_.end())
        for (const auto& id : ids->second) residents_.at(id).evidence.not_in_hand();
    healing_.ended(order.service, order.name, parts_.loop.now());
    // What it left, if anything, is looked at once the engine has told of it all.
    if (const auto ids = ids_.find(key); ids != ids_.end())
        for (const auto& id : ids->second) try_again(id);
    // In a later turn: the treatment is telling this.
    parts_.loop.post(mine([this, key] {
        treatments_.erase(key);
        treated_.erase(key);
        compare_soon();
    }));
}

}  // namespace hale::fleet
