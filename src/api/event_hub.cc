#include "api/event_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/json_writer.h"
#include "api/slice.h"
#include "api/words.h"
#include "base/reached.h"

namespace hale::api {

namespace {
// "io.hale.verdict.changed.v1" → "verdict"
std::string_view middle(std::string_view type) {
    type.remove_prefix(std::string_view("io.hale.").size());
    return type.substr(0, type.find('.'));
}
}  // namespace

bool EventFilter::wants(const HubEvent& event) const {
    if (!service.empty() && event.service != service) return false;
    if (!instance.empty() && event.instance != instance && event.name != instance) return false;
    return types.empty() || std::ranges::find(types, middle(event.type)) != types.end();
}

// One client's place in the ring.
class EventHub::Subscriber final : public http::BodyProducer {
public:
    Subscriber(EventHub& hub, std::shared_ptr<http::ServerExchange> exchange, EventFilter filter)
        : hub_(hub), exchange_(std::move(exchange)), filter_(std::move(filter)) {
        hub_.subscribers_.insert(this);
    }
    ~Subscriber() override { hub_.subscribers_.erase(this); }

    More produce(std::string& out, std::size_t) override {
        Slice slice(hub_.loop_, out, most_unsent_per_subscriber);
        if (std::exchange(hello, false)) out += "retry: 2000\n\n";
        if (at < hub_.first()) resync = true;
        if (std::exchange(resync, false)) {
            HALE_REACHED("events: a subscriber left the ring behind");
            ++hub_.resyncs_;
            at = hub_.next_;
            fmt::format_to(std::back_inserter(out), "event: resync\nid: {}\ndata: {{\"revision\":{},\"skipped\":{}}}\n\n", hub_.view_.revision(),
                           hub_.view_.revision(), std::exchange(skipped, 0));
        }
        while (at < hub_.next_ && !slice.over()) {
            HubEvent& event = hub_.ring_[at - hub_.first()];
            const std::uint64_t number = at++;
            if (!filter_.wants(event) || hub_.superseded(event, number)) continue;
            // Several changes may share a revision: only the last of them carries the id that a client resumes after.
            const bool last = at == hub_.next_ || hub_.ring_[at - hub_.first()].revision != event.revision;
            if (last) fmt::format_to(std::back_inserter(out), "id: {}\n", event.revision);
            fmt::format_to(std::back_inserter(out), "event: {}\ndata: {}\n\n", middle(event.type), hub_.data(event));
        }
        if (std::exchange(ping, false) && out.empty()) out += ": ping\n\n";
        if (hub_.ended_) return More::done;
        return at < hub_.next_ ? More::more : More::wait;
    }
    void wake() { exchange_->wake(); }

    std::uint64_t at = 0;
    bool hello = true;
    bool resync = false;
    std::uint64_t skipped = 0;  // Changes that never came here, as far as they are known.
    bool ping = false;

private:
    EventHub& hub_;
    std::shared_ptr<http::ServerExchange> exchange_;
    EventFilter filter_;
};

EventHub::EventHub(io::Loop& loop, const catalog::View& view, std::string node)
    : loop_(loop), view_(view), node_(std::move(node)), timer_(loop, io::member_fire<&EventHub::flush>, this) {}

std::unique_ptr<http::BodyProducer> EventHub::subscribe(std::shared_ptr<http::ServerExchange> exchange, EventFilter filter,
                                                        std::optional<std::uint64_t> last) {
    if (subscribers_.size() >= most_subscribers || ended_) return nullptr;
    auto subscriber = std::make_unique<Subscriber>(*this, std::move(exchange), std::move(filter));
    subscriber->at = next_;
    if (last) {
        // What left the ring unseen, or a revision of another life of the daemon: start over.
        if (*last < dropped_revision_ || *last > view_.revision()) subscriber->resync = true;
        else {
            const auto found = std::ranges::upper_bound(ring_, *last, {}, &HubEvent::revision);
            subscriber->at = first() + static_cast<std::uint64_t>(found - ring_.begin());
        }
    }
    if (!timer_.armed()) {
        pinged_ = loop_.now();
        timer_.arm(loop_.now() + flush_interval);
    }
    return subscriber;
}

void EventHub::end() {
    ended_ = true;
    for (auto* subscriber : std::vector(subscribers_.begin(), subscribers_.end())) subscriber->wake();
}

void EventHub::push(HubEvent event) {
    if (!event.key.empty()) latest_[event.key] = next_;
    ring_.push_back(std::move(event));
    ++next_;
    news_ = true;
    while (ring_.size() > most_ring_events) {
        HubEvent& oldest = ring_.front();
        dropped_revision_ = oldest.revision;
        if (const auto found = latest_.find(oldest.key); found != latest_.end() && found->second == first()) latest_.erase(found);
        ring_.pop_front();
    }
}

void EventHub::skipped(std::uint64_t count, std::uint64_t revision) {
    changes_skipped_ += count;
    dropped_revision_ = std::max(dropped_revision_, revision);
    news_ = true;
    for (auto* subscriber : subscribers_) {
        subscriber->resync = true;
        subscriber->skipped += count;
    }
}

bool EventHub::superseded(const HubEvent& event, std::uint64_t number) const {
    if (event.key.empty()) return false;
    const auto found = latest_.find(event.key);
    return found != latest_.end() && found->second > number;
}

void EventHub::add(const catalog::Delta& delta, const Gone& gone) {
    HubEvent event{.revision = delta.revision, .at = delta.at};
    const auto about = [&](const catalog::InstanceView* instance) {
        if (instance == nullptr) return false;
        event.service = instance->facts->service;
        event.instance = event.subject = instance->facts->id;
        event.name = instance->facts->name;
        event.sequence = instance->record ? instance->record->word.version : 0;
        return true;
    };
    const auto about_service = [&](const catalog::ServiceView* service) {
        if (service == nullptr) return false;
        event.service = event.subject = service->facts->name;
        event.sequence = service->standing.version;
        return true;
    };
    if (const auto* verdict = std::get_if<catalog::VerdictPut>(&delta.what)) {
        if (!about(view_.instance(verdict->slot))) return;
        event.type = "io.hale.verdict.changed.v1";
    } else if (const auto* put = std::get_if<catalog::InstancePut>(&delta.what)) {
        if (!about(view_.instance(put->facts->slot))) return;
        event.type = "io.hale.instance.changed.v1";
    } else if (std::holds_alternative<catalog::InstanceGone>(delta.what)) {
        event.type = "io.hale.instance.removed.v1";
        event.service = gone.service;
        event.instance = event.subject = gone.instance;
        event.name = gone.name;
    } else if (const auto* standing = std::get_if<catalog::StandingPut>(&delta.what)) {
        if (!about_service(view_.service(standing->slot))) return;
        event.type = "io.hale.service.changed.v1";
    } else if (const auto* service = std::get_if<catalog::ServicePut>(&delta.what)) {
        if (service->same || !about_service(view_.service(service->facts->slot))) return;
        event.type = "io.hale.service.changed.v1";
    } else if (std::holds_alternative<catalog::ServiceGone>(delta.what)) {
        event.type = "io.hale.service.removed.v1";
        event.service = event.subject = gone.service;
    } else if (std::holds_alternative<catalog::RoutesPut>(delta.what)) {
        event.type = "io.hale.routes.changed.v1";
    } else if (const auto* notice = std::get_if<catalog::Notice>(&delta.what)) {
        event.type = notice->kind.starts_with("config.") ? "io.hale.config.changed.v1" : "io.hale.notice.given.v1";
        event.subject = notice->subject;
        event.note = notice->kind + ": " + notice->text;
    } else {
        return;  // Probes that changed nothing, the document itself, the audit.
    }
    // Of one word only: whoever follows verdicts alone must not miss one because the weight changed after it.
    if (event.note.empty()) event.key = fmt::format("{} {}", middle(event.type), event.instance.empty() ? event.service : event.instance);
    push(std::move(event));
}

const std::string& EventHub::data(HubEvent& event) {
    if (event.data) return *event.data;
    auto out = std::make_shared<std::string>();
    JsonWriter json(*out);
    json.open('{').text("specversion", "1.0").text("id", fmt::format("{}", event.revision)).text("source", "/hale/" + node_);
    json.text("type", event.type).text("subject", event.subject).text("time", rfc3339(event.at)).text("datacontenttype", "application/json");
    if (event.sequence != 0) json.text("sequence", fmt::format("{}", event.sequence));
    const Telling telling{node_, loop_.utc()};
    const auto* instance = event.instance.empty() ? nullptr : view_.instance(std::string_view(event.instance));
    const auto* service = event.service.empty() ? nullptr : view_.service(std::string_view(event.service));
    if (!event.instance.empty()) {
        json.open("data", '{');
        if (instance != nullptr && !event.type.ends_with("removed.v1")) write_instance_members(json, view_, *instance, telling);
        else json.text("id", event.instance).text("service", event.service).text("instance", event.name).boolean("removed", true);
        json.close('}');
    } else if (!event.service.empty()) {
        json.open("data", '{');
        if (service != nullptr && !event.type.ends_with("removed.v1")) write_service_members(json, *service, telling);
        else json.text("service", event.service).boolean("removed", true);
        json.close('}');
    } else {
        json.open("data", '{').number("revision", event.revision);
        if (!event.note.empty()) json.text("text", event.note);
        json.close('}');
    }
    json.close('}');
    event.data = std::move(out);
    return *event.data;
}

void EventHub::flush() noexcept {
    if (subscribers_.empty()) return;
    timer_.arm(loop_.now() + flush_interval);
    const bool ping = loop_.now() - pinged_ >= ping_interval;
    if (ping) pinged_ = loop_.now();
    if (!std::exchange(news_, false) && !ping) return;
    for (auto* subscriber : std::vector(subscribers_.begin(), subscribers_.end())) {
        subscriber->ping |= ping;
        subscriber->wake();
    }
}

}  // namespace hale::api
