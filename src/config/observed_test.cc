// Goal: no key without effect (V19), beyond this folder too: for every key there is a test of whoever acts on it,
// in which another value is seen to do another thing.
// Method: the table of keys against the table below, and that against the tests there are. A new key needs a line
// here; a test that is renamed or removed takes its keys along.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/schema.h"

namespace hale::config {
namespace {

// A test, and the keys whose effect it sees. Keys of checks are named without "services.*.checks.*.".
struct Observer {
    std::string_view file, test;
    std::vector<std::string_view> keys;
};

const std::vector<Observer>& observers() {
    static const std::vector<Observer> all{
        {"tests/integration/first_traffic_test.py", "test_v1_v21_a_verdict_turns_and_every_surface_says_so",
         {"listen.http", "listen.admin", "state", "services.*.hosts", "services.*.instances", "services.*.instances[].address", "services.*.check"}},
        {"tests/integration/rights_test.py", "test_the_token_of_this_machine_is_shown_to_its_own_daemon_only", {"listen.socket"}},
        {"tests/integration/rights_test.py", "test_operate_adds_targets_within_targets_allow_only", {"targets.allow"}},
        {"tests/integration/rights_test.py", "test_a_heartbeats_token_beats_for_that_check_alone", {"heartbeat.token"}},
        {"tests/integration/daemon_test.py", "test_the_access_log_is_reopened_by_sigusr1_and_loses_no_line", {"access_log"}},
        {"tests/integration/daemon_test.py", "test_v10_v15_each_kind_of_check_turns_with_what_it_looks_at_and_says_why",
         {"http", "tcp", "exec", "heartbeat.every", "composite.of"}},
        {"tests/integration/bad_input_test.py", "test_v19_every_fault_is_refused_with_its_place_at_start_and_at_reload", {"composite.run", "composite.caller_timeout"}},
        {"tests/integration/default_deny_test.py", "test_v18_denied_targets_get_no_request_from_the_reload_on", {"targets.deny", "none", "services.*.reason"}},
        {"tests/integration/settings_test.py", "test_v19_v21_bodies_beyond_the_limit_are_413", {"limits.max_body"}},
        {"tests/integration/settings_test.py", "test_v19_names_of_the_admin_listener_come_and_go", {"admin.hosts"}},
        {"tests/integration/settings_test.py", "test_v19_the_last_drain_timeout_is_the_one_that_counts", {"drain_timeout"}},
        {"tests/integration/settings_test.py", "test_v19_threads_and_the_health_listener_are_as_the_file_says", {"workers", "checkers", "listen.health"}},
        {"tests/integration/tls_test.py", "test_traffic_over_tls_by_every_kind_of_client",
         {"listen.https", "tls.certificates", "tls.certificates[].chain", "tls.certificates[].key", "services.*.tls", "services.*.tls.redirect", "services.*.tls.hsts"}},
        {"tests/integration/tls_test.py", "test_only_the_newest_tls_where_that_is_said", {"tls.min_version"}},
        {"tests/integration/tls_test.py", "test_clients_show_certificates_where_a_service_wants_them", {"services.*.tls.client_certificates", "services.*.tls.client_ca"}},
        {"tests/integration/tls_test.py", "test_instances_and_probes_over_tls_to_a_real_nginx",
         {"services.*.upstream_tls", "services.*.upstream_tls.verify", "services.*.upstream_tls.ca", "services.*.upstream_tls.name", "services.*.upstream_tls.alpn",
          "services.*.upstream_tls.pin", "services.*.upstream_tls.certificate", "services.*.upstream_tls.key", "tls_verify", "tls_ca", "tls_name", "tls_alpn", "tls_pin",
          "tls_warn_before", "tls_certificate", "tls_key"}},
        {"tests/integration/tls_test.py", "test_the_admin_api_over_tls", {"admin.certificate"}},
        {"tests/integration/acme_test.py", "test_a_route_is_added_and_its_certificate_comes_is_renewed_and_survives",
         {"acme.agree_tos", "acme.email", "acme.directory", "acme.ca"}},
        {"tests/integration/acme_test.py", "test_an_authority_that_knows_its_customers_from_elsewhere", {"acme.eab.key_id", "acme.eab.hmac"}},
        {"tests/integration/acme_test.py", "test_hosts_are_proved_by_each_challenge", {"acme.challenge", "acme.dns_hook.exec", "acme.dns_hook.url"}},
        {"tests/integration/acme_test.py", "test_a_host_that_nobody_declared_gets_its_certificate_on_demand", {"acme.on_demand.ask", "acme.on_demand.per_hour"}},
        {"src/config/keys_test.cc", "Keys, AuthoritiesOfCertificates", {"acme.staging"}},
        {"src/config/deploy_test.cc", "Deploy, EveryKeyFillsItsField",
         {"services.*.deploy", "services.*.deploy.image", "services.*.deploy.pull", "services.*.deploy.replicas", "services.*.deploy.port", "services.*.deploy.command",
          "services.*.deploy.entrypoint", "services.*.deploy.env", "services.*.deploy.secrets", "services.*.deploy.required_env", "services.*.deploy.needs", "services.*.deploy.volumes",
          "services.*.deploy.ports", "services.*.deploy.network", "services.*.deploy.aliases", "services.*.deploy.memory", "services.*.deploy.cpus",
          "services.*.deploy.restart", "services.*.deploy.stop_signal", "services.*.deploy.stop_timeout", "services.*.deploy.user", "services.*.deploy.labels",
          "services.*.deploy.health", "services.*.deploy.health.command", "services.*.deploy.health.interval", "services.*.deploy.health.timeout",
          "services.*.deploy.health.retries", "services.*.deploy.health.start_period", "services.*.deploy.retain", "services.*.deploy.deadlines.pulling",
          "services.*.deploy.deadlines.creating", "services.*.deploy.deadlines.starting", "services.*.deploy.deadlines.verifying", "services.*.deploy.deadlines.draining",
          "services.*.deploy.bake.for", "services.*.deploy.bake.max_p95", "services.*.deploy.max_healthy_percent", "services.*.deploy.min_healthy_percent",
          "services.*.deploy.breaker.failures", "services.*.deploy.before[].method", "services.*.deploy.before[].headers", "services.*.deploy.before[].status", "services.*.deploy.bake.max_error_ratio", "services.*.deploy.bake.min_requests", "services.*.deploy.pre_existing",
          "services.*.deploy.before", "services.*.deploy.before[].http", "services.*.deploy.before[].exec", "services.*.deploy.before[].timeout", "services.*.deploy.after"}},
        {"src/config/deploy_test.cc", "Deploy, TheEngineAndItsRegistries", {"docker.host", "registries.*.username", "registries.*.password"}},
        {"src/fleet/fleet_test.cc", "Fleet, NothingIsLookedAtUnlessSomebodyAskedForIt", {"docker.discover"}},
        {"src/fleet/fleet_test.cc", "Fleet, ASickContainerIsReplacedByOneThatIsTheSame", {"services.*.heal.policy"}},
        {"src/fleet/healing_test.cc", "Healing, WaitsLongerAfterEachTryUpToTheMost", {"services.*.heal.after", "services.*.heal.backoff.first", "services.*.heal.backoff.max"}},
        {"src/acme/calendar_test.cc", "Calendar, KeepsToWhatWasConfiguredWithinReason", {"acme.renew_before"}},
        {"src/api/server_test.cc", "Api, AListenerOffLoopbackNeedsToBeDeclaredInsecure", {"admin.insecure"}},
        {"src/api/server_test.cc", "Api, ProbesAreAskedOfTheBackend", {"probe_endpoint.allow"}},
        {"src/api/server_test.cc", "Api, AliasesAnswerAsTheyAreDeclared",
         {"aliases[].method", "aliases[].path", "aliases[].action", "aliases[].service", "aliases[].shape", "aliases[].body", "aliases[].content_type",
          "aliases[].ok_status", "aliases[].fail_status"}},
        {"src/api/server_test.cc", "Api, LabelsSelectAndProjectsAreTold", {"services.*.labels", "services.*.routes[].project"}},
        {"src/os/spawn_test.cc", "Spawning, RunsAsAnotherUserWithoutPrivileges", {"exec.user", "user"}},
        {"src/catalog/control_test.cc", "Control, SettingsAreSaidToCheckersAndWorkersWhenTheyChange", {"probes_in_flight", "probes_in_flight_per_host"}},
        {"src/catalog/control_test.cc", "Control, AnOverrideLastsAtMostAsLongAsTheFileAllows", {"override_max"}},
        {"src/catalog/membership_test.cc", "Publishing, EveryTrafficKeyReachesTheSnapshot",
         {"trusted_proxies", "errors.detail_for", "services.*.routes", "services.*.routes[].host", "services.*.routes[].path", "services.*.routes[].strip",
          "services.*.instances[].weight", "services.*.balance", "services.*.degraded_weight", "services.*.timeouts.connect", "services.*.timeouts.first_byte",
          "services.*.timeouts.idle", "services.*.retry.max", "services.*.retry.budget", "services.*.panic", "services.*.panic.below", "services.*.panic.min_instances",
          "services.*.panic.to", "aliases[].on_public"}},
        {"src/catalog/membership_test.cc", "Membership, EachAddressOfANameIsAnInstanceAndAVanishedOneDrainsAtOnce", {"services.*.resolve"}},
        {"src/catalog/membership_test.cc", "Membership, AChangedAddressIsProvenBesideTheOldOne", {"services.*.replace_timeout"}},
        {"src/catalog/membership_test.cc", "Membership, V3AnInstanceIsTheSameWhateverItsOrderOrName", {"services.*.instances[].name"}},
        {"src/probe/checker_test.cc", "Checker, ARestartKeepsWhatWasBelieved", {"last_known_max_age"}},
        {"src/probe/answers_test.cc", "Checker, WhatAnHttpCheckSaysIsWhatTheServerGets",
         {"method", "headers", "host", "body", "port", "body_limit", "read", "max_redirects", "services.*.instances[].check", "services.*.instances[].checks"}},
        {"src/probe/checker_test.cc", "Checker, WithinItsStartPeriodItAsksAtThePaceDeclared", {"start_interval"}},
        {"src/probe/answers_test.cc", "Checker, RedirectsFollowTheirPolicy", {"redirect"}},
        {"src/probe/answers_test.cc", "Checker, NamesAreResolvedPerFreshConnection", {"connection"}},
        {"src/probe/answers_test.cc", "Checker, V10ExpectationsDecideAndSayWhy", {"expect"}},
        {"src/probe/answers_test.cc", "Checker, TcpExecAndHeartbeatsHaveTheirOwnRules", {"send", "expect_bytes", "heartbeat.grace"}},
        {"src/probe/answers_test.cc", "Memory, CompositesFollowTheirTable", {"composite.need", "composite.quorum", "composite.advisory"}},
        {"src/probe/conversations_test.cc", "RedisProbe, PassesWhereverItsAnswersAreCut", {"redis", "username"}},
        {"src/probe/conversations_test.cc", "RedisProbe, WhatItSaysOtherwise", {"role"}},
        {"src/probe/conversations_test.cc", "RedisProbe, OverTls", {"over_tls"}},
        {"src/probe/conversations_test.cc", "SmtpProbe, StartTls", {"smtp", "starttls"}},
        {"src/probe/conversations_test.cc", "PostgresProbe, PassesWhereverItsAnswersAreCut", {"postgres", "database", "query"}},
        {"src/probe/conversations_test.cc", "PostgresProbe, EveryWayToLogIn", {"password"}},
        {"src/probe/conversations_test.cc", "PostgresProbe, OverTls", {"tls_mode"}},
        {"src/probe/conversations_test.cc", "TlsProbe, TellsHowLongTheCertificateHolds", {"tls"}},
        {"src/probe/conversations_test.cc", "DnsProbe, OverUdp", {"dns", "record", "rcode", "answer"}},
        {"src/probe/conversations_test.cc", "DnsProbe, AsksTheServerThatIsNamed", {"server"}},
        {"src/probe/conversations_test.cc", "DnsProbe, OverTcpAndWhatDoesNotFitUdp", {"transport"}},
        {"src/proxy/secured_test.cc", "Secured, EachRouteRedirectsAndAsksForCertificatesByItsOwnWord", {"services.*.routes[].tls"}},
        {"src/probe/through_proxy_test.cc", "ThroughProxy, ReasonTellsWhichOfTheTwoKnowsNoSuchPath", {"via"}},
        {"src/verdict/judge_test.cc", "Judge, AgreesWithTheDefinitionOnEveryShortHistory", {"rise", "fall"}},
        {"src/verdict/judge_test.cc", "Judge, CountsSlotsAsDefinedOverEverySequenceOfThem", {"m_of_n", "m_of_n.m", "m_of_n.n", "m_of_n.missing"}},
        {"src/verdict/judge_test.cc", "Judge, InitialUpIsAssumedAndOnlyForWhatWasNeverLookedAt", {"initial"}},
        {"src/verdict/judge_test.cc", "Judge, StartPeriodForgivesByWhenTheProbeBeganAndEndsAtTheFirstPass", {"start_period"}},
        {"src/verdict/cadence_test.cc", "Cadence, NoPolicyTakesLongerThanItsPrintedWorstCase", {"interval", "timeout", "confirm_interval"}},
        {"src/verdict/cadence_test.cc", "Cadence, BackOffDoublesUpToItsMaximumAndRecoversAtConfirmationPace", {"down_interval_max"}},
        {"src/verdict/fold_test.cc", "Fold, ChecksIntoAnInstanceForEveryCombinationOfThree", {"critical"}},
        {"src/verdict/fold_test.cc", "Fold, ServiceScopeChecksWorsenTheServiceAndNothingElse", {"scope"}},
    };
    return all;
}

const std::string& text_of(std::string_view file) {
    static std::map<std::string, std::string, std::less<>> read;
    auto& text = read[std::string(file)];
    if (text.empty()) {
        std::ostringstream all;
        all << std::ifstream(fmt::format("{}/{}", HALE_SOURCE_DIR, file)).rdbuf();
        text = all.str();
    }
    return text;
}

TEST(Observed, V19EveryKeyHasATestThatSeesWhatItDoes) {
    std::set<std::string> seen;
    for (const Observer& observer : observers()) {
        const std::string& text = text_of(observer.file);
        EXPECT_FALSE(text.empty()) << observer.file << " is not there";
        const bool python = observer.file.ends_with(".py");
        const bool there = python ? text.contains(fmt::format("def {}(", observer.test)) : text.contains(fmt::format("({})", observer.test));
        EXPECT_TRUE(there) << observer.file << " has no test " << observer.test;
        for (const auto key : observer.keys) EXPECT_TRUE(seen.emplace(key).second) << key << " is named twice";
    }
    std::set<std::string> known;
    for (const KeyFacts& key : all_keys()) {
        if (!key.supported || key.path.starts_with("defaults")) continue;
        // Maps that hold nothing but other keys.
        if (key.type == "map" && !seen.contains(key.path) && std::ranges::any_of(all_keys(), [&](const KeyFacts& other) { return other.path.starts_with(key.path + "."); })) continue;
        const std::string_view prefix = "services.*.checks.*.";
        const std::string name = key.path.starts_with(prefix) ? key.path.substr(prefix.size()) : key.path;
        known.insert(name);
        if (key.path == "services" || key.path == "aliases" || key.path == "services.*.checks") continue;
        EXPECT_TRUE(seen.contains(name)) << key.path << " is seen by no test: does anybody act on it?";
    }
    for (const auto& key : seen) EXPECT_TRUE(known.contains(key)) << key << " is no key";
}

}  // namespace
}  // namespace hale::config
