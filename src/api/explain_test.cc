// Goal: explain tells exactly the facts of the example in the documentation, and resolves what people type.
// Method: the example's situation as a view; its lines compared blank for blank but for alignment.

#include "api/explain.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "api/fake_daemon.h"
#include "api/target.h"

namespace hale::api {
namespace {

std::string squeezed(std::string_view line) {
    std::string out;
    for (const char c : line)
        if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    return out;
}

struct Example : ::testing::Test {
    void SetUp() override {
        d.add_service(0, "web");
        const Utc at = *parse_rfc3339("2026-11-21T14:18:21.1Z");
        auto facts = std::make_shared<catalog::InstanceFacts>();
        facts->id = "i-7k2m9q4w8x3z";
        facts->service = "web";
        facts->name = "web-1";
        facts->declared = "web:3000";
        facts->resolved = SocketAddress::parse("172.23.0.4:3000");
        facts->generation = 7;
        facts->routed = true;
        facts->checks = d.checks;
        d.put(catalog::InstancePut{facts});
        auto record = std::make_shared<catalog::InstanceRecord>();
        record->word = {.state = verdict::State::unhealthy, .generation = 7, .version = 1842};
        record->reason = verdict::Reason::connect_refused;
        record->decided_by = "main";
        record->since = at;
        record->before = verdict::State::healthy;
        record->before_since = at - 74h;
        record->checks.push_back({.name = "main", .state = verdict::State::unhealthy, .run_outcome = verdict::Outcome::fail, .run_length = 3, .run_needed = 3,
                                  .decided = catalog::Decided{verdict::Rule::fails, 3, 3}});
        for (const auto& [before, trigger] : {std::pair{1000ms, verdict::Trigger::traffic}, std::pair{500ms, verdict::Trigger::confirmation}, std::pair{0ms, verdict::Trigger::confirmation}})
            record->deciding.push_back({.outcome = verdict::Outcome::fail, .reason = verdict::Reason::connect_refused, .phase = verdict::Phase::connect, .trigger = trigger, .at = at - before,
                                        .text = "GET http://172.23.0.4:3000/api/health: connect refused after 0.4 ms"});
        d.put(catalog::VerdictPut{0, record, false, 6});
        catalog::Seen seen{.outcome = verdict::Outcome::fail, .run_length = 28, .run_needed = 3, .run_outcome = verdict::Outcome::fail, .at = at + 2min, .next_probe = at + 124s + 3100ms};
        d.tell({.what = catalog::SeenPut{0, seen}});
        d.put(catalog::StandingPut{0, {.state = verdict::State::unhealthy, .reason = verdict::Reason::connect_refused, .counts = {.total = 1, .unhealthy = 1}}});
        config::RouteSpec route{.id = "r3", .host = "test.eliasson.me", .service = "web"};
        auto routes = std::make_shared<std::vector<catalog::RouteFacts>>();
        routes->push_back({route, 9});
        d.put(catalog::RoutesPut{routes});
        d.world.step_wall(at + 124s - d.world.utc());
    }
    Json explain(std::string_view target) { return d.ask("GET", fmt::format("/api/v1/explain?target={}", target), "read").json(); }
    Daemon d;
};

TEST_F(Example, ReadsLikeTheDocumentation) {
    const Json got = explain("test.eliasson.me");
    const std::vector<std::string_view> expected{
        "test.eliasson.me  →  route r3  →  service web                           SERVING NO: 503 no_eligible_instance",
        "  web-1  172.23.0.4:3000  (generation 7)   ▲ unhealthy  since 14:18:21 (2m04s)  v1842",
        "         3 of 3 failures (fall 3): GET http://172.23.0.4:3000/api/health, Host test.eliasson.me",
        "         connect refused after 0.4 ms (phase connect)   14:18:20.1 (asked by traffic)  14:18:20.6  14:18:21.1",
        "         healthy before that for 3d 02h; next probe in 3.1 s; decided by checker 0 on host-a",
        "         no override",
        "  try    hale check web-1 -o json   ·   hale watch web"};
    const auto& text = got.at("text");
    ASSERT_EQ(text.size(), expected.size()) << text.dump(1);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(squeezed(text[i].get<std::string>()), squeezed(expected[i]));
    EXPECT_EQ(got.at("serving").at("reason"), "no_eligible_instance");
    EXPECT_EQ(got.at("instances")[0].at("deciding").size(), 3u);
    EXPECT_EQ(got.at("instances")[0].at("deciding")[0].at("trigger"), "traffic");
    EXPECT_EQ(got.at("instances")[0].at("thresholds").at("fall"), 3);
    EXPECT_EQ(got.at("instances")[0].at("rule").at("number"), 6);
    EXPECT_EQ(got.at("instances")[0].at("before").at("state"), "healthy");
}

// A pass is told with what was measured, and a failure that decides nothing yet is not called a pass.
TEST_F(Example, APassSaysWhatCameAndHowItWasAsked) {
    const Utc at = d.world.utc();
    auto record = std::make_shared<catalog::InstanceRecord>();
    record->word = {.state = verdict::State::healthy, .generation = 7, .version = 1843};
    record->reason = verdict::Reason::ok;
    record->decided_by = "main";
    record->checks.push_back({.name = "main", .state = verdict::State::healthy, .run_outcome = verdict::Outcome::pass, .run_length = 2, .run_needed = 2});
    d.put(catalog::VerdictPut{0, record, true, 5});
    catalog::Seen seen{.outcome = verdict::Outcome::pass, .reason = verdict::Reason::ok, .status = 200, .run_length = 9, .run_needed = 2, .run_outcome = verdict::Outcome::pass, .at = at, .next_probe = at + 5s};
    seen.timings.total = 3ms;
    d.tell({.what = catalog::SeenPut{0, seen}});
    const auto line = [&] { return squeezed(explain("web").at("text").at(3).get<std::string>()); };
    EXPECT_TRUE(line().starts_with("answered 200 after 3.0 ms, as asked: [STATUS] (200) == 2xx ")) << line();
    auto detail = std::make_shared<verdict::Observation>();
    detail->text = "GET http://172.23.0.4:3000/api/health: answered 503 after 343 µs: [STATUS] (503) == 2xx";
    d.tell({.what = catalog::SeenPut{0, {.outcome = verdict::Outcome::fail, .reason = verdict::Reason::status_mismatch, .phase = verdict::Phase::first_byte, .status = 503, .run_length = 1, .run_needed = 3, .run_outcome = verdict::Outcome::fail, .at = at, .next_probe = at + 500ms, .detail = detail}}});
    EXPECT_TRUE(line().starts_with("answered 503 after 343 µs: [STATUS] (503) == 2xx (phase first_byte) (1 of 3 that would count against it)")) << line();
}

// V10: the rule that decided, not the run that goes on.
TEST_F(Example, V10TheRuleIsTheOneThatDecided) {
    const std::tuple<catalog::Decided, verdict::State, std::string_view> rules[] = {
        {{verdict::Rule::answers, 2, 2}, verdict::State::degraded, "2 of 2 answers (rise 2): "},
        {{verdict::Rule::not_passes, 3, 3}, verdict::State::degraded, "3 of 3 warnings or failures (fall 3): "},
        {{verdict::Rule::passes, 2, 2}, verdict::State::healthy, "2 of 2 passes (rise 2): "},
        {{verdict::Rule::answers, 4, 4}, verdict::State::healthy, "4 of 4 passes (rise 2): "},  // While flapping.
        {{verdict::Rule::silence, 0, 0}, verdict::State::unknown, "nothing was counted: "}};
    for (const auto& [decided, state, expected] : rules) {
        auto record = std::make_shared<catalog::InstanceRecord>();
        record->word = {.state = state, .generation = 7, .version = 1900};
        record->decided_by = "main";
        record->deciding.push_back({.outcome = verdict::Outcome::warn, .reason = verdict::Reason::latency_exceeded, .text = "GET http://172.23.0.4:3000/api/health: slow"});
        // What runs now is another story.
        record->checks = {{.name = "main", .state = state, .run_outcome = verdict::Outcome::warn, .run_length = 17, .run_needed = 3, .decided = decided}};
        d.put(catalog::VerdictPut{0, record, true, 5});
        const std::string line = squeezed(explain("web-1").at("text")[2].get<std::string>());
        EXPECT_TRUE(line.starts_with(expected)) << line;
    }
}

TEST_F(Example, ALookUpThatFailsIsOneLine) {
    auto facts = std::make_shared<catalog::ServiceFacts>();
    facts->slot = 0;
    facts->name = "web";
    auto spec = std::make_shared<config::ServiceSpec>();
    spec->name = "web";
    spec->checks = d.checks;
    config::InstanceSpec instance;
    instance.target = config::Target::parse("web:3000").value();
    spec->instances.push_back(instance);
    facts->spec = spec;
    d.put(catalog::ServicePut{facts});
    const auto said = [&] { return explain("web").at("text").dump().find("look-up of web fails: no such name") != std::string::npos; };
    EXPECT_FALSE(said());
    d.put(catalog::LookupPut{"web", "no such name"});
    EXPECT_TRUE(said());
    d.put(catalog::LookupPut{"web", ""});
    EXPECT_FALSE(said());
}

TEST_F(Example, ServiceBeforeInstanceBeforeHost) {
    d.add_service(1, "test.eliasson.me");
    d.add_service(2, "web-1");
    const std::tuple<std::string_view, std::string_view, std::string_view> cases[] = {
        {"web", "service", "web"},           {"web-1", "service", "web-1"},
        {"instance:web-1", "instance", "web"}, {"i-7k2m9q4w8x3z", "instance", "web"},
        {"test.eliasson.me", "service", "test.eliasson.me"}, {"host:test.eliasson.me", "host", "web"},
        {"host:TEST.eliasson.me:443/any", "host", "web"}, {"https://test.eliasson.me/x?y=1", "host", "web"}};
    for (const auto& [target, kind, service] : cases) {
        const Json got = d.ask("GET", fmt::format("/api/v1/resolve?target={}", target), "read").json();
        EXPECT_EQ(got.value("kind", ""), kind) << target << got;
        EXPECT_EQ(got.value("service", ""), service) << target;
    }
    for (const std::string_view target : {"nothing", "service:web-9", "instance:web", "host:nowhere.example", "host:bad%20host"})
        EXPECT_EQ(d.ask("GET", fmt::format("/api/v1/resolve?target={}", target), "read").status, 404) << target;
}

// V13: absence is never success, so a misspelt service is not the service behind the catch-all.
TEST_F(Example, ABareWordIsAHostOnlyWhenARouteNamesIt) {
    const std::vector<config::RouteSpec> declared{{.id = "r1", .host = "test.eliasson.me", .service = "web"},
                                                  {.id = "r2", .host = "*", .service = "web"},
                                                  {.id = "r3", .host = "*.example", .service = "web"},
                                                  {.id = "r4", .host = "intranet", .path = "/wiki", .service = "web"},
                                                  {.id = "r6", .host = "[2001:db8::1]", .service = "web"}};
    auto routes = std::make_shared<std::vector<catalog::RouteFacts>>();
    for (const auto& route : declared) routes->push_back({route, 9});
    d.put(catalog::RoutesPut{routes});
    const std::pair<std::string_view, std::string_view> taken[] = {
        {"intranet", "r2"},         {"intranet/wiki", "r4"},       {"INTRANET/wiki/x", "r4"}, {"a.example", "r3"},
        {"nobody.elsewhere", "r2"}, {"host:nobody", "r2"},         {"http://nobody/", "r2"},  {"host:nobody:80/x", "r2"},
        {"test.eliasson.me", "r1"}, {"test.eliasson.me:80", "r1"}, {"127.0.0.1", "r2"},       {"[::1]", "r2"},
        {"2001:db8::1", "r6"},      {"[2001:db8:0::1]:80/x", "r6"}, {"host:2001:db8::1", "r6"}, {"http://[2001:db8::1]/", "r6"}, {"::1", "r2"}};
    for (const auto& [target, route] : taken)
        EXPECT_EQ(d.ask("GET", fmt::format("/api/v1/resolve?target={}", target), "read").json().value("route", ""), route) << target;
    for (const std::string_view target : {"nobody", "nobody/up", "nobody:80", "wbe", "service:nobody", "instance:nobody"}) {
        for (const std::string_view path : {"resolve", "explain"})
            EXPECT_EQ(d.ask("GET", fmt::format("/api/v1/{}?target={}", path, target), "read").status, 404) << path << target;
        EXPECT_EQ(d.ask("POST", fmt::format("/api/v1/verify?target={}", target), "operate", "{}").status, 404) << target;
    }
    EXPECT_EQ(d.ask("GET", "/api/v1/resolve?target=nobody", "read").json().value("detail", ""),
              "no service, instance or host named \"nobody\"; see `hale list` (as a host, a catch-all route would take it: host:nobody)");
    for (const auto& [word, meant] : {std::pair{"wbe", "web"}, {"wbe-1", "web-1"}, {"intrante", "intranet"}}) {
        const std::string said = d.ask("GET", fmt::format("/api/v1/resolve?target={}", word), "read").json().value("detail", "");
        EXPECT_NE(said.find(fmt::format("did you mean {}?", meant)), std::string::npos) << said;
    }
}

TEST_F(Example, OverridesAndLifecycleAreTold) {
    auto layer = std::make_shared<config::Override>();
    layer->service = "web";
    layer->state = verdict::OverrideState::maintenance;
    layer->author = "ann";
    layer->reason = "disk";
    layer->expires = d.world.utc() + 30min;
    auto facts = std::make_shared<catalog::ServiceFacts>();
    facts->slot = 0;
    facts->name = "web";
    facts->override = layer;
    d.put(catalog::ServicePut{facts});
    const Json got = explain("web");
    EXPECT_EQ(got.at("serving").at("reason"), "maintenance");
    EXPECT_EQ(got.at("service").at("override").at("author"), "ann");
    EXPECT_EQ(got.at("service").at("flags")[0], "overridden");
}

}  // namespace
}  // namespace hale::api
