// Goal: whoever deploys gets what was written and nothing that was not meant, and no secret is shown. Method: every key into
// its field; every key with values of each wrong shape; what is shown read back; one deployment's word laid over the service's.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "config/diff.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/show.h"

namespace hale::config {
namespace {

std::expected<Document, Problems> load(std::string text, bool effective = false) {
    LoadRequest request;
    request.texts.push_back({"f", std::move(text)});
    request.environment = [](const std::string& name) { return name == "UNSET" ? std::nullopt : std::optional<std::string>("sesame"); };
    request.secret_file = [](const std::string& path) -> Result<std::string> { return "the secret of " + path; };
    request.effective = effective;
    return load_document(request);
}

std::expected<Document, Problems> load_deploy_text(std::string_view deploy) {
    return load(fmt::format("services:\n  web: {{check: {{http: /}}, deploy: {}}}\n", deploy));
}

DeploySpec must(std::string_view deploy) {
    const auto document = load_deploy_text(deploy);
    EXPECT_TRUE(document) << deploy << "\n" << (document ? "" : text(document.error()));
    if (!document || !document->services.front().deploy) return {};
    return *document->services.front().deploy;
}

std::string refused(std::string_view deploy) {
    const auto document = load_deploy_text(deploy);
    EXPECT_FALSE(document) << deploy;
    return document ? std::string{} : text(document.error());
}

TEST(Deploy, EveryKeyFillsItsField) {
    const auto none = load_deploy_text("none");
    ASSERT_TRUE(none);
    EXPECT_EQ(none->services.front().deploy, nullptr);
    EXPECT_EQ(must("{}"), DeploySpec{});
    using Texts = std::vector<std::string>;
    // Whatever a key does not name stays at its default: the field set by hand in a fresh spec makes the same.
    const std::vector<std::pair<std::string_view, std::function<void(DeploySpec&)>>> keys{
        {"{image: \"ghcr.io/me/web:2\"}", [](DeploySpec& d) { d.image = "ghcr.io/me/web:2"; }},
        {"{pull: always}", [](DeploySpec& d) { d.pull = Pull::always; }},
        {"{pull: never}", [](DeploySpec& d) { d.pull = Pull::never; }},
        {"{replicas: 64}", [](DeploySpec& d) { d.replicas = 64; }},
        {"{port: 8080}", [](DeploySpec& d) { d.port = 8080; }},
        {"{command: [serve, --port, \"80\"]}", [](DeploySpec& d) { d.command = Texts{"serve", "--port", "80"}; }},
        {"{entrypoint: [/init]}", [](DeploySpec& d) { d.entrypoint = Texts{"/init"}; }},
        {"{env: {A: b, EMPTY: \"\", DB_TOKEN: t}}", [](DeploySpec& d) { d.env = {{"A", "b", false}, {"EMPTY", "", false}, {"DB_TOKEN", "t", true}}; }},
        {"{env: {A: \"${MY_SECRET}/x\"}}", [](DeploySpec& d) { d.env = {{"A", "sesame/x", true}}; }},
        {"{env: {URL: \"file:/data/app.db\"}}", [](DeploySpec& d) { d.env = {{"URL", "file:/data/app.db", false}}; }},
        {"{secrets: {A: file:/a, B: env:B, C: plain}}", [](DeploySpec& d) { d.secrets = {{"A", "the secret of /a", true}, {"B", "sesame", true}, {"C", "plain", true}}; }},
        {"{needs: [db, \"10.0.0.7:5432\", \"[::1]:6379\", \"cache.local:11211\"]}", [](DeploySpec& d) { d.needs = Texts{"db", "10.0.0.7:5432", "[::1]:6379", "cache.local:11211"}; }},
        {"{required_env: [A, B]}", [](DeploySpec& d) { d.required_env = Texts{"A", "B"}; }},
        {"{volumes: [\"data:/d\", \"/etc/x:/x:ro\", \"a.b:/y:rw\"]}", [](DeploySpec& d) { d.volumes = {{"data", "/d", false}, {"/etc/x", "/x", true}, {"a.b", "/y", false}}; }},
        {"{ports: [\"8080:80\", \"127.0.0.1:53:53/udp\", \"[::1]:81:80/tcp\"]}",
         [](DeploySpec& d) { d.ports = {{"", 8080, 80, false}, {"127.0.0.1", 53, 53, true}, {"::1", 81, 80, false}}; }},
        {"{network: front}", [](DeploySpec& d) { d.network = "front"; }},
        {"{aliases: [db, db.local]}", [](DeploySpec& d) { d.aliases = Texts{"db", "db.local"}; }},
        {"{memory: 64MiB}", [](DeploySpec& d) { d.memory = 64 << 20; }},
        {"{cpus: 0.5}", [](DeploySpec& d) { d.cpus = 0.5; }},
        {"{restart: no}", [](DeploySpec& d) { d.restart = Restart::no; }},
        {"{restart: always}", [](DeploySpec& d) { d.restart = Restart::always; }},
        {"{restart: on-failure}", [](DeploySpec& d) { d.restart = Restart::on_failure; }},
        {"{stop_signal: SIGQUIT}", [](DeploySpec& d) { d.stop_signal = "SIGQUIT"; }},
        {"{stop_timeout: 0}", [](DeploySpec& d) { d.stop_timeout = 0s; }},
        {"{user: \"1000:1000\"}", [](DeploySpec& d) { d.user = "1000:1000"; }},
        {"{labels: {a.b: c}}", [](DeploySpec& d) { d.labels = {{"a.b", "c"}}; }},
        {"{health: none}", [](DeploySpec& d) { d.health.from = ContainerHealth::From::none; }},
        {"{health: {command: [/ok], interval: 9s, timeout: 8s, retries: 7, start_period: 6s}}",
         [](DeploySpec& d) { d.health = {ContainerHealth::From::command, {"/ok"}, false, 9s, 8s, 6s, 7}; }},
        {"{health: {command: curl -f localhost}}", [](DeploySpec& d) { d.health = {ContainerHealth::From::command, {"curl -f localhost"}, true, 30s, 30s, 0s, 3}; }},
        {"{retain: 0}", [](DeploySpec& d) { d.retain = 0; }},
        {"{deadlines: {pulling: 1s, creating: 2s, starting: 3s, verifying: 4s, draining: 0}}", [](DeploySpec& d) { d.deadlines = {1s, 2s, 3s, 4s, 0s}; }},
        {"{bake: {for: 5m, max_error_ratio: 0, min_requests: 7}}", [](DeploySpec& d) { d.bake = {5min, 0, 7}; }},
        {"{bake: {for: 5m, max_error_ratio: 2.5%, max_p95: 500ms}}", [](DeploySpec& d) { d.bake = {5min, 0.025, 20, 500ms}; }},
        {"{bake: {for: 5m, max_error_ratio: 100%, max_p95: none}}", [](DeploySpec& d) { d.bake = {5min, 1, 20, 0s}; }},
        {"{breaker: {failures: auto}}", [](DeploySpec& d) { d.breaker_auto = true; }},
        {"{breaker: {failures: 7}}", [](DeploySpec& d) { d.breaker = 7; }},
        {"{replicas: 4, max_healthy_percent: 125, min_healthy_percent: 75}", [](DeploySpec& d) { d.replicas = 4, d.max_healthy_percent = 125, d.min_healthy_percent = 75; }},
        {"{max_healthy_percent: 100, min_healthy_percent: 0}", [](DeploySpec& d) { d.max_healthy_percent = 100, d.min_healthy_percent = 0; }},
        {"{after: [{http: \"https://a.example/did\", method: PUT, headers: {X-Of: us, Authorization: hush}, status: 202}]}",
         [](DeploySpec& d) { d.after = {{"https://a.example/did", {}, 30s, "PUT", {{"X-Of", "us", false}, {"Authorization", "hush", true}}, 202}}; }},
        {"{pre_existing: accept}", [](DeploySpec& d) { d.pre_existing = PreExisting::accept; }},
        {"{before: [{http: \"https://a.example/may\", timeout: 5s}, {exec: [/bin/may, x]}]}",
         [](DeploySpec& d) { d.before = {{.url = "https://a.example/may", .timeout = 5s}, {.exec = {"/bin/may", "x"}}}; }},
        {"{after: [{exec: [/bin/tell]}]}", [](DeploySpec& d) { d.after = {{.exec = {"/bin/tell"}}}; }},
    };
    for (const auto& [written, set] : keys) {
        DeploySpec expected;
        set(expected);
        EXPECT_NE(expected, DeploySpec{}) << written;
        EXPECT_EQ(must(written), expected) << written << "\n" << to_json(must(written));
    }
    EXPECT_EQ(DeploySpec{}.network_of("web"), "web-network");
    EXPECT_EQ(must("{network: front}").network_of("web"), "front");
}

TEST(Deploy, WhatIsWrongIsRefusedWithItsPlace) {
    const auto wrong_shapes = [](Type type) -> std::vector<std::string_view> {
        switch (type) {
            case Type::texts:
            case Type::list: return {"~", "word", "{x: y}", "[[x]]"};
            case Type::text_or_texts: return {"~", "{x: y}", "[[x]]", "[]", "\"\""};
            case Type::map: return {"~", "word", "[a]", "{x: [y]}"};
            case Type::section:
            case Type::section_or_word: return {"~", "word", "[a]", "{x: y}"};
            case Type::text: return {"~", "[a]", "{x: y}"};
            default: return {"~", "[a]", "{x: y}", "word", "-1", "\"\""};
        }
    };
    for (const Section section : {Section::deploy, Section::deploy_health, Section::deploy_deadlines, Section::deploy_bake, Section::deploy_hook}) {
        const std::string_view place = path_of(section).substr(std::min(path_of(section).size(), std::string_view("services.*.deploy").size()));
        for (const Key& key : deploy_keys(section)) {
            for (const std::string_view value : wrong_shapes(key.type)) {
                std::string inner = fmt::format("{{{}: {}}}", key.name, value);
                if (place == ".before[]") inner = fmt::format("{{before: [{}]}}", inner);
                else if (!place.empty()) inner = fmt::format("{{{}: {}}}", place.substr(1), inner);
                const std::string said = refused(inner);
                EXPECT_NE(said.find("f:2:"), std::string::npos) << inner << said;
                EXPECT_NE(said.find(key.name), std::string::npos) << inner << said;
            }
        }
    }
    const std::vector<std::pair<std::string_view, std::string_view>> wrong{
        {"true", "neither none nor a map"},
        {"{imag: x}", "f:2:36: services.web.deploy.imag: unknown key; did you mean image?; allowed: image, pull,"},
        {"{image: \"Web:2\"}", "f:2:43: services.web.deploy.image: \"Web:2\" is no image"},
        {"{image: \"https://a/web\"}", "is no image"},
        {"{image: \"web@sha256:12\"}", "is no image"},
        {"{image: \"\"}", "is no image"},
        {"{pull: sometimes}", "allowed: missing, always, never"},
        {"{replicas: 0}", "out of range"},
        {"{replicas: 65}", "out of range"},
        {"{port: 65536}", "out of range"},
        {"{port: 0}", "out of range"},
        {"{env: {\"A=B\": c}}", "is no name of a variable"},
        {"{env: {1A: c}}", "is no name of a variable"},
        {"{env: {A: 1}, secrets: {A: env:A}}", "A is in env and in secrets"},
        {"{secrets: {A: env:UNSET}}", "variable UNSET is not set"},
        {"{secrets: {A: \"***\"}}", "*** is how a secret is shown"},
        {"{env: {MY_TOKEN: \"***\"}}", "*** is how a secret is shown"},
        {"{needs: [db, db]}", "services.web.deploy.needs[1]: is named twice"},
        {"{needs: [\"10.0.0.7\"]}", "services.web.deploy.needs[0]: \"10.0.0.7\" is neither a service's name nor an address"},
        {"{needs: [\"http://a/\"]}", "is neither a service's name nor an address"},
        {"{needs: [\"db:0\"]}", "is neither a service's name nor an address"},
        {"{required_env: [A, A]}", "services.web.deploy.required_env[1]: is named twice"},
        {"{required_env: [\"a b\"]}", "is no name of a variable"},
        {"{volumes: [data]}", "\"data\" is no volume; allowed: name:/path"},
        {"{volumes: [\"./data:/d\"]}", "is no volume"},
        {"{volumes: [\"data:d\"]}", "is no volume"},
        {"{volumes: [\"data:/d:rx\"]}", "is no volume"},
        {"{volumes: [\"/a/../b:/d\"]}", "is no volume"},
        {"{volumes: [\"data:/\"]}", "is no volume"},
        {"{volumes: [\"a:/d\", \"b:/d\"]}", "services.web.deploy.volumes[1]: /d is mounted twice"},
        {"{ports: [\"80\"]}", "publishes no port; allowed: host:container"},
        {"{ports: [\"0:80\"]}", "publishes no port"},
        {"{ports: [\"80:65536\"]}", "publishes no port"},
        {"{ports: [\"80:80/sctp\"]}", "publishes no port"},
        {"{ports: [\"name:80:80\"]}", "publishes no port"},
        {"{ports: [\"::1:80:80\"]}", "publishes no port"},
        {"{ports: [\"80:80\", \"127.0.0.1:80:81\"]}", "port 80 of the host is published twice"},
        {"{ports: [\"80:80\"], replicas: 2}", "2 containers at once can't publish one port of the host"},
        {"{network: host, ports: [\"80:80\"]}", "network host publishes no ports"},
        {"{network: host, aliases: [a]}", "network host has no names"},
        {"{network: \"a b\"}", "is no name of a network"},
        {"{aliases: [a, a]}", "is named twice"},
        {"{memory: 5MiB}", "out of range"},
        {"{cpus: 0}", "out of range"},
        {"{restart: \"on-failure:3\"}", "allowed: no, always, unless-stopped, on-failure"},
        {"{stop_signal: TERM}", "allowed: image, SIGTERM"},
        {"{user: \"a b\"}", "is no user"},
        {"{labels: {hale.service: x}}", "labels that begin with hale. are Hale's own"},
        {"{health: {interval: 1s}}", "the health check has no command"},
        {"{health: {command: []}}", "no command"},
        {"{health: {command: [/ok], retries: 0}}", "services.web.deploy.health.retries: 0 is out of range"},
        {"{retain: 21}", "out of range"},
        {"{deadlines: {verifying: 2h}}", "services.web.deploy.deadlines.verifying: 2h is out of range; allowed: auto, or 1s to 1h"},
        {"{deadlines: {baking: 2h}}", "services.web.deploy.deadlines.baking: unknown key"},
        {"{bake: {min_requests: 3}}", "has an effect only with for"},
        {"{bake: {for: 1m, max_error_ratio: 1.1}}", "out of range"},
        {"{bake: {for: 1m, max_error_ratio: 101%}}", "out of range"},
        {"{bake: {for: 1m, max_error_ratio: x%}}", "max_error_ratio"},
        {"{bake: {for: 1m, max_p95: 0}}", "out of range"},
        {"{breaker: {failures: 0}}", "out of range"},
        {"{breaker: {failures: some}}", "none, auto, or 1 to 1000"},
        {"{max_healthy_percent: 99}", "out of range"},
        {"{max_healthy_percent: 201}", "out of range"},
        {"{min_healthy_percent: 101}", "out of range"},
        {"{max_healthy_percent: 100}", "services.web.deploy: nothing could ever be replaced: 100 % of 1 is 1, so none may be added, and 100 % of them is 1, so none may be taken away; "
                                       "allowed: a higher max_healthy_percent, or a lower min_healthy_percent"},
        {"{replicas: 3, max_healthy_percent: 120, min_healthy_percent: 70}", "nothing could ever be replaced: 120 % of 3 is 3"},
        {"{before: [{http: \"http://a/\", status: 99}]}", "out of range"},
        {"{before: [{http: \"http://a/\", method: DELETE}]}", "allowed: POST, PUT, GET"},
        {"{before: [{http: \"http://a/\", timeout: 11m}]}", "out of range"},
        {"{before: [{http: \"http://a/\", headers: {Host: b}}]}", "is the URL's own"},
        {"{before: [{http: \"http://a/\", headers: {\"a b\": b}}]}", "is no name of a header"},
        {"{before: [{exec: [/x], status: 200}]}", "method, headers and status are of http"},
        {"{before: [{exec: [/1]}, {exec: [/2]}, {exec: [/3]}, {exec: [/4]}, {exec: [/5]}, {exec: [/6]}, {exec: [/7]}, {exec: [/8]}, {exec: [/9]}]}", "more than 8 hooks"},
        {"{pre_existing: maybe}", "allowed: fail, accept"},
        {"{before: [{}]}", "services.web.deploy.before[0]: neither http nor exec"},
        {"{before: [{http: \"http://a/\", exec: [/x]}]}", "http and exec at once"},
        {"{before: [{http: \"ftp://a/\"}]}", "is no such URL"},
        {"{before: [{http: \"http://me:word@a/\"}]}", "\"http://***@a/\" is no such URL"},
        {"{after: [{exec: [hook]}]}", "services.web.deploy.after[0].exec: begins with no absolute path"},
        {"{after: [{exec: []}]}", "begins with no absolute path"},
        {"{self_heal: restart}", "unknown key"},
    };
    for (const auto& [deploy, what] : wrong) EXPECT_NE(refused(deploy).find(what), std::string::npos) << deploy << "\n" << refused(deploy);
}

TEST(Deploy, ImagesAsTheEngineSpellsThem) {
    const std::string digest = "sha256:" + std::string(64, 'a');
    for (const std::string& good : {std::string("web"), std::string("web:2"), std::string("a/b_c/web-1:V.2"), std::string("localhost/web"), std::string("localhost:5000/web"),
                                    std::string("Registry.Example:5000/team/web:5a13fe6"), "web@" + digest, "ghcr.io/me/web:2@" + digest, std::string("[::1]:5000/web")})
        EXPECT_TRUE(is_image(good)) << good;
    for (const std::string& bad : {std::string(), std::string("Web"), std::string("web:"), std::string("web: 2"), std::string("/web"), std::string("a//web"), std::string("web/"),
                                   std::string("-web"), std::string("a.b:0/web"), std::string("a.b:x/web"), std::string("web@sha256:1"), std::string("web@"), std::string("[1/web"), std::string("web:2:3")})
        EXPECT_FALSE(is_image(bad)) << bad;
}

TEST(Deploy, ADeployedServiceNeedsNoInstances) {
    for (const std::string_view check : {"{http: /}", "{heartbeat: {every: 1h}}"}) {
        const auto deployed = load(fmt::format("services:\n  web: {{hosts: [a.example], check: {}, deploy: {{image: web}}}}\n", check));
        ASSERT_TRUE(deployed) << text(deployed.error());
        EXPECT_TRUE(deployed->services.front().instances.empty()) << check;
        EXPECT_TRUE(deployed->warnings.empty());
    }
    const auto other = load("services:\n  web: {check: {heartbeat: {every: 1h}}, deploy: none}\n");
    ASSERT_TRUE(other);
    EXPECT_EQ(other->services.front().instances.size(), 1u);
}

TEST(Deploy, TheEngineAndItsRegistries) {
    EXPECT_EQ(load("")->settings.docker_host, "unix:///var/run/docker.sock");
    EXPECT_TRUE(load("")->settings.registries.empty());
    for (const std::string_view host : {"unix:///run/podman.sock", "tcp://10.0.0.5", "tcp://engine.example:2375", "ssh://me@host.example:22"}) {
        const auto loaded = load(fmt::format("docker: {{host: \"{}\"}}\n", host));
        ASSERT_TRUE(loaded) << host;
        EXPECT_EQ(loaded->settings.docker_host, host);
    }
    for (const std::string_view host : {"unix://run.sock", "unix:///", "http://a/", "tcp://a:2375/x", "tcp://me@a", "/var/run/docker.sock", ""})
        EXPECT_FALSE(load(fmt::format("docker: {{host: \"{}\"}}\n", host))) << host;
    const auto loaded = load("registries: {ghcr.io: {username: me, password: file:/run/token}, \"localhost:5000\": {username: a, password: b}}\n");
    ASSERT_TRUE(loaded) << text(loaded.error());
    EXPECT_EQ(loaded->settings.registries, (std::vector<RegistryLogin>{{"ghcr.io", "me", "the secret of /run/token"}, {"localhost:5000", "a", "b"}}));
    for (const auto& [bad, what] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"{ghcr.io: {username: me}}", "no password"}, {"{ghcr.io: {password: env:P}}", "no username"}, {"{\"https://ghcr.io\": {username: a, password: b}}", "is no host of a registry"},
             {"{ghcr.io/me: {username: a, password: b}}", "is no host of a registry"}, {"{ghcr.io: me}", "registries.ghcr.io"}, {"{ghcr.io: {token: a}}", "unknown key"},
             {"{ghcr.io: {username: a, password: b}, GHCR.io: {username: a, password: b}}", "named twice"}, {"[a]", "a list where a map is wanted"}}) {
        const auto wrong = load(fmt::format("registries: {}\n", bad));
        ASSERT_FALSE(wrong) << bad;
        EXPECT_NE(text(wrong.error()).find(what), std::string::npos) << text(wrong.error());
    }
    // A renewed password is a change, and is not told.
    const auto plan = diff(*load("registries: {ghcr.io: {username: me, password: word-one}}\n"), *load("registries: {ghcr.io: {username: me, password: word-two}}\n"));
    ASSERT_EQ(plan.text.size(), 1u);
    EXPECT_EQ(plan.text.front().find("word-"), std::string::npos) << plan.text.front();
}

constexpr std::string_view everything =
    "{image: \"web:2\", pull: always, replicas: 3, port: 80, command: [a, b], entrypoint: [/c], env: {A: b, MY_TOKEN: hush-one}, secrets: {S: env:S}, required_env: [A], needs: [db, \"10.0.0.7:5432\"], "
    "volumes: [\"d:/d:ro\"], network: front, aliases: [x], memory: 64MiB, cpus: 0.25, restart: always, stop_signal: SIGINT, stop_timeout: 9s, user: u, labels: {l: m}, "
    "health: {command: [/ok], retries: 9}, retain: 2, deadlines: {pulling: 1s, creating: 2s, starting: 3s, verifying: 4s, draining: 5s}, "
    "bake: {for: 1m, max_error_ratio: 0.5, min_requests: 3}, pre_existing: accept, max_healthy_percent: 150, min_healthy_percent: 50, breaker: {failures: 4}, "
    "before: [{http: \"http://a/\", method: PUT, headers: {X-Token: hush-three, X-Plain: y}, status: 204}], after: [{exec: [/bin/x, --, hush-two], timeout: 1s}]}";

TEST(Deploy, WhatIsShownCanBeSaidAgainAndTellsNoSecret) {
    const auto document = load_deploy_text(everything);
    ASSERT_TRUE(document) << text(document.error());
    const DeploySpec& spec = *document->services.front().deploy;
    const std::string shown = to_json(spec);
    for (const std::string_view secret : {"sesame", "hush"}) {
        EXPECT_EQ(shown.find(secret), std::string::npos) << shown;
        EXPECT_EQ(to_json(document->services.front()).find(secret), std::string::npos);
    }
    EXPECT_NE(to_json(document->services.front()).find("\"deploy\":" + shown), std::string::npos);
    const auto again = load_deploy(shown, spec, *document);
    ASSERT_TRUE(again) << shown << text(again.error());
    EXPECT_EQ(*again, spec) << to_json(*again);
    // Every field is there: laid over a fresh spec, what hides nothing makes the same.
    const auto open = load_deploy_text(
        "{image: web, ports: [\"127.0.0.1:8080:80/udp\"], health: {command: one text}, env: {A: b}, volumes: [\"d:/d\"], before: [{http: \"http://a/?x=1\"}], bake: {for: 1s}}");
    ASSERT_TRUE(open) << text(open.error());
    const auto fresh = load_deploy(to_json(*open->services.front().deploy), DeploySpec{}, Document{});
    ASSERT_TRUE(fresh) << text(fresh.error());
    EXPECT_EQ(*fresh, *open->services.front().deploy);
    // A service of the API too, where nothing in it is for the file alone.
    const auto service = load_service("web", fmt::format(R"({{"check": {{"http": "/"}}, "deploy": {}}})", to_json(*fresh)), Document{});
    ASSERT_TRUE(service) << text(service.error());
    EXPECT_EQ(*service->service.deploy, *fresh);
}

TEST(Deploy, EffectiveValuesTellEachKey) {
    const auto document = load("services:\n  web: {check: {http: /}, deploy: {replicas: 3, secrets: {S: plain-word}, bake: {for: 1m}}}\n  other: {check: {http: /}}\n", true);
    ASSERT_TRUE(document);
    const auto value = [&](std::string_view key) -> const EffectiveValue* {
        const auto found = std::ranges::find(document->effective, key, &EffectiveValue::key);
        EXPECT_NE(found, document->effective.end()) << key;
        return found == document->effective.end() ? nullptr : &*found;
    };
    EXPECT_EQ(value("services.other.deploy")->value, "none");
    EXPECT_EQ(value("services.web.deploy.replicas")->value, "3");
    EXPECT_EQ(value("services.web.deploy.replicas")->origin.substr(0, 4), "f:2:");
    EXPECT_EQ(value("services.web.deploy.retain")->origin, "default");
    EXPECT_EQ(value("services.web.deploy.bake.for")->value, "1m");
    EXPECT_EQ(value("services.web.deploy.bake.min_requests")->value, "20");
    EXPECT_EQ(value("services.web.deploy.deadlines.draining")->value, "auto");
    for (const EffectiveValue& one : document->effective) EXPECT_EQ(one.value.find("plain-word"), std::string::npos) << one.key;
}

TEST(Deploy, OneDeploymentsWordOverItsServices) {
    const DeploySpec base = must(everything);
    const auto over = [&](std::string_view json) {
        const auto loaded = load_deploy(json, base, Document{});
        EXPECT_TRUE(loaded) << json << (loaded ? "" : text(loaded.error()));
        return loaded.value_or(DeploySpec{});
    };
    EXPECT_EQ(over("{}"), base);
    DeploySpec expected = base;
    expected.image = "web:3";
    EXPECT_EQ(over(R"({"image": "web:3"})"), expected);
    expected = base;
    expected.env = {{"B", "c", false}};
    EXPECT_EQ(over(R"({"env": {"B": "c"}})"), expected) << "a map of names is replaced as a whole";
    expected = base;
    expected.env = {{"MY_TOKEN", "hush-one", true}};
    EXPECT_EQ(over(R"({"env": {"MY_TOKEN": "***"}})"), expected) << "what was shown hidden stays what it is";
    expected = base;
    expected.deadlines.pulling = 9s;
    expected.bake.min_requests = 7;
    expected.health.retries = 1;
    EXPECT_EQ(over(R"({"deadlines": {"pulling": "9s"}, "bake": {"min_requests": 7}, "health": {"retries": 1}})"), expected);
    expected = base;
    expected.health = {};
    expected.volumes = {};
    expected.after = {};
    EXPECT_EQ(over(R"({"health": "image", "volumes": [], "after": []})"), expected);
    const auto wrong = [&](std::string_view json, const DeploySpec& under) {
        const auto loaded = load_deploy(json, under, Document{});
        EXPECT_FALSE(loaded) << json;
        return loaded ? std::string{} : text(loaded.error());
    };
    EXPECT_NE(wrong("{}", DeploySpec{}).find("there is no image to deploy"), std::string::npos);
    EXPECT_NE(wrong(R"({"replica": 3})", base).find("replica: unknown key; did you mean replicas?"), std::string::npos);
    EXPECT_NE(wrong("[]", base).find("where a map is wanted"), std::string::npos);
    EXPECT_NE(wrong("{", base).find("not JSON"), std::string::npos);
    // What reaches into this machine is for its file alone, unless the file said it.
    EXPECT_NE(wrong(R"({"volumes": ["/etc:/x"]})", base).find("for the configuration file alone"), std::string::npos);
    EXPECT_NE(wrong(R"({"before": [{"exec": ["/bin/sh"]}]})", base).find("for the configuration file alone"), std::string::npos);
    EXPECT_NE(wrong(R"({"secrets": {"S": "env:S"}})", base).find("for the configuration file alone"), std::string::npos);
    EXPECT_NE(wrong(R"({"secrets": {"T": "***"}})", base).find("is how a secret is shown"), std::string::npos);
    DeploySpec mounted;
    mounted.image = "web";
    mounted.volumes = {{"/etc/x", "/x", true}};
    EXPECT_TRUE(load_deploy(R"({"volumes": ["/etc/x:/x:ro"]})", mounted, Document{}));
    EXPECT_FALSE(load_deploy(R"({"volumes": ["/etc/x:/x"]})", mounted, Document{})) << "not read-only any more";
}

}  // namespace
}  // namespace hale::config
