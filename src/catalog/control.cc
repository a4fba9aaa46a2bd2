#include "catalog/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"

namespace hale::catalog {

Control::Control(Parts parts)
    : parts_(parts),
      random_(parts.seed),
      membership_(parts.ledger, random_),
      folding_(membership_),
      names_(
          parts.loop, parts.resolver,
          [this](const std::string& name, std::vector<Ip> addresses) {
              const bool again = failed_lookups_.erase(name) != 0;
              internally([this, name, again, addresses = std::move(addresses)](Moment at, Effects& effects) {
                  if (again) effects.tell.emplace_back(LookupPut{name, ""});
                  membership_.resolved(name, addresses, at, effects);
                  if (effects.services.empty()) return;
                  folding_.rebuild_dependents();
                  folding_.refold({effects.services.begin(), effects.services.end()}, at, effects);
              });
          },
          [this](const std::string& name, const Error& error) {
              log(LogLevel::warning, fmt::format("resolving {} failed ({}); its last addresses stay in use", name, error.text));
              failed_lookups_.insert(name);
              internally([name, text = error.text](Moment, Effects& effects) {
                  effects.tell.emplace_back(LookupPut{name, text});
                  effects.tell.emplace_back(Notice{"dns.failed", name, text});
              });
          }),
      gates_(
          parts.loop, membership_, [this](std::vector<CheckerCommand> commands) { parts_.checking.send(std::move(commands), [] {}); },
          [this] { return told_; }),
      house_(parts.loop, io::member_fire<&Control::keep_house>, this),
      adoption_(parts.loop, io::member_fire<&Control::adoption_late>, this) {}

Control::~Control() = default;

void Control::start(config::Restored restored, std::shared_ptr<const config::Document> document, MutationReply done) {
    if (restored.versions_reserved > last_version) {
        return done(std::unexpected(MutationFailed{
            {Code::exhausted, fmt::format("the versions of verdicts are used up ({} of {}): more would begin again at 0, and clients would take old verdicts for "
                                          "new ones; export what the API declared and start with an empty state directory",
                                          restored.versions_reserved, last_version)},
            {}}));
    }
    revision_ = reserved_ = told_ = restored.revisions_reserved;
    versions_reserved_ = restored.versions_reserved;
    membership_.options.first_version = restored.versions_reserved;
    membership_.options.first_revision = restored.revisions_reserved;
    membership_.options.drain_timeout = document->settings.drain_timeout;
    membership_.options.last_known_max_age = document->settings.last_known_max_age;
    membership_.remember(std::move(restored.verdicts));
    folding_.known_before(std::move(restored.standings));
    declared_.restore(restored.objects, document);

    const Moment at = moment();
    UnderWay start;
    start.reply = std::move(done);
    start.patience = first_adoption_timeout;
    // Numbers first: nothing may be handed out that is not reserved on disk.
    std::vector<config::Change> journal{config::ReserveRevisions{revision_ + revision_block},
                                        config::ReserveVersions{versions_reserved_ + first_versions}};
    reserved_ = revision_ + revision_block;
    versions_reserved_ += first_versions;
    start.revision = ++revision_;
    Effects& effects = start.effects;
    apply_settings(document->settings, effects);
    restore_deployments(std::move(restored.deployments), effects);
    // Overrides and drains before instances, so that every instance is first told with them.
    for (const auto& name : declared_.service_names()) {
        const auto spec = declared_.merged(name);
        membership_.put({spec, declared_.entrance(name), declared_.routed(name), declared_.service_revision(name), true, {}, candidate_of(name)}, at, effects);
    }
    membership_.spread_restored(effects);
    for (const auto& stored : restored.overrides) {
        if (stored.expires <= at.utc) {
            journal.emplace_back(config::RemoveOverride{stored.service, stored.instance});
            continue;
        }
        const auto layer = std::make_shared<const config::Override>(stored);
        if (Instance* instance = membership_.instance(stored.instance)) instance->override = layer, membership_.touch(*instance, effects);
        else if (Service* service = stored.instance.empty() ? membership_.service(stored.service) : nullptr) {
            service->override = layer;
            membership_.touch(*service, effects);
            for (const auto& one : service->instances) membership_.touch(*one, effects);
        }
    }
    for (const auto& stored : restored.traffic) {
        if (Instance* instance = membership_.instance(stored.key)) {
            instance->weight = stored.weight;
            if (stored.draining) instance->lifecycle = verdict::Lifecycle::draining;
            membership_.touch(*instance, effects);
        } else if (Service* service = membership_.service(stored.key)) {
            service->draining = stored.draining;
            if (stored.paused_until && *stored.paused_until > at.utc) service->paused_until = stored.paused_until;
            membership_.touch(*service, effects);
            for (const auto& one : service->instances) membership_.touch(*one, effects);
        }
    }
    std::ranges::move(membership_.forget_unclaimed(), std::back_inserter(journal));
    folding_.rebuild_dependents();
    folding_.refold({effects.services.begin(), effects.services.end()}, at, effects);
    effects.tell.emplace_back(RoutesPut{std::make_shared<const std::vector<RouteFacts>>(declared_.routes())});
    effects.tell.emplace_back(DocumentPut{document, ReloadState{true, at.utc, {}, document->source}});
    effects.tell.emplace_back(ShadowedPut{without_effect()});
    effects.routes = true;
    under_way_ = std::move(start);
    committing_ = true;
    parts_.journal.commit(std::move(journal), true, [this](Result<> result) {
        committing_ = false;
        if (!result) {
            MutationReply reply = std::move(under_way_->reply);
            under_way_.reset();
            return reply(std::unexpected(MutationFailed{result.error(), {}}));
        }
        names_.want(membership_.names());
        house_.arm(parts_.loop.now() + housekeeping_interval);
        carry_out("", std::move(under_way_->reply));
    });
}

void Control::mutate(Mutation mutation, MutationReply reply) {
    if (stopped_) return reply(std::unexpected(MutationFailed{{Code::unavailable, "the daemon is stopping"}, {}}));
    if (held_) return refuse(reply, upgrading());
    if (waiting_.size() >= most_waiting_mutations)
        return reply(std::unexpected(MutationFailed{{Code::exhausted, fmt::format("{} mutations wait already; try again", waiting_.size())}, {}}));
    waiting_.push_back({std::move(mutation), std::move(reply), {}});
    begin_next();
}

void Control::internally(std::move_only_function<void(Moment, Effects&)> change) {
    if (stopped_) return;
    waiting_.push_back({{}, {}, std::move(change)});
    begin_next();
}

void Control::refuse(MutationReply& reply, Error error) {
    if (reply) reply(std::unexpected(MutationFailed{std::move(error), {}}));
}

void Control::begin_next() {
    // A mutation may be over before it is left: the loop that began it goes on, however long the queue.
    if (beginning_) return;
    beginning_ = true;
    while (!under_way_ && !committing_) {
        // Between two mutations, so that a stream of them never keeps verdicts from their readers.
        if (auto report = reports_.pop()) {
            take(std::move(*report));
            continue;
        }
        if (held_) {
            if (still_) std::exchange(still_, {})();
            break;
        }
        if (waiting_.empty()) break;
        Pending pending = std::move(waiting_.front());
        waiting_.pop_front();
        if (pending.internal) {
            const Moment at = moment();
            under_way_.emplace();
            pending.internal(at, under_way_->effects);
            if (under_way_->effects.tell.empty() && under_way_->effects.commands.empty()) {
                under_way_.reset();  // Nothing came of it: no revision, no publication.
                if (pending.reply) pending.reply(MutationDone{told_, ""});
                continue;
            }
            under_way_->revision = next_revision();
            carry_out("", std::move(pending.reply));
        } else {
            commit(std::move(pending));
        }
    }
    beginning_ = false;
}

// Validates against everything in force and puts it on disk; the model changes only once it is there.
void Control::commit(Pending pending) {
    const Moment at = moment();
    if (auto* rejected = std::get_if<RejectDocument>(&pending.mutation.change)) {
        parts_.own.reload_failed.store(true);
        Effects effects;
        effects.tell.emplace_back(DocumentPut{nullptr, ReloadState{false, at.utc, rejected->problems, rejected->source}});
        effects.tell.emplace_back(Notice{"config.rejected", rejected->source, rejected->problems.empty() ? "" : rejected->problems.front()});
        tell(effects, at);
        return pending.reply(MutationDone{told_, ""});
    }
    if (auto valid = check_staging(pending.mutation.change); !valid) return refuse(pending.reply, valid.error());
    if (auto valid = check_target(pending.mutation.change); !valid) return refuse(pending.reply, valid.error());
    // The API names an instance by its name, people also by its id.
    if (auto* gone = std::get_if<RemoveApiInstance>(&pending.mutation.change))
        if (const Instance* one = membership_.instance_of(gone->service, gone->name)) gone->name = one->name;
    if (const auto at_revision = revision_of(pending.mutation.change); pending.mutation.if_match.value_or(at_revision) != at_revision)
        return refuse(pending.reply, {Code::outdated, fmt::format("the object is at revision {}, not {}: somebody changed it in between",
                                                                  at_revision, *pending.mutation.if_match)});
    // A number is taken only by what was found valid.
    auto planned = declared_.plan(pending.mutation.change, revision_ + 1);
    if (!planned) return refuse(pending.reply, planned.error());
    std::size_t rows = 0;
    for (const auto& [name, spec] : planned->services) rows += spec ? spec->instances.size() * 2 + 1 : 0;
    if (parts_.ledger.in_use() + rows > (1u << 20))
        return refuse(pending.reply, {Code::exhausted, "more than 1,048,576 ledger rows would be needed"});

    const std::uint64_t revision = next_revision();
    std::vector<config::Change> journal = planned->journal;
    if (const auto* set = std::get_if<SetOverride>(&pending.mutation.change))
        journal.emplace_back(config::PutOverride{override_of(*set, pending.mutation.actor, revision, at)});
    std::ranges::move(journal_of_staging(pending.mutation.change), std::back_inserter(journal));
    std::ranges::move(journal_of(pending.mutation.change, revision, at), std::back_inserter(journal));
    if (audited(pending.mutation.change))
        journal.emplace_back(config::PutAudit{{revision, at.utc, pending.mutation.actor, pending.mutation.action, pending.mutation.object,
                                               pending.mutation.detail}});
    if (auto& kept = pending.mutation.idempotent) {
        if (kept->body) kept->put.body = kept->body(revision, planned->id);
        journal.emplace_back(kept->put);
    }
    committing_ = true;
    auto kept = std::make_shared<Pending>(std::move(pending));
    auto redeclared = std::make_shared<Redeclared>(std::move(*planned));
    parts_.journal.commit(std::move(journal), true, [this, kept, redeclared, revision](Result<> result) {
        committing_ = false;
        if (!result) {
            refuse(kept->reply, result.error());
            return begin_next();
        }
        committed(kept, redeclared, revision);
    });
}

void Control::committed(std::shared_ptr<Pending> pending, std::shared_ptr<Redeclared> redeclared, std::uint64_t revision) {
    const Moment at = moment();
    under_way_.emplace();
    under_way_->revision = revision;
    Effects& effects = under_way_->effects;
    Mutation& mutation = pending->mutation;
    settle_candidate(mutation.change);
    if (!redeclared->steps.empty()) apply_declared(*redeclared, mutation.change, at);
    apply_staging(mutation.change, effects);
    if (const auto* set = std::get_if<SetOverride>(&mutation.change)) {
        const auto layer = std::make_shared<const config::Override>(override_of(*set, mutation.actor, revision, at));
        if (Instance* instance = set->instance.empty() ? nullptr : membership_.instance(set->instance)) instance->override = layer;
        else if (Service* service = membership_.service(set->service)) service->override = layer;
    }
    apply_traffic(mutation.change, revision, at, effects);
    if (audited(mutation.change)) effects.tell.emplace_back(AuditPut{{revision, at.utc, mutation.actor, mutation.action, mutation.object, mutation.detail}});
    folding_.refold({effects.services.begin(), effects.services.end()}, at, effects);
    // People call it by name, machines by id.
    if (const auto* put = std::get_if<PutApiInstance>(&mutation.change))
        if (const Instance* made = membership_.instance_of(put->service, redeclared->id)) redeclared->id = made->id.str();
    carry_out(redeclared->id, std::move(pending->reply));
}

void Control::apply_declared(Redeclared& redeclared, const Change& change, Moment at) {
    Effects& effects = under_way_->effects;
    declared_.accept(redeclared);
    for (const auto& [name, spec] : redeclared.services) {
        if (!spec) membership_.remove(name, at, effects);
        // An unchanged service of a new document is put too: its specs live in the document that goes away.
        else membership_.put({spec, declared_.entrance(name), declared_.routed(name), declared_.service_revision(name),
                              redeclared.changed.contains(name), declared_.check_revisions(name), candidate_of(name)},
                             at, effects);
    }
    if (const auto* put = std::get_if<PutApiInstance>(&change))
        if (Instance* one = membership_.instance_of(put->service, put->spec.name.view())) {
            one->revision = under_way_->revision;
            membership_.touch(*one, effects);
        }
    if (redeclared.routes) {
        effects.routes = true;
        effects.tell.emplace_back(RoutesPut{std::make_shared<const std::vector<RouteFacts>>(declared_.routes())});
    }
    if (!redeclared.services.empty()) folding_.rebuild_dependents();
    names_.want(membership_.names());
    if (const auto* document = std::get_if<ApplyDocument>(&change)) {
        apply_settings(document->document->settings, effects);
        parts_.own.reload_failed.store(false);
        effects.routes = true;
        membership_.options.drain_timeout = document->document->settings.drain_timeout;
        effects.tell.emplace_back(DocumentPut{document->document, ReloadState{true, at.utc, {}, document->document->source}});
        effects.tell.emplace_back(Notice{"config.reloaded", document->document->source,
                                         fmt::format("{} of {} services changed", redeclared.changed.size(), redeclared.services.size())});
        effects.tell.emplace_back(ShadowedPut{without_effect()});
    }
}

void Control::apply_settings(const config::Settings& settings, Effects& effects) {
    TargetPolicy targets{.deny = settings.targets_deny, .own = own_};
    CheckerSettings now{.targets = settings_.targets,
                        .in_flight = settings.probes_in_flight,
                        .in_flight_per_host = settings.probes_in_flight_per_host,
                        .front = front_};
    if (!now.targets || *now.targets != targets) now.targets = std::make_shared<const TargetPolicy>(std::move(targets));
    if (now == settings_) return;
    if (now.targets != settings_.targets) effects.routes = true;
    settings_ = std::move(now);
    effects.commands.insert(effects.commands.begin(), settings_);
}

void Control::set_own_addresses(std::vector<SocketAddress> own, io::Task done) {
    own_ = std::move(own);
    waiting_.push_back({{},
                        [done = std::move(done)](MutationResult) mutable { done(); },
                        [this](Moment, Effects& effects) { apply_settings(declared_.document()->settings, effects); }});
    begin_next();
}

void Control::set_front(Front front) {
    // Bound everywhere, it is reached by the loopback address.
    for (auto* address : {&front.http, &front.https})
        if (*address && !(*address)->is_unix() && (*address)->ip.is_unspecified())
            (*address)->ip = *Ip::parse((*address)->ip.is_v4() ? "127.0.0.1" : "::1");
    front_ = std::move(front);
    waiting_.push_back({{}, {}, [this](Moment, Effects& effects) { apply_settings(declared_.document()->settings, effects); }});
    begin_next();
}

void Control::set_ending_certificates(EndingCertificates ending) {
    waiting_.push_back({{}, {}, [this, ending = std::move(ending)](Moment at, Effects& effects) mutable { folding_.set_ending(std::move(ending), at, effects); }});
    begin_next();
}

// Of the object that the change is about, for If-Match: an override has a revision of its own.
std::uint64_t Control::revision_of(const Change& change) const {
    auto& membership = const_cast<Membership&>(membership_);  // Look-ups only.
    const auto of = [&](const std::string& service, const std::string& instance) -> std::uint64_t {
        const Instance* one = instance.empty() ? nullptr : membership.instance(instance);
        const Service* whole = instance.empty() ? membership.service(service) : nullptr;
        const auto& layer = one != nullptr ? one->override : whole != nullptr ? whole->override : nullptr;
        return layer ? layer->revision : 0;
    };
    if (const auto* set = std::get_if<SetOverride>(&change)) return of(set->service, set->instance);
    if (const auto* clear = std::get_if<ClearOverride>(&change)) return of(clear->service, clear->instance);
    const auto itself = [&](const std::string& service, const std::string& instance) -> std::uint64_t {
        if (const Instance* one = instance.empty() ? nullptr : membership.instance(instance)) return one->revision;
        const Service* whole = instance.empty() ? membership.service(service) : nullptr;
        return whole != nullptr ? whole->revision : 0;
    };
    if (const auto* weight = std::get_if<SetWeight>(&change)) return itself("", weight->instance);
    if (const auto* drain = std::get_if<Drain>(&change)) return itself(drain->service, drain->instance);
    if (const auto* resume = std::get_if<Resume>(&change)) return itself(resume->service, resume->instance);
    if (const auto* pause = std::get_if<Pause>(&change)) return itself(pause->service, "");
    if (const auto* service = std::get_if<PutApiService>(&change)) return itself(service->spec.name, "");
    if (const auto* ended = std::get_if<RemoveApiService>(&change)) return itself(ended->name, "");
    const auto named = [&](const std::string& service, std::string_view name) -> std::uint64_t {
        const Instance* one = membership.instance_of(service, name);
        return one != nullptr ? one->revision : 0;
    };
    if (const auto* put = std::get_if<PutApiInstance>(&change)) return named(put->service, put->spec.name.view());
    if (const auto* gone = std::get_if<RemoveApiInstance>(&change)) return named(gone->service, gone->name);
    return declared_.revision_of(change);
}

// Publishes and sends, then waits for everybody: `finish` tells the readers and replies.
void Control::carry_out(std::string id, MutationReply reply) {
    UnderWay& now = *under_way_;
    now.id = std::move(id);
    now.reply = std::move(reply);
    now.awaited = 2;
    const bool publishes = !now.effects.services.empty() || now.effects.routes;
    adoption_.arm(parts_.loop.now() + now.patience);
    auto commands = std::exchange(now.effects.commands, {});
    if (publishes) {
        auto snapshot = publishing_.build(membership_, declared_.routes(), now.effects.services, *declared_.document(), settings_.targets, now.revision, moment());
        parts_.routing.publish(std::move(snapshot), [this] { adopted(); });
    }
    if (commands.empty()) adopted();
    else parts_.checking.send(std::move(commands), [this] { adopted(); });
    if (!publishes) adopted();
}

void Control::adopted() {
    if (HALE_BUG_IF(!under_way_)) return;
    if (--under_way_->awaited == 0) finish();
}

void Control::adoption_late() noexcept {
    if (!under_way_ || under_way_->late) return;
    under_way_->late = true;
    bug("a worker did not adopt a snapshot, or a checker did not acknowledge, in time");
    parts_.own.adoption_failed.store(true);
    if (MutationReply reply = std::move(under_way_->reply))
        reply(std::unexpected(MutationFailed{{Code::timed_out, fmt::format("revision {} is committed, but not every worker took it within {}; "
                                                                           "it is not undone",
                                                                           under_way_->revision, human(under_way_->patience))},
                                             under_way_->revision}));
    under_way_->reply = {};
}

void Control::finish() {
    adoption_.disarm();
    UnderWay done = std::move(*under_way_);
    under_way_.reset();
    if (done.late) parts_.own.adoption_failed.store(false);
    std::vector<Delta> deltas;
    deltas.reserve(done.effects.tell.size());
    const Utc at = parts_.loop.utc();
    for (auto& what : done.effects.tell) deltas.push_back({done.revision, at, std::move(what)});
    tell(std::move(deltas));
    if (!done.effects.remember.empty()) remember(std::move(done.effects.remember));
    std::ranges::copy(done.effects.retired, std::back_inserter(retired_));
    sweep_at_ = parts_.loop.now();
    house_.arm(parts_.loop.now());
    // What the checkers said on taking their commands (restored verdicts, `checking`) is with the readers first.
    if (auto report = reports_.pop()) take(std::move(*report));
    turn_panics();
    tell_gone();
    if (auto changes = folding_.end_of_restore(); !changes.empty()) remember(std::move(changes));
    if (done.reply) done.reply(MutationDone{done.revision, std::move(done.id)});
    begin_next();
}

void Control::on_report(CheckReport report) {
    reports_.push(std::move(report));
    if (under_way_ || committing_) return;
    if (auto all = reports_.pop()) take(std::move(*all));
}

void Control::take(CheckReport report) {
    const Moment at = moment();
    Effects effects;
    auto first_failures = std::move(report.first_failures);
    std::vector<Instance*> changed;
    for (const auto& change : report.changes)
        if (Instance* instance = membership_.by_row(change.row, change.generation).instance) changed.push_back(instance);
    // As it was before these failures: with `fall: 1` some of them have turned a verdict already.
    std::size_t passing = 0;
    if (!first_failures.empty())
        for (const auto& [name, service] : membership_.services()) passing += service->passing_checks;
    folding_.take(std::move(report), at, effects);

    if (!first_failures.empty()) {
        for (const auto& failure : first_failures) {
            const auto [instance, generation] = membership_.by_row(failure.row, generation_of(failure.row));
            if (instance == nullptr) continue;
            const verdict::FirstFailure seen{.service = instance->service->slot, .address = hash64(failure.address.text()), .at = failure.at,
                                             .timeout = failure.timeout, .confirm_interval = failure.confirm_interval};
            const auto suspicion = self_protection_.first_failure(seen, passing);
            if (!suspicion) continue;
            effects.commands.emplace_back(SuspectSelf{suspicion->until - at.now});
            const auto text = fmt::format("{} of {} passing checks of {} services at {} addresses failed at once: new unhealthy verdicts are held "
                                          "for {}",
                                          suspicion->failures, std::max(suspicion->passing, suspicion->failures), suspicion->services, suspicion->addresses,
                                          human(suspicion->until - at.now));
            log(LogLevel::warning, text);
            effects.tell.emplace_back(Notice{"suspect_self", "", text});
        }
    }
    if (!effects.commands.empty()) parts_.checking.send(std::exchange(effects.commands, {}), [] {});
    tell(effects, at);

    std::vector<config::Change> remember = std::move(effects.remember);
    for (Instance* instance : changed) {
        const auto now = instance->storable();
        if (instance->stored == now) continue;  // A flag came or went, or it came back from the journal just now.
        instance->stored = now;
        instance->stored_at = at.now;
        remember.emplace_back(config::PutVerdict{stored(*instance)});
    }
    if (!remember.empty()) this->remember(std::move(remember));
    for (const auto& name : folding_.take_doubted()) names_.doubt(name);
    const auto ready = folding_.take_ready();
    if (!ready.empty()) {
        std::vector<std::string> ids;
        for (const Instance* instance : ready) ids.push_back(instance->id.str());
        internally([this, ids](Moment then, Effects& more) {
            for (const auto& id : ids)
                if (Instance* instance = membership_.instance(id); instance != nullptr && Folding::next_is_ready(*instance))
                    membership_.replace(*instance, then, more);
            folding_.refold({more.services.begin(), more.services.end()}, then, more);
        });
    }
    turn_panics();
    if (folding_.highest_version() > versions_reserved_ - std::min(versions_reserved_, versions_ahead) && versions_reserved_ < last_version) reserve();
}

// Workers first, as with any mutation: no reader sees a panic by which nobody routes yet.
void Control::turn_panics() {
    auto names = folding_.take_panic_turns();
    if (names.empty()) return;
    internally([this, names = std::move(names)](Moment at, Effects& effects) {
        for (const auto& name : names)
            if (Service* service = membership_.service(name); service != nullptr && folding_.turn_panic(*service, at)) effects.services.insert(service->name);
        folding_.refold({effects.services.begin(), effects.services.end()}, at, effects);
    });
}

std::uint16_t Control::generation_of(verdict::RowId row) const {
    return verdict::Word::unpack(parts_.ledger.row(row).word.load(std::memory_order_relaxed)).generation;
}

// What verdicts and time brought: each gets its own revision, except probes that changed nothing.
void Control::tell(Effects& effects, Moment at) {
    std::vector<Delta> deltas;
    deltas.reserve(effects.tell.size());
    for (auto& what : effects.tell) {
        const bool visible = !std::holds_alternative<SeenPut>(what);
        deltas.push_back({visible ? next_revision() : 0, at.utc, std::move(what)});
    }
    effects.tell.clear();
    tell(std::move(deltas));
}

void Control::tell(std::vector<Delta> deltas) {
    if (deltas.empty()) return;
    for (const auto& delta : deltas) told_ = std::max(told_, delta.revision);
    parts_.audience.tell(std::move(deltas));
    parts_.own.revision.store(told_, std::memory_order_relaxed);
}

std::uint64_t Control::next_revision() {
    if (revision_ + revision_block / 2 > reserved_) reserve();
    HALE_CHECK(revision_ < reserved_);
    return ++revision_;
}

void Control::reserve() {
    if (std::exchange(reserving_, true)) return;
    const std::uint64_t revisions = revision_ + 2 * revision_block;
    // Within the last block nothing more is reserved: a process that lives on there has ten thousand changes left.
    const std::uint32_t versions =
        std::max(versions_reserved_, folding_.highest_version() < last_version ? folding_.highest_version() + version_block : 0);
    parts_.journal.commit({config::ReserveRevisions{revisions}, config::ReserveVersions{versions}}, true, [this, revisions, versions](Result<> done) {
        reserving_ = false;
        if (!done) return log(LogLevel::error, fmt::format("reserving revisions failed: {}; trying again", done.error().text));
        reserved_ = revisions;
        versions_reserved_ = versions;
    });
}

void Control::probe_now(const std::string& id, std::string check, std::optional<Duration> max_age, ProbeReply reply) {
    if (held_) return reply(std::unexpected(upgrading()));
    Instance* instance = membership_.instance(id);
    if (instance == nullptr) return reply(fail(Code::not_found, fmt::format("there is no instance \"{}\"", id)));
    ProbeNow probe{instance->current.row, instance->current.number, std::move(check), max_age, {}};
    probe.reply = [this, reply = std::move(reply)](std::vector<ProbeAnswer> answers) mutable {
        parts_.loop.post([reply = std::move(reply), answers = std::move(answers)]() mutable { reply(std::move(answers)); });
    };
    std::vector<CheckerCommand> one;
    one.emplace_back(std::move(probe));
    parts_.checking.send(std::move(one), [] {});
}

void Control::heartbeat(const std::string& name, std::string check, verdict::Outcome outcome, std::string text,
                        std::move_only_function<void(Result<>)> reply) {
    if (held_) return reply(std::unexpected(upgrading()));
    Service* service = membership_.service(name);
    std::set<std::string> there;
    const auto look = [&](const Instance& instance) {
        for (const auto& one : *membership_.carried(instance))
            if (one->kind() == "heartbeat") there.insert(one->name.str());
    };
    if (service != nullptr) {
        for (const auto& instance : service->instances) look(*instance);
        if (service->scope) look(*service->scope);
    }
    // Whoever names no check means the only one. With several, a beat for one of them must not quiet the others.
    if (check.empty() && there.size() > 1)
        return reply(fail(Code::invalid, fmt::format("service \"{}\" has several heartbeat checks; say which: {}", name, fmt::join(there, ", "))));
    if (check.empty() && there.size() == 1) check = *there.begin();
    if (!there.contains(check))
        return reply(fail(Code::not_found, fmt::format("service \"{}\" has no heartbeat check{}", name, check.empty() ? "" : fmt::format(" \"{}\"", check))));
    std::vector<CheckerCommand> commands;
    const auto beat = [&](const Instance& instance) {
        if (std::ranges::any_of(*membership_.carried(instance), [&](const auto& one) { return one->kind() == "heartbeat" && one->name == check; }))
            commands.emplace_back(HeartbeatSeen{instance.current.row, instance.current.number, check, outcome, text});
    };
    for (const auto& instance : service->instances) beat(*instance);
    if (service->scope) beat(*service->scope);
    parts_.checking.send(std::move(commands), [reply = std::move(reply)]() mutable { reply({}); });
}

// Last verdicts: written in order with the rest, but nobody waits for them. What does not fit is dropped with a
// counter and written again within remember_every.
void Control::remember(std::vector<config::Change> verdicts) {
    const std::size_t count = verdicts.size();
    parts_.journal.commit(std::move(verdicts), false, [this, count](Result<> done) {
        if (!done) store_dropped_ += count;
    });
}

void Control::keep_house() noexcept {
    const Moment at = moment();
    if (held_) return;
    if (!stopped_) house_.arm(at.now + housekeeping_interval);
    recycle({});
    expire_overrides(at);
    if (at.now >= sweep_at_ && !under_way_ && !committing_) {
        sweep_at_ = never;
        internally([this](Moment then, Effects& effects) {
            sweep_at_ = membership_.sweep(then, effects);
            folding_.refold({effects.services.begin(), effects.services.end()}, then, effects);
        });
    }
    remember_some(at, false, {});
}

void Control::recycle(std::vector<verdict::RowId> rows) {
    std::ranges::copy(rows, std::back_inserter(retired_));
    // Adopted everywhere already; a request that began before may still hold the row.
    std::erase_if(retired_, [&](verdict::RowId row) {
        if (parts_.ledger.row(row).in_flight.load(std::memory_order_acquire) != 0) return false;
        parts_.ledger.recycle(row);
        return true;
    });
}

void Control::stop(io::Task done) {
    stopped_ = true;
    house_.disarm();
    names_.stop();
    gates_.stop();
    remember_some(moment(), true, std::move(done));
}

}  // namespace hale::catalog
