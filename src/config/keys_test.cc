// Goal: no key without effect, and one table behind everything. Method: walk the table; for every key a value
// other than its default must make another document, and its default written out must make the same one.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "config/diff.h"
#include "config/load.h"
#include "config/schema.h"

namespace hale::config {
namespace {

std::expected<Document, Problems> load(std::string text, bool effective = false) {
    LoadRequest request;
    request.texts.push_back({"f", std::move(text)});
    request.environment = [](const std::string&) { return std::optional<std::string>("sesame-sesame-sesame"); };
    // Certificates are files; whether they work is not for this folder to say.
    request.file = request.key_file = [](const std::string& path) -> Result<std::string> { return "the text of " + path; };
    request.effective = effective;
    return load_document(request);
}

// A value other than the default for every key, and for keys of checks the kind it belongs to.
const std::map<std::string, std::string>& others() {
    static const std::string pin = fmt::format("\"{}\"", std::string(64, 'a'));
    static const std::map<std::string, std::string> values{
        {"state", "/srv/hale"}, {"workers", "3"}, {"checkers", "3"}, {"access_log", "stdout"}, {"trusted_proxies", "[10.0.0.0/8]"},
        {"last_known_max_age", "1m"}, {"probes_in_flight", "7"}, {"probes_in_flight_per_host", "7"}, {"override_max", "1d"}, {"drain_timeout", "1s"},
        {"listen.http", "\":80\""}, {"listen.admin", "none"}, {"listen.health", "\":81\""}, {"listen.socket", "/run/x.sock"},
        {"listen.https", "\":82\""}, {"tls.certificates", "[{chain: /a.pem, key: /a.key}]"}, {"tls.min_version", "1.3"}, {"admin.certificate", "{chain: /a.pem, key: /a.key}"},
        {"services.*.tls", "true"}, {"services.*.tls.redirect", "301"}, {"services.*.tls.hsts", "9d"}, {"services.*.upstream_tls", "{verify: false}"},
        {"services.*.upstream_tls.verify", "false"}, {"services.*.upstream_tls.ca", "/ca.pem"}, {"services.*.upstream_tls.name", "b.example"},
        {"services.*.upstream_tls.alpn", "[h2]"}, {"services.*.upstream_tls.pin", pin}, {"tls_verify", "false"}, {"tls_ca", "/ca.pem"}, {"tls_name", "b.example"},
        {"tls_alpn", "[h2]"}, {"tls_pin", pin}, {"tls_warn_before", "9d"},
        {"limits.max_body", "5MiB"}, {"errors.detail_for", "[10.0.0.1]"}, {"targets.allow", "[10.0.0.1]"}, {"targets.deny", "[10.0.0.1]"},
        {"probe_endpoint.allow", "[\"a:1\"]"}, {"exec.user", "watcher"}, {"admin.insecure", "true"}, {"admin.hosts", "[a.example]"},
        {"services.*.hosts", "[a.example]"}, {"services.*.routes", "[{host: a.example}]"}, {"services.*.instances", "[\"10.0.0.9:1\"]"},
        {"services.*.resolve", "each"}, {"services.*.balance", "{hash: address}"}, {"services.*.panic", "{below: 10%}"},
        {"services.*.degraded_weight", "0.5"}, {"services.*.replace_timeout", "1s"}, {"services.*.labels", "{a: b}"},
        {"services.*.timeouts.connect", "9s"}, {"services.*.timeouts.first_byte", "9s"}, {"services.*.timeouts.idle", "9s"},
        {"services.*.heal.policy", "restart"}, {"services.*.heal.after", "7s"}, {"services.*.heal.backoff.first", "3s"}, {"services.*.heal.backoff.max", "7m"},
        {"services.*.retry.max", "5"}, {"services.*.retry.budget", "50%"},
        {"services.*.panic.below", "10%"}, {"services.*.panic.min_instances", "9"}, {"services.*.panic.to", "last_good"},
        {"services.*.routes[].path", "/x"}, {"services.*.routes[].strip", "true"}, {"services.*.routes[].project", "p"}, {"services.*.routes[].tls", "true"}, {"services.*.routes[].host", "b.example"},
        {"services.*.instances[].name", "me"}, {"services.*.instances[].address", "\"10.0.0.8:1\""}, {"services.*.instances[].weight", "9"},
        {"services.*.instances[].check", "{fall: 9}"}, {"services.*.instances[].checks", "{main: {fall: 9}}"},
        {"http", "/other"}, {"tcp", "\":9\""}, {"exec", "[/bin/false]"}, {"none", "another reason"}, {"interval", "9s"}, {"timeout", "9s"}, {"confirm_interval", "9s"},
        {"down_interval_max", "9m"}, {"start_period", "9s"}, {"start_interval", "9s"}, {"rise", "9"}, {"fall", "9"}, {"initial", "up"}, {"m_of_n", "{m: 2}"},
        {"critical", "false"}, {"scope", "service"}, {"via", "proxy"}, {"port", "9"}, {"method", "HEAD"}, {"headers", "{A: b}"}, {"host", "h"},
        {"body", "b"}, {"redirect", "follow"}, {"max_redirects", "9"}, {"read", "headers"}, {"body_limit", "1KiB"}, {"connection", "fresh"},
        {"expect", "[\"[CONNECTED] == true\"]"}, {"send", "s"}, {"expect_bytes", "e"}, {"user", "u"},
        {"tls", "\":9\""}, {"redis", "\":9\""}, {"postgres", "\":9\""}, {"smtp", "\":9\""}, {"dns", "b.example"}, {"username", "u"}, {"password", "env:PASSWORD"},
        {"redis/role", "replica"}, {"postgres/role", "standby"}, {"over_tls", "true"}, {"database", "d"}, {"query", "SELECT 2"}, {"tls_mode", "require"},
        {"starttls", "required"}, {"record", "MX"}, {"rcode", "NXDOMAIN"}, {"answer", "[\"10.0.0.7\"]"}, {"transport", "tcp"}, {"server", "10.0.0.53"},
        {"heartbeat.every", "2h"}, {"heartbeat.grace", "9m"}, {"heartbeat.token", "env:TOKEN"},
        {"composite.of", "[other, third]"}, {"composite.advisory", "[other]"}, {"composite.need", "any"}, {"composite.run", "sequence"}, {"composite.caller_timeout", "9m"},
        {"m_of_n.m", "2"}, {"m_of_n.n", "9"}, {"m_of_n.missing", "breaching"},
        {"aliases[].method", "PUT"}, {"aliases[].path", "/b"}, {"aliases[].action", "live"}, {"aliases[].shape", "spring"},
        {"acme.agree_tos", "true"}, {"acme.email", "ops@a.example"}, {"acme.directory", "\"https://ca.example/dir\""}, {"acme.staging", "true"}, {"acme.ca", "/etc/ca.pem"},
        {"acme.eab.key_id", "other"}, {"acme.eab.hmac", "c2VzYW1l"}, {"acme.challenge", "tls-alpn-01"}, {"acme.dns_hook.exec", "[/bin/hook]"},
        {"acme.dns_hook.url", "\"http://10.0.0.1/\""}, {"acme.on_demand.ask", "\"http://10.0.0.1/may\""}, {"acme.on_demand.per_hour", "7"}, {"acme.renew_before", "20d"},
        {"docker.host", "\"tcp://10.0.0.5:2375\""}, {"docker.discover", "true"}, {"registries.*.username", "other"}, {"registries.*.password", "env:PASSWORD"},
        {"services.*.deploy", "{}"}, {"services.*.deploy.image", "web:2"}, {"services.*.deploy.pull", "always"}, {"services.*.deploy.replicas", "3"},
        {"services.*.deploy.port", "8080"}, {"services.*.deploy.command", "[serve]"}, {"services.*.deploy.entrypoint", "[/init]"}, {"services.*.deploy.env", "{A: b}"},
        {"services.*.deploy.secrets", "{A: env:A}"}, {"services.*.deploy.required_env", "[A]"}, {"services.*.deploy.needs", "[other]"}, {"services.*.deploy.volumes", "[\"data:/data\"]"},
        {"services.*.deploy.ports", "[\"8080:80\"]"}, {"services.*.deploy.network", "front"}, {"services.*.deploy.aliases", "[db]"}, {"services.*.deploy.memory", "64MiB"},
        {"services.*.deploy.cpus", "0.5"}, {"services.*.deploy.restart", "no"}, {"services.*.deploy.stop_signal", "SIGINT"}, {"services.*.deploy.stop_timeout", "9s"},
        {"services.*.deploy.user", "app"}, {"services.*.deploy.labels", "{a: b}"}, {"services.*.deploy.health", "none"}, {"services.*.deploy.retain", "9"},
        {"services.*.deploy.max_healthy_percent", "150"}, {"services.*.deploy.min_healthy_percent", "50"}, {"services.*.deploy.breaker.failures", "7"},
        {"services.*.deploy.bake.max_p95", "500ms"}, {"services.*.deploy.before[].method", "PUT"}, {"services.*.deploy.before[].headers", "{a: b}"}, {"services.*.deploy.before[].status", "204"},
        {"services.*.deploy.pre_existing", "accept"}, {"services.*.deploy.before", "[{http: \"http://a/\"}]"}, {"services.*.deploy.after", "[{http: \"http://a/\"}]"},
        {"services.*.deploy.health.command", "[/ok]"}, {"services.*.deploy.health.interval", "9s"}, {"services.*.deploy.health.timeout", "9s"},
        {"services.*.deploy.health.retries", "9"}, {"services.*.deploy.health.start_period", "9s"}, {"services.*.deploy.deadlines.pulling", "9s"},
        {"services.*.deploy.deadlines.creating", "9s"}, {"services.*.deploy.deadlines.starting", "9s"}, {"services.*.deploy.deadlines.verifying", "9s"},
        {"services.*.deploy.deadlines.draining", "9s"}, {"services.*.deploy.bake.for", "9s"}, {"services.*.deploy.bake.max_error_ratio", "0.5"},
        {"services.*.deploy.bake.min_requests", "9"}, {"services.*.deploy.before[].http", "\"http://b/\""}, {"services.*.deploy.before[].exec", "[/bin/hook]"},
        {"services.*.deploy.before[].timeout", "9s"},
        {"aliases[].ok_status", "204"}, {"aliases[].fail_status", "500"}, {"aliases[].on_public", "true"},
    };
    return values;
}

std::string kind_entry(std::string_view kind, std::string_view key = {}, std::string_view value = {}) {
    if (kind == key) return fmt::format("{}: {}", key, value);
    if (kind == "http") return "http: /";
    if (kind == "tcp") return "tcp: \"\"";
    if (kind == "exec") return "exec: [/bin/true]";
    if (kind == "none") return "none: a reason";
    if (kind == "tls" || kind == "redis" || kind == "postgres" || kind == "smtp") return fmt::format("{}: \"\"", kind);
    if (kind == "dns") return "dns: a.example";
    if (kind == "heartbeat") return "heartbeat: {every: 1h}";
    return "composite: {of: [other]}";
}

std::string with_check(std::string_view inside) {
    return fmt::format("services:\n  other: {{instances: [\"10.0.0.1:1\"], check: {{http: /}}}}\n  third: {{instances: [\"10.0.0.1:1\"], check: {{http: /}}}}\n  web:\n    check: {{{}}}\n", inside);
}

struct Pair {
    std::string without, with;
};

// A file without the key and one with it.
std::optional<Pair> files_for(const KeyFacts& key, const std::string& value, std::string_view kind) {
    const std::string& path = key.path;
    const auto last = std::string(path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1));
    const std::string service = "services:\n  web:\n    check: {http: /}\n";
    const auto starts = [&](std::string_view prefix) { return path.starts_with(prefix); };
    if (starts("services.*.checks.*.heartbeat.")) {
        const std::string every = last == "every" ? "" : ", every: 1h";
        return Pair{with_check("heartbeat: {every: 1h}"), with_check(fmt::format("heartbeat: {{{}: {}{}}}", last, value, every))};
    }
    if (starts("services.*.checks.*.composite.")) {
        const std::string of = last == "of" ? "" : ", of: [other]";
        return Pair{with_check("composite: {of: [other]}"), with_check(fmt::format("composite: {{{}: {}{}}}", last, value, of))};
    }
    if (starts("services.*.checks.*.m_of_n.")) return Pair{with_check("http: /, m_of_n: {}"), with_check(fmt::format("http: /, m_of_n: {{{}: {}}}", last, value))};
    if (starts("services.*.checks.*."))
        return Pair{with_check(kind_entry(kind)), with_check(kind == last ? kind_entry(kind, last, value) : fmt::format("{}, {}: {}", kind_entry(kind), last, value))};
    if (starts("services.*.deploy.")) {
        // What stands around a key, and what must stand beside it.
        const std::string section = path.substr(0, path.rfind('.'));
        const auto [outer, beside] = section.ends_with(".health")     ? std::pair{"health: {%}", last == "command" ? "command: [/no]" : "command: [/ok]"}
                                     : section.ends_with(".deadlines") ? std::pair{"deadlines: {%}", ""}
                                     : section.ends_with(".bake")      ? std::pair{"bake: {%}", last == "for" ? "" : "for: 1m"}
                                     : section.ends_with(".breaker")   ? std::pair{"breaker: {%}", ""}
                                     : section.ends_with(".before[]")  ? std::pair{"before: [{%}]", last == "exec" ? "" : "http: \"http://a/\""}
                                     : last == "max_healthy_percent"   ? std::pair{"%", "replicas: 4"}
                                                                       : std::pair{"%", ""};
        const auto deploy = [&](std::string inner) {
            std::string text = outer;
            if (inner.empty() && text.starts_with("before")) text.clear();
            else text.replace(text.find('%'), 1, inner);
            return fmt::format("{}    deploy: {{{}}}\n", service, text);
        };
        const bool instead = *beside == '\0' || std::string_view(beside).starts_with(last + ":");
        return Pair{deploy(beside), deploy(instead ? fmt::format("{}: {}", last, value) : fmt::format("{}, {}: {}", beside, last, value))};
    }
    if (starts("registries.*."))
        return Pair{"registries: {a.example: {username: u, password: p}}\n", fmt::format("registries: {{a.example: {{{}: {}, {}}}}}\n", last, value, last == "username" ? "password: p" : "username: u")};
    if (starts("services.*.panic.")) return Pair{service + "    panic: {}\n", fmt::format("{}    panic: {{{}: {}}}\n", service, last, value)};
    if (starts("services.*.tls.") || starts("services.*.upstream_tls.")) {
        const std::string section = path.substr(11, path.rfind('.') - 11);
        return Pair{fmt::format("{}    {}: {{}}\n", service, section), fmt::format("{}    {}: {{{}: {}}}\n", service, section, last, value)};
    }
    if (starts("services.*.heal.backoff.")) return Pair{service, fmt::format("{}    heal: {{backoff: {{{}: {}}}}}\n", service, last, value)};
    if (starts("services.*.heal.") || starts("services.*.timeouts.") || starts("services.*.retry.")) {
        const std::string section = path.substr(11, path.rfind('.') - 11);
        return Pair{service, fmt::format("{}    {}: {{{}: {}}}\n", service, section, last, value)};
    }
    if (starts("services.*.routes[]."))
        return Pair{service + "    routes: [{host: a.example}]\n", fmt::format("{}    routes: [{{{}{}: {}}}]\n", service, last == "host" ? "" : "host: a.example, ", last, value)};
    if (starts("services.*.instances[]."))
        return Pair{service + "    instances: [{address: \"10.0.0.1:1\"}]\n",
                    fmt::format("{}    instances: [{{{}{}: {}}}]\n", service, last == "address" ? "" : "address: \"10.0.0.1:1\", ", last, value)};
    if (starts("aliases[].")) {
        std::string rest;
        if (last != "path") rest += ", path: /a";
        if (last != "action") rest += ", action: health";
        return Pair{"aliases: [{path: /a, action: health}]\n", fmt::format("aliases: [{{{}: {}{}}}]\n", last, value, rest)};
    }
    if (starts("acme.eab."))
        return Pair{"acme: {agree_tos: true, eab: {key_id: k, hmac: azEy}}\n", fmt::format("acme: {{agree_tos: true, eab: {{{}, {}: {}}}}}\n", last == "hmac" ? "key_id: k" : "hmac: azEy", last, value)};
    if (starts("acme.dns_hook.")) return Pair{"acme: {agree_tos: true}\n", fmt::format("acme: {{agree_tos: true, challenge: dns-01, dns_hook: {{{}: {}}}}}\n", last, value)};
    if (path == "acme.on_demand.per_hour")
        return Pair{"acme: {agree_tos: true, on_demand: {ask: \"http://a/\"}}\n", fmt::format("acme: {{agree_tos: true, on_demand: {{ask: \"http://a/\", per_hour: {}}}}}\n", value)};
    if (path == "acme.on_demand.ask") return Pair{"acme: {agree_tos: true}\n", fmt::format("acme: {{agree_tos: true, on_demand: {{ask: {}}}}}\n", value)};
    if (path == "acme.agree_tos") return Pair{"", fmt::format("acme: {{agree_tos: {}}}\n", value)};
    if (starts("acme.")) return Pair{"acme: {agree_tos: true}\n", fmt::format("acme: {{agree_tos: true, {}: {}}}\n", last, value)};
    if (starts("services.*.")) return Pair{service, fmt::format("{}    {}: {}\n", service, last, value)};
    if (path.find('.') == std::string::npos) return Pair{"", fmt::format("{}: {}\n", path, value)};
    return Pair{"", fmt::format("{}: {{{}: {}}}\n", path.substr(0, path.find('.')), last, value)};
}

std::vector<std::string> kinds_of(const KeyFacts& key) {
    std::vector<std::string> out;
    std::string_view rest = key.kinds;
    while (!rest.empty()) {
        const auto space = rest.find(' ');
        out.emplace_back(rest.substr(0, space));
        rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
    }
    if (out.empty()) out.emplace_back();
    return out;
}

bool is_container(const KeyFacts& key) { return key.type == "map" && key.path != "services.*.labels" && !key.path.ends_with(".headers") && !key.path.ends_with("instances[].check") && !key.path.ends_with("instances[].checks") && !key.path.ends_with("deploy.env") && !key.path.ends_with("deploy.secrets") && !key.path.ends_with("deploy.labels"); }

TEST(Keys, EveryKeyHasAnEffectAndEveryDefaultIsOne) {
    // Keys that have an effect only together with another; each is tested beside.
    const std::vector<std::string> together{"services.*.reason", "services.*.checks.*.composite.quorum", "aliases[].service", "aliases[].body",
                                            "aliases[].content_type", "services.*.check", "aliases", "tls.certificates[].chain", "tls.certificates[].key",
                                            "services.*.tls.client_certificates", "services.*.tls.client_ca", "services.*.upstream_tls.certificate", "services.*.upstream_tls.key",
                                            "services.*.checks.*.tls_certificate", "services.*.checks.*.tls_key"};
    std::size_t tested = 0;
    for (const KeyFacts& key : all_keys()) {
        if (!key.supported || is_container(key) || key.path.starts_with("defaults") || std::ranges::find(together, key.path) != together.end()) continue;
        auto value = others().find(key.path);
        const std::string prefix = "services.*.checks.*.";
        if (value == others().end() && key.path.starts_with(prefix)) value = others().find(key.path.substr(prefix.size()));
        for (const std::string& kind : kinds_of(key)) {
            if (const auto of_kind = others().find(fmt::format("{}/{}", kind, key.path.substr(key.path.rfind('.') + 1))); of_kind != others().end()) value = of_kind;
            ASSERT_NE(value, others().end()) << "no other value known for " << key.path;
            const auto files = files_for(key, value->second, kind);
            const auto without = load(files->without);
            const auto with = load(files->with);
            ASSERT_TRUE(without) << key.path << "\n" << files->without << hale::config::text(without.error());
            ASSERT_TRUE(with) << key.path << "\n" << files->with << hale::config::text(with.error());
            EXPECT_FALSE(diff(*without, *with).empty()) << key.path << " has no effect\n" << files->with;
            ++tested;
            if (key.restart) {
                const Plan plan = diff(*without, *with);
                EXPECT_TRUE(std::ranges::any_of(plan.settings, [&](const SettingChange& change) { return change.key == key.path && change.restart; })) << key.path;
            } else if (!key.path.starts_with("services") && !key.path.starts_with("aliases")) {
                const Plan plan = diff(*without, *with);
                EXPECT_TRUE(std::ranges::any_of(plan.settings, [&](const SettingChange& change) { return change.key == key.path && !change.restart; })) << key.path;
            }
            const bool one_by_kind = (kind == "heartbeat" || kind == "composite") && (key.path.ends_with(".rise") || key.path.ends_with(".fall"));
            if (key.fallback.empty() || one_by_kind) continue;
            const auto usual = files_for(key, std::string(key.fallback), kind);
            const auto written = load(usual->with);
            ASSERT_TRUE(written) << key.path << "\n" << usual->with << hale::config::text(written.error());
            EXPECT_TRUE(diff(*without, *written).empty()) << key.path << ": " << key.fallback << " is not its default";
        }
    }
    EXPECT_GT(tested, 90u);
}

TEST(Keys, ThoseThatWorkOnlyTogether) {
    EXPECT_TRUE(load("services:\n  web: {instances: [\"10.0.0.1:1\"], check: none, reason: r}\n"));
    EXPECT_TRUE(load(with_check("composite: {of: [other, third], need: quorum, quorum: 1}")));
    EXPECT_FALSE(load(with_check("composite: {of: [other, third], quorum: 1}")));
    EXPECT_TRUE(load("aliases: [{path: \"/h/{s}\", action: verdict, service: \"{s}\", shape: template, body: \"{{state}}\", content_type: text/plain}]\n"));
    EXPECT_FALSE(load("aliases: [{path: /h, action: verdict}]\n"));
    EXPECT_FALSE(load("aliases: [{path: /h, action: health, body: x}]\n"));
    EXPECT_FALSE(load("services:\n  web: {instances: [\"10.0.0.1:1\"], check: {http: /}, reason: r}\n"));
    for (const auto& [whole, halves] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"tls: {certificates: [{chain: /a, key: /b}]}\n", {"tls: {certificates: [{chain: /a}]}\n", "tls: {certificates: [{key: /b}]}\n"}},
             {"services:\n  web: {check: {http: /}, tls: {client_certificates: require, client_ca: /a}}\n",
              {"services:\n  web: {check: {http: /}, tls: {client_certificates: require}}\n", "services:\n  web: {check: {http: /}, tls: {client_ca: /a}}\n"}},
             {"services:\n  web: {check: {http: /}, upstream_tls: {certificate: /a, key: /b}}\n",
              {"services:\n  web: {check: {http: /}, upstream_tls: {certificate: /a}}\n", "services:\n  web: {check: {http: /}, upstream_tls: {key: /b}}\n"}},
             {"services:\n  web: {check: {http: /, tls_certificate: /a, tls_key: /b}}\n",
              {"services:\n  web: {check: {http: /, tls_certificate: /a}}\n", "services:\n  web: {check: {http: /, tls_key: /b}}\n"}}}) {
        EXPECT_TRUE(load(whole)) << whole;
        EXPECT_FALSE(diff(*load("services:\n  web: {check: {http: /}}\n"), *load(whole)).empty()) << whole;
        for (const auto& half : halves) EXPECT_FALSE(load(half)) << half;
    }
}

TEST(Keys, AuthoritiesOfCertificates) {
    for (const std::string_view good : {"{agree_tos: true}", "{agree_tos: true, directory: [\"https://a.example/d\", \"https://b.example/d\"]}", "{agree_tos: true, eab: {key_id: k, hmac: env:HMAC}}"})
        EXPECT_TRUE(load(fmt::format("acme: {}\n", good))) << good;
    for (const std::string_view bad :
         {"{}", "{agree_tos: false}", "{agree_tos: true, staging: true, directory: \"https://a.example/d\"}", "{agree_tos: true, directory: \"http://a.example/d\"}",
          "{agree_tos: true, directory: []}", "{agree_tos: true, directory: [\"https://a.example/d\", \"https://a.example/d\"]}", "{agree_tos: true, email: nobody}",
          "{agree_tos: true, eab: {key_id: k}}", "{agree_tos: true, eab: {hmac: azEy}}", "{agree_tos: true, eab: {key_id: k, hmac: \"not base 64!\"}}",
          "{agree_tos: true, challenge: dns-01}", "{agree_tos: true, dns_hook: {exec: [/bin/hook]}}", "{agree_tos: true, challenge: dns-01, dns_hook: {exec: [hook]}}",
          "{agree_tos: true, challenge: dns-01, dns_hook: {exec: [/bin/hook], url: \"http://a/\"}}", "{agree_tos: true, on_demand: {}}", "{agree_tos: true, on_demand: {ask: nothing}}",
          "{agree_tos: true, challenge: http-02}", "{agree_tos: true, renew_before: 1s}"})
        EXPECT_FALSE(load(fmt::format("acme: {}\n", bad))) << bad;
    EXPECT_EQ(load("acme: {agree_tos: true, staging: true}\n")->settings.acme->directories.front(), "https://acme-staging-v02.api.letsencrypt.org/directory");
}

TEST(Keys, WhatIsNotBuiltYetIsRefusedByThatName) {
    std::size_t refused = 0;
    for (const KeyFacts& key : all_keys()) {
        if (key.supported) continue;
        const auto files = files_for(key, "{}", "http");
        const auto loaded = load(files->with);
        ASSERT_FALSE(loaded) << key.path;
        EXPECT_NE(hale::config::text(loaded.error()).find("not supported by this version"), std::string::npos) << key.path << hale::config::text(loaded.error());
        ++refused;
    }
    EXPECT_GT(refused, 30u);
}

TEST(Keys, EffectiveValuesOfAnEmptyServiceAreTheTable) {
    const auto document = load(with_check("http: /, interval: 9s"), true);
    ASSERT_TRUE(document);
    std::map<std::string, const EffectiveValue*> by_key;
    for (const EffectiveValue& value : document->effective) EXPECT_TRUE(by_key.emplace(value.key, &value).second) << value.key << " is shown twice";
    for (const KeyFacts& key : all_keys()) {
        if (!key.supported || is_container(key) || key.fallback.empty() || key.path.find("[]") != std::string::npos || key.path.starts_with("aliases")) continue;
        if (key.path.starts_with("services.*.panic.") || key.path.starts_with("services.*.tls.") || key.path.starts_with("services.*.upstream_tls.") || key.path.starts_with("services.*.checks.*.") || key.path.starts_with("services.*.deploy.")) continue;
        if (key.type == "list" || key.path == "services.*.hosts") continue;
        std::string path = key.path;
        if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, "web");
        ASSERT_TRUE(by_key.contains(path)) << path;
        EXPECT_EQ(by_key[path]->value, key.fallback) << path;
        EXPECT_EQ(by_key[path]->origin, "default");
    }
    EXPECT_EQ(by_key.at("services.web.checks.main.interval")->value, "9s");
    EXPECT_EQ(by_key.at("services.web.checks.main.interval")->origin, "f:5:32");
    EXPECT_EQ(by_key.at("services.web.checks.main.expect")->value, "[\"[STATUS] == 2xx\"]");
    EXPECT_EQ(by_key.at("services.web.checks.main.fall")->value, "3");
}

TEST(Keys, SchemaAndReferenceNameEveryKey) {
    const auto schema = nlohmann::json::parse(json_schema());
    EXPECT_TRUE(schema["properties"].contains("listen"));
    EXPECT_FALSE(schema["properties"].contains("history"));
    const std::string page = reference_page();
    for (const KeyFacts& key : all_keys()) {
        const std::string last = key.path.substr(key.path.rfind('.') == std::string::npos ? 0 : key.path.rfind('.') + 1);
        EXPECT_NE(page.find("`" + (key.supported ? last : key.path) + "`"), std::string::npos) << key.path;
        EXPECT_FALSE(key.says.empty()) << key.path;
        EXPECT_TRUE(key.says.ends_with('.') || key.says.ends_with(',')) << key.path;
    }
}

}  // namespace
}  // namespace hale::config
