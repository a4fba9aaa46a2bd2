#include "catalog/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/id.h"

namespace hale::catalog {

namespace {

// The same instance spec, with the service's lifetime: specs live inside the ServiceSpec.
std::shared_ptr<const config::InstanceSpec> within(const std::shared_ptr<const config::ServiceSpec>& service, std::size_t index) {
    return {service, &service->instances[index]};
}

// `placeless`: there is no address that a request could go to.
std::shared_ptr<const config::CheckList> of_scope(const config::CheckList& checks, config::CheckScope scope, bool placeless = false) {
    auto list = std::make_shared<config::CheckList>();
    std::ranges::copy_if(checks, std::back_inserter(*list), [&](const auto& check) {
        return check->scope == scope && !(placeless && check->connects());
    });
    return list;
}

LastKnown last_known_of(const config::StoredVerdict& stored, Moment at) {
    return {.state = stored.state,
            .was_eligible = stored.was_eligible,
            .reason = verdict::parse_reason(stored.reason).value_or(verdict::Reason::never_checked),
            .text = stored.text,
            .since = stored.since,
            .observed = stored.observed,
            .age = std::max(Duration{0}, Duration{at.utc - stored.observed})};
}

}  // namespace

void Membership::remember(std::vector<config::StoredVerdict> verdicts) { unclaimed_.put(std::move(verdicts)); }

std::vector<config::Change> Membership::forget_unclaimed() {
    std::vector<config::Change> changes;
    for (auto& id : unclaimed_.give_up())
        if (instance(id) == nullptr) changes.emplace_back(config::RemoveVerdict{std::move(id)});
    return changes;
}

bool Membership::claimable(const Service& service, const config::InstanceSpec& spec) const {
    if (unclaimed_.empty()) return false;
    return spec.named ? unclaimed_.has_name(service.name, spec.name) : unclaimed_.has_address(service.name, spec.target.declared);
}

// The addresses of one name (`each`) share what was declared: their own names tell them apart.
std::optional<config::StoredVerdict> Membership::claim(const Service& service, const config::InstanceSpec& spec, std::string_view name,
                                                       bool each) {
    if (unclaimed_.empty()) return std::nullopt;
    const bool by_name = each || spec.named || spec.target.declared.empty();
    auto stored = by_name ? unclaimed_.claim_name(service.name, name) : unclaimed_.claim_address(service.name, spec.target.declared);
    if (stored && instance(stored->instance) != nullptr) return std::nullopt;
    return stored;
}

void Membership::put(Put what, Moment at, Effects& effects) {
    auto& place = services_[what.spec->name];
    if (!place) {
        place = std::make_unique<Service>();
        place->name = what.spec->name;
        place->standing.version = options.first_version;
        if (free_service_slots_.empty()) place->slot = next_service_slot_++;
        else place->slot = free_service_slots_.back(), free_service_slots_.pop_back();
        what.changed = true;
    }
    Service& service = *place;
    const auto before = std::exchange(service.spec, std::move(what.spec));
    const auto& specs = service.spec->instances;
    const bool same_checks = before && config::same(*before->checks, *service.spec->checks);
    const bool host_changed = service.entrance.host != what.entrance.host;
    const bool entrance_changed = service.entrance != what.entrance;
    service.entrance = std::move(what.entrance);
    service.candidate = std::move(what.candidate);
    const bool routed_changed = std::exchange(service.routed, what.routed) != what.routed;
    const bool scoped = judged_apart(*service.spec);
    const bool scope_moved = before && judged_apart(*before) != scoped;
    const Turn turn{before.get(), same_checks, host_changed || routed_changed || scope_moved};
    if (!scoped) service.instance_checks.reset(), service.scope_checks.reset();
    const bool placeless = specs.empty();
    const bool scope_checks_changed = scoped && (!same_checks || !service.instance_checks || !before || before->instances.empty() != placeless);
    if (scope_checks_changed) {
        service.instance_checks = of_scope(*service.spec->checks, config::CheckScope::instance);
        service.scope_checks = of_scope(*service.spec->checks, config::CheckScope::service, placeless);
    }
    // Unchanged, it keeps the revision that clients hold.
    if (what.changed) service.revision = what.revision;
    service.check_revisions = std::move(what.check_revisions);
    touch(service, effects, !what.changed);
    if (what.changed) effects.services.insert(service.name);

    // Match by identity; then a listed address that got (or lost) a name.
    std::vector<Instance*> unmatched;
    std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> by_identity, by_address;
    for (const auto& instance : service.instances) {
        if (instance->leaving) continue;
        if (!instance->each) {
            by_identity.emplace(identity(*instance->spec), unmatched.size());
            by_address.emplace(instance->spec->target.declared.view(), unmatched.size());
        }
        unmatched.push_back(instance.get());
    }
    const auto take = [&](const auto& index, std::string_view key) -> Instance* {
        const auto found = index.find(key);
        return found == index.end() ? nullptr : std::exchange(unmatched[found->second], nullptr);
    };

    std::vector<Instance*> matched(specs.size());
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < specs.size(); ++i) {
        if (service.spec->resolve == config::Resolve::each && needs_lookup(specs[i])) {
            // resolved() makes and ends these; here only their declaration moves on.
            for (auto& one : unmatched) {
                if (one == nullptr || !one->each || one->spec->target.declared != specs[i].target.declared) continue;
                keep(*std::exchange(one, nullptr), within(service.spec, i), turn, at, effects);
            }
            if (!unclaimed_.empty()) restore_each(service, i, at, effects);
            continue;
        }
        matched[i] = take(by_identity, identity(specs[i]));
        if (matched[i] == nullptr) open.push_back(i);
    }
    // Only what no identity claimed may be claimed by its address.
    std::erase_if(open, [&](std::size_t i) {
        if (specs[i].target.declared.empty()) return false;
        matched[i] = take(by_address, specs[i].target.declared);
        return matched[i] != nullptr;
    });
    for (std::size_t i = 0; i < specs.size(); ++i)
        if (matched[i] != nullptr) keep(*matched[i], within(service.spec, i), turn, at, effects);
    for (Instance* instance : unmatched)
        if (instance != nullptr) leave(*instance, at, effects);

    // Names: given ones are theirs, whoever was called so by number makes way; the rest gets the first free number.
    std::unordered_set<std::string> names;
    for (const auto& spec : specs)
        if (spec.named) names.insert(spec.name.str());
    std::size_t number = 1;
    const auto free_name = [&] {
        for (;; ++number) {
            std::string name = fmt::format("{}-{}", service.name, number);
            if (names.insert(name).second) return name;
        }
    };
    std::vector<Instance*> in_the_way;
    for (const auto& one : service.instances)
        if (!one->spec->named && !one->leaving && !names.insert(one->name.str()).second) in_the_way.push_back(one.get());
        else if (one->leaving) names.insert(one->name.str());
    for (Instance* one : in_the_way) {
        one->name = free_name();
        touch(*one, effects);
    }
    // Those who were here before a restart first: their names are theirs.
    std::ranges::stable_partition(open, [&](std::size_t i) { return claimable(service, specs[i]); });
    for (const std::size_t i : open) {
        std::string name = specs[i].name.str();
        if (!specs[i].named && !claimable(service, specs[i]) && (name.empty() || !names.insert(name).second)) name = free_name();
        Instance& made = add(service, within(service.spec, i), std::move(name), at, effects);
        names.insert(made.name.str());
    }
    if (service.spec->resolve == config::Resolve::each)
        for (const auto& one : specs)
            if (const auto answer = last_answers_.find(one.target.host); answer != last_answers_.end())
                resolved(one.target.host, std::vector<Ip>(answer->second), at, effects);

    if (scoped) {
        if (!service.scope) add_scope(service, at, effects);
        const auto was = service.scope->spec->target;
        service.scope->spec = specs.empty() ? std::make_shared<const config::InstanceSpec>() : within(service.spec, 0);
        service.scope->current.address = service.scope->spec->target.literal;
        if (before && (scope_checks_changed || entrance_changed || was != service.scope->spec->target)) assign(*service.scope, service.scope->current, at, effects);
    } else if (service.scope) {
        end_scope(service, effects);
    }
}

// After a restart the addresses of a name are those that were verified, until the name is asked again.
void Membership::restore_each(Service& service, std::size_t index, Moment at, Effects& effects) {
    for (const auto& [name, address] : unclaimed_.made_of(service.name, service.spec->instances[index].target.declared))
        add(service, within(service.spec, index), name, at, effects, address);
}

// An instance that kept its identity: id, row and verdict stay.
void Membership::keep(Instance& instance, std::shared_ptr<const config::InstanceSpec> next, const Turn& turn, Moment at, Effects& effects) {
    const config::ServiceSpec& now = *instance.service->spec;
    const bool surroundings_changed = turn.surroundings_changed;
    const auto old = std::exchange(instance.spec, std::move(next));
    const bool moved = old->target != instance.spec->target;
    const bool renamed = instance.spec->named && instance.name != instance.spec->name && !instance.each;
    if (renamed) instance.name = instance.spec->name;
    if (moved) move_to(instance, instance.spec->target.literal, at, effects);
    // Nobody is at its old address, and nobody goes there: nothing to keep beside the new one.
    if (moved && instance.lifecycle == verdict::Lifecycle::draining && instance.current.cell->in_flight.load(std::memory_order_acquire) == 0)
        replace(instance, at, effects);
    const bool same_checks = !old->checks && !instance.spec->checks
                                 ? turn.same_checks
                                 : turn.before != nullptr && config::same(turn.before->checks_of(*old), now.checks_of(*instance.spec));
    if (!same_checks || surroundings_changed) {
        assign(instance, instance.current, at, effects);
        if (instance.next) assign(instance, *instance.next, at, effects);
    }
    const bool redeclared = !same_checks || moved || renamed || old->target.declared != instance.spec->target.declared ||
                            old->weight != instance.spec->weight || old->owner != instance.spec->owner;
    if (redeclared) instance.revision = std::max(instance.revision, instance.service->revision);
    if (redeclared || surroundings_changed) touch(instance, effects);
}

void Membership::remove(std::string_view name, Moment at, Effects& effects) {
    const auto found = services_.find(name);
    if (found == services_.end()) return;
    Service& service = *found->second;
    (void)at;
    for (const auto& one : service.instances | std::views::reverse) bury(service, *one, effects);
    service.instances.clear();
    if (service.scope) end_scope(service, effects);
    effects.remember.emplace_back(config::RemoveStanding{service.name.str()});
    if (service.override) effects.remember.emplace_back(config::RemoveOverride{service.name.str(), ""});
    if (service.draining || service.paused_until) effects.remember.emplace_back(config::PutTraffic{{.key = service.name.str()}});
    effects.epochs.push_back(service.epoch);
    effects.tell.emplace_back(ServiceGone{service.slot});
    effects.services.insert(service.name);
    free_service_slots_.push_back(service.slot);
    services_.erase(found);
}

Instance& Membership::add(Service& service, std::shared_ptr<const config::InstanceSpec> spec, std::string name, Moment at,
                          Effects& effects, std::optional<SocketAddress> address) {
    auto made = std::make_unique<Instance>();
    Instance& instance = *made;
    instance.service = &service;
    instance.spec = std::move(spec);
    instance.name = std::move(name);
    instance.revision = std::max(service.revision, options.first_revision);
    instance.each = address.has_value();
    if (free_instance_slots_.empty()) instance.slot = next_instance_slot_++;
    else instance.slot = free_instance_slots_.back(), free_instance_slots_.pop_back();

    std::optional<LastKnown> last_known;
    const auto stored = claim(service, *instance.spec, instance.name, address.has_value());
    if (stored) {
        instance.id = stored->instance;
        instance.current.number = stored->generation;
        if (!instance.spec->named && !stored->name.empty() && !address) instance.name = stored->name;
        instance.current.observed = stored->observed;
        last_known = last_known_of(*stored, at);
        instance.stored = {stored->generation, stored->state, last_known->reason};
        instance.stored_at = at.now;
        // Route where it was verified, until a look-up says otherwise.
        if (!address && needs_lookup(*instance.spec) && service.routed) address = SocketAddress::parse(stored->resolved);
    } else {
        do instance.id = make_instance_id(random_);
        while (this->instance(instance.id) != nullptr);
        instance.current.number = 1;
    }
    instance.current.address = address ? address : instance.spec->target.literal;
    if (!instance.current.address && service.routed)
        if (const auto answer = last_answers_.find(instance.spec->target.host); answer != last_answers_.end())
            instance.current.address = SocketAddress{answer->second.front(), instance.spec->target.port, {}};
    instance.current.started = at.now;
    instance.newest = instance.current.number;
    by_id_.put(&instance, id_of);
    service.instances.push_back(std::move(made));
    open(instance.current, instance);
    assign(instance, instance.current, at, effects, std::move(last_known));
    touch(instance, effects);
    return instance;
}

// Judged like an instance, on a row of its own; lists and routers never see it.
void Membership::add_scope(Service& service, Moment at, Effects& effects) {
    service.scope = std::make_unique<Instance>();
    Instance& scope = *service.scope;
    scope.service = &service;
    scope.scope_only = true;
    scope.id = scope.name = scope_id(service.name);
    scope.slot = ~Slot{0};
    scope.spec = service.spec->instances.empty() ? std::make_shared<const config::InstanceSpec>() : within(service.spec, 0);
    scope.current.number = 1;
    scope.current.started = at.now;
    scope.current.address = scope.spec->target.literal;
    std::optional<LastKnown> last_known;
    if (const auto stored = unclaimed_.claim_name(service.name, scope.name)) {
        last_known = last_known_of(*stored, at);
        scope.current.number = stored->generation;
        scope.current.observed = stored->observed;
        scope.stored = {stored->generation, stored->state, last_known->reason};
        scope.stored_at = at.now;
    }
    scope.newest = scope.current.number;
    by_id_.put(&scope, id_of);
    open(scope.current, scope);
    assign(scope, scope.current, at, effects, std::move(last_known));
}

void Membership::end_scope(Service& service, Effects& effects) {
    close(service.scope->current, effects);
    effects.remember.emplace_back(config::RemoveVerdict{service.scope->id.str()});
    by_id_.erase(service.scope.get(), id_of);
    service.scope.reset();
}

void Membership::open(Generation& generation, Instance& instance) {
    const auto row = ledger_.allocate(generation.number);
    HALE_CHECK(row);  // Validation counted the rows before.
    generation.row = *row;
    generation.cell = &ledger_.row(*row);
    if (by_row_.size() <= *row) by_row_.resize(*row + 1);
    by_row_[*row] = &instance;
}

void Membership::close(Generation& generation, Effects& effects) {
    effects.commands.emplace_back(Unassign{generation.row, generation.number});
    by_row_[generation.row] = nullptr;
    effects.retired.push_back(generation.row);
}

void Membership::assign(Instance& instance, Generation& generation, Moment at, Effects& effects, std::optional<LastKnown> last_known) {
    const Service& service = *instance.service;
    Assignment to;
    to.row = generation.row;
    to.cell = generation.cell;
    to.epoch = service.epoch.get();
    to.generation = generation.number;
    to.first_version = options.first_version;
    if (&generation == instance.next.get())
        to.first_version = std::max(options.first_version, instance.current.word().version + generation_version_gap);
    to.id = instance.id;
    to.service = service.name;
    to.name = instance.name;
    to.target = instance.spec->target;
    if (service.routed || generation.address) to.address = generation.address;
    if (!service.routed && !instance.each && needs_lookup(*instance.spec)) to.address.reset();
    to.entrance = service.entrance;
    to.file_owned = instance.spec->owner == config::Owner::file;
    to.checks = carried(instance);
    to.container = container_of(instance);
    to.last_known = std::move(last_known);
    to.generation_age = at.now - generation.started;
    effects.commands.emplace_back(std::move(to));
}

// The list itself where it can be: checkers know a list by its address.
std::shared_ptr<const config::CheckList> Membership::carried(const Instance& instance) const {
    const Service& service = *instance.service;
    if (instance.scope_only) return service.scope_checks;
    auto declared = !instance.spec->checks   ? service.instance_checks ? service.instance_checks : service.spec->checks
                    : service.instance_checks ? of_scope(*instance.spec->checks, config::CheckScope::instance)
                                              : instance.spec->checks;
    return container_of(instance) ? instance.service->with_container(std::move(declared)) : declared;
}

std::shared_ptr<const ContainerWord> Membership::container_of(const Instance& instance) const {
    if (instance.scope_only || containers_.empty()) return nullptr;
    const auto found = containers_.find({instance.service->name.str(), instance.name.str()});
    return found == containers_.end() ? nullptr : found->second;
}

void Membership::set_container(const std::string& service, const std::string& name, std::shared_ptr<const ContainerWord> word, Moment at, Effects& effects) {
    const auto known = containers_.find({service, name});
    const bool before = known != containers_.end();
    if (before ? word && *word == *known->second : !word) return;
    if (word) containers_.insert_or_assign({service, name}, word);
    else containers_.erase(known);
    Instance* instance = instance_of(service, name);
    if (instance == nullptr) return;
    assign(*instance, instance->current, at, effects);
    if (instance->next) assign(*instance, *instance->next, at, effects);
    if (before != (word != nullptr)) touch(*instance, effects);
}

// Every check is a probe of its own: they are spread as one.
void Membership::spread_restored(Effects& effects) {
    std::vector<std::pair<Duration, Assignment*>> restored;
    std::uint32_t probes = 0;
    for (auto& command : effects.commands) {
        auto* to = std::get_if<Assignment>(&command);
        if (to == nullptr || !to->last_known) continue;
        Duration shortest = Duration::max();
        for (const auto& check : *to->checks) shortest = std::min(shortest, check->timing.interval);
        restored.emplace_back(shortest, to);
        probes += static_cast<std::uint32_t>(to->checks->size());
    }
    // Who is looked at most often waits least: among very many instances the spread is longer than a short interval.
    std::ranges::stable_sort(restored, {}, [](const auto& one) { return one.first; });
    std::uint32_t rank = 0;
    for (const auto& [shortest, to] : restored) {
        to->restored_rank = rank;
        to->restored_total = probes;
        rank += static_cast<std::uint32_t>(to->checks->size());
    }
}

void Membership::leave(Instance& instance, Moment at, Effects& effects) {
    instance.leaving = true;
    instance.lifecycle = verdict::Lifecycle::draining;
    instance.leave_by = at.now + options.drain_timeout;
    touch(instance, effects);
}

void Membership::bury(Service& service, Instance& instance, Effects& effects) {
    if (instance.next) close(*instance.next, effects);
    close(instance.current, effects);
    effects.tell.emplace_back(InstanceGone{instance.slot});
    effects.services.insert(service.name);
    // What was said of it goes with it.
    effects.remember.emplace_back(config::RemoveVerdict{instance.id.str()});
    if (instance.override) effects.remember.emplace_back(config::RemoveOverride{service.name.str(), instance.id.str()});
    if (instance.weight || instance.lifecycle == verdict::Lifecycle::draining)
        effects.remember.emplace_back(config::PutTraffic{{.key = instance.id.str()}});
    free_instance_slots_.push_back(instance.slot);
    by_id_.erase(&instance, id_of);
}

void Membership::touch(Instance& instance, Effects& effects) {
    if (instance.scope_only) return;
    const Service& service = *instance.service;
    effects.services.insert(service.name);
    auto facts = std::make_shared<InstanceFacts>();
    facts->slot = instance.slot;
    facts->service_slot = service.slot;
    facts->id = instance.id;
    facts->service = service.name;
    facts->name = instance.name;
    facts->declared = instance.spec->target.declared;
    facts->resolved = instance.current.address;
    facts->generation = instance.current.number;
    facts->lifecycle = instance.lifecycle_now();
    facts->weight = instance.weight.value_or(instance.spec->weight);
    facts->revision = instance.revision;
    facts->owner = instance.spec->owner;
    facts->unchecked = instance.unchecked();
    facts->routed = service.routed;
    const auto own = instance.override ? std::optional{instance.override->state} : std::nullopt;
    const auto whole = service.override ? std::optional{service.override->state} : std::nullopt;
    const auto strongest = verdict::stronger(own, whole);
    if (strongest) facts->override = own == strongest ? instance.override : service.override;
    facts->checks = carried(instance);
    if (instance.next)
        facts->next = std::make_shared<const NextGeneration>(
            instance.next->number, instance.next->address ? instance.next->address->text() : "", instance.next->word().state);
    effects.tell.emplace_back(InstancePut{std::move(facts)});
}

void Membership::touch(Service& service, Effects& effects, bool same) {
    auto facts = std::make_shared<ServiceFacts>();
    facts->slot = service.slot;
    facts->name = service.name;
    facts->owner = service.spec->owner;
    facts->spec = service.spec;
    facts->override = service.override;
    facts->draining = service.draining;
    facts->paused_until = service.paused_until;
    facts->revision = service.revision;
    facts->check_revisions = service.check_revisions;
    effects.tell.emplace_back(ServicePut{std::move(facts), same});
}

Service* Membership::service(std::string_view name) {
    const auto found = services_.find(name);
    return found == services_.end() ? nullptr : found->second.get();
}

Instance* Membership::instance(std::string_view id) {
    return by_id_.find(id, id_of);
}

Instance* Membership::instance_of(std::string_view service, std::string_view name) {
    const auto found = services_.find(service);
    if (found == services_.end()) return nullptr;
    for (const auto& one : found->second->instances)
        if (!one->leaving && (one->name == name || one->id == name)) return one.get();
    return nullptr;
}

Membership::Found Membership::by_row(verdict::RowId row, std::uint16_t generation) {
    Instance* instance = row < by_row_.size() ? by_row_[row] : nullptr;
    if (instance == nullptr) return {};
    if (instance->current.row == row && instance->current.number == generation) return {instance, &instance->current};
    if (instance->next && instance->next->row == row && instance->next->number == generation) return {instance, instance->next.get()};
    return {};
}

std::set<std::string> Membership::names() const {
    std::set<std::string> names;
    for (const auto& [name, service] : services_)
        if (service->routed || service->spec->resolve == config::Resolve::each)
            for (const auto& spec : service->spec->instances)
                if (needs_lookup(spec)) names.insert(spec.target.host.str());
    return names;
}

}  // namespace hale::catalog
