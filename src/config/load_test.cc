// Goal: what is written is what is loaded. Method: whole small files, and the document they make.

#include "config/load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "config/show.h"
#include "expect/conditions.h"
#include "tests/support/seed.h"
#include "wire/url.h"

namespace hale::config {
namespace {

LoadRequest request_of(std::string text) {
    LoadRequest request;
    request.source = "hale.yml";
    request.texts.push_back({"hale.yml", std::move(text)});
    request.environment = [](const std::string& name) -> std::optional<std::string> {
        if (name == "PORT") return "8080";
        if (name == "EMPTY") return "";
        if (name == "API_TOKEN") return "sesame-sesame-sesame";
        if (name == "NOISY") return "yes";
        return std::nullopt;
    };
    request.secret_file = [](const std::string& path) -> Result<std::string> {
        if (path == "/run/secret") return "hush";
        return fail(Code::not_found, "read secret " + path + ": no such file");
    };
    return request;
}

Document must_load(std::string text) {
    auto loaded = load_document(request_of(std::move(text)));
    if (!loaded) {
        ADD_FAILURE() << hale::config::text(loaded.error());
        return {};
    }
    return std::move(*loaded);
}

constexpr std::string_view example = R"y(listen:
  http:  ":80"
  admin: "127.0.0.1:4253"
state: /var/lib/hale
defaults:
  check: {interval: 5s, timeout: 2s, rise: 2, fall: 3}
workers: auto
access_log: none
trusted_proxies: [10.0.0.0/8]
services:
  web:
    hosts: [test.eliasson.me]
    instances: ["10.0.0.5:3000", "10.0.0.6:3000"]
    check: {http: /api/health}
    balance: least_requests
  michigan:
    instances: ["http://imputationserver.sph.umich.edu"]
    check:
      http: /api/
      timeout: 10s
      interval: 15m
      expect: ["[STATUS] == any(200, 401)", {warn: "[RESPONSE_TIME] < 5000"}]
  cache: {check: {tcp: ":6379"}, instances: ["cache:6379"]}
  db: {checks: {main: {tcp: ""}}, instances: ["db:5432"]}
  api:
    routes: [{host: a.example, path: /api/, strip: true}, {host: "*"}]
    balance: {hash: "header:X-User"}
    timeouts: {connect: 2s}
    retry: {max: 2, budget: 20%}
    panic: {below: 40%, to: last_good}
    instances: ["10.0.0.7:80", {name: api-b, address: "10.0.0.8:80", weight: 2, check: {port: 8081}}]
    checks:
      main:  {http: /up, method: GET, headers: {}, host: "", redirect: fail, max_redirects: 3, read: body, body_limit: 64KiB, connection: pooled}
      port:  {tcp: ":5432", send: "", expect_bytes: "", critical: false}
      disk:  {exec: [/usr/lib/nagios/plugins/check_disk, -w, "10%"]}
  job:
    check: {heartbeat: {every: 1h, grace: 5m, token: env:API_TOKEN}}
  all:
    checks:
      whole: {composite: {of: [web, db/main], need: all, advisory: [cache], run: parallel, caller_timeout: 10s}, scope: service}
  bare: {check: none, reason: "nothing to ask", instances: ["10.0.0.9:80"]}
)y";

const ServiceSpec& service(const Document& document, std::string_view name) {
    return *std::ranges::find(document.services, name, &ServiceSpec::name);
}

TEST(Load, TheExampleOfTheDocumentation) {
    const Document document = must_load(std::string(example));
    ASSERT_EQ(document.services.size(), 8u);
    EXPECT_EQ(document.settings.http->text(), "[::]:80");
    const ServiceSpec& web = service(document, "web");
    EXPECT_EQ(web.instances[1].name, "web-2");
    EXPECT_EQ(web.balance.kind, BalanceKind::least_requests);
    EXPECT_EQ(web.checks->front()->expect_text, std::vector<std::string>{"[STATUS] == 2xx"});
    EXPECT_EQ(std::get<HttpCheck>(web.checks->front()->what).path, "/api/health");
    EXPECT_EQ(web.mark.text(), "hale.yml:11:3");
    const ServiceSpec& michigan = service(document, "michigan");
    EXPECT_EQ(michigan.checks->front()->timing.interval, 15min);
    EXPECT_EQ(michigan.checks->front()->expect_text, (std::vector<std::string>{"[STATUS] == any(200, 401)", "warn: [RESPONSE_TIME] < 5000"}));
    const ServiceSpec& api = service(document, "api");
    EXPECT_EQ(api.checks->size(), 3u);
    EXPECT_EQ(api.instances[1].weight, 2u);
    EXPECT_EQ(api.checks_of(api.instances[1]).front()->port, 8081);
    EXPECT_EQ(api.checks_of(api.instances[0]).front()->port, std::nullopt);
    // What the overlay does not say is shared with the service.
    EXPECT_EQ(api.checks_of(api.instances[1])[1], api.checks->at(1));
    EXPECT_EQ(api.panic->below_percent, 40u);
    EXPECT_EQ(api.panic->min_instances, 3u);
    const ServiceSpec& job = service(document, "job");
    ASSERT_EQ(job.instances.size(), 1u);
    EXPECT_TRUE(is_implicit(job.instances[0]));
    EXPECT_EQ(job.instances[0].name, "job");
    EXPECT_EQ(job.checks->front()->timing.interval, 1h);
    EXPECT_EQ(job.checks->front()->timing.fall, 1);
    EXPECT_EQ(std::get<HeartbeatCheck>(job.checks->front()->what).token_hash.size(), 64u);
    EXPECT_EQ(service(document, "bare").checks->front()->kind(), "none");
    ASSERT_EQ(document.routes.size(), 3u);
    EXPECT_EQ(document.routes[1].path, "/api");
    EXPECT_EQ(document.routes[1].id, route_id("a.example", "/api"));
}

TEST(Load, ADefaultIsWhatTheTypesSay) {
    const Document document = must_load("");
    const Settings usual;
    EXPECT_EQ(document.settings.admin, usual.admin);
    EXPECT_EQ(document.settings.state, usual.state);
    EXPECT_TRUE(document.services.empty());
    EXPECT_TRUE(must_load("services: {}\n").services.empty());
    EXPECT_TRUE(must_load("services:\n").services.empty());
}

TEST(Load, LaterLayersWinKeyByKey) {
    const Document document = must_load(R"y(defaults:
  check: {interval: 11s, timeout: 1s, fall: 7}
  http: {interval: 12s, method: HEAD, expect: ["[STATUS] == 204"]}
services:
  web:
    instances: [{address: "10.0.0.1:1", check: {fall: 9, rise: 4}}, "10.0.0.2:1"]
    check: {http: /, interval: 13s}
  port: {instances: ["10.0.0.1:1"], check: {tcp: ""}}
  beat: {check: {heartbeat: {every: 10s}}}
)y");
    const ServiceSpec& web = service(document, "web");
    const CheckSpec& usual = *web.checks_of(web.instances[1]).front();
    EXPECT_EQ(usual.timing.interval, 13s);
    EXPECT_EQ(usual.timing.timeout, 1s);
    EXPECT_EQ(usual.timing.fall, 7);
    EXPECT_EQ(std::get<HttpCheck>(usual.what).method, "HEAD");
    EXPECT_EQ(usual.expect_text, std::vector<std::string>{"[STATUS] == 204"});
    const CheckSpec& own = *web.checks_of(web.instances[0]).front();
    EXPECT_EQ(own.timing.interval, 13s);
    EXPECT_EQ(own.timing.fall, 9);
    EXPECT_EQ(own.timing.rise, 4);
    EXPECT_EQ(own.expect, usual.expect);  // Compiled once.
    EXPECT_EQ(service(document, "port").checks->front()->timing.interval, 11s);
    EXPECT_EQ(service(document, "beat").checks->front()->timing.interval, 10s);
    EXPECT_EQ(service(document, "beat").checks->front()->timing.fall, 1);
}

TEST(Load, SharedDefaultsReachEveryKindThatHasTheKey) {
    const Document document = must_load(R"y(defaults:
  check: {interval: 2s, timeout: 1s, rise: 4, fall: 7, critical: false}
services:
  web: {instances: ["10.0.0.1:1"], check: {http: /}}
  all: {check: {composite: {of: [web]}}}
  own: {check: {composite: {of: [web]}, interval: 9s}}
  beat: {check: {heartbeat: {every: 10s}}}
)y");
    const auto timing = [&](std::string_view name) { return service(document, name).checks->front()->timing; };
    EXPECT_EQ(timing("web").interval, 2s);
    EXPECT_EQ(timing("all").interval, 2s);
    EXPECT_EQ(timing("own").interval, 9s);
    EXPECT_EQ(timing("beat").interval, 10s);  // Its own period.
    for (const std::string_view name : {"web", "all", "beat"}) EXPECT_FALSE(service(document, name).checks->front()->critical) << name;
    // They count judgements or beats, not probes.
    for (const std::string_view name : {"all", "beat"}) {
        EXPECT_EQ(timing(name).rise, 1) << name;
        EXPECT_EQ(timing(name).fall, 1) << name;
    }
}

TEST(Place, IsReadFromFilesThatWouldBeRefused) {
    struct Row {
        std::string text;
        bool told;  // Something of the place itself could not be read.
    };
    const std::string place = "state: /srv/hale\nlisten:\n  admin: \"127.0.0.1:${PORT}\"\n  socket: /srv/s.sock\n";
    for (const Row& row : {
             Row{place, false},
             Row{place + "services: {web: {bad: 1}}\n", false},
             Row{place + "services: {web: {instances: [\"${UNSET}:1\"], check: {http: /, headers: {A: \"env:UNSET\"}}}}\n", false},
             Row{"nonsense: 1\n" + place, false},
             Row{place + "services:\n  web: [\n", false},                              // No YAML, after the place
             Row{"services:\n  web: {\n    a: ]\n" + place + "more: \"\n", false},  // or on both sides of it.
             Row{R"({"state": "/srv/hale", "listen": {"admin": "127.0.0.1:8080", "socket": "/srv/s.sock"}, "services": 1})", false},
             Row{place + "  http: nowhere\n", true},
         }) {
        const DaemonPlace found = read_place(request_of(row.text));
        EXPECT_EQ(found.settings.state, "/srv/hale") << row.text;
        EXPECT_EQ(found.settings.socket, "/srv/s.sock") << row.text;
        ASSERT_TRUE(found.settings.admin) << row.text;
        EXPECT_EQ(found.settings.admin->text(), "127.0.0.1:8080") << row.text;
        EXPECT_EQ(!found.problems.empty(), row.told) << row.text << hale::config::text(found.problems);
    }
    const DaemonPlace unset = read_place(request_of("state: ${UNSET}\nlisten: {socket: /srv/s.sock}\n"));
    EXPECT_EQ(unset.settings.socket, "/srv/s.sock");
    EXPECT_EQ(hale::config::text(unset.problems), "hale.yml:1:8: state: variable UNSET is not set; allowed: set it, or ${UNSET:-default}\n");
    const DaemonPlace nowhere = load_place("/nowhere/hale.yml");
    EXPECT_EQ(nowhere.settings.state, Settings{}.state);
    EXPECT_FALSE(nowhere.problems.empty());
}

TEST(Load, VariablesAndSecrets) {
    LoadRequest request = request_of(R"y(services:
  web:
    instances: ["10.0.0.1:${PORT}"]
    labels: {price: "$${PORT}", zone: "${ZONE:-north}", none: "${EMPTY:-void}"}
    check: {http: "/${PORT}", port: "${PORT}", headers: {X-Plain: shown, X-Key: env:API_TOKEN, Authorization: secret, X-Ref: "file:/run/secret"}}
)y");
    request.effective = true;
    const auto document = load_document(request);
    ASSERT_TRUE(document) << hale::config::text(document.error());
    const ServiceSpec& web = document->services.front();
    EXPECT_EQ(web.instances[0].target.port, 8080);
    EXPECT_EQ(web.checks->front()->port, 8080);
    EXPECT_EQ(web.labels, (decltype(web.labels){{"price", "${PORT}"}, {"zone", "north"}, {"none", "void"}}));
    const auto& headers = std::get<HttpCheck>(web.checks->front()->what).headers;
    EXPECT_EQ(headers[1].second, "sesame-sesame-sesame");
    EXPECT_EQ(headers[3].second, "hush");
    std::string shown = to_json(web);
    for (const EffectiveValue& value : document->effective) shown += value.key + "=" + value.value + " " + value.origin + "\n";
    EXPECT_EQ(shown.find("sesame"), std::string::npos);
    EXPECT_EQ(shown.find("hush"), std::string::npos);
    EXPECT_EQ(shown.find(": secret"), std::string::npos);
    EXPECT_NE(shown.find("X-Plain: shown"), std::string::npos);
    EXPECT_NE(shown.find("services.web.checks.main.port=8080 env PORT (hale.yml:5:37)"), std::string::npos) << shown;
    // The same text with another secret is another configuration.
    LoadRequest other = request;
    other.secret_file = [](const std::string&) -> Result<std::string> { return "hush!"; };
    EXPECT_NE(load_document(other)->fingerprint, document->fingerprint);
    EXPECT_EQ(load_document(request)->fingerprint, document->fingerprint);
}

TEST(Load, FilesAreMergedAndAKeyInTwoOfThemNamesBoth) {
    LoadRequest request;
    request.texts = {{"a.yml", "services:\n  a: {instances: [\"10.0.0.1:1\"]}\nlisten: {http: \":80\"}\n"},
                     {"b.yml", "services:\n  b: {instances: [\"10.0.0.1:1\"]}\nlisten: {admin: none}\n"}};
    const auto merged = load_document(request);
    ASSERT_TRUE(merged) << hale::config::text(merged.error());
    EXPECT_EQ(merged->services.size(), 2u);
    EXPECT_EQ(merged->services[1].mark.text(), "b.yml:2:3");
    EXPECT_FALSE(merged->settings.admin);
    request.texts[1].text = "services:\n  a: {instances: []}\nlisten: {http: \":81\"}\n";
    const auto refused = load_document(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(hale::config::text(refused.error()),
              "b.yml:2:3: services.a: defined twice, first at a.yml:2:3\n"
              "b.yml:3:10: listen.http: defined twice, first at a.yml:3:10\n");
}

TEST(Load, ObjectsFromTheApiTakeTheSameWay) {
    const Document document = must_load("defaults: {check: {interval: 9s}}\n");
    const auto loaded = load_service("web", R"({"hosts":["a.example"],"instances":["10.0.0.1:80"],"check":{"http":"/up"}})", document);
    ASSERT_TRUE(loaded) << hale::config::text(loaded.error());
    EXPECT_EQ(loaded->service.owner, Owner::api);
    EXPECT_EQ(loaded->service.checks->front()->timing.interval, 9s);
    EXPECT_EQ(loaded->routes.front().owner, Owner::api);
    const auto refused = load_service("web", R"({"check":{"http":"/up","intervall":"1s","headers":{"A":"${HOME}"}},"instances":["x"]})", document);
    ASSERT_FALSE(refused);
    ASSERT_EQ(refused.error().size(), 1u);  // Variables are refused before anything else is read.
    const auto unknown = load_service("web", R"({"check":{"http":"/up","intervall":"1s"},"instances":["x"]})", document);
    ASSERT_FALSE(unknown);
    ASSERT_EQ(unknown.error().size(), 2u);
    EXPECT_EQ(unknown.error()[0].pointer, "/check/intervall");
    EXPECT_EQ(unknown.error()[1].pointer, "/instances/0");
    EXPECT_FALSE(load_service("web", R"({"check":{"exec":["/bin/true"]}})", document));
    EXPECT_FALSE(load_check("main", R"({"http":"/","headers":{"A":"file:/etc/shadow"}})", document));
    EXPECT_FALSE(load_check("main", R"({"http":"/", "http":"/b"})", document));
    EXPECT_FALSE(load_check("main", "{", document));
    EXPECT_FALSE(load_check("main", std::string(100'000, '['), document));
    EXPECT_TRUE(load_check("main", R"({"http":"/","expect":["[STATUS] == 200"]})", document));

    const auto instance = load_instance(loaded->service, R"({"address":"10.0.0.2:80","weight":3,"check":{"port":81}})", document);
    ASSERT_TRUE(instance) << hale::config::text(instance.error());
    EXPECT_EQ(instance->name, "web-2");
    EXPECT_EQ(loaded->service.checks_of(*instance).front()->port, 81);
    EXPECT_TRUE(load_instance(loaded->service, R"("10.0.0.3:80")", document));
    const auto route = load_route(R"({"host":"B.example.","path":"/x/","service":"web"})", document);
    ASSERT_TRUE(route) << hale::config::text(route.error());
    EXPECT_EQ(route->host, "b.example");
    EXPECT_EQ(route->path, "/x");
    EXPECT_FALSE(load_route(R"({"host":"b.example"})", document));
}

TEST(Load, ADnsServerIsAskedAtItsUsualPort) {
    const Document document = must_load(R"y(services:
  names: {instances: ["10.0.0.53", "ns.example", "[::1]", "10.0.0.54:5353"], check: {dns: example.org}}
  both:
    instances: ["10.0.0.53"]
    checks: {main: {dns: example.org}, also: {dns: example.net, record: MX}, beat: {heartbeat: {every: 10s}}}
)y");
    const ServiceSpec& names = service(document, "names");
    ASSERT_EQ(names.instances.size(), 4u);
    EXPECT_EQ(names.instances[0].target.literal, SocketAddress::parse("10.0.0.53:53").value());
    EXPECT_EQ(names.instances[1].target.host, "ns.example");
    EXPECT_EQ(names.instances[1].target.port, 53);
    EXPECT_EQ(names.instances[2].target.literal, SocketAddress::parse("[::1]:53").value());
    EXPECT_EQ(names.instances[3].target.port, 5353);
    // Known by what was written.
    EXPECT_EQ(names.instances[0].target.declared, "10.0.0.53");
    EXPECT_EQ(service(document, "both").instances[0].target.port, 53);
    // Where anybody else asks as well, nobody knows which port was meant.
    for (const std::string_view checks : {"check: {tcp: \"\"}", "check: none, reason: r", "checks: {main: {dns: example.org}, port: {tcp: \":853\"}}", "check: {heartbeat: {every: 10s}}"}) {
        const auto loaded = load_document({.source = "hale.yml", .texts = {{"hale.yml", fmt::format("services: {{names: {{instances: [\"10.0.0.53\"], {}}}}}\n", checks)}}});
        ASSERT_FALSE(loaded) << checks;
        EXPECT_NE(text(loaded.error()).find("the port is missing"), std::string::npos) << text(loaded.error());
    }
}

// A dns check that names its server needs no instance: the service is its own, as with heartbeats.
TEST(Load, ADnsCheckWithItsServerHasAnImplicitInstance) {
    struct Case { std::string said, host; std::uint16_t port; };
    for (const Case& one : {Case{"10.0.0.53", "", 53}, {"10.0.0.53:5353", "", 5353}, {"ns.example", "ns.example", 53}, {"ns.example:5353", "ns.example", 5353}, {"[::1]", "", 53}}) {
        const Document document = must_load(fmt::format("services:\n  names: {{check: {{dns: example.org, server: \"{}\"}}}}\n", one.said));
        const ServiceSpec& names = service(document, "names");
        ASSERT_EQ(names.instances.size(), 1u) << one.said;
        EXPECT_TRUE(is_implicit(names.instances[0]));
        EXPECT_FALSE(names.checks->front()->connects());
        const auto& server = std::get<DnsCheck>(names.checks->front()->what).server;
        ASSERT_TRUE(server);
        EXPECT_EQ(server->host, one.host);
        EXPECT_EQ(server->port, one.port);
        EXPECT_EQ(server->declared, one.said);
    }
    for (const std::string_view wrong : {"https://ns.example", "unix:/run/x", "a b", "ns.example:0"}) {
        const auto loaded = load_document({.source = "hale.yml", .texts = {{"hale.yml", fmt::format("services: {{names: {{check: {{dns: example.org, server: \"{}\"}}}}}}\n", wrong)}}});
        ASSERT_FALSE(loaded) << wrong;
        EXPECT_NE(text(loaded.error()).find("is not where a DNS server is"), std::string::npos) << text(loaded.error());
    }
}

// Whatever is shown may be posted again and means the same.
TEST(Load, WhatIsShownCanBePosted) {
    const Document document = must_load(std::string(example));
    for (const ServiceSpec& spec : document.services) {
        if (spec.name == "job" || spec.name == "api") continue;  // A hidden token and an exec check do not travel.
        std::string json = to_json(spec, document.routes);
        const auto owner = json.find("\"owner\":\"file\"");
        json.replace(owner, 14, "\"owner\":\"api\"");
        const auto again = load_service(spec.name, json, Document{});
        ASSERT_TRUE(again) << json << hale::config::text(again.error());
        EXPECT_TRUE(same(*again->service.checks, *spec.checks)) << json;
        EXPECT_EQ(again->service.instances.size(), spec.instances.size());
        EXPECT_EQ(again->service.balance, spec.balance);
    }
}

// What is left out would be taken back by whoever changes what was shown and posts it: a redirect, a verification.
TEST(Load, WhatIsSaidOfTlsIsShownAndCanBePosted) {
    const Document document = must_load(R"y(services:
  plain: {hosts: [plain.example], instances: ["10.0.0.1:80"], check: {http: /up}}
  usual: {hosts: [usual.example], tls: true, instances: ["10.0.0.1:80"], check: {http: /up}}
  own:
    tls: {redirect: 301, hsts: 30d, client_certificates: require, client_ca: "-----BEGIN CERTIFICATE-----"}
    routes:
      - {host: own.example}
      - {host: own.example, path: /old, tls: {redirect: none}}
      - {host: own.example, path: /none, tls: false}
      - {host: own.example, path: /same, tls: service}
    upstream_tls: {verify: false, name: back.example, alpn: [http/1.1]}
    instances: ["https://10.0.0.1"]
    checks:
      main: {http: /up}
      strict: {http: /up, tls_verify: true, tls_name: other.example, tls_warn_before: 2d}
      way: {http: /up, via: proxy, tls_name: own.example}
      names: {dns: example.org, server: 10.0.0.53, scope: service}
)y");
    ASSERT_EQ(document.services.size(), 3u);
    for (const ServiceSpec& spec : document.services) {
        std::string json = to_json(spec, document.routes);
        json.replace(json.find("\"owner\":\"file\""), 14, "\"owner\":\"api\"");
        const auto again = load_service(spec.name, json, Document{});
        ASSERT_TRUE(again) << json << hale::config::text(again.error());
        EXPECT_TRUE(same_behind(again->service.tls, spec.tls)) << json;
        EXPECT_TRUE(same_behind(again->service.upstream_tls, spec.upstream_tls)) << json;
        EXPECT_TRUE(same(*again->service.checks, *spec.checks)) << json;
        std::size_t looked_at = 0;
        for (const RouteSpec& route : document.routes) {
            if (route.service != spec.name) continue;
            const auto found = std::ranges::find(again->routes, route.id, &RouteSpec::id);
            ASSERT_NE(found, again->routes.end()) << json;
            EXPECT_EQ(found->tls, route.tls) << json;
            ++looked_at;
        }
        EXPECT_EQ(looked_at, again->routes.size());
    }
    const auto& routes = document.routes;
    const auto at = [&](std::string_view path) { return std::ranges::find_if(routes, [&](const RouteSpec& one) { return one.host == "own.example" && one.path == path; }); };
    const auto& usual = service(document, "own").tls;
    EXPECT_EQ(at("/")->tls.or_else(usual), usual);
    EXPECT_EQ(at("/same")->tls.or_else(usual), usual);
    EXPECT_EQ(at("/none")->tls.or_else(usual), nullptr);
    EXPECT_EQ(at("/old")->tls.or_else(usual)->redirect, 0);
    EXPECT_FALSE(at("/old")->tls.or_else(usual)->client_required) << "a route's own word stands for itself";
}

TEST(Load, AHostAsksItsClientsForOneAuthoritysCertificates) {
    const auto refused = [](std::string_view first, std::string_view second) {
        const auto loaded = load_document({.source = "hale.yml", .texts = {{"hale.yml", fmt::format(R"y(services:
  a: {{routes: [{{host: x.example, tls: {{client_certificates: require, client_ca: "-----BEGIN {}"}}}}], instances: ["10.0.0.1:80"], check: {{http: /}}}}
  b: {{routes: [{{host: {}, path: /b}}], tls: {{client_certificates: require, client_ca: "-----BEGIN ONE"}}, instances: ["10.0.0.1:80"], check: {{http: /}}}}
)y", first, second)}}});
        return loaded ? std::string{} : text(loaded.error());
    };
    EXPECT_EQ(refused("ONE", "x.example"), "");
    EXPECT_EQ(refused("TWO", "y.example"), "");
    EXPECT_NE(refused("TWO", "x.example").find("host x.example: its route /b has another client_ca than its route / (hale.yml:2:"), std::string::npos) << refused("TWO", "x.example");
}

TEST(Load, DetectionIsTheProductsPromise) {
    const Detection usual = detection(verdict::JudgePolicy{});
    EXPECT_EQ(usual.refused, 6s);
    EXPECT_EQ(usual.silent, 12s);
    verdict::JudgePolicy slots;
    slots.m_of_n = verdict::MofN{};
    EXPECT_EQ(detection(slots).refused, 15s);
    EXPECT_EQ(detection(slots).silent, 17s);
    // A probe that ends with the next slot has swallowed it.
    slots.interval = 2s;
    EXPECT_EQ(detection(slots).silent, 12s);
    slots.m_of_n = verdict::MofN{5, 5, verdict::Missing::missing};
    EXPECT_EQ(detection(slots).silent, Duration::max());
}

TEST(Load, AliasesOfValuesAreFollowedWithinLimits) {
    const Document document = must_load(R"y(services:
  a: {instances: ["10.0.0.1:1"], check: &usual {http: /up, interval: 7s}}
  b: {instances: ["10.0.0.1:1"], check: *usual}
)y");
    EXPECT_EQ(service(document, "b").checks->front()->timing.interval, 7s);
    std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c < 'l'; ++c) {
        bomb += fmt::format("{}: &{} [", c, c);
        for (int i = 0; i < 10; ++i) bomb += fmt::format("{}*{}", i == 0 ? "" : ", ", static_cast<char>(c - 1));
        bomb += "]\n";
    }
    const auto refused = load_document(request_of(bomb));
    ASSERT_FALSE(refused);
    EXPECT_NE(hale::config::text(refused.error()).find("aliases make more than"), std::string::npos);
}

// Property: no prefix and no mutation of a good file crashes; what is refused says a place inside the text.
TEST(Load, MutationsNeverCrashAndProblemsLieInTheText) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    const auto look = [](const std::string& text) {
        const auto loaded = load_document(request_of(text));
        if (loaded) return;
        ASSERT_FALSE(loaded.error().empty());
        ASSERT_LE(loaded.error().size(), max_problems);
        const auto lines = std::ranges::count(text, '\n') + 1;
        for (const Problem& problem : loaded.error()) {
            ASSERT_GE(problem.mark.line, 1) << problem.text() << "\n" << text;
            ASSERT_LE(problem.mark.line, lines + 1) << problem.text() << "\n" << text;
            ASSERT_GE(problem.mark.column, 1) << problem.text();
            ASSERT_EQ(problem.mark.file, "hale.yml");
        }
    };
    for (std::size_t n = 0; n < example.size(); n += 7) look(std::string(example.substr(0, n)));
    constexpr std::string_view alphabet = "{}[]:,\"'\n -&*!|>%@`#\t\\${}0a~\x80";
    for (int round = 0; round < 400; ++round) {
        std::string text(example);
        for (std::uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
            const auto at = static_cast<std::size_t>(random.below(text.size()));
            switch (random.below(3)) {
                case 0: text[at] = alphabet[random.below(alphabet.size())]; break;
                case 1: text.insert(at, 1, alphabet[random.below(alphabet.size())]); break;
                default: text.erase(at, 1 + random.below(20)); break;
            }
        }
        look(text);
    }
}

// A route's host is kept as requests spell it once theirs is normal, or it never matches.
TEST(Load, HostsThatAreAddressesAreKeptAsTheWireSpellsThem) {
    for (const auto& [written, kept] : {std::pair{"10.0.0.1", "10.0.0.1"}, {"::1", "[::1]"}, {"[2001:DB8:0::1]", "[2001:db8::1]"}, {"2001:db8:0:0::1", "[2001:db8::1]"}}) {
        const auto document = must_load(fmt::format("services:\n  web: {{hosts: [\"{}\"], instances: [\"10.0.0.1:1\"], check: {{http: /}}}}\n", written));
        ASSERT_EQ(document.routes.size(), 1u);
        EXPECT_EQ(document.routes[0].host, kept);
        wire::HostScratch scratch;
        EXPECT_EQ(wire::normal_host(document.routes[0].host, scratch), document.routes[0].host);
        const auto from_api = load_route(fmt::format(R"({{"service":"web","host":"{}"}})", written), document);
        ASSERT_TRUE(from_api);
        EXPECT_EQ(from_api->host, kept);
        EXPECT_EQ(from_api->id, document.routes[0].id);
    }
}

}  // namespace
}  // namespace hale::config
