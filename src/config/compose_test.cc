// Goal: a compose file means here what it means to compose, or is refused at its place. Method: every key of the tables into
// its field and with values of each wrong shape; every pair and triple of containers that may wait for each other, against
// an oracle; the page of the guide against the tables.

#include "config/compose.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include "config/compose_keys.h"
#include "config/diff.h"

namespace hale::config {
namespace {

LoadRequest world() {
    LoadRequest request;
    request.environment = [](const std::string& name) { return name == "TAG" ? std::optional<std::string>("7") : name == "MY_SECRET" ? std::optional<std::string>("se$ame") : std::nullopt; };
    request.secret_file = [](const std::string& path) -> Result<std::string> { return "the secret of " + path; };
    return request;
}

std::expected<ComposeApplication, Problems> load(std::string text, bool api = false) {
    const LoadRequest around = world();
    return load_compose({.file = {"compose.yml", std::move(text)}, .project = "shop", .world = api ? nullptr : &around});
}

// One container with these keys beside its image.
std::string file_of(std::string_view keys, std::string_view top = "") {
    return fmt::format("services:\n  web: {{image: web{}{}}}\n  db: {{image: db}}\n{}", keys.empty() ? "" : ", ", keys, top);
}

ComposeContainer must(std::string_view keys, std::string_view top = "") {
    const auto loaded = load(file_of(keys, top));
    EXPECT_TRUE(loaded) << keys << "\n" << (loaded ? "" : text(loaded.error()));
    return loaded ? loaded->containers.front() : ComposeContainer{};
}

std::string refused(std::string file, bool api = false) {
    const auto loaded = load(file, api);
    EXPECT_FALSE(loaded) << file;
    return loaded ? std::string{} : text(loaded.error());
}

// What comes through the API says its variables beside the text, and its checks are kept as a service of the API has them.
TEST(Compose, VariablesOfTheApiAreThoseBesideTheText) {
    const std::string file = file_of("x-hale: {check: {http: \"/${P}\", headers: {a: \"1\"}, rise: 2, redirect: fail}}");
    EXPECT_NE(refused(file, true).find("variables are for the configuration file alone"), std::string::npos);
    const Variables said{{"P", "up"}};
    const auto loaded = load_compose({.file = {"compose.yml", file}, .project = "shop", .world = nullptr, .variables = &said});
    ASSERT_TRUE(loaded) << text(loaded.error());
    EXPECT_EQ(loaded->containers.front().check_json, R"({"http":"/up","headers":{"a":"1"},"rise":2,"redirect":"fail"})");
    const auto service = load_service("shop-web", R"({"check":)" + loaded->containers.front().check_json + "}", Document{});
    ASSERT_TRUE(service) << text(service.error());
    EXPECT_TRUE(same(*service->service.checks->front(), *loaded->containers.front().checks.front()));
    EXPECT_EQ(must("x-hale: {check: none, reason: so}").check_json, R"({"none":"so"})");
    EXPECT_EQ(must("labels: {hale.check.http: /, hale.check.rise: \"3\"}").check_json, R"({"http":"/","rise":3})");
    EXPECT_EQ(compose_variables("${A} ${B:-x} $${C} ${A} ${9}"), (std::vector<std::string>{"A", "B", "C"}));
    const Variables none;
    const auto unset = load_compose({.file = {"compose.yml", file}, .project = "shop", .world = nullptr, .variables = &none});
    ASSERT_FALSE(unset);
    EXPECT_NE(text(unset.error()).find("variable P is not set"), std::string::npos);
}

TEST(Compose, EveryKeyFillsItsField) {
    const ComposeContainer plain = must("");
    DeploySpec usual;
    usual.image = "web";
    usual.restart = Restart::no;
    usual.stop_timeout = 10s;
    usual.network = "shop_default";
    usual.aliases = {"web"};
    EXPECT_EQ(plain.deploy, usual);
    EXPECT_TRUE(plain.depends_on.empty() && plain.checks.empty() && plain.routes.empty() && !plain.one_shot);
    EXPECT_EQ(plain.name, "web");
    EXPECT_EQ(plain.mark.text(), "compose.yml:2:3");
    struct Case {
        std::string_view keys, top;
        std::function<void(DeploySpec&)> set;
    };
    const std::vector<Case> cases{
        {"command: serve --name \"a b\" 'c d' e\\ f", "", [](DeploySpec& d) { d.command = {"serve", "--name", "a b", "c d", "e f"}; }},
        {"command: [serve, \"a b\"]", "", [](DeploySpec& d) { d.command = {"serve", "a b"}; }},
        {"entrypoint: /init -v", "", [](DeploySpec& d) { d.entrypoint = {"/init", "-v"}; }},
        {"environment: {A: 1, B: \"\", TAG: \"v${TAG}\", C: \"$$HOME $${x} 5$\"}", "", [](DeploySpec& d) { d.env = {{"A", "1"}, {"B", ""}, {"TAG", "v7"}, {"C", "$HOME ${x} 5$"}}; }},
        {"environment: [A=1, \"B=x=y\", C=]", "", [](DeploySpec& d) { d.env = {{"A", "1"}, {"B", "x=y"}, {"C", ""}}; }},
        {"environment: {A: \"${MY_SECRET}\", B: \"${UNSET:-other}\"}", "", [](DeploySpec& d) { d.env = {{"A", "se$ame", true}, {"B", "other"}}; }},
        {"volumes: [\"data:/d\", \"/etc/x:/x:ro\", \"far:/f\"]", "volumes: {data: , far: {external: true}}\n",
         [](DeploySpec& d) { d.volumes = {{"shop_data", "/d", false}, {"/etc/x", "/x", true}, {"far", "/f", false}}; }},
        {"volumes: [\"data:/d\"]", "volumes: {data: {name: other}}\n", [](DeploySpec& d) { d.volumes = {{"other", "/d", false}}; }},
        {"ports: [\"8080:80\", \"127.0.0.1:53:53/udp\"]", "", [](DeploySpec& d) { d.ports = {{"", 8080, 80, false}, {"127.0.0.1", 53, 53, true}}; }},
        {"networks: [back]", "networks: {back: }\n", [](DeploySpec& d) { d.network = "shop_back"; }},
        {"networks: {back: {aliases: [w, www]}}", "networks: {back: {external: true}}\n", [](DeploySpec& d) { d.network = "back", d.aliases = {"web", "w", "www"}; }},
        {"networks: {back: }", "networks: {back: {name: n, external: true}}\n", [](DeploySpec& d) { d.network = "n"; }},
        {"networks: [default]", "", [](DeploySpec&) {}},
        {"", "networks: {default: {name: lan}}\n", [](DeploySpec& d) { d.network = "lan"; }},
        {"healthcheck: {test: [CMD, /ok, -q], interval: 1s, timeout: 2s, retries: 4, start_period: 3s}", "",
         [](DeploySpec& d) { d.health = {ContainerHealth::From::command, {"/ok", "-q"}, false, 1s, 2s, 3s, 4}; }},
        {"healthcheck: {test: [CMD-SHELL, \"a || b\"]}", "", [](DeploySpec& d) { d.health = {ContainerHealth::From::command, {"a || b"}, true}; }},
        {"healthcheck: {test: a || b}", "", [](DeploySpec& d) { d.health = {ContainerHealth::From::command, {"a || b"}, true}; }},
        {"healthcheck: {test: [NONE]}", "", [](DeploySpec& d) { d.health.from = ContainerHealth::From::none; }},
        {"healthcheck: {disable: true}", "", [](DeploySpec& d) { d.health.from = ContainerHealth::From::none; }},
        {"restart: unless-stopped", "", [](DeploySpec& d) { d.restart = Restart::unless_stopped; }},
        {"restart: \"no\"", "", [](DeploySpec&) {}},
        {"stop_signal: SIGINT", "", [](DeploySpec& d) { d.stop_signal = "SIGINT"; }},
        {"stop_grace_period: 1m30s", "", [](DeploySpec& d) { d.stop_timeout = 90s; }},
        {"mem_limit: 512m", "", [](DeploySpec& d) { d.memory = 512u << 20; }},
        {"cpus: \"0.5\"", "", [](DeploySpec& d) { d.cpus = 0.5; }},
        {"cpus: 2", "", [](DeploySpec& d) { d.cpus = 2; }},
        {"user: 1000", "", [](DeploySpec& d) { d.user = "1000"; }},
        {"labels: {a: b}", "", [](DeploySpec& d) { d.labels = {{"a", "b"}}; }},
        {"labels: [a=b, c=]", "", [](DeploySpec& d) { d.labels = {{"a", "b"}, {"c", ""}}; }},
        {"deploy: {replicas: 3}", "", [](DeploySpec& d) { d.replicas = 3; }},
        {"x-hale: {port: 8080}", "", [](DeploySpec& d) { d.port = 8080; }},
        {"labels: {hale.port: \"8080\", a: b}", "", [](DeploySpec& d) { d.port = 8080, d.labels = {{"a", "b"}}; }},
    };
    for (const Case& one : cases) {
        DeploySpec expected = usual;
        one.set(expected);
        EXPECT_EQ(must(one.keys, one.top).deploy, expected) << one.keys;
    }
    const auto image = load("name: other\nservices:\n  web: {image: \"web:${TAG}\"}\n");
    ASSERT_TRUE(image) << text(image.error());
    EXPECT_EQ(image->project, "other");
    EXPECT_EQ(image->containers.front().deploy.image, "web:7");
    EXPECT_EQ(image->containers.front().deploy.network, "other_default");
}

TEST(Compose, ChecksAndRoutesInBothSpellings) {
    const std::vector<std::pair<std::string_view, std::string_view>> spellings{
        {"x-hale: {check: {http: /up, interval: 9s}, host: A.example, path: /shop/, strip: true}",
         "labels: {hale.check.http: /up, hale.check.interval: 9s, hale.host: A.example, hale.path: /shop/, hale.strip: \"true\"}"},
        {"x-hale: {check: {tcp: \"\"}, host: \"*\"}", "labels: [\"hale.check.tcp=\", \"hale.host=*\"]"},
        {"x-hale: {check: {none: a reason}}", "labels: {hale.check.none: a reason}"},
        {"x-hale: {one-shot: true}", "labels: {hale.one-shot: true}"},
    };
    for (const auto& [by_key, by_label] : spellings) {
        const ComposeContainer a = must(by_key), b = must(by_label);
        EXPECT_TRUE(same(a.checks, b.checks)) << by_label;
        EXPECT_EQ(a.one_shot, b.one_shot);
        EXPECT_EQ(a.deploy, b.deploy);
        ASSERT_EQ(a.routes.size(), b.routes.size());
        for (std::size_t i = 0; i < a.routes.size(); ++i) EXPECT_EQ(a.routes[i].id, b.routes[i].id);
    }
    const ComposeContainer web = must(spellings.front().first);
    ASSERT_EQ(web.checks.size(), 1u);
    EXPECT_EQ(web.checks.front()->name, "main");
    EXPECT_EQ(std::get<HttpCheck>(web.checks.front()->what).path, "/up");
    EXPECT_EQ(web.checks.front()->timing.interval, 9s);
    ASSERT_EQ(web.routes.size(), 1u);
    EXPECT_EQ(web.routes.front().host, "a.example");
    EXPECT_EQ(web.routes.front().path, "/shop");
    EXPECT_TRUE(web.routes.front().strip);
    EXPECT_EQ(web.routes.front().service, "web");
    const ComposeContainer none = must("x-hale: {check: none, reason: it has nothing to ask}");
    ASSERT_EQ(none.checks.size(), 1u);
    EXPECT_EQ(std::get<Unchecked>(none.checks.front()->what).reason, "it has nothing to ask");
    // Defaults of Hale's own file hold here too.
    LoadRequest own;
    own.texts.push_back({"hale.yml", "defaults: {check: {interval: 7s}}\n"});
    const auto document = load_document(own);
    ASSERT_TRUE(document);
    const LoadRequest around = world();
    const auto with = load_compose({.file = {"c.yml", file_of("x-hale: {check: {http: /}}")}, .project = "p", .world = &around, .document = &*document});
    ASSERT_TRUE(with) << text(with.error());
    EXPECT_EQ(with->containers.front().checks.front()->timing.interval, 7s);
}

TEST(Compose, EachWrongShapeIsRefusedAtItsPlace) {
    const auto wrong_shapes = [](const Key& key) -> std::vector<std::string_view> {
        if (key.name == "depends_on") return {"~", "word", "[[x]]", "{db: word}", "{db: {}}", "{db: }", "{db: {condition: healthy}}"};
        if (key.name == "networks") return {"~", "word", "[[x]]", "[]", "[a, b]", "{a: , b: }", "{default: word}", "{default: {alias: [a]}}"};
        switch (key.type) {
            case Type::texts: return {"~", "word", "{x: y}", "[[x]]"};
            case Type::text_or_texts: return {"~", "{x: y}", "[[x]]", "[]", "\"\""};
            case Type::map: return {"~", "word", "[a]", "{x: [y]}"};
            case Type::section:
            case Type::section_or_word: return {"~", "word", "[a]", "{x: y}"};
            case Type::text: return {"~", "[a]", "{x: y}"};
            default: return {"~", "[a]", "{x: y}", "word", "-1", "\"\""};
        }
    };
    std::size_t tried = 0;
    const auto expect_refused = [&](const std::string& file, std::string_view key, std::string_view value) {
        const std::string said = refused(file);
        EXPECT_NE(said.find("compose.yml:"), std::string::npos) << file << said;
        EXPECT_NE(said.find(key), std::string::npos) << key << ": " << value << "\n" << said;
        ++tried;
    };
    const std::vector<std::pair<Section, std::string_view>> inside{
        {Section::compose_service, "%"}, {Section::compose_healthcheck, "healthcheck: {%}"}, {Section::compose_dependency, "depends_on: {db: {%}}"},
        {Section::compose_membership, "networks: {default: {%}}"}, {Section::compose_deploy, "deploy: {%}"}, {Section::compose_hale, "x-hale: {%}"}};
    for (const auto& [section, around] : inside) {
        for (const Key& key : compose_keys(section)) {
            for (const std::string_view value : wrong_shapes(key)) {
                std::string keys(around);
                const bool with_host = key.name == "path" || key.name == "strip";  // They mean nothing without one.
                keys.replace(keys.find('%'), 1, fmt::format("{}{}: {}", with_host ? "host: a.example, " : "", key.name, value));
                const std::string file = key.name == "image" ? fmt::format("services: {{web: {{image: {}}}}}\n", value) : file_of(keys);
                expect_refused(file, key.name, value);
            }
        }
        std::string keys(around);
        keys.replace(keys.find('%'), 1, "nonsense: 1");
        const std::string said = refused(file_of(keys));
        EXPECT_NE(said.find("nonsense: unknown key"), std::string::npos) << said;
        for (const Key& key : compose_keys(section)) EXPECT_NE(said.find(key.name, said.find("allowed: ")), std::string::npos) << key.name << said;
    }
    for (const Key& key : compose_keys(Section::compose_application))
        for (const std::string_view value : wrong_shapes(key)) expect_refused(fmt::format("x-hale: {{{}: {}}}\nservices: {{web: {{image: web}}}}\n", key.name, value), key.name, value);
    expect_refused("x-hale: {waves: 2}\nservices: {web: {image: web}}\n", "waves", "2");
    expect_refused("x-hale: {bake: {max_error_ratio: 0.1}}\nservices: {web: {image: web}}\n", "for", "bake");
    for (const std::string_view top : {"networks", "volumes"}) {
        for (const std::string_view value : {"word", "[a]", "{x: word}", "{x: [a]}", "{x: {driver: y}}", "{x: {name: [a]}}", "{x: {name: \"a b\"}}", "{x: {external: yes}}", "{\"-x\": }"})
            expect_refused(file_of("", fmt::format("{}: {}\n", top, value)), top, value);
        expect_refused(file_of("", fmt::format("{}: {{x: }}\n", top)), fmt::format("{}.x: no container names it", top), "");
    }
    for (const std::string_view value : {"~", "[a]", "{x: y}", "Shop", "\"\"", "-a"}) expect_refused(fmt::format("name: {}\nservices: {{web: {{image: web}}}}\n", value), "name", value);
    for (const std::string_view value : {"~", "[a]", "word", "{}", "{web: }", "{web: word}", "{web: {}}", "{Web: {image: web}}"}) expect_refused(fmt::format("services: {}\n", value), "services", value);
    EXPECT_GT(tried, 150u);
}

TEST(Compose, WhatIsRefusedSaysWhy) {
    const std::vector<std::pair<std::string, std::string_view>> wrong{
        {"", "a compose file is a map"},
        {"[a]", "a compose file is a map"},
        {"a: [", "not YAML"},
        {"name: a\n", "no services"},
        {"version: \"3\"\nservices: {web: {image: web}}\n", "compose.yml:1:1: version: unknown key; allowed: name, services, networks, volumes, x-hale"},
        {"x-common: {a: b}\nservices: {web: {image: web}}\n", "x-common: unknown key"},
        {file_of("env_file: .env"), "compose.yml:2:21: services.web.env_file: unknown key"},
        {file_of("build: ."), "services.web.build: unknown key"},
        {file_of("imag: x"), "did you mean image?"},
        {"services:\n  web: {command: [a]}\n", "compose.yml:2:3: services.web: the container has no image"},
        {file_of("environment: {A: }"), "services.web.environment.A: nothing where a text is wanted"},
        {file_of("environment: [A]"), "services.web.environment[0]: no NAME=VALUE"},
        {file_of("environment: [A=1, A=2]"), "A is named twice"},
        {file_of("environment: {A: $HOME}"), "services.web.environment.A: a variable without braces; allowed: ${NAME}, ${NAME:-default}, $$ for the text $"},
        {file_of("environment: {A: \"${UNSET}\"}"), "variable UNSET is not set"},
        {file_of("environment: {A: \"${UNSET:?no}\"}"), "is no variable name"},
        {file_of("command: \"a 'b\""), "a quote is not closed"},
        {file_of("volumes: [\"data:/d\"]"), "services.web.volumes: there is no volume data"},
        {file_of("volumes: [\"./d:/d\"]"), "is no volume"},
        {file_of("ports: [\"80\"]"), "publishes no port"},
        {file_of("networks: [back]"), "services.web.networks: there is no network back"},
        {file_of("healthcheck: {interval: 1s}"), "the health check has no test"},
        {file_of("healthcheck: {disable: true, test: a}"), "it is switched off, and says more"},
        {file_of("healthcheck: {test: [NONE], retries: 1}"), "it is switched off, and says more"},
        {file_of("healthcheck: {test: [CMD]}"), "not a test"},
        {file_of("healthcheck: {test: [curl, x]}"), "not a test; allowed: [CMD, …], [CMD-SHELL, text], [NONE], or one text for the shell"},
        {file_of("restart: \"on-failure:3\""), "allowed: no, always, unless-stopped, on-failure"},
        {file_of("mem_limit: 1m"), "is no such size"},
        {file_of("mem_limit: 1t"), "is no such size"},
        {file_of("deploy: {replicas: 2}, ports: [\"80:80\"]"), "can't publish one port of the host"},
        {file_of("deploy: {resources: {}}"), "services.web.deploy.resources: unknown key; allowed: replicas"},
        {file_of("labels: {hale.hots: a}"), "services.web.labels.hale.hots: unknown label of Hale's; allowed: hale.check.KEY, hale.host, hale.path, hale.strip, hale.port, hale.one-shot"},
        {file_of("labels: {hale.check.htp: /}"), "htp"},
        {file_of("labels: {hale.check.http: /}, x-hale: {check: {http: /}}"), "the check is said by labels too"},
        {file_of("x-hale: {check: {interval: 1s}}"), "services.web.x-hale.check"},
        {file_of("x-hale: {check: none}"), "reason"},
        {file_of("x-hale: {reason: so}"), "reason"},
        {file_of("x-hale: {path: /a}"), "services.web.x-hale.path: has an effect only with host"},
        {file_of("x-hale: {host: \"a b\"}"), "is no host"},
        {file_of("x-hale: {one-shot: true, host: a.example}"), "requests can't be routed to it"},
        {file_of("x-hale: {one-shot: true, check: {http: /}}"), "it has a check"},
        {file_of("x-hale: {one-shot: true}, restart: always"), "restart: always starts it again"},
        {file_of("depends_on: [nobody]"), "services.web.depends_on: there is no container nobody; allowed: web, db"},
        {file_of("depends_on: {nobody: {condition: service_started}}"), "there is no container nobody"},
        {file_of("depends_on: [db, db]"), "is named twice"},
        {file_of("depends_on: {db: {}}"), "no condition"},
        {file_of("depends_on: [web]"), "containers wait for each other in a circle: web → web"},
        {"services:\n  a: {image: a, depends_on: {b: {condition: service_healthy}}}\n  b: {image: b, healthcheck: {disable: true}}\n", "nothing tells whether b is healthy"},
        {"services:\n  a: {image: a, depends_on: {b: {condition: service_healthy}}}\n  b: {image: b}\n  c: {image: c, depends_on: {b: {condition: service_completed_successfully}}}\n",
         "b runs to its end and is never healthy"},
        {"services:\n  a: {image: a, x-hale: {host: x.example}}\n  b: {image: b, x-hale: {host: X.example, path: /}}\n", "x.example/ leads to a already"},
        {"services:\n  a: {image: a, ports: [\"80:80\"]}\n  b: {image: b, ports: [\"127.0.0.1:80:81\"]}\n", "port 80 of the host is published by a already"},
        {"services:\n  a: {image: a}\n  a: {image: b}\n", "defined twice"},
    };
    for (const auto& [file, what] : wrong) EXPECT_NE(refused(file).find(what), std::string::npos) << file << "\n" << refused(file);
    // Everything that is wrong, in the order of the places.
    const auto loaded = load("services:\n  a: {image: A}\n  b: {depends_on: [x]}\n");
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().size(), 3u) << text(loaded.error());
    EXPECT_EQ(loaded.error().front().mark.line, 2);
    // Through the API: nothing of this machine.
    EXPECT_TRUE(load(file_of("environment: {A: b}"), true));
    EXPECT_NE(refused(file_of("environment: {A: \"${TAG}\"}"), true).find("variables are for the configuration file alone"), std::string::npos);
    EXPECT_NE(refused(file_of("volumes: [\"/etc:/x\"]"), true).find("for the configuration file alone"), std::string::npos);
    EXPECT_NE(refused(file_of("x-hale: {check: {exec: [/bin/true]}}"), true).find("for the configuration file alone"), std::string::npos);
    EXPECT_NE(refused(std::string(max_compose_bytes + 1, ' ')).find("at most 1MiB"), std::string::npos);
}

// Every way in which three containers may wait for each other: refused exactly when somebody waits for themselves.
TEST(Compose, CirclesAreFoundInEveryGraphOfThree) {
    for (unsigned edges = 0; edges < (1u << 9); ++edges) {
        bool reach[3][3] = {};
        std::string file = "services:\n";
        for (unsigned from = 0; from < 3; ++from) {
            std::string list;
            for (unsigned to = 0; to < 3; ++to) {
                if (!(edges >> (from * 3 + to) & 1)) continue;
                reach[from][to] = true;
                list += fmt::format("{}c{}", list.empty() ? "" : ", ", to);
            }
            file += fmt::format("  c{}: {{image: i, depends_on: [{}]}}\n", from, list);
        }
        for (unsigned via = 0; via < 3; ++via)
            for (unsigned from = 0; from < 3; ++from)
                for (unsigned to = 0; to < 3; ++to) reach[from][to] |= reach[from][via] && reach[via][to];
        const bool circle = reach[0][0] || reach[1][1] || reach[2][2];
        const auto loaded = load(file);
        ASSERT_EQ(loaded.has_value(), !circle) << file;
        if (circle) EXPECT_NE(text(loaded.error()).find("in a circle"), std::string::npos) << text(loaded.error());
    }
}

TEST(Compose, WhoIsWaitedForUntilTheEndIsOneShot) {
    const auto loaded = load(
        "services:\n  web: {image: web, depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}, log: {condition: service_started}}}\n"
        "  migrate: {image: web, depends_on: [db]}\n  db: {image: db}\n  log: {image: log}\n");
    ASSERT_TRUE(loaded) << text(loaded.error());
    ASSERT_EQ(loaded->containers.size(), 4u);
    EXPECT_EQ(loaded->containers[0].depends_on, (std::vector<ComposeDependency>{{"migrate", WaitFor::completed}, {"db", WaitFor::healthy}, {"log", WaitFor::started}}));
    EXPECT_EQ(loaded->containers[1].depends_on, (std::vector<ComposeDependency>{{"db", WaitFor::started}}));
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(loaded->containers[i].one_shot, i == 1) << i;
}

TEST(Compose, WordsAndSizesAsAShellAndComposeReadThem) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(shell_words(""), Words{});
    EXPECT_EQ(shell_words("  a  b\t"), (Words{"a", "b"}));
    EXPECT_EQ(shell_words("a\"b c\"d"), Words{"ab cd"});
    EXPECT_EQ(shell_words("'a\\b' \"a\\b\" \"a\\\"b\" a\\\\b"), (Words{"a\\b", "a\\b", "a\"b", "a\\b"}));
    EXPECT_EQ(shell_words("'' \"\" x"), (Words{"", "", "x"}));
    for (const std::string_view open : {"'", "a \"b", "\"a\\\""}) EXPECT_FALSE(shell_words(open)) << open;
    for (const auto& [said, bytes] : std::vector<std::pair<std::string_view, std::uint64_t>>{{"0", 0}, {"7", 7}, {"7b", 7}, {"2k", 2048}, {"2KB", 2048}, {"3m", 3u << 20}, {"1g", 1u << 30}, {"1Gb", 1u << 30}})
        EXPECT_EQ(parse_compose_size(said), bytes) << said;
    for (const std::string_view wrong : {"", "m", "1.5g", "-1", "1 m", "1t", "99999999999999999999", "9999999999g"}) EXPECT_FALSE(parse_compose_size(wrong)) << wrong;
}

TEST(Compose, TheGuideHasEveryKey) {
    std::ostringstream all;
    all << std::ifstream(fmt::format("{}/docs/guide/compose.md", HALE_SOURCE_DIR)).rdbuf();
    const std::string page = all.str();
    for (const auto& [section, prefix] : std::vector<std::pair<Section, std::string_view>>{
             {Section::compose, ""}, {Section::compose_service, ""}, {Section::compose_healthcheck, "healthcheck."}, {Section::compose_dependency, "depends_on.*."},
             {Section::compose_membership, "networks.*."}, {Section::compose_network, "networks.*."}, {Section::compose_volume, "volumes.*."},
             {Section::compose_deploy, "deploy."}, {Section::compose_hale, "x-hale."}, {Section::compose_application, "x-hale."}})
        for (const Key& key : compose_keys(section)) {
            const std::string row = fmt::format("| `{}{}` |", prefix, key.name);
            EXPECT_NE(page.find(row), std::string::npos) << row;
        }
}

}  // namespace
}  // namespace hale::config
