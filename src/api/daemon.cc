// The daemon's own resources: configuration, audit, events, discovery, the OpenAPI document.

#include <fmt/format.h>

#include <utility>

#include "api/desk.h"
#include "api/handlers.h"
#include "api/openapi.h"
#include "api/slice.h"
#include "base/text.h"

namespace hale::api {

namespace {

// Prometheus' http_sd: one group per service, its instances as targets of /probe.
class Targets final : public http::BodyProducer {
public:
    explicit Targets(const Desk& desk) : desk_(desk) {}

    More produce(std::string& out, std::size_t most) override {
        Slice slice(desk_.loop, out, most);
        if (!std::exchange(begun_, true)) out += '[';
        while (!slice.over()) {
            if (!facts_ && !begin_group(out)) {
                out += ']';
                return More::done;
            }
            if (next_ == slots_.size()) {
                end_group(out);
                continue;
            }
            const auto* instance = desk_.view.instance(slots_[next_++]);
            if (instance == nullptr || instance->facts->service != facts_->name) continue;  // It left meanwhile.
            if (std::exchange(any_target_, true)) out += ',';
            JsonWriter(out).text(instance->facts->name);
        }
        return More::more;
    }

private:
    // False when there is no service left.
    bool begin_group(std::string& out) {
        const auto& names = desk_.view.service_names();
        for (auto at = names.upper_bound(after_); at != names.end(); ++at) {
            after_ = at->first;
            const auto* service = desk_.view.service(at->second);
            if (service == nullptr || service->instances.empty()) continue;
            facts_ = service->facts;
            slots_ = service->instances;
            next_ = 0;
            any_target_ = false;
            if (std::exchange(any_group_, true)) out += ',';
            out += "{\"targets\":[";
            return true;
        }
        return false;
    }
    void end_group(std::string& out) {
        out += "],\"labels\":";
        JsonWriter json(out);
        json.open('{').text("__metrics_path__", "/probe").text("hale_service", facts_->name);
        if (facts_->spec)
            for (const auto& [key, value] : facts_->spec->labels) {
                std::string label = "hale_label_";
                for (const char c : key) label += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
                json.text(label, value);
            }
        json.close('}');
        out += '}';
        facts_.reset();
    }

    const Desk& desk_;
    bool begun_ = false;
    bool any_group_ = false;
    std::string after_;  // The service that was begun last.
    std::shared_ptr<const catalog::ServiceFacts> facts_;  // Its own, while its group is open.
    std::vector<catalog::Slot> slots_;
    std::size_t next_ = 0;
    bool any_target_ = false;
};

}  // namespace

void get_config(Desk& desk, const CallPtr& call) {
    const auto& reload = desk.view.reload();
    const auto* document = desk.view.document();
    std::string body;
    JsonWriter json(body);
    json.open('{').number("revision", desk.view.revision()).text("source", document != nullptr ? document->source : "");
    json.text("fingerprint", document != nullptr ? document->fingerprint : "");
    json.open("reload", '{').boolean("ok", reload.ok).time("at", reload.at).text("source", reload.source).open("problems", '[');
    for (const auto& problem : reload.problems) json.text(problem);
    json.close(']').close('}').open("warnings", '[');
    if (document != nullptr)
        for (const auto& warning : document->warnings) json.text(warning);
    json.close(']').open("effective", '[');
    if (document != nullptr)
        for (const auto& value : document->effective) json.open('{').text("key", value.key).text("value", value.value).text("origin", value.origin).close('}');
    json.close(']').open("shadowed", '[');
    for (const auto& line : desk.view.shadowed()) json.text(line);
    json.close(']').close('}');
    answer_json(call, 200, std::move(body));
}

void audit(Desk& desk, const CallPtr& call) {
    std::size_t most = 100;
    std::optional<std::uint64_t> before;
    if (call->query.has("limit")) {
        const auto limit = parse_unsigned(call->query.value("limit"));
        if (!limit || *limit == 0 || *limit > 1'000) return answer_problem(call, {400, "invalid", "/limit: allowed: 1 to 1000", {{"/limit", "allowed: 1 to 1000", "", 0}}});
        most = static_cast<std::size_t>(*limit);
    }
    const auto cursor = call->query.has("cursor") ? call->query.value("cursor") : call->query.value("before");
    if (!cursor.empty()) {
        before = parse_unsigned(cursor);
        if (!before) return answer_problem(call, {400, "invalid", "/before: allowed: a revision", {{"/before", "allowed: a revision", "", 0}}});
    }
    desk.backend.audit(most, before, [&desk, call, most](Result<std::vector<config::AuditEntry>> entries) {
        if (!entries) return answer_error(call, entries.error());
        std::string body;
        JsonWriter json(body);
        json.open('{').number("revision", desk.view.revision()).open("items", '[');
        for (const auto& entry : *entries) {
            json.open('{').number("revision", entry.revision).time("at", entry.at).text("actor", entry.actor).text("action", entry.action).text("object", entry.object);
            json.text("detail", entry.detail).close('}');
        }
        json.close(']');
        if (entries->size() < most) json.null("next");
        else json.text("next", fmt::format("{}", entries->back().revision));
        json.close('}');
        answer_json(call, 200, std::move(body));
    });
}

void events(Desk& desk, const CallPtr& call) {
    EventFilter filter{.service = std::string(call->query.value("service")), .instance = std::string(call->query.value("instance"))};
    for (const auto word : split(call->query.value("types"), ','))
        if (!word.empty()) filter.types.emplace_back(word);
    std::optional<std::uint64_t> last;
    const auto id = call->request().head.fields.has(wire::Known::last_event_id) ? call->request().head.fields.value(wire::Known::last_event_id) : call->query.value("revision");
    if (!id.empty()) {
        last = parse_unsigned(trim(id));
        if (!last) return answer_problem(call, {400, "invalid", "Last-Event-ID is no revision"});
    }
    auto subscriber = desk.hub.subscribe(call->exchange, std::move(filter), last);
    if (!subscriber) return answer_problem(call, {503, "exhausted", fmt::format("{} clients follow events already", most_subscribers)});
    call->exchange->stream(200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}}, std::move(subscriber));
}

void upgrade(Desk& desk, const CallPtr& call) {
    desk.backend.upgrade(call->caller.name, [call](Result<Upgraded> done) {
        if (!done && done.error().code == Code::conflict) return answer_error(call, done.error());
        if (!done) return answer_problem(call, {500, "upgrade_failed", done.error().text});
        std::string body;
        JsonWriter json(body);
        json.open('{').number("pid", done->process).text("version", done->version).decimal("took", seconds(done->took)).close('}');
        answer_json(call, 200, std::move(body));
    });
}

void service_discovery(Desk& desk, const CallPtr& call) { stream_json(call, std::make_unique<Targets>(desk)); }

void openapi(Desk& desk, const CallPtr& call) { answer_json(call, 200, openapi_document(desk.options.version)); }

}  // namespace hale::api
