// Goal: whatever is wrong is said with its place, its key, what is wrong and what is allowed. Method: a corpus
// of bad files, each with the exact sentence; then all of them at once in one file.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace hale::config {
namespace {

std::string refusal(std::string text) {
    LoadRequest request;
    request.texts.push_back({"f", std::move(text)});
    const auto loaded = load_document(request);
    return loaded ? "loaded" : hale::config::text(loaded.error());
}

struct Bad {
    std::string text;
    std::string said;
};

class BadFile : public testing::TestWithParam<Bad> {};

TEST_P(BadFile, SaysWhereAndWhat) { EXPECT_EQ(refusal(GetParam().text), GetParam().said + "\n") << GetParam().text; }

const std::string web = "services:\n  web:\n    instances: [\"10.0.0.1:80\"]\n";

INSTANTIATE_TEST_SUITE_P(
    Keys, BadFile,
    testing::Values(
        Bad{"access_logs: none\n",
            "f:1:1: access_logs: unknown key; did you mean access_log?; allowed: listen, state, workers, checkers, access_log, trusted_proxies, "
            "tls, errors, limits, targets, probe_endpoint, exec, admin, last_known_max_age, probes_in_flight, probes_in_flight_per_host, override_max, "
            "drain_timeout, defaults, services, aliases, acme, docker, registries"},
        Bad{"limits: {max_body: 0}\n", "f:1:20: limits.max_body: 0 is out of range; allowed: none, or 1B to 1024GiB"},
        Bad{"limits: {max_body: 1025GiB}\n", "f:1:20: limits.max_body: 1025GiB is out of range; allowed: none, or 1B to 1024GiB"},
        Bad{"errors: {zzz: 1}\n", "f:1:10: errors.zzz: unknown key; allowed: detail_for"},
        Bad{"state: /a\nstate: /b\n", "f:2:1: state: defined twice, first in line 1"},
        Bad{"services:\n  a: {}\n  a: {}\n", "f:3:3: services.a: defined twice, first in line 2"},
        Bad{"history: {}\n", "f:1:1: history: not supported by this version"},
        Bad{"[1, 2]\n", "f:1:1: a configuration is a map; allowed: keys such as services:"},
        Bad{"listen: 5\n", "f:1:9: listen: a plain value where a map is wanted; allowed: a map"},
        Bad{"a: [\n", "f:2:1: not YAML: end of sequence flow not found"}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadFile,
    testing::Values(
        Bad{"workers: 010\n", "f:1:10: workers: \"010\" is ambiguous: octal to some readers, decimal to others; allowed: auto, or 1 to 256"},
        Bad{"workers: 999\n", "f:1:10: workers: 999 is out of range; allowed: auto, or 1 to 256"},
        Bad{"workers: \"4\"\n", "f:1:10: workers: \"4\" is a text, not a number; allowed: auto, or 1 to 256"},
        Bad{"admin: {insecure: yes}\n", "f:1:19: admin.insecure: \"yes\" is a text, not a truth value, in YAML 1.2; allowed: true, false"},
        Bad{"admin: {insecure: 1}\n", "f:1:19: admin.insecure: \"1\" is neither true nor false; allowed: true, false"},
        Bad{"listen: {http: \":99999\"}\n",
            "f:1:16: listen.http: \":99999\" is not an address with a port from 0 to 65535; allowed: host:port with an IP literal, :port, none"},
        Bad{"drain_timeout: 30\n", "f:1:16: drain_timeout: \"30\" has no unit; allowed: 0 to 1h"},
        Bad{"drain_timeout: soon\n", "f:1:16: drain_timeout: \"soon\" is not a duration; allowed: 0 to 1h"},
        Bad{"state: ${NOWHERE}\n", "f:1:8: state: variable NOWHERE is not set; allowed: set it, or ${NOWHERE:-default}"},
        Bad{"trusted_proxies: [10.0.0.0/99]\n",
            "f:1:19: trusted_proxies[0]: \"10.0.0.0/99\" is no address block; allowed: a list of addresses or blocks (10.0.0.0/8)"}));

INSTANTIATE_TEST_SUITE_P(
    Services, BadFile,
    testing::Values(
        Bad{"services:\n  Web: {}\n",
            "f:2:8: services.Web: \"Web\" is no service name; allowed: lower case letters, digits, . _ -, at most 63, first and last a letter or digit"},
        Bad{"services:\n  web:\n    instances: [\"10.0.0.1:99999\"]\n",
            "f:3:17: services.web.instances[0]: address \"10.0.0.1:99999\": not a host with a port from 1 to 65535; allowed: ip:port, [v6]:port, "
            "name:port, http(s)://name[:port], unix:/path"},
        Bad{web + "    hosts: [a.example]\n",
            "f:2:3: services.web: service web is routed and has no check; allowed: check: {http: /up}, or check: none with reason: a sentence"},
        Bad{web + "    hosts: [\"a.example:80\"]\n    check: {http: /}\n",
            "f:4:13: services.web.hosts[0]: \"a.example:80\" is no host; allowed: a host name in lower-case A-labels, *.example.org, an IP address, or *; no port"},
        Bad{web + "    check: {http: /}\n    checks: {}\n",
            "f:5:13: services.web.checks: check and checks at once; check is short for checks: {main: …}; allowed: one of them"},
        Bad{web + "    check: none\n", "f:4:12: services.web.check: check: none without a reason; allowed: check: none with reason: a sentence"},
        Bad{"services:\n  a: {hosts: [x.example], instances: [\"10.0.0.1:1\"], check: {http: /}}\n"
            "  b: {hosts: [x.example], instances: [\"10.0.0.1:1\"], check: {http: /}}\n",
            "f:3:15: services.b.routes: host x.example with path / belongs to service a (owner file, f:2:15) and to service b (owner file, f:3:15); "
            "allowed: another host or path for one of them"},
        Bad{"services:\n  a: {instances: [\"10.0.0.1:1\", \"10.0.0.1:1\"]}\n",
            "f:2:33: services.a.instances: address 10.0.0.1:1 is listed twice, first at f:2:19; allowed: different addresses, or a name for each"},
        Bad{web + "    balance: {hash: \"query:x\"}\n",
            "f:4:21: services.web.balance.hash: \"query:x\" is nothing to hash by; allowed: round_robin, least_requests, {hash: \"header:NAME\"}, "
            "{hash: \"cookie:NAME\"}, {hash: address}"}));

INSTANTIATE_TEST_SUITE_P(
    Checks, BadFile,
    testing::Values(
        Bad{web + "    check: {http: /, intervall: 5s, tcp: \"\"}\n",
            "f:4:37: services.web.check.tcp: a second kind beside http; allowed: exactly one of http, tcp, exec, tls, redis, postgres, smtp, dns, heartbeat, composite, none"},
        Bad{web + "    check: {interval: 5s}\n",
            "f:4:12: services.web.check: the check has no kind; allowed: exactly one of http, tcp, exec, tls, redis, postgres, smtp, dns, heartbeat, composite, none"},
        Bad{web + "    check: {grpc: x}\n", "f:4:13: services.web.check.grpc: not supported by this version"},
        Bad{web + "    check: {http: /, interval: 10ms}\n", "f:4:32: services.web.check.interval: 10ms is out of range; allowed: 100ms to 366d"},
        Bad{web + "    check: {http: /, fall: 0}\n", "f:4:28: services.web.check.fall: 0 is out of range; allowed: 1 to 1000"},
        Bad{web + "    check: {http: /, port: 70000}\n", "f:4:28: services.web.check.port: 70000 is out of range; allowed: auto, or 1 to 65535"},
        Bad{web + "    check: {tcp: \"\", method: GET}\n", "f:4:22: services.web.check.method: has no effect on a check of kind tcp; only for http"},
        Bad{web + "    check: {http: /, method: BREW}\n",
            "f:4:30: services.web.check.method: \"BREW\" is none of the words known here; allowed: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"},
        Bad{web + "    check: {http: /, expect: [\"[DOMAIN_EXPIRATION] > 48h\"]}\n",
            "f:4:31: services.web.check.expect[0]: condition \"[DOMAIN_EXPIRATION] > 48h\": its part is not supported by this version"},
        Bad{web + "    check: {http: /, down_interval_max: 1s}\n",
            "f:4:41: services.web.check.down_interval_max: down_interval_max 1s is shorter than interval 5s; allowed: 0, or at least the interval"},
        Bad{web + "    check: {tcp: \":1\", port: 2}\n", "f:4:30: services.web.check.port: the port is said twice: by tcp and by port; allowed: one of them"},
        Bad{web + "    check: {http: /, headers: {Host: a}}\n", "f:4:32: services.web.check.headers.Host: header Host has a key of its own: host"},
        Bad{web + "    check: {http: /, m_of_n: {m: 6, n: 5}}\n", "f:4:30: services.web.check.m_of_n: 6 of 5 can never be; allowed: m at most n"},
        Bad{"defaults: {check: {method: GET}}\n", "f:1:20: defaults.check.method: is not shared by all kinds; only for http; allowed: defaults.http"},
        Bad{web + "    check: {http: /, via: proxy, scope: instance}\n",
            "f:4:41: services.web.check.scope: a check via: proxy can't tell which instance answers; allowed: scope: service, or nothing"},
        Bad{"defaults: {http: {via: proxy}}\n" + web + "    check: {http: /}\n",
            "f:1:19: defaults.http.via: is said by each check that goes this way, and has no default; allowed: via: proxy beside its http"},
        Bad{"defaults: {check: {intervall: 5s}}\n",
            "f:1:20: defaults.check.intervall: unknown key; did you mean interval?; allowed: interval, timeout, confirm_interval, down_interval_max, "
            "start_period, start_interval, rise, fall, initial, m_of_n, critical, scope"},
        Bad{"defaults: {composite: {intervall: 5s}}\n",
            "f:1:24: defaults.composite.intervall: unknown key; did you mean interval?; allowed: interval, rise, fall, initial, critical, scope"},
        Bad{"listen: {admin: \"0.0.0.0:4253\"}\n",
            "f:1:17: listen.admin: the admin listener 0.0.0.0:4253 is not opened off loopback without TLS: tokens would travel in the clear; "
            "allowed: 127.0.0.1:4253 (and ssh to reach it), or admin: {insecure: true}"},
        Bad{"listen: {admin: \":4253\"}\nadmin: {insecure: true}\nworkers: 0\n", "f:3:10: workers: 0 is out of range; allowed: auto, or 1 to 256"},
        Bad{"defaults: {check: {interval: 5}}\n" + web + "    check: {http: /}\n", "f:1:30: defaults.check.interval: \"5\" has no unit; allowed: 100ms to 366d"},
        Bad{"services:\n  a: {check: {heartbeat: {grace: 5m}}}\n",
            "f:2:14: services.a.check.heartbeat: the heartbeat does not say how often it comes; allowed: every: a duration"}));

const std::string members = "services:\n  a: {instances: [\"10.0.0.1:1\"], check: {http: /, timeout: 4s}}\n"
                            "  b: {instances: [\"10.0.0.1:1\"], check: {http: /, timeout: 7s}}\n";

INSTANTIATE_TEST_SUITE_P(
    Composites, BadFile,
    testing::Values(
        Bad{members + "  all: {check: {composite: {of: [a, b/main], run: sequence, caller_timeout: 10s}}}\n",
            "f:4:3: services.all.checks.main.composite.caller_timeout: the worst case is 11s (sum: a 4s + b/main 7s), and the caller waits 10s; "
            "allowed: at least 11s, or shorter timeouts of the members"},
        Bad{members + "  all: {check: {composite: {of: [a, b], caller_timeout: 6s}}}\n",
            "f:4:3: services.all.checks.main.composite.caller_timeout: the worst case is 7s (maximum: a 4s, b 7s), and the caller waits 6s; "
            "allowed: at least 7s, or shorter timeouts of the members"},
        Bad{members + "  all: {check: {composite: {of: [c]}}}\n", "f:4:3: services.all.checks.main.composite: member c: there is no service c"},
        Bad{members + "  all: {check: {composite: {of: [a/x]}}}\n", "f:4:3: services.all.checks.main.composite: member a/x: service a has no check x"},
        Bad{members + "  x: {check: {composite: {of: [y]}}}\n  y: {check: {composite: {of: [x]}}}\n",
            "f:4:3: services.x.checks.main.composite: composites depend on each other in a circle: x/main → y/main → x/main"},
        Bad{members + "  all: {check: {composite: {of: [a, b], need: quorum, quorum: 3}}}\n",
            "f:4:63: services.all.check.composite: a quorum of 3 among 2 members; allowed: 1 to the number of members"}));

TEST(BadFiles, AWrongConditionIsMarkedAtItsColumn) {
    const std::string said = refusal(web + "    check: {http: /, expect: [\"[STATUS] == 200 and [STATU] == 1\"]}\n");
    // The condition's first byte stands in column 32.
    EXPECT_TRUE(said.starts_with("f:4:52: services.web.check.expect[0]: condition \"[STATUS] == 200 and [STATU] == 1\", column 21: ")) << said;
}

TEST(BadFiles, EverythingThatIsWrongIsSaidAtOnceInOrder) {
    const std::string said = refusal("workers: 0\nservices:\n  web: {instances: [x], check: {http: up}}\naccess_log: file\n");
    EXPECT_EQ(std::ranges::count(said, '\n'), 4);
    EXPECT_LT(said.find("f:1:10"), said.find("f:3:21"));
    EXPECT_LT(said.find("f:3:21"), said.find("f:3:39"));
    EXPECT_LT(said.find("f:3:39"), said.find("f:4:13"));
}

TEST(BadFiles, AWrongKeyHidesNothingOfWhatIsWrongBetweenOthers) {
    const std::string rest =
        "  bare: {hosts: [bare.example], instances: [\"10.0.0.1:1\"]}\n"
        "  one: {hosts: [a.example], instances: [\"10.0.0.1:1\"], check: {http: /, timeout: 4s}}\n"
        "  two: {hosts: [a.example], instances: [\"10.0.0.1:1\"], check: {http: /}}\n"
        "  all: {check: {composite: {of: [one, lame], caller_timeout: 3s}}}\n";
    const std::string lame = "services:\n  lame: {hosts: [l.example], instances: [\"10.0.0.1:1\"], check: {http: /, intervall: 1s}}\n";
    const std::string said = refusal(lame + rest);
    EXPECT_EQ(std::ranges::count(said, '\n'), 4) << said;
    EXPECT_NE(said.find("services.lame.check.intervall: unknown key"), std::string::npos) << said;
    EXPECT_NE(said.find("service bare is routed and has no check"), std::string::npos) << said;
    EXPECT_NE(said.find("host a.example with path / belongs to service one"), std::string::npos) << said;
    EXPECT_NE(said.find("the worst case is 4s"), std::string::npos) << said;
    // With a wrong default nobody knows how long anything takes; what has nothing to do with it is said.
    const std::string wrong_default = refusal("defaults: {check: {timeout: 1}}\n" + lame + rest);
    EXPECT_EQ(wrong_default.find("the worst case"), std::string::npos) << wrong_default;
    EXPECT_NE(wrong_default.find("service bare is routed"), std::string::npos) << wrong_default;
    // Text that was not understood says nothing of what is missing in it.
    EXPECT_EQ(std::ranges::count(refusal("services: [\n" + rest), '\n'), 1);
}

TEST(BadFiles, AtMostFiftyAreSaidAndTheRestIsCounted) {
    std::string text = "services:\n";
    for (int i = 0; i < 80; ++i) text += fmt::format("  s{}: {{bad: 1}}\n", i);
    const std::string said = refusal(text);
    EXPECT_EQ(std::ranges::count(said, '\n'), 50);
    EXPECT_NE(said.find("(and 30 more problems)"), std::string::npos);
}

TEST(BadFiles, AFileThatCannotBeReadIsAProblemLikeAnyOther) {
    const auto loaded = load_path("/nowhere/hale.yml");
    ASSERT_FALSE(loaded);
    EXPECT_EQ(hale::config::text(loaded.error()), "/nowhere/hale.yml: read configuration /nowhere/hale.yml: no such file\n");
}

}  // namespace
}  // namespace hale::config
