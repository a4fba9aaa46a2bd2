#include "app/backend.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "app/ad_hoc.h"
#include "app/certificates.h"
#include "app/deployments.h"
#include "app/issuing.h"
#include "app/reloading.h"

namespace hale::app {

namespace {

api::CheckerMeasurement measured(const probe::CheckerStats& stats) {
    api::CheckerMeasurement out;
    out.checker = stats.checker;
    out.instances = stats.instances;
    out.in_flight = stats.engine.in_flight;
    out.waiting = stats.engine.waiting;
    out.started = stats.engine.started;
    out.connects = stats.engine.connects;
    out.reused = stats.engine.reused;
    out.turned_away = stats.engine.turned_away;
    out.discarded = stats.discarded;
    out.worst_lag = stats.lag.worst;
    out.lag_counts.assign(stats.lag.counts.begin(), stats.lag.counts.end());
    out.lag_bounds_us.assign(stats.lag.bounds_us.begin(), stats.lag.bounds_us.end());
    out.lag_sum = stats.lag.sum;
    return out;
}

}  // namespace

template <class Reply>
auto Backend::home(Reply reply) {
    return [this, reply = std::move(reply)](auto&&... answer) mutable {
        parts_.api.post([reply = std::move(reply), ... answer = std::forward<decltype(answer)>(answer)]() mutable { reply(std::move(answer)...); });
    };
}

void Backend::mutate(catalog::Mutation mutation, catalog::MutationReply reply) {
    parts_.control_loop.post([this, mutation = std::move(mutation), reply = home(std::move(reply))]() mutable {
        parts_.control.mutate(std::move(mutation), std::move(reply));
    });
}

void Backend::verify(catalog::VerifyRequest request, catalog::VerifyReply reply) {
    parts_.control_loop.post([this, request = std::move(request), reply = home(std::move(reply))]() mutable {
        parts_.control.verify(std::move(request), std::move(reply));
    });
}

void Backend::probe_now(std::string instance, std::string check, std::optional<Duration> max_age, ProbeReply reply) {
    parts_.control_loop.post([this, instance = std::move(instance), check = std::move(check), max_age, reply = home(std::move(reply))]() mutable {
        parts_.control.probe_now(instance, std::move(check), max_age, std::move(reply));
    });
}

void Backend::probe_target(api::AdHocProbe probe, std::move_only_function<void(Result<verdict::Observation>)> reply) {
    // One checker's thread lends its loop and resolver; the probe is nobody's verdict.
    CheckerThread& lender = parts_.checkers.front();
    lender.thread->loop().post([&lender, probe = std::move(probe), reply = home(std::move(reply))]() mutable {
        if (!lender.checker) return reply(fail(Code::unavailable, "the daemon is stopping"));
        AdHoc::probe(lender.thread->loop(), lender.thread->net(), *lender.resolver, lender.tls.get(), lender.checker->targets(), probe.target, probe.check, std::move(reply));
    });
}

void Backend::heartbeat(std::string service, std::string check, verdict::Outcome outcome, std::string text,
                        std::move_only_function<void(Result<>)> reply) {
    parts_.control_loop.post(
        [this, service = std::move(service), check = std::move(check), outcome, text = std::move(text), reply = home(std::move(reply))]() mutable {
            parts_.control.heartbeat(service, std::move(check), outcome, std::move(text), std::move(reply));
        });
}

void Backend::reload(std::string actor, std::optional<catalog::KeptAnswer> kept, catalog::MutationReply reply) {
    parts_.control_loop.post([this, actor = std::move(actor), kept = std::move(kept), reply = home(std::move(reply))]() mutable {
        reloading_->reload(std::move(actor), std::move(reply), std::move(kept));
    });
}

void Backend::audit(std::size_t most, std::optional<std::uint64_t> before_revision,
                    std::move_only_function<void(Result<std::vector<config::AuditEntry>>)> reply) {
    auto page = std::make_shared<Result<store::AuditPage>>(fail(Code::unavailable, "not read yet"));
    auto shared = std::make_shared<decltype(reply)>(std::move(reply));
    const auto queued = parts_.pool.run(
        parts_.api, [this, page, most, before_revision] { *page = parts_.state.audit(static_cast<std::uint32_t>(most), before_revision); },
        [page, shared] {
            if (*page) (*shared)(std::move((*page)->entries));
            else (*shared)(std::unexpected(page->error()));
        });
    if (!queued) parts_.api.post([shared, error = queued.error()] { (*shared)(std::unexpected(error)); });
}

void Backend::answered(std::string key, std::string actor, std::move_only_function<void(Result<std::optional<config::PutIdempotent>>)> reply) {
    using Found = Result<std::optional<store::Answer>>;
    auto found = std::make_shared<Found>(fail(Code::unavailable, "not read yet"));
    auto shared = std::make_shared<decltype(reply)>(std::move(reply));
    const Utc now = parts_.api.utc();
    const auto queued = parts_.pool.run(
        parts_.api, [this, found, key, actor, now] { *found = parts_.state.idempotent(key, actor, now); },
        [found, shared, key, actor] {
            if (!*found) return (*shared)(std::unexpected(found->error()));
            if (!**found) return (*shared)(std::optional<config::PutIdempotent>{});
            const store::Answer& answer = ***found;
            (*shared)(std::optional{config::PutIdempotent{key, actor, answer.status, answer.body, answer.at}});
        });
    if (!queued) parts_.api.post([shared, error = queued.error()] { (*shared)(std::unexpected(error)); });
}

void Backend::upgrade(std::string actor, UpgradeReply reply) {
    if (!upgrade_) return parts_.api.post([reply = std::move(reply)]() mutable { reply(fail(Code::unavailable, "this daemon cannot be upgraded in place")); });
    upgrade_(std::move(actor), home(std::move(reply)));
}

void Backend::deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) { deployments_->deploy(std::move(request), dry, home(std::move(reply))); }

void Backend::rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) {
    deployments_->rollback(std::move(service), std::move(to), std::move(actor), home(std::move(reply)));
}

void Backend::scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) {
    deployments_->scale(std::move(service), replicas, std::move(actor), home(std::move(reply)));
}

void Backend::abort_deployment(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) {
    deployments_->abort(std::move(id), std::move(actor), home(std::move(reply)));
}

void Backend::containers(std::string service, bool all, deploy::ContainersReply reply) { deployments_->containers(std::move(service), all, home(std::move(reply))); }
void Backend::run_command(deploy::CommandRequest request, deploy::CommandReply reply) { deployments_->run_command(std::move(request), home(std::move(reply))); }
void Backend::act(deploy::HandRequest request, deploy::HandReply reply) { deployments_->act(std::move(request), home(std::move(reply))); }

std::unique_ptr<deploy::LogsReader> Backend::read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing) {
    // Each is told many times; and what they hold is the api's, to its end.
    const std::shared_ptr<deploy::LogsHearing> heard(new deploy::LogsHearing(std::move(hearing)), [&api = parts_.api](deploy::LogsHearing* over) {
        api.post([gone = std::unique_ptr<deploy::LogsHearing>(over)] {});
    });
    const auto told = [this, heard](auto what) {
        parts_.api.post([heard, what = std::move(what)]() mutable { what(*heard); });
    };
    return deployments_->read_logs(std::move(request), {.begun = [told](Result<std::vector<std::string>> names) { told([names = std::move(names)](auto& to) mutable { to.begun(std::move(names)); }); },
                                                        .more = [told](std::string text) { told([text = std::move(text)](auto& to) mutable { to.more(std::move(text)); }); },
                                                        .ended = [told] { told([](auto& to) { to.ended(); }); }});
}

void Backend::measure(std::move_only_function<void(api::Measurements)> reply) {
    // Gathered on the api thread; whoever answers last releases the reply.
    struct Gathering {
        api::Measurements all;
        std::size_t waiting = 0;
        std::move_only_function<void(api::Measurements)> reply;
        void arrived() {
            if (--waiting == 0) reply(std::move(all));
        }
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->reply = std::move(reply);
    gathering->waiting = parts_.workers.size() + parts_.checkers.size() + 2;
    certificates([gathering](std::vector<api::CertificateFacts> all) {
        gathering->all.certificates = std::move(all);
        gathering->arrived();
    });
    for (WorkerThread& worker : parts_.workers)
        worker.thread->loop().post([this, &worker, gathering]() mutable {
            auto stats = worker.worker ? worker.worker->stats() : proxy::WorkerStats{};
            parts_.api.post([gathering = std::move(gathering), stats = std::move(stats)]() mutable {
                gathering->all.workers.push_back(std::move(stats));
                gathering->arrived();
            });
        });
    for (CheckerThread& checker : parts_.checkers)
        checker.thread->loop().post([this, &checker, gathering]() mutable {
            auto stats = checker.checker ? measured(checker.checker->stats()) : api::CheckerMeasurement{};
            parts_.api.post([gathering = std::move(gathering), stats = std::move(stats)]() mutable {
                gathering->all.checkers.push_back(std::move(stats));
                gathering->arrived();
            });
        });
    parts_.control_loop.post([this, gathering]() mutable {
        const auto skipped = parts_.control.changes_skipped();
        const auto late = parts_.control.late_discarded();
        const auto waiting = parts_.state.waiting();
        const auto dropped = parts_.control.store_dropped();
        parts_.api.post([gathering = std::move(gathering), skipped, late, waiting, dropped]() mutable {
            gathering->all.changes_skipped = skipped;
            gathering->all.late_discarded = late;
            gathering->all.store_waiting = waiting;
            gathering->all.store_dropped = dropped;
            gathering->arrived();
        });
    });
}

void Backend::certificates(std::move_only_function<void(std::vector<api::CertificateFacts>)> reply) {
    std::vector<api::CertificateFacts> all;
    if (issuing_ != nullptr)
        for (auto& one : issuing_->list())
            all.push_back({.host = std::move(one.host),
                           .state = std::string(acme::text(one.state)),
                           .reason = std::move(one.reason),
                           .source = "acme",
                           .not_before = one.not_before,
                           .not_after = one.not_after,
                           .issuer = std::move(one.issuer),
                           .fingerprint = std::move(one.fingerprint),
                           .authority = std::move(one.authority),
                           .next_attempt = one.next_attempt,
                           .failures = one.failures});
    parts_.control_loop.post([this, all = std::move(all), reply = home(std::move(reply))]() mutable {
        const Utc now = parts_.control_loop.utc();
        if (certificates_ != nullptr)
            for (const auto& [source, credentials] : certificates_->all()) {
                if (source == "acme") continue;
                const bool over = now > credentials->not_after();
                for (const std::string& name : credentials->names())
                    all.push_back({.host = name,
                                   .state = over ? "expired" : "active",
                                   .reason = over ? "the file holds a certificate whose time is over" : "",
                                   .source = source,
                                   .not_before = credentials->not_before(),
                                   .not_after = credentials->not_after(),
                                   .issuer = credentials->issuer(),
                                   .fingerprint = credentials->fingerprint()});
            }
        std::ranges::stable_sort(all, {}, &api::CertificateFacts::host);
        reply(std::move(all));
    });
}

void Backend::renew_certificate(std::string host, std::move_only_function<void(Result<>)> reply) {
    parts_.api.post([this, host = std::move(host), reply = std::move(reply)]() mutable {
        reply(issuing_ != nullptr ? issuing_->renew(host) : fail(Code::unavailable, "the daemon is stopping"));
    });
}

}  // namespace hale::app
