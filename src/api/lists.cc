// Lists: pages streamed from the view in slot or name order. A page goes on behind its cursor whatever vanished
// meanwhile; a long one is made in slices, so everybody else is answered in between.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/desk.h"
#include "api/handlers.h"
#include "api/slice.h"
#include "base/text.h"
#include "config/show.h"

namespace hale::api {

namespace {

constexpr std::uint64_t usual_page = 100;
constexpr std::uint64_t largest_page = 1'000;

struct Filter {
    std::string service;
    std::vector<verdict::State> states;
    bool unhealthy = false;
    std::vector<std::pair<std::string, std::string>> labels;

    bool wants(verdict::State state) const {
        if (unhealthy && state == verdict::State::healthy) return false;
        return states.empty() || std::ranges::find(states, state) != states.end();
    }
    bool wants(const catalog::ServiceView& of) const {
        if (!service.empty() && of.facts->name != service) return false;
        return std::ranges::all_of(labels, [&](const auto& label) {
            return of.facts->spec && std::ranges::find(of.facts->spec->labels, label) != of.facts->spec->labels.end();
        });
    }
};

struct Page {
    Filter filter;
    std::uint64_t limit = usual_page;
    std::string cursor;
};

std::optional<Page> page_of(const CallPtr& call) {
    Page page;
    std::vector<ProblemPart> faults;
    const Query& query = call->query;
    page.filter.service = query.value("service");
    page.filter.unhealthy = query.is_true("unhealthy");
    if (!query.value("state").empty())
        for (const auto word : split(query.value("state"), ',')) {
            const auto state = verdict::parse_state(word);
            if (state) page.filter.states.push_back(*state);
            else faults.push_back({"/state", "allowed: pending, healthy, degraded, unhealthy, unknown", "", 0});
        }
    for (const auto& [key, value] : query.pairs()) {
        if (key != "selector" || value.empty()) continue;
        for (const auto pair : split(value, ',')) {
            const auto equals = pair.find('=');
            if (equals == std::string_view::npos) faults.push_back({"/selector", "allowed: key=value, several with commas", "", 0});
            else page.filter.labels.emplace_back(trim(pair.substr(0, equals)), trim(pair.substr(equals + 1)));
        }
    }
    if (query.has("limit")) {
        const auto limit = parse_unsigned(query.value("limit"));
        if (!limit || *limit == 0 || *limit > largest_page) faults.push_back({"/limit", "allowed: 1 to 1000", "", 0});
        else page.limit = *limit;
    }
    page.cursor = query.value("cursor");
    if (!faults.empty()) {
        answer_problem(call, {400, "invalid", fmt::format("{}: {}", faults[0].pointer, faults[0].detail), faults});
        return std::nullopt;
    }
    return page;
}

// One page; a kind of list says how to go on.
class PageProducer : public http::BodyProducer {
public:
    PageProducer(Desk& desk, Page page) : desk_(desk), page_(std::move(page)) {}

    More produce(std::string& out, std::size_t most) final {
        if (!std::exchange(begun_, true)) fmt::format_to(std::back_inserter(out), "{{\"revision\":{},\"items\":[", desk_.view.revision());
        Slice slice(desk_.loop, out, most);
        while (!slice.over()) {
            if (told_ == page_.limit && more_behind()) {
                finish(out, cursor());
                return More::done;
            }
            const std::size_t before = out.size();
            if (told_ != 0) out += ',';
            const std::size_t start = out.size();
            if (!step(out)) {
                out.resize(before);
                finish(out, "");
                return More::done;
            }
            if (out.size() == start) out.resize(before);
            else ++told_;
        }
        return More::more;
    }

protected:
    // Looks at the next object and tells it if it is wanted; false when there is none left.
    virtual bool step(std::string& out) = 0;
    virtual bool more_behind() const = 0;
    virtual std::string cursor() const = 0;

    Desk& desk_;
    Page page_;

private:
    static void finish(std::string& out, const std::string& next) {
        out += next.empty() ? std::string("],\"next\":null}") : fmt::format("],\"next\":\"{}\"}}", next);
    }
    std::uint64_t told_ = 0;
    bool begun_ = false;
};

class InstancePage final : public PageProducer {
public:
    InstancePage(Desk& desk, Page page, catalog::Slot from) : PageProducer(desk, std::move(page)), next_(from) {}

private:
    bool step(std::string& out) override {
        if (next_ >= desk_.view.instance_slots()) return false;
        const auto* instance = desk_.view.instance(next_++);
        if (instance == nullptr || !page_.filter.wants(instance->state())) return true;
        const auto* service = desk_.view.service(instance->facts->service_slot);
        if (service == nullptr || !page_.filter.wants(*service)) return true;
        JsonWriter json(out);
        write_instance(json, desk_.view, *instance, desk_.telling());
        return true;
    }
    bool more_behind() const override { return next_ < desk_.view.instance_slots(); }
    std::string cursor() const override { return fmt::format("{}", next_); }
    catalog::Slot next_;
};

// Instances of one service: its own list of slots, in the order they appeared. The cursor is the last slot told.
class ServiceInstancePage final : public PageProducer {
public:
    ServiceInstancePage(Desk& desk, Page page, std::string service, std::vector<catalog::Slot> slots, std::uint64_t generation)
        : PageProducer(desk, std::move(page)), service_(std::move(service)), slots_(std::move(slots)), last_(generation) {}

private:
    bool step(std::string& out) override {
        if (next_ >= slots_.size()) return false;
        last_ = slots_[next_++];
        const auto* instance = desk_.view.instance(static_cast<catalog::Slot>(last_));
        if (instance == nullptr || instance->facts->service != service_ || !page_.filter.wants(instance->state())) return true;
        JsonWriter json(out);
        write_instance(json, desk_.view, *instance, desk_.telling());
        return true;
    }
    bool more_behind() const override { return next_ < slots_.size(); }
    std::string cursor() const override { return fmt::format("{}", last_ + 1); }
    std::string service_;
    std::vector<catalog::Slot> slots_;
    std::size_t next_ = 0;
    std::uint64_t last_;
};

// Walks services by name; tells each, or several things of each (checks).
class ServicePage : public PageProducer {
public:
    ServicePage(Desk& desk, Page page) : PageProducer(desk, std::move(page)), after_(page_.cursor) {}

protected:
    bool step(std::string& out) override {
        const auto& names = desk_.view.service_names();
        const auto at = names.upper_bound(after_);
        if (at == names.end()) return false;
        after_ = at->first;
        const auto* service = desk_.view.service(at->second);
        if (service == nullptr || !page_.filter.wants(*service)) return true;
        tell(out, *service);
        return true;
    }
    virtual void tell(std::string& out, const catalog::ServiceView& service) {
        if (!page_.filter.wants(service.standing.state)) return;
        JsonWriter json(out);
        write_service(json, service, desk_.telling());
    }
    bool more_behind() const override { return desk_.view.service_names().upper_bound(after_) != desk_.view.service_names().end(); }
    std::string cursor() const override { return percent_encoded(after_); }

private:
    std::string after_;
};

// Items are services' checks; a page may hold a few more than its limit, since a service is never split.
class CheckPage final : public ServicePage {
public:
    using ServicePage::ServicePage;

private:
    void tell(std::string& out, const catalog::ServiceView& service) override {
        if (!service.facts->spec || service.facts->spec->checks->empty()) return;
        JsonWriter json(out);
        for (const auto& check : *service.facts->spec->checks)
            write_check(json, *service.facts, *check);
    }
};

class RoutePage final : public PageProducer {
public:
    RoutePage(Desk& desk, Page page, std::size_t from) : PageProducer(desk, std::move(page)), next_(from) {}

private:
    bool step(std::string& out) override {
        const auto& routes = desk_.view.routes();
        if (next_ >= routes.size()) return false;
        const auto& route = routes[next_++];
        if (!page_.filter.service.empty() && route.spec.service != page_.filter.service) return true;
        JsonWriter json(out);
        json.open('{').text("id", route.spec.id).text("host", route.spec.host).text("path", route.spec.path).boolean("strip", route.spec.strip);
        json.text("service", route.spec.service).text("project", route.spec.project).text("owner", config::to_text(route.spec.owner));
        json.number("revision", route.revision).close('}');
        return true;
    }
    bool more_behind() const override { return next_ < desk_.view.routes().size(); }
    std::string cursor() const override { return fmt::format("{}", next_); }
    std::size_t next_;
};

// The list's ETag is the last visible change of anything.
void answer_page(Desk& desk, const CallPtr& call, std::function<std::unique_ptr<PageProducer>()> make) {
    when_newer(desk, call, [](const catalog::View& view) { return view.revision(); }, [&desk, call, make = std::move(make)] {
        const std::uint64_t revision = desk.view.revision();
        if (revision != 0 && parse_etag(call->request().head.fields.value(wire::Known::if_none_match)) == revision)
            return call->exchange->answer(304, {{"ETag", etag(revision)}, {"Cache-Control", "no-store"}}, "");
        call->exchange->stream(200,
                               {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}, {"ETag", etag(revision)}},
                               make());
    });
}

// Slot cursors are numbers.
std::optional<std::uint64_t> number_cursor(const CallPtr& call, const Page& page) {
    if (page.cursor.empty()) return 0;
    const auto number = parse_unsigned(page.cursor);
    if (!number || *number > UINT32_MAX) {
        answer_problem(call, {400, "invalid", "/cursor: allowed: what `next` said", {{"/cursor", "allowed: what `next` said", "", 0}}});
        return std::nullopt;
    }
    return number;
}

}  // namespace

void list_verdicts(Desk& desk, const CallPtr& call) {
    auto page = page_of(call);
    const auto from = page ? number_cursor(call, *page) : std::nullopt;
    if (!from) return;
    answer_page(desk, call, [&desk, page = *page, from = *from] { return std::make_unique<InstancePage>(desk, page, static_cast<catalog::Slot>(from)); });
}

void list_instances(Desk& desk, const CallPtr& call) {
    const auto* service = need_service(desk, call);
    auto page = service != nullptr ? page_of(call) : std::nullopt;
    const auto from = page ? number_cursor(call, *page) : std::nullopt;
    if (!from) return;
    page->filter.service.clear();
    answer_page(desk, call, [&desk, page = *page, from = *from, name = service->facts->name] {
        std::vector<catalog::Slot> slots;
        if (const auto* now = desk.view.service(std::string_view(name))) slots = now->instances;
        std::ranges::sort(slots);
        std::erase_if(slots, [&](catalog::Slot slot) { return slot < from; });
        return std::make_unique<ServiceInstancePage>(desk, page, name.str(), std::move(slots), from);
    });
}

void list_services(Desk& desk, const CallPtr& call) {
    auto page = page_of(call);
    if (page) answer_page(desk, call, [&desk, page = *page] { return std::make_unique<ServicePage>(desk, page); });
}

void list_checks(Desk& desk, const CallPtr& call) {
    auto page = page_of(call);
    if (page) answer_page(desk, call, [&desk, page = *page] { return std::make_unique<CheckPage>(desk, page); });
}

void list_routes(Desk& desk, const CallPtr& call) {
    auto page = page_of(call);
    const auto from = page ? number_cursor(call, *page) : std::nullopt;
    if (!from) return;
    answer_page(desk, call, [&desk, page = *page, from = *from] { return std::make_unique<RoutePage>(desk, page, static_cast<std::size_t>(from)); });
}

}  // namespace hale::api
