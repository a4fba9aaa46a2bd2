// Goal: what the routers and readers look things up in answers as the slow, obvious way would.
// Method: oracles: a route table against a walk over all routes; a view against the deltas' last words; a queue
// that overflows against the truth that each row's last change must survive.

#include "catalog/report_queue.h"
#include "catalog/testing.h"
#include "sim/seed.h"

namespace hale::catalog {
namespace {

// The most specific kind of host, then the longest path; of equals the first.
const Route* slow_find(const std::vector<Route>& routes, std::string_view host, std::string_view path) {
    const Route* best = nullptr;
    int best_rank = 0;
    for (const auto& route : routes) {
        const auto dot = host.find('.');
        const int rank = route.host == host ? 3
                         : route.host != "*" && route.host.starts_with("*.") && dot != 0 && dot != std::string_view::npos && route.host.substr(2) == host.substr(dot + 1) ? 2
                         : route.host == "*" ? 1 : 0;
        const bool under = path == route.path || (path.starts_with(route.path) && (route.path.back() == '/' || path[route.path.size()] == '/'));
        if (rank == 0 || !under) continue;
        if (best == nullptr || rank > best_rank || (rank == best_rank && route.path.size() > best->path.size())) best = &route, best_rank = rank;
    }
    return best;
}

TEST(RouteTable, FindsWhatTheSlowWalkFinds) {
    const std::vector<std::string> hosts{"a.example", "b.a.example", "*.example", "*.a.example", "*", "example"};
    const std::vector<std::string> paths{"/", "/api", "/api/", "/api/v1", "/ap"};
    const std::vector<std::string> asked_hosts{"a.example", "b.a.example", "c.a.example", "x.example", "example", "z", "", ".example", "c.b.a.example"};
    const std::vector<std::string> asked_paths{"/", "/api", "/api/", "/api/v1", "/api/v1/x", "/apix", "/ap", "/other"};
    sim::for_each_seed(200, [&](std::uint64_t seed) {
        Random random(seed);
        std::vector<Route> routes;
        std::vector<RouteFacts> facts;
        for (const auto& host : hosts)
            for (const auto& path : paths)
                if (random.below(3) == 0) {
                    routes.push_back({fmt::format("r{}", routes.size()), host, path, false, nullptr, nullptr});
                    facts.push_back({{.id = routes.back().id, .host = host, .path = path}, 1});
                }
        const RouteTable table(routes);
        View view;
        view.apply({1, {}, RoutesPut{std::make_shared<const std::vector<RouteFacts>>(facts)}});
        for (const auto& host : asked_hosts)
            for (const auto& path : asked_paths) {
                const Route* slow = slow_find(routes, host, path);
                const Route* fast = table.find(host, path);
                ASSERT_EQ(fast == nullptr ? "none" : fast->id, slow == nullptr ? "none" : slow->id) << host << path;
                const RouteFacts* shown = view.route(host, path);
                ASSERT_EQ(shown == nullptr ? "none" : shown->spec.id, slow == nullptr ? "none" : slow->id) << "readers disagree: " << host << path;
            }
    });
}

TEST(ReportQueue, KeepsEachRowsLastChangeAndCountsWhatItSkipped) {
    ReportQueue queue;
    constexpr std::uint32_t rows = 1'000;
    std::uint64_t pushed = 0;
    for (std::uint32_t round = 1; pushed <= most_queued_changes + 10 * rows; ++round) {
        CheckReport report;
        for (verdict::RowId row = 0; row < rows; ++row) {
            auto record = std::make_shared<InstanceRecord>();
            record->word.version = round;
            report.changes.push_back({row, 1, std::move(record)});
            ++pushed;
        }
        report.discarded = 1;
        queue.push(std::move(report));
    }
    EXPECT_GT(queue.skipped(), 0u);
    const auto all_at_once = queue.pop();
    ASSERT_TRUE(all_at_once.has_value());
    EXPECT_LE(all_at_once->changes.size(), most_queued_changes);
    EXPECT_EQ(all_at_once->changes.size() + queue.skipped(), pushed) << "nothing is lost uncounted";
    std::map<verdict::RowId, std::uint32_t> last;
    for (const auto& change : all_at_once->changes) {
        EXPECT_GT(change.record->word.version, last[change.row]) << "in order";
        last[change.row] = change.record->word.version;
    }
    EXPECT_EQ(last.size(), rows);
    for (const auto& [row, version] : last) EXPECT_EQ(version, pushed / rows);
    EXPECT_TRUE(queue.empty());
    EXPECT_FALSE(queue.pop().has_value());
}

std::shared_ptr<const InstanceFacts> facts(Slot slot, std::string id, std::string name, std::uint16_t generation = 1) {
    return std::make_shared<const InstanceFacts>(InstanceFacts{.slot = slot, .id = std::move(id), .service = "web", .name = std::move(name), .generation = generation});
}

TEST(View, ASlotThatIsUsedAgainRemembersNothing) {
    View view;
    view.apply({1, {}, ServicePut{std::make_shared<const ServiceFacts>(ServiceFacts{.slot = 0, .name = "web"})}});
    view.apply({1, {}, InstancePut{facts(0, "i-a", "web-1")}});
    auto record = std::make_shared<InstanceRecord>();
    record->word.state = verdict::State::healthy;
    view.apply({2, {}, VerdictPut{0, record, true, 5}});
    Seen seen;
    seen.counted = true;
    seen.at = Utc{5s};
    view.apply({0, {}, SeenPut{0, seen}});
    EXPECT_EQ(view.revision(), 2u) << "a probe that changed nothing moves nothing";
    EXPECT_EQ(view.instance("i-a")->observed, Utc{5s});
    EXPECT_EQ(view.instance("web-1"), view.instance("i-a"));
    // Another generation: what was seen is not its own.
    view.apply({3, {}, InstancePut{facts(0, "i-a", "web-1", 2)}});
    EXPECT_EQ(view.instance("i-a")->observed, Utc{});
    EXPECT_FALSE(view.instance("i-a")->last.any);
    view.apply({4, {}, InstanceGone{0}});
    EXPECT_EQ(view.instance("i-a"), nullptr);
    EXPECT_EQ(view.instance("web-1"), nullptr);
    view.apply({0, {}, SeenPut{0, seen}});
    EXPECT_TRUE(view.service("web")->instances.empty());
    view.apply({5, {}, InstancePut{facts(0, "i-b", "web-1")}});
    EXPECT_EQ(view.instance("web-1")->facts->id, "i-b");
    EXPECT_EQ(view.instance("web-1")->record, nullptr);
    EXPECT_FALSE(view.instance("web-1")->eligible);
    EXPECT_EQ(view.instance("web-1")->state(), verdict::State::pending);
    EXPECT_EQ(view.service("web")->instances, std::vector<Slot>{0});
    // A name passes on while its first owner drains.
    view.apply({6, {}, InstancePut{facts(1, "i-c", "web-1")}});
    EXPECT_EQ(view.instance("web-1")->facts->id, "i-c");
    view.apply({7, {}, InstanceGone{0}});
    EXPECT_EQ(view.instance("web-1")->facts->id, "i-c");
    view.apply({8, {}, InstanceGone{1}});
    view.apply({8, {}, ServiceGone{0}});
    EXPECT_EQ(view.service("web"), nullptr);
    EXPECT_EQ(view.instance_count(), 0u);
}

struct Asked {
    sim::World world{1};
    sim::Loop& loop = world.loop();
    sim::Names scripted;
    sim::Resolver resolver{scripted, loop};
    std::vector<std::pair<std::string, std::size_t>> answers;
    std::vector<std::string> failures;
    Names names{loop, resolver, [this](const std::string& name, std::vector<Ip> ips) { answers.emplace_back(name, ips.size()); },
                [this](const std::string& name, const Error&) { failures.push_back(name); }};
};

TEST(Names, AreAskedAgainWhenTheirTimeIsOverWithinBounds) {
    Asked asked;
    asked.scripted.set("short", {"10.0.0.1"}, Duration{0});
    asked.scripted.set("long", {"10.0.0.2", "10.0.0.3"}, 24h);
    asked.names.want({"short", "long"});
    asked.world.run_for(100ms);
    ASSERT_EQ(asked.answers.size(), 2u);
    asked.world.run_for(9500ms);
    EXPECT_NEAR(static_cast<double>(asked.answers.size()), 11, 1) << "a time to live of 0 is taken for 1 s";
    asked.names.want({"long"});
    asked.answers.clear();
    asked.world.run_for(61s);
    EXPECT_EQ(asked.answers, (std::vector<std::pair<std::string, std::size_t>>{{"long", 2}})) << "and of a day for 60 s";
    // A doubt asks at once, at most once a second.
    asked.answers.clear();
    asked.world.run_for(2s);
    for (int i = 0; i < 10; ++i) asked.names.doubt("long"), asked.world.run_for(50ms);
    EXPECT_EQ(asked.answers.size(), 1u);
}

TEST(Names, AFailureIsSaidOnceAndTriedAgain) {
    Asked asked;
    asked.scripted.set("db", {"10.0.0.1"}, 1s);
    asked.names.want({"db"});
    asked.world.run_for(500ms);
    asked.scripted.at("db").error = Error{Code::unavailable, "SERVFAIL"};
    asked.world.run_for(20s);
    EXPECT_EQ(asked.failures.size(), 1u);
    asked.scripted.at("db").error.reset();
    asked.answers.clear();
    asked.world.run_for(3s);
    EXPECT_GE(asked.answers.size(), 1u);
    asked.scripted.at("db").silent = true;
    asked.world.run_for(20s);
    EXPECT_EQ(asked.failures.size(), 2u);
}

}  // namespace
}  // namespace hale::catalog
