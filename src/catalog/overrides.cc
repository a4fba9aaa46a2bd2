// The part of control that carries out what operators ask of traffic: overrides, drains, pauses, weights; and
// what is remembered of verdicts.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "catalog/control.h"

namespace hale::catalog {

namespace {
inline constexpr std::size_t most_remembered_at_once = 2'000;  // Per housekeeping turn.

template <class T>
const T* as(const Change& change) {
    return std::get_if<T>(&change);
}
}  // namespace

Result<> Control::check_target(const Change& change) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    const auto known = [&](const std::string& service, const std::string& instance) -> Result<> {
        if (!instance.empty() && membership.instance(instance) == nullptr) return fail(Code::not_found, fmt::format("there is no instance \"{}\"", instance));
        if (instance.empty() && membership.service(service) == nullptr) return fail(Code::not_found, fmt::format("there is no service \"{}\"", service));
        return {};
    };
    if (const auto* set = as<SetOverride>(change)) {
        HALE_TRY(known(set->service, set->instance));
        if (set->reason.empty()) return fail(Code::invalid, "an override needs a reason");
        const Duration most = declared_.document()->settings.override_max;
        if (set->lasts <= Duration{0} || set->lasts > most)
            return fail(Code::invalid, fmt::format("an override lasts more than 0s and at most {}", human(most)));
    } else if (const auto* clear = as<ClearOverride>(change)) {
        HALE_TRY(known(clear->service, clear->instance));
        const bool there = clear->instance.empty() ? membership.service(clear->service)->override != nullptr
                                                   : membership.instance(clear->instance)->override != nullptr;
        if (!there) return fail(Code::not_found, fmt::format("no override is set on \"{}\"", clear->instance.empty() ? clear->service : clear->instance));
    } else if (const auto* discover = as<Discover>(change)) {
        // Names are looked up later, and tested at each connect.
        for (const auto& one : discover->instances)
            if (const auto& literal = one.spec.target.literal)
                if (const auto why = settings_.targets->refusal(*literal, false)) return fail(Code::denied, fmt::format("instance \"{}\": {}", one.spec.name, *why));
    } else if (const auto* drain = as<Drain>(change)) {
        return known(drain->service, drain->instance);
    } else if (const auto* pause = as<Pause>(change)) {
        return known(pause->service, "");
    } else if (const auto* resume = as<Resume>(change)) {
        return known(resume->service, resume->instance);
    } else if (const auto* weight = as<SetWeight>(change)) {
        return known("", weight->instance);
    }
    return {};
}

config::Override Control::override_of(const SetOverride& set, const std::string& actor, std::uint64_t revision, Moment at) const {
    auto& membership = const_cast<Membership&>(membership_);
    config::Override layer;
    layer.service = set.service;
    layer.instance = set.instance;
    if (const Instance* instance = set.instance.empty() ? nullptr : membership.instance(set.instance)) layer.service = instance->service->name;
    layer.state = set.state;
    layer.author = actor;
    layer.reason = set.reason;
    layer.created = set.created == Utc{} ? at.utc : set.created;
    layer.expires = layer.created + set.lasts;
    layer.revision = revision;
    return layer;
}

std::vector<config::Change> Control::journal_of(const Change& change, std::uint64_t, Moment at) const {
    auto& membership = const_cast<Membership&>(membership_);
    std::vector<config::Change> out;
    const auto traffic = [&](const std::string& service, const std::string& instance, auto&& edit) {
        config::StoredTraffic stored{.key = instance.empty() ? service : instance};
        if (const Instance* one = instance.empty() ? nullptr : membership.instance(instance)) {
            stored.weight = one->weight;
            stored.draining = one->lifecycle == verdict::Lifecycle::draining;
        } else if (const Service* whole = membership.service(service)) {
            stored.draining = whole->draining;
            stored.paused_until = whole->paused_until;
        }
        edit(stored);
        out.emplace_back(config::PutTraffic{std::move(stored)});
    };
    // What is said of an instance is kept by its id, and the id only with its verdict.
    const auto keep_id = [&](const std::string& instance) {
        if (const Instance* one = instance.empty() ? nullptr : membership.instance(instance)) out.emplace_back(config::PutVerdict{stored(*one)});
    };
    if (const auto* set = as<SetOverride>(change)) keep_id(set->instance);
    if (const auto* drained = as<Drain>(change)) keep_id(drained->instance);
    if (const auto* weighed = as<SetWeight>(change)) keep_id(weighed->instance);
    if (const auto* clear = as<ClearOverride>(change)) {
        const Instance* one = clear->instance.empty() ? nullptr : membership.instance(clear->instance);
        out.emplace_back(config::RemoveOverride{one != nullptr ? one->service->name.str() : clear->service, clear->instance});
    } else if (const auto* drain = as<Drain>(change)) {
        traffic(drain->service, drain->instance, [](auto& stored) { stored.draining = true; });
    } else if (const auto* pause = as<Pause>(change)) {
        traffic(pause->service, "", [&](auto& stored) { stored.paused_until = at.utc + pause->most; });
    } else if (const auto* resume = as<Resume>(change)) {
        traffic(resume->service, resume->instance, [&](auto& stored) {
            stored.draining = stored.draining && resume->pause_only;
            stored.paused_until.reset();
        });
        // What it changes of instances is said of each.
        const Service* whole = resume->instance.empty() && !resume->pause_only ? membership.service(resume->service) : nullptr;
        if (whole != nullptr)
            for (const auto& one : whole->instances)
                if (!one->leaving && one->lifecycle == verdict::Lifecycle::draining)
                    traffic("", one->id.str(), [](auto& stored) { stored.draining = false; });
    } else if (const auto* weight = as<SetWeight>(change)) {
        traffic("", weight->instance, [&](auto& stored) { stored.weight = weight->weight; });
    } else if (const auto* token = as<PutApiToken>(change)) {
        out.emplace_back(config::PutToken{token->token});
    } else if (const auto* gone = as<RemoveApiToken>(change)) {
        out.emplace_back(config::RemoveToken{gone->name});
    }
    return out;
}

void Control::apply_traffic(const Change& change, std::uint64_t revision, Moment at, Effects& effects) {
    const auto touch_all = [&](Service& service) {
        membership_.touch(service, effects);
        effects.services.insert(service.name);
        for (const auto& one : service.instances) membership_.touch(*one, effects);
    };
    const auto each = [&](const std::string& service, const std::string& instance, auto&& on_instance, auto&& on_service) {
        if (Instance* one = instance.empty() ? nullptr : membership_.instance(instance)) {
            on_instance(*one);
            membership_.touch(*one, effects);
        } else if (Service* whole = membership_.service(service)) {
            on_service(*whole);
            touch_all(*whole);
        }
    };
    using verdict::Lifecycle;
    const auto nothing = [](auto&) {};
    if (const auto* set = as<SetOverride>(change)) {
        each(set->service, set->instance, nothing, nothing);
    } else if (const auto* clear = as<ClearOverride>(change)) {
        each(clear->service, clear->instance, [](Instance& one) { one.override.reset(); }, [](Service& whole) { whole.override.reset(); });
    } else if (const auto* drain = as<Drain>(change)) {
        each(drain->service, drain->instance, [&](Instance& one) { one.lifecycle = Lifecycle::draining, one.revision = revision; }, [](Service& whole) { whole.draining = true; });
    } else if (const auto* pause = as<Pause>(change)) {
        each(pause->service, "", nothing, [&](Service& whole) { whole.paused_until = at.utc + pause->most; });
    } else if (const auto* resume = as<Resume>(change)) {
        each(
            resume->service, resume->instance,
            [&](Instance& one) {
                if (!one.leaving) one.lifecycle = Lifecycle::serving;
                one.revision = revision;
            },
            [&](Service& whole) {
                whole.paused_until.reset();
                if (resume->pause_only) return;
                whole.draining = false;
                for (const auto& one : whole.instances)
                    if (!one->leaving) one->lifecycle = Lifecycle::serving;
            });
    } else if (const auto* weight = as<SetWeight>(change)) {
        each("", weight->instance, [&](Instance& one) { one.weight = weight->weight, one.revision = revision; }, nothing);
    }
}

// Expiry is a mutation like any other: committed, published, audited, told.
void Control::expire_overrides(Moment at) {
    if (under_way_ || committing_ || !waiting_.empty()) return;  // Next time; the queue is short.
    const auto expire = [&](Change change, const std::string& object, const std::string& why) {
        mutate({.change = std::move(change), .actor = "hale", .action = "expire", .object = object, .detail = why}, [object, why](MutationResult done) {
            if (!done) log(LogLevel::warning, fmt::format("expiring {} ({}) failed: {}", object, why, done.error().error.text));
        });
    };
    for (const auto& [name, service] : membership_.services()) {
        if (service->override && service->override->expires <= at.utc) return expire(ClearOverride{name, ""}, name, "override expired");
        if (service->paused_until && *service->paused_until <= at.utc) return expire(Resume{name, "", true}, name, "pause expired");
        for (const auto& one : service->instances)
            if (one->override && one->override->expires <= at.utc) return expire(ClearOverride{name, one->id.str()}, one->name.str(), "override expired");
    }
}

config::StoredVerdict Control::stored(const Instance& instance) const {
    config::StoredVerdict out;
    out.instance = instance.id;
    out.service = instance.service->name;
    out.name = instance.name;
    out.declared = instance.spec->target.declared;
    out.generation = instance.current.number;
    out.observed = instance.current.observed;
    if (instance.current.address) out.resolved = instance.current.address->text();
    if (const auto& record = instance.current.record) {
        out.state = record->word.state;
        out.was_eligible = record->word.was_eligible;
        out.version = record->word.version;
        out.reason = code(record->reason);
        out.text = record->text;
        out.since = record->since;
    }
    return out;
}

// Evidence grows older on disk while nothing changes: every instance is written again within remember_every, a
// few at a time, so that a crash never makes minutes of passing probes look like none.
void Control::remember_some(Moment at, bool all, io::Task done) {
    std::vector<config::Change> changes;
    const std::size_t rows = membership_.rows();
    // All of them are looked at twice as often as is needed.
    const std::size_t looked_at = all ? rows : std::min(rows, 256 + rows * 2 / static_cast<std::size_t>(remember_every / housekeeping_interval));
    for (std::size_t i = 0; i < looked_at && (all || changes.size() < most_remembered_at_once); ++i) {
        remembered_to_ = remembered_to_ + 1 < rows ? remembered_to_ + 1 : 0;
        Instance* one = membership_.at_row(remembered_to_);
        if (one == nullptr || !one->current.record || one->current.row != remembered_to_) continue;
        if (!all && at.now < one->stored_at + remember_every) continue;
        one->stored = one->storable();
        one->stored_at = at.now;
        changes.emplace_back(config::PutVerdict{stored(*one)});
    }
    if (changes.empty()) {
        if (done) done();
        return;
    }
    parts_.journal.commit(std::move(changes), all, [done = std::move(done)](Result<>) mutable {
        if (done) done();
    });
}

}  // namespace hale::catalog
