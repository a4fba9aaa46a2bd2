// Goal: every route of the table answers with its rule, its shape and its errors; nothing answers without a rule.
// Method: a server on the simulated network over a fake backend; the table is enumerated, so a new route is tested
// by being there.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>

#include "api/fake_daemon.h"
#include "api/route_table.h"
#include "config/digest.h"
#include "config/load.h"

namespace hale::api {
namespace {

struct Api : ::testing::Test {
    void SetUp() override {
        d.add_service(0, "web", {{"team", "a"}});
        d.add_service(1, "db");
        d.add_instance(0, 0, "web-1", verdict::State::healthy);
        d.add_instance(1, 0, "web-2", verdict::State::unhealthy);
        d.add_instance(2, 1, "db-1", verdict::State::healthy);
        auto routes = std::make_shared<std::vector<catalog::RouteFacts>>();
        config::RouteSpec route{.id = "r-1", .host = "web.example", .service = "web"};
        routes->push_back({route, 77});
        d.put(catalog::RoutesPut{routes});
        d.put(catalog::DeploymentPut{std::make_shared<const config::StoredDeployment>(config::StoredDeployment{.id = "d-0", .service = "old", .json = R"({"id":"d-0"})"})});
        d.backend.shown = {{.host = "web.example", .state = "active", .source = "acme"}};
    }
    Daemon d;
};

// A request of each route that would be right.
struct Sample {
    std::string path, body;
};
Sample sample(const Route& route) {
    std::string path(route.path);
    const std::pair<std::string_view, std::string_view> values[] = {{"{s}", "web"}, {"{i}", "web-1"}, {"{c}", "main"}, {"{check}", "main"}, {"{id}", path.find("deployments") == path.npos ? "r-1" : "d-0"}, {"{name}", "spare"}, {"{service}", "web"}, {"{host}", "web.example"}};
    for (const auto& [name, value] : values)
        if (const auto at = path.find(name); at != std::string::npos) path.replace(at, name.size(), value);
    if (route.queries.find("target") != std::string_view::npos) path += "?target=web";
    const std::pair<std::string_view, std::string_view> bodies[] = {
        {"Override", R"({"state":"down","for":"10m","reason":"why"})"}, {"Weight", R"({"weight":2})"}, {"Token", R"({"name":"n","role":"read"})"},
        {"Instance", R"("10.0.0.9:80")"}, {"Service", R"({"name":"fresh","instances":["10.0.0.9:80"],"check":{"http":"/up"}})"},
        {"NewCheck", R"({"service":"web","check":"port","spec":{"tcp":":5432"}})"}, {"Route", R"({"host":"b.example","path":"/","service":"web"})"}, {"RouteAdd", R"({"host":"c.example","targets":["10.0.0.9:80"]})"}, {"Deploy", R"({"targets":["10.0.0.9:80"]})"}, {"Check", R"({"http":"/up"})"}, {"Command", R"({"command":["ls"]})"}};
    for (const auto& [name, body] : bodies)
        if (route.body == name) {
            std::string text(body);
            if (route.id == "putService") text = R"({"instances":["10.0.0.9:80"],"check":{"http":"/up"}})";
            return {path, text};
        }
    return {path, ""};
}

TEST(Table, V18EveryRouteHasARuleAndNothingMutatesWithoutOne) {
    std::set<std::string> seen, ids;
    for (const Route& route : all_routes()) {
        EXPECT_NE(route.access, Access::unset) << route.path;
        EXPECT_NE(route.handle, nullptr) << route.path;
        if (mutates(route)) { EXPECT_TRUE(route.access == Access::operate || route.access == Access::admin || route.access == Access::heartbeat) << route.path; }
        EXPECT_TRUE(seen.insert(fmt::format("{} {}", wire::method_text(route.method), route.path)).second) << route.path;
        EXPECT_TRUE(ids.insert(std::string(route.id)).second) << route.id;
        EXPECT_FALSE(route.summary.empty());
        // The route is found by its own sample.
        std::string path = sample(route).path;
        EXPECT_EQ(find_route(route.method, std::string_view(path).substr(0, path.find('?'))).route, &route) << path;
    }
}

TEST_F(Api, EveryRouteForEveryRole) {
    const std::pair<std::string_view, guard::Role> roles[] = {{"", guard::Role::none}, {"bad", guard::Role::none}, {"read", guard::Role::read}, {"operate", guard::Role::operate}, {"admin", guard::Role::admin}};
    for (const Route& route : all_routes()) {
        if (route.id == "events") continue;  // Never ends.
        for (const auto& [role, level] : roles) {
            bool allowed = false;
            switch (route.access) {
                case Access::open:
                case Access::metrics: allowed = true; break;
                case Access::read: allowed = level >= guard::Role::read; break;
                case Access::heartbeat:
                case Access::operate: allowed = level >= guard::Role::operate; break;
                case Access::admin: allowed = level >= guard::Role::admin; break;
                case Access::unset: break;
            }
            const Sample s = sample(route);
            const auto before = d.backend.mutations.size();
            const Answer answer = d.ask(wire::method_text(route.method), s.path, role, s.body);
            SCOPED_TRACE(fmt::format("{} {} as '{}': {} {}", wire::method_text(route.method), s.path, role, answer.status, answer.body.substr(0, 300)));
            if (allowed) {
                EXPECT_NE(answer.status, 401);
                EXPECT_NE(answer.status, 404);
                EXPECT_LT(answer.status, 500);
                // What the document declares is what comes.
                if (answer.status < 400) { EXPECT_NE(fmt::format(" {} ", route.statuses).find(fmt::format(" {} ", answer.status)), std::string::npos); }
                const auto type = answer.fields.at("content-type");
                if (type.find("json") != std::string::npos && type != "application/x-ndjson") { EXPECT_TRUE(Json::accept(answer.body)); }
                if (answer.status == 403) { EXPECT_EQ(level, guard::Role::operate); }  // A target outside targets.allow.
            } else {
                EXPECT_EQ(answer.status, level == guard::Role::none ? 401 : 403);
                EXPECT_EQ(answer.fields.at("content-type"), "application/problem+json");
                EXPECT_EQ(answer.fields.contains("www-authenticate"), answer.status == 401);
                EXPECT_TRUE(answer.json().contains("code"));
                EXPECT_EQ(d.backend.mutations.size(), before);
            }
        }
    }
}

TEST_F(Api, DeploymentsAreBegunFollowedAndEnded) {
    const auto begun = d.ask("POST", "/api/v1/services/web:deploy", "operate", R"({"targets":["10.0.0.9:80"],"timeout":"5s"})");
    EXPECT_EQ(begun.status, 202) << begun.body;
    EXPECT_EQ(begun.json().at("deployment"), "d-1");
    EXPECT_EQ(begun.json().at("plan"), (Json{{"id", "d-1"}, {"phase", "requested"}})) << "what it keeps for itself is not shown";
    ASSERT_EQ(d.backend.deployed.size(), 1u);
    EXPECT_EQ(d.backend.deployed[0].verifying, 5s);
    EXPECT_FALSE(d.backend.deployed[0].makes_service || d.backend.deployed[0].makes_route);
    EXPECT_EQ(d.backend.mutations.back().detail, R"({"deployment":"d-1"})") << "in the audit";
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "operate", R"({"targets":["192.168.0.9:80"]})").status, 403) << "targets.allow holds";
    // Containers run what their image holds.
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "operate", R"({"image":"web:2"})").json().at("code"), "image_not_allowed");
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/made", "operate", R"({"check":{"http":"/up"},"deploy":{"image":"web:1"}})").json().at("code"), "image_not_allowed");
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/made", "admin", R"({"check":{"http":"/up"},"deploy":{"image":"web:1"}})").status, 201);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"image":"web:2"})").status, 202);
    EXPECT_EQ(d.backend.deployed.back().overrides, R"({"image":"web:2"})");
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"deploy":{"replicas":2}})").status, 202);
    EXPECT_EQ(d.backend.deployed.back().overrides, R"({"replicas":2})");
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"image":"web:2","deploy":{"replicas":2}})").status, 400);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"targets":["10.0.0.9:80"],"path":"/x"})").status, 400) << "a path is its route's";
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"targets":["10.0.0.9:80"],"timeout":"2h"})").status, 400);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"targets":["nowhere at all"]})").status, 400);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/fresh:deploy", "admin", R"({"targets":["10.0.0.9:80"]})").status, 404);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/fresh:deploy", "admin", R"({"targets":["10.0.0.9:80"],"host":"fresh.example","health_path":"/h","dry_run":true})").status, 200);
    const auto& fresh = d.backend.deployed.back();
    ASSERT_TRUE(fresh.makes_service && fresh.makes_route);
    EXPECT_EQ(std::get<config::HttpCheck>((*fresh.makes_service->spec.checks)[0]->what).path, "/h");
    EXPECT_EQ(fresh.makes_route->spec.host, "fresh.example");
    d.backend.refuse_deployment = Error{Code::conflict, "another one"};
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:deploy", "admin", R"({"targets":["10.0.0.9:80"]})").status, 409);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:rollback", "admin", R"({"to":"7"})").status, 409);
    d.backend.refuse_deployment.reset();
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:rollback", "operate", "{}").json().at("deployment"), "d-2");

    for (const auto& [id, service, number] : std::vector<std::tuple<std::string, std::string, std::uint64_t>>{{"d-a", "web", 1}, {"d-b", "web", 2}, {"d-c", "other", 1}})
        d.put(catalog::DeploymentPut{std::make_shared<const config::StoredDeployment>(
            config::StoredDeployment{.id = id, .service = service, .number = number, .created = Utc(std::chrono::seconds(number)), .json = fmt::format(R"({{"id":"{}","kept":{{}}}})", id)})});
    const auto listed = d.ask("GET", "/api/v1/deployments?service=web").json();
    EXPECT_EQ(listed.at("items"), (Json{{{"id", "d-b"}}, {{"id", "d-a"}}}));
    EXPECT_EQ(d.ask("GET", "/api/v1/deployments").json().at("items").size(), 4u);
    EXPECT_EQ(d.ask("GET", "/api/v1/deployments?limit=1").json().at("items").size(), 1u);
    const auto one = d.ask("GET", "/api/v1/deployments/d-c").json();
    EXPECT_EQ(one.at("id"), "d-c");
    EXPECT_EQ(one.at("revision"), listed.at("revision")) << "to be waited from";
    EXPECT_EQ(d.ask("POST", "/api/v1/deployments/d-c:abort", "operate", "{}").status, 202);
    EXPECT_EQ(d.backend.asked.back().substr(0, 12), "abort d-c by");
    d.put(catalog::DeploymentGone{"d-c"});
    EXPECT_EQ(d.ask("GET", "/api/v1/deployments/d-c").status, 404);
}

TEST_F(Api, ContainersMeetTheVerdictsOfTheirInstances) {
    deploy::ContainerNow runs, kept, foreign;
    runs.container = {.id = "c1", .name = "web-1", .image = "web:2", .image_id = "sha256:1", .started = d.world.utc() - 90s, .state = docker::ContainerState::running, .restart_count = 2,
                      .health = docker::Health{.status = docker::HealthStatus::healthy, .log = {}}, .labels = {{"hale.service", "web"}, {"hale.deployment", "d-0"}}};
    runs.digest = "web@sha256:abc";
    kept.container = {.id = "c2", .name = "web-0", .image = "web:1", .finished = d.world.utc(), .state = docker::ContainerState::exited, .exit_code = 143, .labels = {{"hale.service", "web"}, {"hale.deployment", "d-gone"}}};
    foreign.container = {.id = "c3", .name = "web-2", .state = docker::ContainerState::running, .labels = {{"hale.service", "other"}}};
    d.backend.containers_there = {runs, kept, foreign};
    const auto later = [&](std::string_view phase) {
        d.put(catalog::DeploymentPut{std::make_shared<const config::StoredDeployment>(
            config::StoredDeployment{.id = "d-5", .service = "web", .number = 5, .over = true, .created = {}, .json = fmt::format(R"({{"id":"d-5","phase":"{}"}})", phase)})});
    };
    later("rolled_back");
    EXPECT_EQ(d.ask("GET", "/api/v1/containers?service=web&all=true", "read").json().at("items")[1].at("stopped").at("code"), "terminated") << "nothing took its place";
    later("done");
    const Answer answer = d.ask("GET", "/api/v1/containers?service=web&all=true", "read");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(d.backend.asked.back(), "containers \"web\" all true");
    const Json items = answer.json().at("items");
    EXPECT_EQ(items[0].at("verdict"), "healthy");
    EXPECT_EQ(items[0].at("instance"), "i-000000000000");
    EXPECT_NEAR(items[0].at("uptime").get<double>(), 90.0, 1.0);
    EXPECT_EQ(items[0].at("digest"), "web@sha256:abc");
    EXPECT_EQ(items[0].at("number"), 0);
    EXPECT_TRUE(items[0].at("stopped").is_null() && items[0].at("exit_code").is_null());
    EXPECT_EQ(items[1].at("stopped").at("code"), "by_hale");
    EXPECT_EQ(items[1].at("exit_code"), 143);
    EXPECT_TRUE(items[1].at("number").is_null() && items[1].at("verdict").is_null() && items[1].at("uptime").is_null());
    EXPECT_TRUE(items[2].at("verdict").is_null()) << "an instance of that name is another service's";
    d.backend.containers_there.clear();
    EXPECT_EQ(d.ask("GET", "/api/v1/containers?service=web").status, 200) << "it has none";
    EXPECT_EQ(d.ask("GET", "/api/v1/containers?service=wbe").status, 404);
    d.backend.refuse_by_hand = Error{Code::unavailable, "no engine"};
    EXPECT_EQ(d.ask("GET", "/api/v1/containers").status, 503);
}

TEST_F(Api, ACommandIsInTheAuditBeforeItRunsWithoutItsArguments) {
    d.backend.command_done = {.exit_code = 7, .output = "out\n", .errors = "err\n", .truncated = true};
    const Answer answer = d.ask("POST", "/api/v1/containers/web-1:exec", "admin", R"({"command":["/bin/login","s3cret"],"timeout":"5s"})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json(), (Json{{"container", "web-1"}, {"exit_code", 7}, {"output", "out\n"}, {"errors", "err\n"}, {"truncated", true}}));
    EXPECT_EQ(d.backend.asked.back(), "run /bin/login|s3cret in web-1 within 5s");
    ASSERT_EQ(d.backend.mutations.size(), 1u);
    EXPECT_EQ(d.backend.mutations[0].action, "POST /api/v1/containers/web-1:exec");
    EXPECT_EQ(d.backend.mutations[0].detail, R"({"program":"/bin/login","arguments":1})");
    for (const char* body : {R"({"command":[]})", R"({"command":[""]})", R"({})", R"({"command":["ls"],"timeout":"11m"})", R"({"command":["ls"],"timeout":"0s"})", R"({"command":["ls"],"what":1})"})
        EXPECT_EQ(d.ask("POST", "/api/v1/containers/web-1:exec", "admin", body).status, 400) << body;
    EXPECT_EQ(d.backend.mutations.size(), 1u) << "what can't run is no command";
    EXPECT_EQ(d.ask("POST", "/api/v1/containers/web-1:exec", "operate", R"({"command":["ls"]})").status, 403);
    d.backend.refuse = catalog::MutationFailed{Error{Code::unavailable, "the store is in trouble"}, {}};
    const auto asked = d.backend.asked.size();
    EXPECT_EQ(d.ask("POST", "/api/v1/containers/web-1:exec", "admin", R"({"command":["ls"]})").status, 503);
    EXPECT_EQ(d.backend.asked.size(), asked) << "nothing runs that the audit does not have";
}

TEST_F(Api, InstancesAreStoppedAndStartedByHand) {
    d.backend.hand_done = {.instance = "web-1", .state = "running", .address = "10.0.0.7:80", .moved = true, .eligible = true, .exit_code = 0, .seconds = 1.5};
    const Answer answer = d.ask("POST", "/api/v1/instances/web-1:restart", "operate", R"({"force":true,"timeout":"30s"})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json().at("address"), "10.0.0.7:80");
    EXPECT_EQ(answer.json().at("moved"), true);
    EXPECT_TRUE(d.backend.asked.back().starts_with("restart web-1 of web force true within 30s by ")) << d.backend.asked.back();
    EXPECT_TRUE(std::holds_alternative<catalog::Witness>(d.backend.mutations.back().change)) << "its end is in the audit";
    d.backend.hand_done = {.instance = "web-1", .state = "exited", .address = "", .exit_code = 143};
    const Json stopped = d.ask("POST", "/api/v1/instances/web-1:stop", "operate").json();
    EXPECT_EQ(stopped.at("exit_code"), 143);
    EXPECT_TRUE(stopped.at("address").is_null());
    EXPECT_EQ(d.ask("POST", "/api/v1/instances/web-1:start", "operate", R"({"timeout":"4s"})").status, 400);
    EXPECT_EQ(d.ask("POST", "/api/v1/instances/web-1:start", "operate", R"({"timeout":"2h"})").status, 400);
    d.backend.refuse_by_hand = Error{Code::conflict, "the last one"};
    EXPECT_EQ(d.ask("POST", "/api/v1/instances/web-1:stop", "operate").status, 409);
}

TEST_F(Api, EveryRouteThatNamesSomethingSaysWhenItIsNotThere) {
    for (const Route& route : all_routes()) {
        std::string path(route.path);
        bool named = false;
        for (const std::string_view name : {"{s}", "{i}", "{id}", "{name}", "{service}", "{host}"})
            if (const auto at = path.find(name); at != std::string::npos) path.replace(at, name.size(), "nothing"), named = true;
        for (const std::string_view name : {"{c}", "{check}"})
            if (const auto at = path.find(name); at != std::string::npos) path.replace(at, name.size(), "main");
        if (!named || route.id == "putService" || route.id == "putRoute") continue;
        const Answer answer = d.ask(wire::method_text(route.method), path, "admin", sample(route).body);
        EXPECT_EQ(answer.status, 404) << path << answer.body;
        EXPECT_EQ(answer.json().at("code"), "not_found") << path;
    }
}

TEST_F(Api, OpenApiHoldsExactlyTheTable) {
    const Json document = d.ask("GET", "/openapi.json").json();
    EXPECT_EQ(document.at("openapi"), "3.1.0");
    std::size_t operations = 0;
    for (const auto& [path, methods] : document.at("paths").items()) operations += methods.size();
    EXPECT_EQ(operations, all_routes().size());
    for (const Route& route : all_routes()) {
        std::string method(wire::method_text(route.method));
        for (char& c : method) c = static_cast<char>(c | 0x20);
        const auto& operation = document.at("paths").at(std::string(route.path)).at(method);
        EXPECT_EQ(operation.at("x-hale-role"), to_text(route.access));
        std::string statuses;
        for (const auto& [status, answer] : operation.at("responses").items())
            if (status != "default") statuses += (statuses.empty() ? "" : " ") + status;
        EXPECT_EQ(statuses, route.statuses);
        std::set<std::string> headers;
        for (const auto& parameter : operation.at("parameters"))
            if (parameter.at("in") == "header") headers.insert(parameter.at("name"));
        EXPECT_EQ(headers.contains("Idempotency-Key"), takes_key(route)) << route.path;
        EXPECT_EQ(headers.contains("If-Match"), takes_match(route)) << route.path;
        for (const auto* name : {&route.body, &route.answer})
            if (!name->empty()) { EXPECT_TRUE(document.at("components").at("schemas").contains(std::string(*name))) << *name; }
    }
}

TEST_F(Api, WrongMethodsPathsHostsAndOrigins) {
    const Answer wrong = d.ask("PATCH", "/api/v1/services/web");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.fields.at("allow"), "GET, PUT, DELETE");
    EXPECT_EQ(d.ask("GET", "/api/v1/nothing").status, 404);
    EXPECT_EQ(d.ask("GET", "/api/v1/services?limit=x%").status, 400);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "admin", "", "Origin: http://evil.example\r\n").status, 403);
    EXPECT_TRUE(d.backend.mutations.empty());
    Client client(d.world, d.network.net("hale", d.world.loop()), d.admin);
    client.send("GET /live HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    EXPECT_EQ(client.next().status, 421);
}

// The declared names are those of the document in force: what a reload takes away is refused from then on.
TEST_F(Api, HostNamesOfTheAdminListenerFollowTheDocument) {
    const auto asked = [&](std::string_view host) {
        Client client(d.world, d.network.net("hale", d.world.loop()), d.admin);
        client.send(fmt::format("GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", host));
        return client.next().status;
    };
    const auto declare = [&](std::vector<std::string> hosts) {
        auto document = std::make_shared<config::Document>();
        document->settings.admin_hosts = std::move(hosts);
        d.put(catalog::DocumentPut{document, {.ok = true, .at = d.world.utc(), .source = "hale.yml"}});
    };
    EXPECT_EQ(asked("hale.example"), 421);
    declare({"hale.example"});
    EXPECT_EQ(asked("hale.example"), 200);
    declare({"other.example"});
    EXPECT_EQ(asked("hale.example"), 421);
    EXPECT_EQ(asked("other.example"), 200);
}

TEST_F(Api, TheVerdictOfAnInstanceIsAsThePageSays) {
    Daemon e;
    e.add_service(0, "web");
    e.add_instance(0, 0, "web-1", verdict::State::unhealthy);
    const Utc at = *parse_rfc3339("2026-11-21T14:20:23.9Z");
    auto record = std::make_shared<catalog::InstanceRecord>();
    record->word = {.state = verdict::State::unhealthy, .generation = 7, .version = 1842};
    record->reason = verdict::Reason::connect_refused;
    record->text = "GET http://172.23.0.4:3000/api/health: connect refused after 0.4 ms";
    record->decided_by = "main";
    record->since = *parse_rfc3339("2026-11-21T14:18:21.1Z");
    record->checks.push_back({.name = "main", .state = verdict::State::unhealthy, .run_outcome = verdict::Outcome::fail, .run_length = 3, .run_needed = 3});
    e.put(catalog::VerdictPut{0, record, false, 6});
    const std::uint64_t revision = e.backend.revision;
    catalog::Seen seen{.check = 0, .outcome = verdict::Outcome::fail, .reason = verdict::Reason::connect_refused, .phase = verdict::Phase::connect, .vehicle = verdict::Vehicle::pooled,
                       .counted = true, .run_length = 28, .run_needed = 3, .run_outcome = verdict::Outcome::fail, .at = at, .next_probe = at + 5s};
    seen.timings = {.dns = 0ns, .connect = 400us, .total = 400us};
    e.tell({.revision = 0, .at = at, .what = catalog::SeenPut{0, seen}});
    e.world.step_wall(at + 2100ms - e.world.utc());
    Json got = e.ask("GET", "/api/v1/instances/web-1/verdict").json();
    EXPECT_NEAR(got.at("age").get<double>(), 2.1, 0.1);
    got.erase("age");
    for (const auto* more : {"weight", "owner", "routed"}) got.erase(more);
    got.at("last_probe").erase("trigger");
    EXPECT_EQ(got, Json::parse(fmt::format(R"({{"id":"i-000000000000","service":"web","instance":"web-1","address":"10.0.0.0:3000","resolved":"10.0.0.0:3000","generation":7,
 "state":"unhealthy","lifecycle":"serving","flags":[],"eligible":false,"held":false,"version":1842,"revision":{},
 "since":"2026-11-21T14:18:21.100Z","observed_at":"2026-11-21T14:20:23.900Z",
 "reason":{{"code":"connect_refused","text":"GET http://172.23.0.4:3000/api/health: connect refused after 0.4 ms","retryable":true}},
 "checks":{{"main":{{"state":"unhealthy","critical":true,"run":{{"outcome":"fail","length":28,"needed":3}}}}}},
 "override":null,
 "last_probe":{{"check":"main","at":"2026-11-21T14:20:23.900Z","outcome":"fail","code":"connect_refused","phase":"connect",
               "seconds":{{"dns":0,"connect":0.0004,"total":0.0004}},"from":"host-a/checker-0","connection":"pooled"}},
 "next_probe":"2026-11-21T14:20:28.900Z"}})", revision))) << got.dump(1);
}

TEST_F(Api, ListsFilterAndGoOnWhateverVanishes) {
    const Json all = d.ask("GET", "/api/v1/verdicts").json();
    EXPECT_EQ(all.at("items").size(), 3u);
    EXPECT_TRUE(all.at("next").is_null());
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?unhealthy").json().at("items").size(), 1u);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?service=db").json().at("items").size(), 1u);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?selector=team%3Da").json().at("items").size(), 2u);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?state=pending,unknown").json().at("items").size(), 0u);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?state=well").status, 400);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?limit=1001").status, 400);
    const Json first = d.ask("GET", "/api/v1/verdicts?limit=1").json();
    EXPECT_EQ(first.at("items")[0].at("instance"), "web-1");
    d.put(catalog::InstanceGone{0});
    d.put(catalog::InstanceGone{1});
    const Json second = d.ask("GET", fmt::format("/api/v1/verdicts?limit=1&cursor={}", first.at("next").get<std::string>())).json();
    EXPECT_EQ(second.at("items")[0].at("instance"), "db-1");
    const Json services = d.ask("GET", "/api/v1/services?limit=1").json();
    EXPECT_EQ(services.at("items")[0].at("service"), "db");
    EXPECT_EQ(d.ask("GET", fmt::format("/api/v1/services?cursor={}", services.at("next").get<std::string>())).json().at("items")[0].at("service"), "web");
}

TEST_F(Api, OverridesReachTheBackendWithTheirAuthor) {
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/web/override", "operate", R"({"state":"down"})").json().at("errors")[0].at("pointer"), "/reason");
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/web/override", "operate", R"({"state":"off","reason":"x"})").status, 400);
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/web/override", "operate", R"({"state":"down","reason":"x","fro":"1h"})").status, 400);
    EXPECT_EQ(d.ask("PUT", "/api/v1/services/web/override", "operate", "{").status, 400);
    EXPECT_TRUE(d.backend.mutations.empty());
    const Answer done = d.ask("PUT", "/api/v1/instances/web-1/override", "operate", R"({"state":"maintenance","for":"2h","reason":"disk"})");
    EXPECT_EQ(done.status, 200) << done.body;
    ASSERT_EQ(d.backend.mutations.size(), 1u);
    const auto& mutation = d.backend.mutations[0];
    EXPECT_EQ(mutation.actor, "operateer");
    EXPECT_EQ(mutation.action, "PUT /api/v1/instances/web-1/override");
    const auto& set = std::get<catalog::SetOverride>(mutation.change);
    EXPECT_EQ(set.instance, "i-000000000000");
    EXPECT_EQ(set.lasts, 2h);
    EXPECT_EQ(done.json().at("revision"), d.backend.revision);
    EXPECT_EQ(done.fields.at("etag"), fmt::format("\"{}\"", d.backend.revision));
}

// 99999d is a duration, but now + 99999d is no time.
TEST_F(Api, DurationsThatNobodyMeansAreRefusedBeforeTheyAreAdded) {
    for (const std::string_view lasts : {R"("99999d")", R"("106751d")", "1e9", "1e300", R"("3661d")"}) {
        for (const auto& [method, target, body] : {std::tuple{"PUT", "/api/v1/services/web/override", R"({{"state":"down","reason":"t","for":{}}})"},
                                                   std::tuple{"POST", "/api/v1/tokens", R"({{"name":"far","role":"read","for":{}}})"}}) {
            const Answer answer = d.ask(method, target, "admin", fmt::format(fmt::runtime(body), lasts));
            EXPECT_EQ(answer.status, 422) << answer.body;
            EXPECT_EQ(answer.json().at("detail"), "/for: is too long; allowed: at most 10 years (3660d)");
        }
        EXPECT_EQ(d.ask("POST", "/api/v1/services/web:check?max_age=106751d").status, 200);
    }
    EXPECT_TRUE(d.backend.mutations.empty());
    EXPECT_EQ(d.ask("POST", "/api/v1/tokens", "admin", R"({"name":"far","role":"read","for":"3660d"})").status, 201);
}

TEST_F(Api, AnOverrideIsAnsweredAsItIsStored) {
    const Json answer = d.ask("PUT", "/api/v1/services/web/override", "operate", R"({"state":"down","for":"10m","reason":"why"})").json().at("override");
    const auto& set = std::get<catalog::SetOverride>(d.backend.mutations.back().change);
    EXPECT_EQ(answer.at("created"), rfc3339(set.created));
    EXPECT_EQ(answer.at("expires"), rfc3339(set.created + 10min));
    EXPECT_EQ(*parse_rfc3339(answer.at("expires").get<std::string>()) - *parse_rfc3339(answer.at("created").get<std::string>()), 10min);
}

TEST_F(Api, AnObjectsEtagIsItsLastMutation) {
    auto facts = std::make_shared<catalog::InstanceFacts>();
    facts->slot = 0;
    facts->id = "i-000000000000";
    facts->service = "web";
    facts->name = "web-1";
    facts->checks = d.checks;
    facts->revision = 41;
    d.put(catalog::InstancePut{facts});
    d.judge(0, verdict::State::unhealthy, 2);
    const Answer object = d.ask("GET", "/api/v1/instances/web-1");
    EXPECT_EQ(object.fields.at("etag"), "\"41\"");
    EXPECT_EQ(d.ask("GET", "/api/v1/instances/web-1/verdict").fields.at("etag"), fmt::format("\"{}\"", d.backend.revision));
    EXPECT_EQ(d.ask("GET", "/api/v1/instances/web-1", "read", "", "If-None-Match: \"41\"\r\n").status, 200);  // Its verdict may have changed.
    d.ask("PUT", "/api/v1/instances/web-1", "admin", R"({"weight":2})", fmt::format("If-Match: {}\r\n", object.fields.at("etag")));
    EXPECT_EQ(d.backend.mutations.back().if_match, 41u);
}

TEST_F(Api, ChecksAreObjectsLikeTheOthers) {
    const Answer one = d.ask("GET", "/api/v1/services/web/checks/main", "read");
    EXPECT_EQ(one.status, 200) << one.body;
    EXPECT_EQ(one.json().at("owner"), "file");
    EXPECT_EQ(one.fields.at("etag"), fmt::format("\"{}\"", one.json().at("revision").get<std::uint64_t>()));
    EXPECT_EQ(d.ask("GET", "/api/v1/services/web/checks/none", "read").status, 404);
    EXPECT_EQ(d.ask("GET", "/api/v1/checks?service=web").json().at("items")[0], one.json());
    const std::string_view body = R"({"service":"web","check":"port","spec":{"tcp":":5432"}})";
    const Answer made = d.ask("POST", "/api/v1/checks", "operate", body, "Idempotency-Key: c\r\n");
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.json().at("check"), "web/port");
    const auto& put = std::get<catalog::PutApiCheck>(d.backend.mutations.back().change);
    EXPECT_EQ(put.spec->name, "port");
    EXPECT_EQ(put.json, R"({"tcp":":5432"})");
    EXPECT_EQ(d.ask("POST", "/api/v1/checks", "operate", R"({"service":"web","check":"main","spec":{"tcp":""}})").status, 409);
    EXPECT_EQ(d.ask("POST", "/api/v1/checks", "operate", R"({"service":"no","check":"main","spec":{"tcp":""}})").status, 404);
    EXPECT_EQ(d.ask("POST", "/api/v1/checks", "operate", R"({"service":"web","check":"b"})").json().at("errors")[0].at("pointer"), "/spec");
}

TEST_F(Api, RefusalsHaveTheirStatus) {
    const struct { Error error; std::string_view fields; int status; std::string_view code; } cases[] = {
        {{Code::conflict, "owned by the file"}, "", 409, "conflict"}, {{Code::conflict, "owned by the file"}, "If-Match: \"3\"\r\n", 409, "conflict"},
        {{Code::outdated, "moved on"}, "If-Match: \"3\"\r\n", 412, "precondition_failed"},
        {{Code::unavailable, "store"}, "", 503, "unavailable"},       {{Code::not_found, "no"}, "", 404, "not_found"},
        {{Code::invalid, "no"}, "", 400, "invalid"}};
    for (const auto& one : cases) {
        d.backend.refuse = catalog::MutationFailed{one.error, {}};
        const Answer answer = d.ask("POST", "/api/v1/services/web:drain", "admin", "", one.fields);
        EXPECT_EQ(answer.status, one.status);
        EXPECT_EQ(answer.json().at("code"), one.code);
        EXPECT_EQ(answer.fields.contains("retry-after"), one.status == 503);
    }
    d.backend.refuse = catalog::MutationFailed{{Code::conflict, "one\ntwo\n"}, {}};  // Lists of problems end so.
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain").json().at("detail"), "one\ntwo");
    d.backend.refuse = catalog::MutationFailed{{Code::timed_out, "late"}, 4711};
    const Answer late = d.ask("POST", "/api/v1/services/web:drain");
    EXPECT_EQ(late.status, 500);
    EXPECT_EQ(late.json().at("code"), "adoption_timeout");
    EXPECT_EQ(late.json().at("revision"), 4711);
    d.backend.refuse.reset();
    d.ask("POST", "/api/v1/services/web:drain", "admin", "", "If-Match: \"77\"\r\n");
    EXPECT_EQ(d.backend.mutations.back().if_match, 77u);
}

TEST_F(Api, AnIdempotencyKeyIsCarriedOutOnce) {
    const std::string_view key = "Idempotency-Key: k1\r\n";
    const Answer first = d.ask("POST", "/api/v1/services/web:drain", "admin", "", key);
    EXPECT_EQ(first.status, 200);
    const Answer again = d.ask("POST", "/api/v1/services/web:drain", "admin", "", key);
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.fields.at("idempotent-replayed"), "true");
    EXPECT_EQ(again.json(), first.json());
    EXPECT_EQ(again.fields.at("etag"), first.fields.at("etag"));
    EXPECT_EQ(d.backend.mutations.size(), 1u);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:resume", "admin", "", key).status, 422);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "operate", "", key).status, 200);  // Another actor's key.
    EXPECT_EQ(d.backend.mutations.size(), 2u);
    d.world.step_wall(24h);
    d.ask("POST", "/api/v1/services/web:drain", "admin", "", key);
    EXPECT_EQ(d.backend.mutations.size(), 3u);
    // A token's secret is shown once and stored nowhere.
    const Answer token = d.ask("POST", "/api/v1/tokens", "admin", R"({"name":"ci","role":"operate","for":"1h"})", "Idempotency-Key: k2\r\n");
    EXPECT_EQ(token.status, 201);
    const std::string secret = token.json().at("secret");
    EXPECT_EQ(d.backend.kept.at("k2 adminer").body.find(secret), std::string::npos);
    d.secrets["ci"] = secret;
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "ci").status, 200);
    d.world.step_wall(1h);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "ci").status, 401);
    EXPECT_EQ(d.ask("DELETE", "/api/v1/tokens/ci").status, 200);
}

// The object that the first request made is there when the second comes: that is no conflict.
TEST_F(Api, RepeatingWhatMadeAnObjectIsAnsweredAsTheFirstTime) {
    const auto twice = [&](std::string_view target, std::string_view body, const auto& between) {
        const std::string key = fmt::format("Idempotency-Key: {}\r\n", target);
        const Answer first = d.ask("POST", target, "admin", body, key);
        EXPECT_LT(first.status, 300) << target << first.body;
        const auto mutations = d.backend.mutations.size(), asked = d.backend.asked.size();
        between();
        const Answer again = d.ask("POST", target, "admin", body, key);
        EXPECT_EQ(again.status, first.status) << again.body;
        EXPECT_EQ(again.fields.at("idempotent-replayed"), "true");
        EXPECT_EQ(again.fields.at("etag"), first.fields.at("etag"));
        Json was = first.json();
        was.erase("secret");
        was.erase("warnings");
        EXPECT_EQ(again.json(), was) << target;
        EXPECT_EQ(d.backend.mutations.size(), mutations);
        EXPECT_EQ(d.backend.asked.size(), asked);
    };
    twice("/api/v1/services", R"({"name":"fresh","instances":["10.0.0.9:80"],"check":{"http":"/up"}})", [&] { d.add_service(2, "fresh"); });
    twice("/api/v1/tokens", R"({"name":"ci","role":"read"})", [] {});
    twice("/api/v1/config:reload", "", [] {});
    d.backend.made_id = "i-000000000007";
    twice("/api/v1/services/fresh/instances", R"({"name":"fresh-9","address":"10.0.0.8:80"})", [&] { d.add_instance(7, 2, "fresh-9", verdict::State::pending); });
    // A refused one is asked again, and its key is free at once.
    d.backend.refuse = catalog::MutationFailed{{Code::unavailable, "store"}, {}};
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "admin", "", "Idempotency-Key: r\r\n").status, 503);
    d.backend.refuse.reset();
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:drain", "admin", "", "Idempotency-Key: r\r\n").status, 200);
    // While the first is under way its key is taken.
    Client early(d.world, d.network.net("hale", d.world.loop()), d.admin), late(d.world, d.network.net("hale", d.world.loop()), d.admin);
    const std::string head = d.head("POST", "/api/v1/services/web:drain", "admin", "", "Idempotency-Key: both\r\n");
    d.backend.hold = true;
    early.send(head);
    d.world.run_for(50ms);
    late.send(head);
    EXPECT_EQ(late.next().status, 409);
    ASSERT_EQ(d.backend.held.size(), 1u);
    d.backend.held.front()();
    EXPECT_EQ(early.next().status, 200);
    late.send(head);
    EXPECT_EQ(late.next().fields.at("idempotent-replayed"), "true");
}

TEST_F(Api, LongPollsAnswerWhenTheObjectChanged) {
    const Json now = d.ask("GET", "/api/v1/instances/web-1/verdict").json();
    Client client(d.world, d.network.net("hale", d.world.loop()), d.admin);
    client.send(d.head("GET", fmt::format("/api/v1/instances/web-1/verdict?wait=30s&revision={}", now.at("revision").get<std::uint64_t>()), "read", "", ""));
    d.world.run_for(5s);
    EXPECT_TRUE(client.got.empty());
    d.judge(1, verdict::State::healthy, 2);  // Another one.
    d.world.run_for(1s);
    EXPECT_TRUE(client.got.empty());
    d.judge(0, verdict::State::unhealthy, 2);
    const Answer answer = client.next();
    EXPECT_EQ(answer.json().at("state"), "unhealthy");
    const std::string tag = answer.fields.at("etag");
    EXPECT_EQ(d.ask("GET", "/api/v1/instances/web-1/verdict", "read", "", fmt::format("If-None-Match: {}\r\n", tag)).status, 304);
    client.send(d.head("GET", "/api/v1/instances/web-1/verdict?wait=2s", "read", "", fmt::format("If-None-Match: {}\r\n", tag)));
    d.world.run_for(1900ms);
    EXPECT_TRUE(client.got.empty());
    EXPECT_EQ(client.next().status, 304);
    EXPECT_EQ(d.ask("GET", "/api/v1/verdicts?wait=1s").status, 400);
}

TEST_F(Api, OperateAddsTargetsOnlyWhereAllowed) {
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web/instances", "operate", R"("10.0.0.9:80")").status, 201);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web/instances", "operate", R"("192.168.0.9:80")").status, 403);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web/instances", "operate", R"("internal.example:80")").status, 403);
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web/instances", "admin", R"("internal.example:80")").status, 201);
    const Answer added = d.ask("POST", "/api/v1/routes:add", "admin", R"({"host":"new.example","targets":["10.0.0.9:80","10.0.0.8:80"]})");
    EXPECT_EQ(added.status, 201) << added.body;
    const auto& change = std::get<catalog::AddRoute>(d.backend.mutations.back().change);
    ASSERT_TRUE(change.service.has_value());
    EXPECT_EQ(change.service->spec.name, "new.example");
    EXPECT_EQ(std::get<config::HttpCheck>((*change.service->spec.checks)[0]->what).path, "/up");
    EXPECT_EQ(change.instances.size(), 2u);
    EXPECT_NE(change.instances[0].spec.name, change.instances[1].spec.name);
    EXPECT_EQ(change.route.spec.host, "new.example");
    const Answer broken = d.ask("PUT", "/api/v1/services/x1", "admin", R"({"instances":["10.0.0.9:80"],"chek":{}})");
    EXPECT_EQ(broken.status, 400);
    EXPECT_FALSE(broken.json().at("errors").empty()) << broken.body;
}

TEST_F(Api, AddingARouteAgainKeepsWhatIsNotSaid) {
    auto routes = std::make_shared<std::vector<catalog::RouteFacts>>();
    routes->push_back({{.id = config::route_id("web.example", "/"), .host = "web.example", .strip = true, .service = "web", .project = "luma"}, 77});
    d.put(catalog::RoutesPut{routes});
    EXPECT_EQ(d.ask("POST", "/api/v1/routes:add", "admin", R"({"host":"Web.example","service":"web","targets":["10.0.0.9:80"]})").status, 201);
    const auto kept = std::get<catalog::AddRoute>(d.backend.mutations.back().change).route;
    EXPECT_EQ(kept.spec.project, "luma");
    EXPECT_TRUE(kept.spec.strip);
    EXPECT_EQ(Json::parse(kept.json).at("project"), "luma");
    d.ask("POST", "/api/v1/routes:add", "admin", R"({"host":"web.example","service":"web","targets":["10.0.0.9:80"],"project":"","strip":false})");
    const auto said = std::get<catalog::AddRoute>(d.backend.mutations.back().change).route;
    EXPECT_EQ(said.spec.project, "");
    EXPECT_FALSE(said.spec.strip);
}

// A host can get TLS where its service, whoever owns it, says nothing of that, and keeps what it was told.
TEST_F(Api, AddingARouteSaysItsOwnTls) {
    const config::SaidTls pinned{true, std::make_shared<const config::RouteTls>(config::RouteTls{.redirect = 301})};
    auto routes = std::make_shared<std::vector<catalog::RouteFacts>>();
    routes->push_back({{.id = config::route_id("old.example", "/"), .host = "old.example", .service = "web", .tls = pinned}, 77});
    d.put(catalog::RoutesPut{routes});
    const auto route = [&](std::string_view host, std::string_view service, std::string_view more) {
        EXPECT_EQ(d.ask("POST", "/api/v1/routes:add", "admin", fmt::format(R"({{"host":"{}","service":"{}","targets":["10.0.0.9:80"]{}}})", host, service, more)).status, 201);
        const auto& put = std::get<catalog::AddRoute>(d.backend.mutations.back().change).route;
        const auto stored = config::load_route(put.json, config::Document{});
        EXPECT_TRUE(stored && stored->tls == put.spec.tls) << put.json;
        return put.spec.tls;
    };
    EXPECT_EQ(route("new.example", "web", ""), config::SaidTls{});
    EXPECT_EQ(route("new.example", "web", R"(,"tls":true)"), (config::SaidTls{true, std::make_shared<const config::RouteTls>()}));
    EXPECT_EQ(route("old.example", "web", ""), pinned);
    EXPECT_EQ(route("old.example", "web", R"(,"tls":true)"), pinned);
    EXPECT_EQ(route("old.example", "web", R"(,"tls":false)"), (config::SaidTls{true, nullptr}));
    EXPECT_EQ(route("fresh.example", "fresh", R"(,"tls":true)"), config::SaidTls{}) << "the service that is made says it";
}

// Every instance is asked, in whatever order one of them is dead.
TEST_F(Api, AProbedServiceIsAsItsWorstInstance) {
    const auto answered = [&](std::string_view check, verdict::Outcome outcome) {
        verdict::Observation seen = d.backend.seen;
        seen.outcome = outcome;
        return catalog::ProbeAnswer{std::string(check), seen, false};
    };
    const auto success = [&](std::string_view target) {
        const Answer answer = d.ask("GET", fmt::format("/probe?target={}", target), "read");
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.body.find("\nprobe_success 1\n") != std::string::npos;
    };
    using verdict::Outcome;
    EXPECT_TRUE(success("web"));
    for (const std::string_view dead : {"i-000000000000", "i-000000000001"}) {
        d.backend.seen_of = {{std::string(dead), {answered("main", Outcome::fail)}}};
        EXPECT_FALSE(success("web")) << dead;
        EXPECT_EQ(success("web-1"), dead != "i-000000000000");
    }
    // An advisory check warns; asked for by name, it is the question.
    config::CheckSpec advisory;
    advisory.name = "disk";
    advisory.what = config::TcpCheck{};
    advisory.critical = false;
    auto checks = std::make_shared<config::CheckList>(*d.checks);
    checks->push_back(std::make_shared<const config::CheckSpec>(advisory));
    d.checks = checks;
    d.add_instance(0, 0, "web-1", verdict::State::healthy);
    d.backend.seen_of = {{"i-000000000000", {answered("main", Outcome::pass), answered("disk", Outcome::fail)}}};
    EXPECT_TRUE(success("web"));
    d.backend.seen_of = {{"i-000000000000", {answered("disk", Outcome::fail)}}};
    EXPECT_FALSE(success("web&module=disk"));
    d.backend.seen_of = {{"i-000000000000", {answered("main", Outcome::fail), answered("disk", Outcome::pass)}}};
    EXPECT_FALSE(success("web"));
}

TEST_F(Api, CertificatesAreListedShownAndRenewed) {
    d.backend.shown = {{.host = "a.example", .state = "failed", .reason = "the authority said \"no\"", .source = "acme", .authority = "https://ca.example/dir", .next_attempt = Utc{1'795'270'000s}, .failures = 2},
                       {.host = "b.example", .state = "active", .source = "/etc/b.pem", .not_before = Utc{1'795'000'000s}, .not_after = Utc{1'800'000'000s}, .issuer = "CN=One", .fingerprint = "ab"}};
    const Json all = d.ask("GET", "/api/v1/certificates").json();
    ASSERT_EQ(all["items"].size(), 2u);
    EXPECT_EQ(all["items"][0]["reason"], "the authority said \"no\"");
    EXPECT_EQ(all["items"][0]["not_after"], nullptr);
    EXPECT_EQ(all["items"][1]["source"], "/etc/b.pem");
    EXPECT_EQ(all["items"][1]["authority"], nullptr);
    EXPECT_EQ(d.ask("GET", "/api/v1/certificates?state=active").json()["items"].size(), 1u);
    EXPECT_EQ(d.ask("GET", "/api/v1/certificates?state=odd").status, 400);
    EXPECT_EQ(d.ask("GET", "/api/v1/certificates/B.example").json()["issuer"], "CN=One");
    EXPECT_EQ(d.ask("POST", "/api/v1/certificates/a.example:renew").status, 202);
    EXPECT_EQ(d.backend.asked, std::vector<std::string>{"renew a.example"});
    // Who asked is in the audit; what was refused changed nothing and is not.
    EXPECT_EQ(d.ask("POST", "/api/v1/certificates/nowhere.example:renew").status, 404);
    ASSERT_EQ(d.backend.mutations.size(), 1u);
    const catalog::Mutation& witnessed = d.backend.mutations.front();
    EXPECT_TRUE(std::holds_alternative<catalog::Witness>(witnessed.change));
    EXPECT_FALSE(witnessed.actor.empty());
    EXPECT_EQ(witnessed.action, "POST /api/v1/certificates/a.example:renew");
    EXPECT_EQ(witnessed.object, "a.example");
    EXPECT_EQ(witnessed.detail, R"({"outcome":"accepted"})");
}

TEST_F(Api, ProbesAreAskedOfTheBackend) {
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:verify?timeout=5s").json().at("end"), "eligible");
    EXPECT_EQ(d.backend.asked.back(), "verify web 5s");
    EXPECT_EQ(d.ask("POST", "/api/v1/verify?target=web.example").status, 200);
    EXPECT_EQ(d.backend.asked.back(), "verify web 30s");
    const Json checked = d.ask("POST", "/api/v1/services/web:check?max_age=300").json();
    EXPECT_EQ(checked.at("results").size(), 2u);
    EXPECT_EQ(checked.at("outcome"), "pass");
    EXPECT_EQ(d.backend.asked.back(), "probe i-000000000001  5m");
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web/heartbeat/job", "operate", R"({"outcome":"warn","text":"slow"})").status, 202);
    EXPECT_EQ(d.backend.asked.back(), "heartbeat web job warn slow");
    const Answer probed = d.ask("GET", "/probe?target=web-1", "read");
    EXPECT_NE(probed.body.find("\nprobe_success 1\n"), std::string::npos) << probed.body;
    EXPECT_EQ(d.ask("GET", "/probe?target=169.254.169.254:80", "admin").status, 403);
    EXPECT_EQ(d.ask("GET", "/probe?target=10.9.9.9:80", "read").status, 200);
    EXPECT_EQ(d.backend.asked.back(), "target 10.9.9.9:80");
}

TEST_F(Api, MetricsAreTextWithOneTypePerFamily) {
    const Answer answer = d.ask("GET", "/metrics", "");
    std::set<std::string> types;
    std::string family;
    for (std::size_t at = 0; at < answer.body.size();) {
        const auto end = answer.body.find('\n', at);
        const std::string line = answer.body.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("# TYPE ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            EXPECT_TRUE(types.insert(family).second) << line;
        } else if (!line.starts_with('#')) {
            EXPECT_TRUE(line.starts_with(family)) << line << " under " << family;
        }
    }
    for (const std::string_view line : {"hale_verdict{service=\"web\",instance=\"web-2\",state=\"unhealthy\"} 1\n", "hale_requests_total{service=\"web\",code_class=\"2xx\",source=\"upstream\"} 7\n",
                                        "hale_requests_total{service=\"web\",code_class=\"5xx\",source=\"hale\"} 2\n", "hale_config_last_reload_successful 1\n", "hale_build_info{version=\"1.2.3\"} 1\n",
                                        "hale_request_duration_seconds_count{service=\"web\"} 1\n", "hale_probes_in_flight{checker=\"0\"} 3\n"})
        EXPECT_NE(answer.body.find(line), std::string::npos) << line;
    d.put(catalog::InstanceGone{1});
    EXPECT_EQ(d.ask("GET", "/metrics", "").body.find("web-2"), std::string::npos);
}

TEST_F(Api, HealthInEveryShapeAndAliases) {
    EXPECT_EQ(d.ask("GET", "/live", "").json().at("status"), "pass");
    EXPECT_EQ(d.ask("GET", "/health?detailed=true", "").status, 401);
    EXPECT_TRUE(d.ask("GET", "/health?detailed=true", "read").json().contains("checks"));
    EXPECT_FALSE(d.ask("GET", "/health", "").json().contains("checks"));
    EXPECT_EQ(d.ask("GET", "/health/web?format=spring").json().at("status"), "UP");
    EXPECT_EQ(d.ask("GET", "/health/web?format=nagios").body, "OK - web healthy: 1 of 1 eligible\n");
    EXPECT_EQ(d.ask("GET", "/health/web?format=nonsense").status, 400);
    catalog::ServiceStanding down{.state = verdict::State::unhealthy, .reason = verdict::Reason::connect_refused};
    d.put(catalog::StandingPut{0, down});
    const Answer fails = d.ask("GET", "/health/web");
    EXPECT_EQ(fails.status, 503);
    EXPECT_TRUE(fails.fields.contains("retry-after"));
    EXPECT_EQ(fails.json().at("status"), "fail");
    const Answer alias = d.ask("GET", "/api/proxy/web/status", "read");
    EXPECT_EQ(alias.status, 503);
    EXPECT_EQ(alias.json(), Json::parse(R"({"svc":"web","ok":false,"why":"connect_refused"})"));
    EXPECT_EQ(d.ask("GET", "/api/proxy/web/status", "").status, 401);
    EXPECT_EQ(d.ask("GET", "/up", "").body, "OK\n");  // As on the public listener.
    d.own.ready = false;
    EXPECT_EQ(d.ask("GET", "/ready", "").status, 503);
    EXPECT_EQ(d.ask("GET", "/live", "").status, 200);
    // The dedicated listener: health, and nothing else.
    for (const auto& [target, status] : {std::pair{"/live", 200}, std::pair{"/health/web", 503}, std::pair{"/api/v1/services", 404}, std::pair{"/metrics", 404}}) {
        Client client(d.world, d.network.net("hale", d.world.loop()), d.health);
        client.send(fmt::format("GET {} HTTP/1.1\r\nHost: anything.example\r\n\r\n", target));
        EXPECT_EQ(client.next().status, status) << target;
    }
}

TEST_F(Api, AliasesAnswerAsTheyAreDeclared) {
    auto document = std::make_shared<config::Document>();
    document->aliases.push_back({.method = "POST", .path = "/fine", .action = "service_health", .service = "web", .shape = "template", .body = "{{state}}",
                                 .content_type = "text/x-state", .ok_status = 209, .fail_status = 418});
    d.put(catalog::DocumentPut{document, {.ok = true, .at = d.world.utc(), .source = "hale.yml"}});
    const Answer good = d.ask("POST", "/fine", "read");
    EXPECT_EQ(good.status, 209);
    EXPECT_EQ(good.body, "healthy");
    EXPECT_EQ(good.fields.at("content-type"), "text/x-state");
    EXPECT_EQ(d.ask("PUT", "/fine", "read").status, 404);
    d.put(catalog::StandingPut{0, {.state = verdict::State::unhealthy, .reason = verdict::Reason::connect_refused}});
    EXPECT_EQ(d.ask("POST", "/fine", "read").status, 418);
}

// A heartbeat's own token tells that heartbeat and nothing else.
TEST_F(Api, AHeartbeatHasATokenOfItsOwn) {
    config::CheckSpec job;
    job.name = "job";
    job.what = config::HeartbeatCheck{.every = 1h, .token_hash = config::sha256_hex("beat-it")};
    d.checks = std::make_shared<const config::CheckList>(config::CheckList{std::make_shared<const config::CheckSpec>(job)});
    d.add_service(7, "nightly");
    const auto tell = [&](std::string_view target, std::string_view token) {
        return d.ask("POST", target, "", R"({"outcome":"pass"})", fmt::format("Authorization: Bearer {}\r\n", token)).status;
    };
    EXPECT_EQ(tell("/api/v1/services/nightly/heartbeat/job", "beat-it"), 202);
    EXPECT_EQ(tell("/api/v1/services/nightly/heartbeat/job", "beat-him"), 401);
    EXPECT_EQ(tell("/api/v1/services/web/heartbeat/job", "beat-it"), 401);
    EXPECT_EQ(tell("/api/v1/services/nightly:drain", "beat-it"), 401);
}

TEST_F(Api, LabelsSelectAndProjectsAreTold) {
    d.add_service(8, "blue", {{"crew", "a"}});
    d.add_service(9, "green", {{"crew", "b"}});
    const Json got = d.ask("GET", "/api/v1/services?selector=crew%3Da", "read").json();
    ASSERT_EQ(got.at("items").size(), 1u) << got;
    EXPECT_EQ(got.at("items")[0].at("service"), "blue");
    d.put(catalog::RoutesPut{std::make_shared<const std::vector<catalog::RouteFacts>>(
        std::vector<catalog::RouteFacts>{{{.id = "r-9", .host = "blue.example", .service = "blue", .project = "shop"}, 9}})});
    EXPECT_EQ(d.ask("GET", "/api/v1/routes", "read").json().at("items")[0].at("project"), "shop");
}

TEST_F(Api, ReloadProblemsNameFileAndLine) {
    EXPECT_EQ(d.ask("POST", "/api/v1/config:reload").status, 200);
    d.backend.reload_error = Error{Code::invalid, "hale.yml:12:5: services.web.check: wrong; allowed: x\nhale.yml:14:1: other: bad"};
    const Answer answer = d.ask("POST", "/api/v1/config:reload");
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(answer.json().at("errors").size(), 2u);
    EXPECT_EQ(answer.json().at("errors")[0].at("line"), 12);
    EXPECT_EQ(answer.json().at("errors")[0].at("file"), "hale.yml");
}

TEST_F(Api, AnUpgradeSaysWhoTookOverOrWhyNobodyDid) {
    EXPECT_EQ(d.ask("POST", "/api/v1/upgrade", "operate").status, 403);
    const Answer done = d.ask("POST", "/api/v1/upgrade");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(done.json().at("pid"), 4711);
    EXPECT_EQ(done.json().at("version"), "2.0.0");
    d.backend.upgrade_error = Error{Code::conflict, "one is under way"};
    EXPECT_EQ(d.ask("POST", "/api/v1/upgrade").status, 409);
    d.backend.upgrade_error = Error{Code::unavailable, "it ended with 2"};
    const Answer failed = d.ask("POST", "/api/v1/upgrade");
    EXPECT_EQ(failed.status, 500);
    EXPECT_EQ(failed.json().at("code"), "upgrade_failed");
    EXPECT_EQ(failed.json().at("detail"), "it ended with 2");
}

TEST_F(Api, WhileAnotherProcessTakesOverMutationsAreToBeTriedAgain) {
    d.add_service(0, "web");
    d.backend.refuse = catalog::MutationFailed{catalog::upgrading(), {}};
    const Answer answer = d.ask("PUT", "/api/v1/services/web/override", "admin", R"({"state":"down","reason":"x"})");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.json().at("code"), "upgrading");
    EXPECT_TRUE(answer.fields.contains("retry-after"));
    d.backend.verify_end = catalog::VerifyEnd::upgrading;
    EXPECT_EQ(d.ask("POST", "/api/v1/services/web:verify").json().at("code"), "upgrading");
}

// Each connection was made before: idle, within a head, and with a request that waits for news.
TEST_F(Api, WhoIsConnectedWhenTheApiLeavesMayAskOnceAndHearsNothingOld) {
    d.add_service(0, "web");
    auto& net = d.network.net("hale", d.world.loop());
    Client idle(d.world, net, d.admin), half(d.world, net, d.admin), waits(d.world, net, d.admin), healthy(d.world, net, d.admin), silent(d.world, net, d.admin);
    const std::string list = d.head("GET", "/api/v1/services", "read", "", "");
    half.send(list.substr(0, 20));
    waits.send(d.head("GET", fmt::format("/api/v1/services?wait=30s&revision={}", d.backend.revision), "read", "", ""));
    d.world.run_for(100ms);
    d.server->leave();
    EXPECT_EQ(waits.next().status, 200) << "it was asked before";
    idle.send(list);
    half.send(list.substr(20));
    healthy.send(d.head("GET", "/live", "", "", ""));
    for (Client* one : {&idle, &half}) {
        const Answer answer = one->next();
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.json().at("code"), "upgrading");
        EXPECT_EQ(answer.fields.at("connection"), "close");
    }
    EXPECT_EQ(healthy.next().status, 200);
    d.world.run_for(1500ms);
    for (const Client* one : {&idle, &half, &waits, &healthy, &silent}) EXPECT_TRUE(one->ended);
}

TEST_F(Api, AListenerOffLoopbackNeedsToBeDeclaredInsecure) {
    EXPECT_FALSE(d.server->listen_admin(*SocketAddress::parse("10.0.0.1:0")).has_value());
    ASSERT_TRUE(d.server->listen_socket("/run/hale.sock", 0600).has_value());
    auto& net = d.network.net("hale", d.world.loop());
    const struct { io::PeerCredentials who; int drain, tokens, metrics; } cases[] = {
        {{.uid = 0}, 200, 200, 200}, {{.uid = 100, .gid = 9}, 200, 200, 200}, {{.uid = 5, .gid = 200}, 200, 403, 200}, {{.uid = 5, .gid = 5}, 403, 403, 403}, {{.uid = 0, .ourselves = true}, 403, 403, 403}};
    for (const auto& one : cases) {
        net.set_credentials(one.who);
        for (const auto& [method, target, status] : {std::tuple{"POST", "/api/v1/services/web:drain", one.drain}, std::tuple{"GET", "/api/v1/tokens", one.tokens}, std::tuple{"GET", "/metrics", one.metrics}}) {
            Client client(d.world, net, SocketAddress{.path = "/run/hale.sock"});
            client.send(fmt::format("{} {} HTTP/1.1\r\nHost: hale\r\n\r\n", method, target));
            EXPECT_EQ(client.next().status, status) << target << one.who.uid;
        }
    }
}

}  // namespace
}  // namespace hale::api
