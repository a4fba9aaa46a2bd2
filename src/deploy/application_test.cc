// Goal: an application's plan follows from its file and from what is there: what is new is made beside, routes move with the
// switch, what the file has no more leaves, and what can't be is said first.
// Method: files and catalogs from text, each rule by a case of its own.

#include "deploy/application.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "deploy/hooks.h"
#include "rollout/deadlines.h"

namespace hale::deploy {
namespace {

using Now = std::map<std::string, catalog::ServiceNow>;

const std::string shop = R"(services:
  db: {image: "db:1", healthcheck: {test: [CMD, "true"]}}
  migrate: {image: "shop:1", depends_on: {db: {condition: service_healthy}}}
  web: {image: "shop:1", depends_on: {migrate: {condition: service_completed_successfully}}, deploy: {replicas: 2}, x-hale: {host: shop.example, port: 80, check: {http: /up}}}
  api: {image: "api:1", depends_on: [db], x-hale: {host: shop.example, path: /api, check: {http: /health}}}
  jobs: {image: "shop:1", x-hale: {check: none, reason: it only takes jobs}}
)";

std::shared_ptr<const config::Document> document() {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", "services: {}\n"}}});
    EXPECT_TRUE(loaded);
    return std::make_shared<const config::Document>(std::move(*loaded));
}

// Nothing is there but what `services` says: its declaration, and who serves.
struct Served {
    std::string json;
    std::vector<std::string> instances;
};
Now now_of(const std::vector<std::string>& names, const std::map<std::string, Served>& served = {}) {
    Now out;
    const auto file = document();
    for (const auto& name : names) {
        auto& now = out[name];
        now.document = file;
        now.front.http = SocketAddress::parse("127.0.0.1:8080");
        const auto there = served.find(name);
        if (there == served.end()) continue;
        auto loaded = config::load_service(name, there->second.json, *file);
        EXPECT_TRUE(loaded) << config::text(loaded.error());
        now.spec = std::make_shared<const config::ServiceSpec>(loaded->service);
        now.routes = loaded->routes;
        now.declared = there->second.json;
        for (const auto& one : there->second.instances) now.instances.push_back({"i-" + one, one, "10.0.0.1:80", "d-1", true, true, false});
    }
    return out;
}

Result<Record> plan(const std::string& file, const std::map<std::string, Served>& served = {}, const Record* before = nullptr) {
    auto application = application_of("shop", file, {}, *document());
    if (!application) return std::unexpected(application.error());
    auto names = services_of(*application, before);
    names.push_back("shop");
    Request request{.service = "shop", .targets = {}, .overrides = {}, .compose = file, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"};
    request.keeps = true;
    return planned_application(request, *application, now_of(names, served), before, "d-7", 7, Utc(1h));
}

std::string why(const Result<Record>& got) { return got ? "" : got.error().text; }

TEST(Application, EachContainerIsPlannedAsTheFileSays) {
    const auto got = plan(shop);
    ASSERT_TRUE(got) << got.error().text;
    ASSERT_EQ(got->candidates.size(), 6u);
    const auto& plans = got->plan.containers;
    EXPECT_EQ(got->candidates[0].name, "shop-db-7-1");
    EXPECT_EQ(got->candidates[0].service, "") << "nobody comes to it, and nothing is asked of it";
    EXPECT_FALSE(plans[0].direct || plans[0].routed);
    EXPECT_TRUE(plans[1].one_shot);
    ASSERT_EQ(plans[1].after.size(), 1u);
    EXPECT_EQ(plans[1].after[0], (rollout::Dependency{0, rollout::Needs::healthy}));
    EXPECT_EQ(got->candidates[3].name, "shop-web-7-2");
    EXPECT_EQ(got->candidates[3].service, "shop-web");
    EXPECT_TRUE(plans[3].direct && plans[3].routed);
    EXPECT_EQ(plans[3].after, (std::vector<rollout::Dependency>{{1, rollout::Needs::completed}}));
    EXPECT_EQ(got->candidates[5].unverified, "it only takes jobs");
    EXPECT_EQ(got->candidates[5].service, "");
    ASSERT_EQ(got->parts.size(), 2u);
    EXPECT_EQ(got->parts[0].makes, R"({"check":{"http":"/up"},"routes":[{"host":"shop.example","path":"/","strip":false}]})");
    EXPECT_EQ(got->parts[1].service, "shop-api");
    EXPECT_FALSE(got->plan.has_old);
    EXPECT_GE(got->plan.deadlines.starting, 60s + 2 * rollout::least_verification) << "web waits for migrate, which waits for db";
    EXPECT_TRUE(got->keeps && got->containers && got->plan.retire_old);
}

TEST(Application, ItsOwnHooksAndBakingAreOfAllOfIt) {
    const std::string hooked = "x-hale: {before: [{http: \"http://a/\", timeout: 2s}], after: [{http: \"http://b/\", timeout: 3s}], bake: {for: 9s}, pre_existing: accept}\n" + shop;
    const auto plain = plan(shop), got = plan(hooked);
    EXPECT_EQ(why(got), "");
    ASSERT_TRUE(plain && got);
    EXPECT_TRUE(got->plan.hooks_before && got->plan.hooks_after && got->plan.accept_pre_existing);
    EXPECT_EQ(got->plan.deadlines.requested, plain->plan.deadlines.requested + 2s + hook_margin);
    EXPECT_EQ(got->plan.deadlines.hooks_after, 3s + hook_margin);
    EXPECT_EQ(got->plan.deadlines.baking, 9s);
    EXPECT_FALSE(plain->plan.hooks_before || plain->plan.hooks_after || plain->plan.accept_pre_existing);
}

TEST(Application, RoutesMoveWithTheSwitchAndWhatIsGoneLeaves) {
    const std::string web = R"({"check":{"http":"/up"},"routes":[{"host":"shop.example","path":"/","strip":false}]})";
    const std::string old = R"({"check":{"http":"/old"},"routes":[{"host":"shop.example","path":"/api","strip":false}]})";
    Record before;
    before.parts.push_back({.service = "shop-web", .makes = {}, .declares = {}, .declared = {}, .from = {}, .before = {}, .gone = {}});
    before.parts.push_back({.service = "shop-old", .makes = {}, .declares = {}, .declared = {}, .from = {}, .before = {}, .gone = {}});
    const auto got = plan(shop, {{"shop-web", {web, {"shop-web-6-1"}}}, {"shop-old", {old, {"shop-old-6-1"}}}}, &before);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_TRUE(got->plan.has_old);
    const Part* same = got->part("shop-web");
    EXPECT_TRUE(same->makes.empty() && same->declares.empty()) << "as it is";
    EXPECT_EQ(same->from, std::vector<std::string>{"shop-web-6-1"});
    EXPECT_EQ(same->gone, same->from);
    // The place of another of the application's services is had only when that gives it up.
    const Part* api = got->part("shop-api");
    EXPECT_EQ(api->makes, R"({"check":{"http":"/health"},"routes":[]})");
    EXPECT_EQ(api->declares, R"({"check":{"http":"/health"},"routes":[{"host":"shop.example","path":"/api","strip":false}]})");
    const Part* leaving = got->part("shop-old");
    ASSERT_NE(leaving, nullptr);
    EXPECT_TRUE(leaving->leaves);
    EXPECT_EQ(leaving->declares, R"({"check":{"http":"/old"},"routes":[]})");
    EXPECT_EQ(leaving->declared, old);
    EXPECT_EQ(got->from(), (std::vector<std::string>{"shop-web-6-1", "shop-old-6-1"}));
}

TEST(Application, AnotherPathToAskIsDeclaredWithTheSwitch) {
    const std::string web = R"({"check":{"http":"/before"},"routes":[{"host":"shop.example","path":"/","strip":false}]})";
    const auto got = plan(shop, {{"shop-web", {web, {"shop-web-6-1"}}}});
    ASSERT_TRUE(got) << got.error().text;
    const Part* part = got->part("shop-web");
    EXPECT_EQ(part->declared, web);
    EXPECT_EQ(checks_of(part->declares), R"({"main":{"http":"/up"}})");
    const std::string other = R"({"check":{"tcp":""},"routes":[{"host":"shop.example"}]})";
    EXPECT_NE(why(plan(shop, {{"shop-web", {other, {"shop-web-6-1"}}}})).find("the check of shop-web is of another kind"), std::string::npos);
}

TEST(Application, WhatCantBeIsSaidFirst) {
    EXPECT_NE(why(plan("name: other\n" + shop)).find("the file is of project \"other\""), std::string::npos);
    EXPECT_NE(why(plan("services: {a: {imag: x}}\n")).find("compose.yml:1"), std::string::npos);
    EXPECT_NE(why(plan(shop, {{"shop", {R"({"check":{"http":"/"}})", {}}}})).find("there is a service \"shop\""), std::string::npos);
    std::string many = "services:\n";
    for (int i = 0; i < 9; ++i) many += fmt::format("  c{}: {{image: a, deploy: {{replicas: 40}}, healthcheck: {{test: x}}}}\n", i);
    EXPECT_NE(why(plan(many)).find("at most 256"), std::string::npos);
    auto taken = now_of({"shop", "shop-web", "shop-api"});
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", "services: {shop-web: {check: {http: /}, instances: [\"10.0.0.1:1\"]}}\n"}}});
    ASSERT_TRUE(loaded);
    taken["shop-web"].spec = std::make_shared<const config::ServiceSpec>(loaded->services.front());
    auto application = application_of("shop", shop, {}, *document());
    Request request{.service = "shop", .targets = {}, .overrides = {}, .compose = shop, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"};
    EXPECT_NE(why(planned_application(request, *application, taken, nullptr, "d", 1, Utc(1h))).find("is the file's (hale.yml:1:"), std::string::npos);
}

}  // namespace
}  // namespace hale::deploy
