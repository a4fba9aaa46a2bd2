#include "api/metrics.h"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>

#include "api/desk.h"
#include "api/handlers.h"
#include "api/slice.h"

namespace hale::api {

namespace {

using verdict::State;
constexpr std::array all_states{State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown};
constexpr std::array<std::string_view, 5> code_classes{"1xx", "2xx", "3xx", "4xx", "5xx"};

// One family of series at a time, each walked in slices.
class MetricsBody final : public http::BodyProducer {
public:
    MetricsBody(Desk& desk, Measurements measured, Exposition form) : desk_(desk), measured_(std::move(measured)), form_(form) {
        for (const auto& worker : measured_.workers)
            for (const auto& service : worker.services) add(by_service_[service.service], service);
    }

    More produce(std::string& out, std::size_t most) override {
        Slice slice(desk_.loop, out, most);
        while (family_ < families.size()) {
            const Family& family = families[family_];
            if (!std::exchange(begun_, true) && !family.type.empty() && applies(family)) head(out, form_, family.name, family.type, family.help);
            if (!applies(family) || !(this->*family.step)(out, family, slice)) {
                ++family_;
                begun_ = false;
                slot_ = 0;
                after_.clear();
                first_ = true;
                continue;
            }
            return More::more;  // The slice is over inside this family.
        }
        end(out, form_);
        return More::done;
    }

private:
    struct Family {
        std::string_view name, type, help;
        bool per_instance;
        // Goes on with the family; true when the slice ended before it did.
        bool (MetricsBody::*step)(std::string& out, const Family& family, Slice& slice);
        void (*of_instance)(std::string& out, std::string_view name, const catalog::InstanceView& instance) = nullptr;
        void (*of_service)(std::string& out, std::string_view name, const catalog::ServiceView& service) = nullptr;
    };

    bool applies(const Family& family) const { return !family.per_instance || desk_.view.instance_count() <= most_instances_with_series; }

    static void add(proxy::ServiceStats& into, const proxy::ServiceStats& from) {
        for (std::size_t i = 0; i < 5; ++i)
            for (std::size_t j = 0; j < 2; ++j) into.requests[i][j] += from.requests[i][j];
        for (std::size_t i = 0; i < into.durations.counts.size(); ++i) into.durations.counts[i] += from.durations.counts[i];
        into.durations.sum += from.durations.sum;
        into.retries += from.retries;
        into.retries_over_budget += from.retries_over_budget;
        into.connect_failures += from.connect_failures;
        into.upstream_resets += from.upstream_resets;
        into.unsafe_not_retried += from.unsafe_not_retried;
        into.timeouts += from.timeouts;
        into.client_aborts += from.client_aborts;
        into.panic_requests += from.panic_requests;
        into.bytes_in += from.bytes_in;
        into.bytes_out += from.bytes_out;
    }

    bool instances(std::string& out, const Family& family, Slice& slice) {
        for (; slot_ < desk_.view.instance_slots(); ++slot_) {
            if (slice.over()) return true;
            if (const auto* instance = desk_.view.instance(slot_)) family.of_instance(out, family.name, *instance);
        }
        return false;
    }
    // States now, and each one's version later: by then the verdict may have turned, and two families of one answer must
    // not tell of different moments.
    bool verdicts(std::string& out, const Family& family, Slice& slice) {
        for (; slot_ < desk_.view.instance_slots(); ++slot_) {
            if (slice.over()) return true;
            const auto* instance = desk_.view.instance(slot_);
            if (instance == nullptr) continue;
            states_of(out, family.name, *instance);
            told_.push_back({instance->facts, instance->record ? instance->record->word.version : 0});
        }
        return false;
    }
    bool versions(std::string& out, const Family& family, Slice& slice) {
        for (; slot_ < told_.size(); ++slot_) {
            if (slice.over()) return true;
            series(out, family.name, {{"service", told_[slot_].facts->service}, {"instance", told_[slot_].facts->name}}, std::uint64_t{told_[slot_].version});
        }
        told_.clear();
        return false;
    }
    bool services(std::string& out, const Family& family, Slice& slice) {
        const auto& names = desk_.view.service_names();
        for (auto at = std::exchange(first_, false) ? names.begin() : names.upper_bound(after_); at != names.end(); ++at) {
            if (slice.over()) return true;
            after_ = at->first;
            if (const auto* service = desk_.view.service(at->second)) family.of_service(out, family.name, *service);
        }
        return false;
    }
    bool probes(std::string& out, const Family& family, Slice& slice) {
        const auto& all = desk_.tally.services();
        for (auto at = std::exchange(first_, false) ? all.begin() : all.upper_bound(after_); at != all.end(); ++at) {
            if (slice.over()) return true;
            after_ = at->first;
            if (family.type == "histogram") histogram(out, form_, family.name, {"service", at->first}, ProbeTally::bounds_us, at->second.durations, at->second.sum);
            else
                for (const auto& [key, count] : at->second.outcomes)
                    series(out, family.name, {{"service", at->first}, {"outcome", verdict::to_text(key.first)}, {"reason", verdict::code(key.second)}}, count);
        }
        return false;
    }
    bool requests(std::string& out, const Family& family, Slice& slice) {
        for (auto at = std::exchange(first_, false) ? by_service_.begin() : by_service_.upper_bound(after_); at != by_service_.end(); ++at) {
            if (slice.over()) return true;
            after_ = at->first;
            const auto& stats = at->second;
            if (family.type == "histogram") {
                histogram(out, form_, family.name, {"service", at->first}, proxy::Histogram::bounds_us, stats.durations.counts, stats.durations.sum);
            } else if (family.name == "hale_requests_total") {
                for (std::size_t code = 0; code < 5; ++code)
                    for (const std::size_t source : {0u, 1u})
                        if (stats.requests[code][source] != 0)
                            series(out, family.name, {{"service", at->first}, {"code_class", code_classes[code]}, {"source", source == 0 ? "upstream" : "hale"}}, stats.requests[code][source]);
            } else {
                const std::pair<std::string_view, std::uint64_t> kinds[] = {{"connect", stats.connect_failures}, {"reset", stats.upstream_resets},
                                                                            {"unsafe_not_retried", stats.unsafe_not_retried}, {"timeout", stats.timeouts},
                                                                            {"client_abort", stats.client_aborts}, {"retry", stats.retries},
                                                                            {"retry_over_budget", stats.retries_over_budget}, {"panic", stats.panic_requests}};
                for (const auto& [kind, count] : kinds)
                    if (count != 0) series(out, family.name, {{"service", at->first}, {"kind", kind}}, count);
            }
        }
        return false;
    }
    // Of several for one host (an ECDSA and an RSA one) the one that ends first.
    void certificates(std::string& out) {
        std::map<std::string_view, const CertificateFacts*> by_host;
        for (const auto& one : measured_.certificates) {
            const auto [at, fresh] = by_host.emplace(one.host, &one);
            if (!fresh && one.not_after < at->second->not_after) at->second = &one;
        }
        head(out, form_, "hale_certificate_not_after_timestamp_seconds", "gauge", "When the certificate shown for a host ends.");
        for (const auto& [host, one] : by_host)
            if (one->not_after) series(out, "hale_certificate_not_after_timestamp_seconds", {{"host", host}}, seconds(one->not_after->time_since_epoch()));
        head(out, form_, "hale_certificate_state", "gauge", "1 for the state a host's certificate is in.");
        for (const auto& [host, one] : by_host)
            for (const std::string_view state : {"pending", "acquiring", "active", "renewing", "failed", "expired"})
                series(out, "hale_certificate_state", {{"host", host}, {"state", state}}, std::uint64_t{one->state == state});
    }
    bool daemon(std::string& out, const Family&, Slice&) {
        const auto one = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
            head(out, form_, name, type, help);
            series(out, name, {}, value);
        };
        head(out, form_, "hale_build_info", "info", "Always 1; the version is a label.");
        series(out, "hale_build_info", {{"version", desk_.options.version}}, std::uint64_t{1});
        const auto& reload = desk_.view.reload();
        one("hale_config_last_reload_successful", "gauge", "Is the file on disk the configuration in force?", std::uint64_t{reload.ok});
        one("hale_config_last_reload_timestamp_seconds", "gauge", "When the configuration was last read.", seconds(reload.at.time_since_epoch()));
        one("hale_ready", "gauge", "Does /ready say yes?", std::uint64_t{desk_.own.ready.load() && !desk_.own.stopping.load()});
        one("hale_revision", "gauge", "The last visible change.", desk_.view.revision());
        one("hale_services", "gauge", "Services there are.", std::uint64_t{desk_.view.service_names().size()});
        one("hale_instances", "gauge", "Instances there are.", std::uint64_t{desk_.view.instance_count()});
        one("hale_fold_lag_seconds", "gauge", "From a change to its being readable here.", seconds(desk_.fold_lag));
        head(out, form_, "hale_deployments_total", "counter", "Deployments that ended, by how.");
        for (const std::string result : {"done", "rolled_back", "superseded", "failed"}) {
            const auto found = desk_.view.ended_deployments().find(result);
            series(out, "hale_deployments_total", {{"result", result}}, found == desk_.view.ended_deployments().end() ? std::uint64_t{0} : found->second);
        }
        one("hale_event_subscribers", "gauge", "Open event streams.", std::uint64_t{desk_.hub.subscribers()});
        one("hale_event_resyncs_total", "counter", "Subscribers that the ring of events left behind.", desk_.hub.resyncs());
        one("hale_store_dropped_total", "counter", "Writes that were dropped.", measured_.store_dropped);
        one("hale_store_waiting", "gauge", "Batches waiting to be written.", measured_.store_waiting);
        one("hale_changes_coalesced_total", "counter", "Changes replaced by later ones of the same instance before readers took them.", measured_.changes_skipped + desk_.hub.changes_skipped());
        one("hale_observations_discarded_total", "counter", "Late observations of older generations.", measured_.late_discarded);
        certificates(out);
        const auto of_checkers = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
            head(out, form_, name, type, help);
            for (const auto& checker : measured_.checkers) series(out, name, {{"checker", fmt::format("{}", checker.checker)}}, value(checker));
        };
        head(out, form_, "hale_schedule_lag_seconds", "histogram", "How late probes began after their time.");
        for (const auto& checker : measured_.checkers)
            if (checker.lag_counts.size() == checker.lag_bounds_us.size() + 1)
                histogram(out, form_, "hale_schedule_lag_seconds", {"checker", fmt::format("{}", checker.checker)}, checker.lag_bounds_us, checker.lag_counts,
                          checker.lag_sum);
        of_checkers("hale_schedule_lag_worst_seconds", "gauge", "The latest that a probe ever began.", [](const auto& c) { return seconds(c.worst_lag); });
        of_checkers("hale_probes_in_flight", "gauge", "Probes under way.", [](const auto& c) { return std::uint64_t{c.in_flight}; });
        of_checkers("hale_probes_waiting", "gauge", "Probes that wait for their turn.", [](const auto& c) { return std::uint64_t{c.waiting}; });
        of_checkers("hale_probe_connects_total", "counter", "Connections opened by probes.", [](const auto& c) { return c.connects; });
        of_checkers("hale_probe_connections_reused_total", "counter", "Probes on a connection kept from before.", [](const auto& c) { return c.reused; });
        of_checkers("hale_probes_turned_away_total", "counter", "Probes that found the queue full.", [](const auto& c) { return c.turned_away; });
        const auto of_workers = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
            head(out, form_, name, type, help);
            for (const auto& worker : measured_.workers) series(out, name, {{"worker", fmt::format("{}", worker.worker)}}, value(worker));
        };
        of_workers("hale_upstream_connections", "gauge", "Open connections to instances.", [](const auto& w) { return w.upstream_connections; });
        of_workers("hale_client_connections", "gauge", "Open connections of clients.", [](const auto& w) { return w.clients; });
        head(out, form_, "hale_tls_handshakes_total", "counter", "TLS handshakes with clients, by how they went.");
        for (const auto& worker : measured_.workers) {
            const std::pair<std::string_view, std::uint64_t> results[] = {{"full", worker.handshakes}, {"resumed", worker.handshakes_resumed}, {"failed", worker.handshakes_failed}};
            for (const auto& [result, count] : results) series(out, "hale_tls_handshakes_total", {{"worker", fmt::format("{}", worker.worker)}, {"result", result}}, count);
        }
        of_workers("hale_requests_in_flight", "gauge", "Requests under way.", [](const auto& w) { return w.exchanges; });
        of_workers("hale_requests_parked", "gauge", "Requests that wait for a paused service.", [](const auto& w) { return w.parked; });
        of_workers("hale_access_log_dropped_total", "counter", "Access log lines dropped.", [](const auto& w) { return w.log_dropped; });
        of_workers("hale_worker_revision", "gauge", "Revision of the snapshot that the worker routes by.", [](const auto& w) { return w.revision; });
        return false;
    }

    static void states_of(std::string& out, std::string_view name, const catalog::InstanceView& instance) {
        for (const State state : all_states)
            series(out, name, {{"service", instance.facts->service}, {"instance", instance.facts->name}, {"state", verdict::to_text(state)}}, std::uint64_t{instance.state() == state});
    }
    template <auto Value>
    static void value_of(std::string& out, std::string_view name, const catalog::InstanceView& instance) {
        if (const std::optional<double> value = Value(instance)) series(out, name, {{"service", instance.facts->service}, {"instance", instance.facts->name}}, *value);
    }
    static std::optional<double> eligible_of(const catalog::InstanceView& i) { return i.eligible ? 1.0 : 0.0; }
    static std::optional<double> observed_of(const catalog::InstanceView& i) {
        if (i.observed == Utc{}) return std::nullopt;
        return seconds(i.observed.time_since_epoch());
    }
    static std::optional<double> success_of(const catalog::InstanceView& i) {
        if (!i.last.any || i.last.outcome == verdict::Outcome::error) return std::nullopt;
        return i.last.outcome == verdict::Outcome::fail ? 0.0 : 1.0;
    }
    static std::optional<double> duration_of(const catalog::InstanceView& i) {
        if (!i.last.any || i.last.total_us < 0) return std::nullopt;
        return i.last.total_us / 1e6;
    }
    static std::optional<double> dns_of(const catalog::InstanceView& i) {
        if (!i.last.any || i.last.dns_us < 0) return std::nullopt;
        return i.last.dns_us / 1e6;
    }
    static std::optional<double> status_of(const catalog::InstanceView& i) {
        if (!i.last.any || i.last.status == 0) return std::nullopt;
        return i.last.status;
    }
    static void phases_of(std::string& out, std::string_view name, const catalog::InstanceView& instance) {
        const auto& last = instance.last;
        const auto phase = [&](std::string_view word, std::int64_t us) {
            if (us >= 0) series(out, name, {{"service", instance.facts->service}, {"instance", instance.facts->name}, {"phase", word}}, static_cast<double>(us) / 1e6);
        };
        if (!last.any) return;
        phase("resolve", last.dns_us);
        phase("connect", last.connect_us);
        phase("tls", last.tls_us);
        phase("processing", last.first_byte_us);
        if (last.total_us >= 0 && last.first_byte_us >= 0)
            phase("transfer", std::max<std::int64_t>(0, std::int64_t{last.total_us} - last.first_byte_us - std::max(0, last.connect_us) - std::max(0, last.tls_us) - std::max(0, last.dns_us)));
    }
    static void service_states(std::string& out, std::string_view name, const catalog::ServiceView& service) {
        for (const State state : all_states)
            series(out, name, {{"service", service.facts->name}, {"state", verdict::to_text(state)}}, std::uint64_t{service.standing.state == state});
    }
    static void service_counts(std::string& out, std::string_view name, const catalog::ServiceView& service) {
        const auto& c = service.standing.counts;
        const std::pair<std::string_view, std::uint32_t> all[] = {{"eligible", c.eligible}, {"healthy", c.healthy}, {"degraded", c.degraded}, {"unhealthy", c.unhealthy},
                                                                  {"pending", c.pending}, {"unknown", c.unknown}, {"draining", c.draining}};
        for (const auto& [word, count] : all) series(out, name, {{"service", service.facts->name}, {"kind", word}}, std::uint64_t{count});
    }
    static void service_panic(std::string& out, std::string_view name, const catalog::ServiceView& service) {
        series(out, name, {{"service", service.facts->name}}, std::uint64_t{service.standing.panic});
    }
    static void service_override(std::string& out, std::string_view name, const catalog::ServiceView& service) {
        if (service.facts->override) series(out, name, {{"service", service.facts->name}, {"state", verdict::to_text(service.facts->override->state)}}, std::uint64_t{1});
    }

    static const std::array<Family, 22> families;

    Desk& desk_;
    const Measurements measured_;
    const Exposition form_;
    std::map<std::string, proxy::ServiceStats, std::less<>> by_service_;
    std::size_t family_ = 0;
    struct Told {
        std::shared_ptr<const catalog::InstanceFacts> facts;
        std::uint32_t version = 0;
    };
    std::vector<Told> told_;  // From hale_verdict to hale_verdict_version.
    catalog::Slot slot_ = 0;
    std::string after_;
    bool begun_ = false;
    bool first_ = true;
};

using M = MetricsBody;
const std::array<MetricsBody::Family, 22> MetricsBody::families{{
    {"daemon", "", "", false, &M::daemon},
    {"hale_service_verdict", "gauge", "1 for the state that the service has.", false, &M::services, nullptr, &M::service_states},
    {"hale_service_instances", "gauge", "Instances of the service, by kind.", false, &M::services, nullptr, &M::service_counts},
    {"hale_service_panic", "gauge", "Is declared fail-open in force?", false, &M::services, nullptr, &M::service_panic},
    {"hale_service_override", "gauge", "1 for an override in force.", false, &M::services, nullptr, &M::service_override},
    {"hale_probes_total", "counter", "Probes that ended, by outcome and reason.", false, &M::probes},
    {"hale_probe_duration_seconds", "histogram", "How long probes took.", false, &M::probes},
    {"hale_requests_total", "counter", "Requests answered, by whom.", false, &M::requests},
    {"hale_request_trouble_total", "counter", "What went wrong with requests, by kind.", false, &M::requests},
    {"hale_request_duration_seconds", "histogram", "How long requests took.", false, &M::requests},
    {"hale_verdict", "gauge", "1 for the state that the instance has.", true, &M::verdicts},
    {"hale_verdict_version", "gauge", "Version of the instance's verdict.", true, &M::versions},
    {"hale_eligible", "gauge", "May the instance receive traffic now?", true, &M::instances, &M::value_of<&M::eligible_of>},
    {"hale_observed_timestamp_seconds", "gauge", "When the last counted observation was made.", true, &M::instances, &M::value_of<&M::observed_of>},
    {"probe_success", "gauge", "Did the last probe pass?", true, &M::instances, &M::value_of<&M::success_of>},
    {"probe_duration_seconds", "gauge", "How long the last probe took.", true, &M::instances, &M::value_of<&M::duration_of>},
    {"probe_dns_lookup_time_seconds", "gauge", "How long the look-up of the last probe took.", true, &M::instances, &M::value_of<&M::dns_of>},
    {"probe_http_status_code", "gauge", "Status of the last probe's answer.", true, &M::instances, &M::value_of<&M::status_of>},
    {"probe_http_duration_seconds", "gauge", "How long each phase of the last probe took.", true, &M::instances, &M::phases_of},
    {"probe_ssl_earliest_cert_expiry", "gauge", "When the certificate that the last probe was shown ends.", true, &M::instances,
     &M::value_of<[](const catalog::InstanceView& i) -> std::optional<double> {
         if (i.last.certificate_until == 0) return std::nullopt;
         return static_cast<double>(i.last.certificate_until);
     }>},
    {"hale_next_probe_timestamp_seconds", "gauge", "When the next probe is due.", true, &M::instances,
     &M::value_of<[](const catalog::InstanceView& i) -> std::optional<double> {
         if (i.next_probe == Utc{}) return std::nullopt;
         return seconds(i.next_probe.time_since_epoch());
     }>},
    {"hale_generation", "gauge", "The instance's generation.", true, &M::instances,
     &M::value_of<[](const catalog::InstanceView& i) -> std::optional<double> { return i.facts->generation; }>},
}};

}  // namespace

std::string probe_metrics(const verdict::Observation& seen, Exposition form) {
    std::string out;
    const auto gauge = [&](std::string_view name, std::string_view help, double value) {
        head(out, form, name, "gauge", help);
        series(out, name, {}, value);
    };
    const bool judged = seen.outcome != verdict::Outcome::error;
    if (judged) gauge("probe_success", "Displays whether or not the probe was a success", seen.outcome == verdict::Outcome::fail ? 0 : 1);
    gauge("probe_error", "1 when the probe itself could not be run", judged ? 0 : 1);
    if (seen.timings.total >= Duration{0}) gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds", seconds(seen.timings.total));
    if (seen.timings.dns >= Duration{0}) gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", seconds(seen.timings.dns));
    if (!seen.address.is_unix() && seen.address.port != 0) gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", seen.address.ip.is_v4() ? 4 : 6);
    if (seen.status != 0) {
        gauge("probe_http_status_code", "Response HTTP status code", seen.status);
        gauge("probe_http_version", "Returns the version of HTTP of the probe response", 1.1);
        gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", seen.timings.tls >= Duration{0} ? 1 : 0);
        head(out, form, "probe_http_duration_seconds", "gauge", "Duration of http request by phase");
        const auto phase = [&](std::string_view word, Duration d) { series(out, "probe_http_duration_seconds", {{"phase", word}}, d < Duration{0} ? 0.0 : seconds(d)); };
        const auto positive = [](Duration d) { return std::max(d, Duration{0}); };
        phase("resolve", seen.timings.dns);
        phase("connect", seen.timings.connect);
        phase("tls", seen.timings.tls);
        phase("processing", seen.timings.first_byte);
        phase("transfer", positive(seen.timings.total - positive(seen.timings.dns) - positive(seen.timings.connect) - positive(seen.timings.tls) - positive(seen.timings.first_byte)));
    }
    head(out, form, "probe_failed_due_to_regex", "gauge", "Indicates if probe failed due to regex");
    series(out, "probe_failed_due_to_regex", {}, std::uint64_t{seen.reason == verdict::Reason::body_mismatch || seen.reason == verdict::Reason::header_mismatch});
    end(out, form);
    return out;
}

std::unique_ptr<http::BodyProducer> metrics_body(Desk& desk, Measurements measured, Exposition form) {
    return std::make_unique<MetricsBody>(desk, std::move(measured), form);
}

void metrics(Desk& desk, const CallPtr& call) {
    const Exposition form = exposition_for(call->request().head.fields.value(wire::Known::accept));
    desk.backend.measure([&desk, call, form](Measurements measured) {
        call->exchange->stream(200, {{"Content-Type", std::string(content_type(form))}, {"Cache-Control", "no-store"}, {"Vary", "Accept"}},
                               metrics_body(desk, std::move(measured), form));
    });
}

}  // namespace hale::api
