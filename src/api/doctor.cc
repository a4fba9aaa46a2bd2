// What is not as it should be: read off the view, each with what to try.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/desk.h"
#include "api/handlers.h"
#include "api/slice.h"
#include "config/load.h"

namespace hale::api {

namespace {

constexpr std::size_t most_findings = 1'000;

struct Finding {
    std::string_view severity;  // "error", "warning", "note"
    std::string_view code;
    std::string object;
    std::string text;
};

// Looks at everything, in slices; then tells it all, the worst first.
class Examination final : public http::BodyProducer {
public:
    explicit Examination(const Desk& desk) : desk_(desk) {}

    More produce(std::string& out, std::size_t most) override {
        if (!std::exchange(begun_, true)) {
            daemon();
            configuration();
        }
        Slice slice(desk_.loop, out, most);
        if (!services(slice)) return More::more;
        std::ranges::stable_sort(found_, {}, [](const Finding& finding) { return finding.severity == "error" ? 0 : finding.severity == "warning" ? 1 : 2; });
        tell(out);
        return More::done;
    }

private:
    // False when the slice ended first. Goes on with the service it was at, or with what now follows its name.
    bool services(Slice& slice) {
        const auto& names = desk_.view.service_names();
        for (auto at = names.lower_bound(at_service_); at != names.end(); ++at) {
            if (at->first != at_service_) at_service_ = at->first, looked_at_ = 0;
            const auto* one = desk_.view.service(at->second);
            if (one == nullptr) continue;
            for (; looked_at_ <= one->instances.size(); ++looked_at_) {
                if (slice.over()) return false;
                if (looked_at_ == 0) service(*one);
                else if (const auto* instance = desk_.view.instance(one->instances[looked_at_ - 1])) examine_instance(*instance);
            }
        }
        return true;
    }

    void tell(std::string& out) const {
        JsonWriter json(out);
        const auto worst = found_.empty() || found_[0].severity == "note" ? "pass" : found_[0].severity == "warning" ? "warn" : "fail";
        json.open('{').text("status", worst).number("revision", desk_.view.revision()).text("version", desk_.options.version).text("node", desk_.options.node);
        json.open("findings", '[');
        for (const auto& one : found_) json.open('{').text("severity", one.severity).text("code", one.code).text("object", one.object).text("text", one.text).close('}');
        json.close(']').close('}');
    }

    void say(std::string_view severity, std::string_view code, std::string object, std::string text) {
        if (found_.size() < most_findings) found_.push_back({severity, code, std::move(object), std::move(text)});
    }

    void daemon() {
        if (desk_.own.adoption_failed.load()) say("error", "adoption_failed", "", "a worker did not adopt the last routes in time; restart the daemon if it stays so");
        if (desk_.fold_lag > 1s) say("warning", "fold_lag", "", fmt::format("changes are readable only {} after they became true", human(desk_.fold_lag)));
        bool admin = false;
        for (const auto& token : desk_.tokens.all()) {
            const bool expired = token.expires && *token.expires <= desk_.loop.utc();
            if (expired) say("note", "token_expired", token.name, "this token has expired; delete it");
            admin |= !expired && token.role == "admin";
        }
        if (!admin) say("note", "no_admin_token", "", "no admin token is in force; only the unix socket can administer");
    }

    void configuration() {
        const auto& reload = desk_.view.reload();
        if (!reload.ok)
            for (const auto& problem : reload.problems) say("error", "reload_failed", reload.source, problem);
        if (!reload.ok && reload.problems.empty()) say("error", "reload_failed", reload.source, "the configuration on disk is not the one in force");
        for (const auto& line : desk_.view.shadowed()) say("warning", "shadowed", "", line);
        const auto* document = desk_.view.document();
        if (document == nullptr) return;
        for (const auto& warning : document->warnings) say("warning", "configuration", document->source, warning);
        const auto& settings = document->settings;
        if (settings.admin_insecure) say("warning", "admin_insecure", "admin.insecure", "the admin listener may be reached off loopback without TLS: tokens travel in the clear");
        if (settings.admin && !settings.admin->is_unix() && settings.admin->ip.is_unspecified())
            say("warning", "admin_everywhere", "listen.admin", "the admin listener is open on every address of this machine");
        if (!settings.http && !settings.https && std::ranges::any_of(desk_.view.routes(), [](const auto&) { return true; }))
            say("warning", "no_traffic_listener", "listen.http", "there are routes, but no traffic listener is opened");
        const bool any_tls = std::ranges::any_of(document->services, [](const auto& service) { return service.tls != nullptr; }) ||
                             std::ranges::any_of(document->routes, [](const auto& route) { return route.tls.tls != nullptr; });
        if (any_tls && !settings.https)
            say("warning", "no_https_listener", "listen.https", "routes ask for tls, but no listener with TLS is opened: they are served without, as if a proxy before Hale had it");
        for (const auto& layer : settings.targets_allow)
            if (layer.bits == 0) say("warning", "targets_allow_all", "targets.allow", "operators may add any target");
    }

    void service(const catalog::ServiceView& one) {
        const auto& facts = *one.facts;
        if (one.standing.reason == verdict::Reason::certificate_expiring) say("warning", "certificate_expiring", facts.name.str(), one.standing.text);
        if (one.instances.empty()) say("warning", "no_instances", facts.name.str(), "has no instances: nothing can be routed or judged");
        if (one.standing.panic) say("warning", "panic", facts.name.str(), "declared fail-open is in force: traffic goes to instances that are not eligible");
        const auto now = desk_.loop.utc();
        if (facts.override) say("note", "override", facts.name.str(), fmt::format("override {} by {} for {} more: {}", verdict::to_text(facts.override->state), facts.override->author, human(facts.override->expires - now), facts.override->reason));
        if (facts.draining) say("note", "draining", facts.name.str(), "drained: takes no new requests until it is resumed");
        if (facts.paused_until) say("note", "paused", facts.name.str(), "paused: new requests wait");
        if (!facts.spec) return;
        // The file's own are among the configuration's warnings.
        const bool of_the_api = facts.spec->owner == config::Owner::api;
        const auto unverified = [&](const std::shared_ptr<const io::TlsSpec>& tls, std::string object) {
            if (of_the_api && tls && !tls->verify) say("warning", "tls_unverified", std::move(object), "certificates are not verified: whoever answers at the address is believed");
        };
        unverified(facts.spec->upstream_tls, facts.name.str());
        for (const auto& check : *facts.spec->checks) {
            const std::string object = fmt::format("{}/{}", facts.name, check->name);
            if (check->tls != facts.spec->upstream_tls) unverified(check->tls, object);
            if (const auto* none = std::get_if<config::Unchecked>(&check->what)) say("note", "unchecked", object, fmt::format("is eligible without evidence: {}", none->reason));
        }
    }

    void examine_instance(const catalog::InstanceView& instance) {
        const std::string name = instance.facts->name.str();
        const auto now = desk_.loop.utc();
        const auto flags = instance.record ? instance.record->word.flags : verdict::Flags{};
        if (flags.has(verdict::Flag::stale)) say("warning", "stale", name, "its last evidence is older than it should be");
        if (flags.has(verdict::Flag::flapping)) say("warning", "flapping", name, "its verdict changes too often");
        if (instance.last.any && instance.last.outcome == verdict::Outcome::error)
            say("warning", "check_error", name, fmt::format("its last probe could not be run: {}", instance.detail ? instance.detail->text : std::string(verdict::code(instance.last.reason))));
        if (!instance.last.any && !instance.facts->unchecked && instance.facts->checks && !instance.facts->checks->empty() && instance.next_probe != Utc{} && now - instance.next_probe > 10s)
            say("warning", "unconsumed_check", name, "its check should have run and has not");
        if (instance.next_probe != Utc{} && instance.last.any && now - instance.next_probe > 5s)
            say("warning", "schedule_lag", name, fmt::format("its next probe is {} late", human(now - instance.next_probe)));
        if (instance.facts->routed && !instance.facts->resolved) say("warning", "unresolved", name, fmt::format("{} has not resolved to an address", instance.facts->declared.str()));
    }

    const Desk& desk_;
    std::vector<Finding> found_;
    bool begun_ = false;
    std::string at_service_;
    std::size_t looked_at_ = 0;  // Of that service: itself, then its instances.
};

}  // namespace

void doctor(Desk& desk, const CallPtr& call) { stream_json(call, std::make_unique<Examination>(desk)); }

}  // namespace hale::api
