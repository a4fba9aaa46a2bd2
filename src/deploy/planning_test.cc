// Goal: a plan follows from what was asked for and what there is, and what can't be is said before anything begins.
// Method: services from text, each rule by a case of its own.

#include "deploy/planning.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "deploy/question.h"
#include "rollout/deadlines.h"

namespace hale::deploy {
namespace {

catalog::ServiceNow now_of(const std::string& yaml, const std::string& service = "web") {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", "services:\n" + yaml}}});
    EXPECT_TRUE(loaded) << config::text(loaded.error());
    catalog::ServiceNow now;
    now.document = std::make_shared<const config::Document>(std::move(*loaded));
    for (const auto& one : now.document->services)
        if (one.name == service) {
            now.spec = {now.document, &one};
            for (const auto& instance : one.instances)
                now.instances.push_back({"i-" + instance.name.str(), instance.name.str(), instance.target.declared.str(), "", true, true, true});
        }
    for (const auto& route : now.document->routes)
        if (route.service == service) now.routes.push_back(route);
    now.front.http = SocketAddress::parse("127.0.0.1:8080");
    now.front.https = SocketAddress::parse("127.0.0.1:8443");
    return now;
}

const std::string web = "  web: {hosts: [web.example], check: {http: /up}, instances: [\"10.0.0.1:80\", \"10.0.0.2:80\"]}\n";

Result<Record> plan(const catalog::ServiceNow& now, std::vector<std::string> targets) {
    return planned({.service = "web", .targets = std::move(targets), .overrides = {}, .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"}, now, "d-1", 7, Utc(1h));
}

TEST(Planning, NewInstancesComeBesideThoseWhoServe) {
    auto now = now_of(web);
    now.instances.push_back({"i-3", "added", "10.0.0.3:80", "d-0", true, true, false});
    const auto got = plan(now, {"10.0.1.1:80", "10.0.0.2:80"});
    ASSERT_TRUE(got) << got.error().text;
    ASSERT_EQ(got->candidates.size(), 2u);
    EXPECT_EQ(got->candidates[0], (Candidate{.name = "web-7-1", .service = "web", .container = {}, .target = "10.0.1.1:80", .image = {}, .unverified = {}, .observations = {}, .log = {}}));
    EXPECT_EQ(got->candidates[1], (Candidate{.name = "web-2", .service = "web", .container = {}, .target = "10.0.0.2:80", .kept = true, .image = {}, .unverified = {}, .observations = {}, .log = {}}));
    EXPECT_EQ(got->parts.at(0).from, (std::vector<std::string>{"web-1", "web-2", "added"}));
    EXPECT_EQ(got->parts.at(0).gone, std::vector<std::string>{"added"}) << "what the file declares stays";
    EXPECT_TRUE(got->plan.has_old);
    EXPECT_TRUE(got->plan.containers[0].routed);
    EXPECT_FALSE(got->plan.containers[1].routed) << "users reach it already";
    EXPECT_TRUE(got->plan.containers[1].direct);
    EXPECT_EQ(got->plan.deadlines.verifying, rollout::least_verification);
    EXPECT_GT(got->plan.deadlines.draining, now.document->settings.drain_timeout);
    EXPECT_EQ(got->phases.size(), 1u);
    const auto same = plan(now_of(web), {"10.0.0.1:80", "10.0.0.2:80"});
    ASSERT_TRUE(same);
    EXPECT_FALSE(same->plan.has_old) << "nobody leaves";
}

TEST(Planning, WhatCantBeIsSaidFirst) {
    const auto why = [](const Result<Record>& got) { return got ? std::string{} : got.error().text; };
    EXPECT_NE(why(plan(now_of(web), {})).find("there is nothing to deploy"), std::string::npos);
    EXPECT_NE(why(plan(now_of(web), {"10.0.1.1:80", "10.0.1.1:80"})).find("named twice"), std::string::npos);
    EXPECT_NE(why(plan(now_of("  other: {check: {http: /up}, instances: [\"10.0.0.1:80\"]}\n"), {"10.0.1.1:80"})).find("there is no service \"web\""), std::string::npos);
    EXPECT_NE(why(plan(now_of("  web: {check: {http: /up}, instances: {fixed: [\"10.0.0.1:80\"]}}\n"), {"10.0.1.1:80"})).find("`instances: fixed` at hale.yml:2"), std::string::npos);
    EXPECT_NE(why(plan(now_of(web), std::vector<std::string>(most_targets + 1, "x"))).find("at most 256"), std::string::npos);
}

TEST(Planning, ANameThatIsTakenIsNotTakenAgain) {
    auto now = now_of(web);
    now.instances.push_back({"i-9", "web-7-1", "10.0.0.9:80", "", false, false, false});
    const auto got = plan(now, {"10.0.1.1:80"});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->candidates[0].name, "web-7-1-2");
}

TEST(Planning, ContainersAreNamedAndTimedByWhatIsDeclared) {
    const std::string yaml = "  web: {hosts: [web.example], check: {http: /up}, deploy: {image: \"web:1\", replicas: 2, stop_timeout: 7s, deadlines: {creating: 9s}}}\n";
    const auto now = now_of(yaml);
    const auto asked = [&](std::string overrides, std::vector<std::string> targets = {}) {
        return planned({.service = "web", .targets = std::move(targets), .overrides = std::move(overrides), .compose = {}, .variables = {}, .way_back = {}, .makes_service = {}, .makes_route = {}, .verifying = {}, .actor = "t"}, now, "d-1", 3, Utc(1h));
    };
    auto got = asked("");
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_TRUE(got->containers);
    EXPECT_EQ(got->image, "web:1");
    EXPECT_EQ(got->overrides, R"({"image":"web:1"})") << "whatever is declared when one more is made";
    ASSERT_EQ(got->candidates.size(), 2u);
    EXPECT_EQ(got->candidates[1].name, "web-3-2");
    EXPECT_EQ(got->candidates[1].target, "") << "known once it runs";
    EXPECT_FALSE(got->plan.containers[0].external);
    EXPECT_TRUE(got->plan.pull && got->plan.retire_old && got->plan.containers[0].routed);
    EXPECT_EQ(got->plan.deadlines.creating, 9s);
    EXPECT_GT(got->plan.deadlines.retiring, 7s);
    const auto other = asked(R"({"image":"web:2","replicas":1,"pull":"never","deadlines":{"verifying":"44s"}})");
    ASSERT_TRUE(other) << other.error().text;
    EXPECT_EQ(other->image, "web:2");
    EXPECT_EQ(other->overrides, R"({"deadlines":{"verifying":"44s"},"image":"web:2","pull":"never","replicas":1})");
    EXPECT_EQ(other->candidates.size(), 1u);
    EXPECT_FALSE(other->plan.pull);
    EXPECT_TRUE(other->verifying_said);
    EXPECT_NE(asked(R"({"replica":1})").error().text.find("did you mean replicas?"), std::string::npos);
    EXPECT_NE(asked("{}", {"10.0.1.1:80"}).error().text.find("targets and an image at once"), std::string::npos);
}

TEST(Planning, WhatWasDrainedByHandGoesWithItsVersion) {
    auto now = now_of(web);
    now.instances[0].serving = false;
    now.instances[0].draining = true;
    now.instances.push_back({.id = "i-3", .name = "web-1-1", .declared = "10.0.0.3:80", .deployment = "d-0", .draining = true});
    now.instances.push_back({.id = "i-4", .name = "added", .declared = "10.0.0.4:80", .draining = true});
    const auto got = plan(now, {"10.0.1.1:80"});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->parts.front().from, std::vector<std::string>{"web-2"});
    EXPECT_EQ(got->parts.front().gone, std::vector<std::string>{"web-1-1"}) << "what nobody deployed stays";
    EXPECT_TRUE(got->plan.has_old);
}

TEST(Planning, VerificationTakesAsLongAsTheSlowestCheckMayNeed) {
    const auto slow = plan(now_of("  web: {checks: {a: {http: /a, start_period: 90s, timeout: 5s}, b: {tcp: \":80\", critical: false, start_period: 500s}}, instances: [\"10.0.0.1:80\"]}\n"), {"10.0.1.1:80"});
    ASSERT_TRUE(slow);
    EXPECT_GE(slow->plan.deadlines.verifying, 90s + 2 * 5s);
    EXPECT_LT(slow->plan.deadlines.verifying, 300s) << "advisory checks hold nobody up";
    const auto unchecked = plan(now_of("  web: {hosts: [a.example], check: {none: tried by hand}, instances: [\"10.0.0.1:80\"]}\n"), {"10.0.1.1:80"});
    ASSERT_TRUE(unchecked) << unchecked.error().text;
    EXPECT_FALSE(unchecked->plan.containers[0].direct);
    EXPECT_FALSE(unchecked->plan.containers[0].routed);
    EXPECT_EQ(unchecked->candidates[0].unverified, "tried by hand");
}

TEST(Question, IsTheServicesCheckOnItsRoute) {
    struct Case {
        std::string yaml, target, host, path;
    };
    for (const Case& one : {Case{"hosts: [web.example], check: {http: /up}", "http://127.0.0.1:8080", "web.example", "/up"},
                            {"hosts: [\"*.example\"], check: {http: /up}", "http://127.0.0.1:8080", "candidate.example", "/up"},
                            {"hosts: [\"*\"], check: {http: /up}", "http://127.0.0.1:8080", "localhost", "/up"},
                            {"hosts: [\"*\", web.example], check: {http: /up}", "http://127.0.0.1:8080", "web.example", "/up"},
                            {"routes: [{host: web.example, path: /api, strip: true}], check: {http: \"/up?x=1\"}", "http://127.0.0.1:8080", "web.example", "/api/up?x=1"},
                            {"routes: [{host: web.example, path: /api}], check: {http: \"/api/up?x=1\"}", "http://127.0.0.1:8080", "web.example", "/api/up?x=1"},
                            {"routes: [{host: web.example, path: /api}], check: {http: /up}", "http://127.0.0.1:8080", "web.example", "/api"},
                            {"hosts: [web.example], tls: true, check: {http: /up}", "https://127.0.0.1:8443", "web.example", "/up"},
                            {"tls: true, routes: [{host: web.example, tls: false}], check: {http: /up}", "http://127.0.0.1:8080", "web.example", "/up"},
                            {"hosts: [web.example], checks: {a: {tcp: \":80\"}, b: {http: /b, critical: false}, c: {http: /c, via: proxy}, d: {http: /d}}", "http://127.0.0.1:8080", "web.example", "/d"}}) {
        const auto now = now_of("  web: {" + one.yaml + ", instances: [\"10.0.0.1:80\"]}\n");
        const auto question = question_through(*now.spec, now.routes, now.front, "k-1");
        ASSERT_TRUE(question) << one.yaml;
        const auto& http = std::get<config::HttpCheck>(question->check->what);
        EXPECT_EQ(question->target, one.target) << one.yaml;
        EXPECT_EQ(http.host, one.host) << one.yaml;
        EXPECT_EQ(http.path, one.path) << one.yaml;
        ASSERT_FALSE(http.headers.empty());
        EXPECT_EQ(http.headers.back(), (std::pair<std::string, std::string>{"Hale-Candidate", "k-1"}));
        EXPECT_EQ(http.secret_headers, std::vector<std::string>{"Hale-Candidate"}) << "never shown";
    }
    for (const std::string none : {"check: {http: /up}", "hosts: [web.example], check: {tcp: \":80\"}",
                                   "hosts: [web.example], check: {http: /up}, tls: {client_certificates: require, client_ca: \"-----BEGIN CERTIFICATE-----\"}"}) {
        const auto now = now_of("  web: {" + none + ", instances: [\"10.0.0.1:80\"]}\n");
        EXPECT_FALSE(question_through(*now.spec, now.routes, now.front, "k")) << none;
    }
    const auto now = now_of(web);
    EXPECT_FALSE(question_through(*now.spec, now.routes, {}, "k")) << "nobody listens";
}

}  // namespace
}  // namespace hale::deploy
