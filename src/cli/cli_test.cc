// Goal: every verb says the right thing to the right stream, asks the daemon the right question, and ends with the
// code that semantics §9 gives it. Method: verbs run inside this process against a scripted daemon on a loopback
// socket; exit codes are enumerated (every state, outcome, status and ending) against a table written from the law;
// output is compared whole.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "cli/arguments.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/own_token.h"
#include "cli/testing.h"

namespace hale::cli {
namespace {

struct Files {
    std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("hale-cli-test-{}", getpid());
    Files() { std::filesystem::create_directories(path); }
    ~Files() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
        return path / name;
    }
};

std::string instance(const std::string& service, const std::string& name, const std::string& state,
                     const std::string& code = "ok", const std::string& layer = "null") {
    return fmt::format(
        R"({{"id":"i-{1}","service":"{0}","instance":"{1}","address":"10.0.0.5:3000","resolved":"10.0.0.5:3000","generation":1,
        "state":"{2}","lifecycle":"serving","flags":[],"eligible":{3},"held":false,"version":7,"revision":9,"since":"2020-01-01T00:00:00.000Z",
        "observed_at":"2020-01-01T00:00:01.000Z","age":2.1,"reason":{{"code":"{4}","text":"GET http://10.0.0.5:3000/up: said | so","retryable":true}},
        "checks":{{}},"override":{5},"last_probe":null,"next_probe":null}})",
        service, name, state, state == "healthy" ? "true" : "false", code, layer);
}
std::string service(const std::string& name, const std::string& state, int total, int eligible,
                    const std::string& layer = "null") {
    return fmt::format(
        R"({{"service":"{}","state":"{}","instances":{{"total":{},"eligible":{}}},"override":{},"version":3,"since":"2020-01-01T00:00:00.000Z",
        "reason":{{"code":"ok","text":""}}}})",
        name, state, total, eligible, layer);
}
std::string page(const std::vector<std::string>& items, const std::string& next = "null") {
    return fmt::format(R"({{"revision":12,"items":[{}],"next":{}}})", fmt::join(items, ","), next);
}
ScriptedDaemon::Script lists(const std::vector<std::string>& services, const std::vector<std::string>& instances) {
    return {{"GET /api/v1/services", {.body = page(services)}}, {"GET /api/v1/verdicts", {.body = page(instances)}}};
}
constexpr const char* maintenance = R"({"state":"maintenance","scope":"instance","author":"ann","reason":"disk"})";

// ---- Arguments ----

struct Wrong {
    std::vector<std::string> arguments;
    int exit;
    std::string says;
};

TEST(Arguments, WhatIsWrongIsSaidWithTheCodeOfItsVerb) {
    const std::vector<Wrong> table{
        {{}, exits::usage, "hale serve"},
        {{"lst"}, exits::usage, "did you mean list?"},
        {{"frobnicate"}, exits::usage, "no such verb: frobnicate"},
        {{"deploy"}, exits::usage, "SERVICE is required"},
        {{"rollback"}, exits::usage, "SERVICE is required"},
        {{"deployments", "sho"}, exits::usage, "did you mean show?"},
        {{"deployments", "abort"}, exits::usage, "ID is required"},
        {{"route", "ad"}, exits::usage, "did you mean add?"},
        {{"route"}, exits::usage, "hale route"},
        {{"explain"}, exits::usage, "TARGET is required"},
        {{"explain", "web", "--at", "noon"}, exits::usage, "no such option: --at"},
        {{"list", "--selctor", "a=b"}, exits::usage, "did you mean --selector?"},
        {{"list", "--unhealthy", "--nope"}, exits::unknown, "no such option: --nope"},
        {{"list", "-o", "nagios", "--nope"}, exits::unknown, "no such option: --nope"},
        {{"list", "-o", "xml"}, exits::usage, "allowed: table, wide, json"},
        {{"explain", "web", "-o", "nagios"}, exits::usage, "-o nagios is for check and list"},
        {{"check"}, exits::unknown, "TARGET is required"},
        {{"check", "web", "--timeout", "soon"}, exits::unknown, "no duration"},
        {{"check", "http://127.0.0.1:1/", "--expect", "[STATU] == 200"}, exits::unknown, "[STATUS]"},
        {{"check", "ftp://127.0.0.1:1/"}, exits::unknown, "no such kind of target; allowed: http, https"},
        {{"healthcheck"}, exits::failed, "URL is required"},
        {{"set", "web", "sideways", "--reason", "x"}, exits::usage, "sideways"},
        {{"set", "web", "down"}, exits::usage, "--reason is required"},
        {{"set", "web", "down", "--reason", " "}, exits::usage, "--reason must say something"},
        {{"set", "web", "down", "--reason", "x", "--for", "-5s"}, exits::usage, "--for"},
        {{"set", "web", "down", "--reason", "x", "--for", "99999d"}, exits::usage, "at most 10 years"},
        {{"token", "create", "far", "--role", "read", "--for", "3661d"}, exits::usage, "at most 10 years"},
        {{"verify", "web", "--timeout", "0s"}, exits::usage, "no duration"},
        {{"completion", "tcsh"}, exits::usage, "allowed: bash, zsh, fish"},
        {{"check", "web", "--timeout", "1ms"}, exits::unknown, "--timeout is for URLs"},
        {{"stop", "--help"}, exits::usage, "no such verb: stop"},
        {{"route", "stop", "--help"}, exits::usage, "no such verb: stop"},
        {{"--server", "ftp://x", "list"}, exits::usage, "ssh://USER@HOST"},
        {{"--server", "ssh://-oProxyCommand=x", "list"}, exits::usage, "ssh://USER@HOST"},
        {{"serve"}, exits::usage, "no configuration"},
        {{"token", "create", "ci", "--role", "king"}, exits::usage, "king"},
    };
    for (const Wrong& one : table) {
        const Ran ran = run_with(one.arguments, {});
        EXPECT_EQ(ran.exit, one.exit) << fmt::format("{}: {}", fmt::join(one.arguments, " "), ran.err);
        EXPECT_NE(ran.err.find(one.says), std::string::npos)
            << fmt::format("{}: {}", fmt::join(one.arguments, " "), ran.err);
    }
}

TEST(Arguments, GlobalOptionsGoBeforeAndAfterTheVerb) {
    ScriptedDaemon daemon({{"GET /api/v1/routes", {.body = page({})}}});
    const std::string where = daemon.url();
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"--server", where, "-o", "json", "route", "list"},
                                               {"route", "--server", where, "list", "-o", "json"},
                                               {"route", "list", "-o", "json", "--server", where},
                                               {"route", "list", "--output=json", "--server=" + where}}) {
        const Ran ran = run_with(arguments, {});
        EXPECT_EQ(ran.exit, 0) << ran.err;
        EXPECT_EQ(parse_json(ran.out), parse_json(page({})));
    }
}

TEST(Arguments, AVerbsNameIsAGoodNameForAService) {
    ScriptedDaemon daemon({{"GET /api/v1/explain?target=list", {.body = R"({"text":["list is fine"]})"}}});
    const Ran ran = run_at(daemon, {"explain", "list"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, "list is fine\n");
}

TEST(Arguments, EveryVerbsHelpHasAnExampleOfItself) {
    const auto all = all_help();
    EXPECT_GT(all.size(), 25u);
    for (const VerbHelp& one : all) {
        const auto at = one.help.find("Example:");
        ASSERT_NE(at, std::string::npos) << one.verb;
        EXPECT_NE(one.help.find(one.verb, at), std::string::npos) << one.verb;
    }
    // Each is called what it is called by.
    for (const VerbHelp& one : all)
        EXPECT_NE(one.help.find(fmt::format("Usage: {} [", one.verb)), std::string::npos) << one.help;
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{}, {"token"}, {"route"}, {"config"}}) {
        const std::string usage = fmt::format("Usage: hale{}{} [", words.empty() ? "" : " ", fmt::join(words, " "));
        EXPECT_NE(run_with(words, {}).err.find(usage), std::string::npos) << run_with(words, {}).err;
    }
    const Ran ran = run_with({"set", "--help"}, {});
    EXPECT_EQ(ran.exit, 0);
    EXPECT_NE(ran.out.find("hale set web maintenance"), std::string::npos) << ran.out;
}

// ---- List ----

TEST(List, ShowsATreeWithShapesWordsAndReasons) {
    ScriptedDaemon daemon(
        lists({service("web", "degraded", 2, 1), service("job", "unknown", 0, 0)},
              {instance("web", "web-1", "unhealthy", "connect_refused"), instance("web", "web-2", "healthy")}));
    const Ran ran = run_at(daemon, {"list"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    std::string shown = ran.out;
    // How long ago 2020 was changes; everything else is compared.
    for (std::size_t at = shown.find("  2"); at != shown.npos; at = shown.find("  2", at + 1)) {
        if (const auto d = shown.find("d ", at); d != shown.npos && d < at + 7)
            shown.replace(at + 2, shown.find('h', d) - at - 1, "AGO");
    }
    EXPECT_NE(shown.find("web      ◆ degraded   AGO"), std::string::npos) << shown;
    EXPECT_NE(shown.find("1 of 2 eligible"), std::string::npos) << shown;
    EXPECT_NE(shown.find("├ web-1  ▲ unhealthy  AGO  2 s  10.0.0.5:3000    connect_refused: GET "
                         "http://10.0.0.5:3000/up: said | so\n"),
              std::string::npos)
        << shown;
    EXPECT_NE(shown.find("└ web-2  ● healthy    AGO  2 s  10.0.0.5:3000\n"), std::string::npos) << shown;
    EXPECT_NE(shown.find("job      ○ unknown"), std::string::npos) << shown;
    EXPECT_EQ(shown.find('\x1b'), std::string::npos);
}

TEST(List, ColoursOnlyWhereTheyAreWelcome) {
    ScriptedDaemon daemon(lists({service("web", "healthy", 1, 1)}, {instance("web", "web-1", "healthy")}));
    const Environment plain{{"HALE_SERVER", daemon.url()}};
    Environment no_color = plain, empty = plain;
    no_color["NO_COLOR"] = "1";
    empty["NO_COLOR"] = "";
    const auto coloured = [](const Ran& ran) { return ran.out.find("\x1b[32m● healthy\x1b[0m") != std::string::npos; };
    EXPECT_TRUE(coloured(run_with({"list"}, plain, true)));
    EXPECT_TRUE(coloured(run_with({"list"}, empty, true)));
    EXPECT_FALSE(coloured(run_with({"list"}, no_color, true)));
    EXPECT_FALSE(coloured(run_with({"list", "--no-color"}, plain, true)));
    EXPECT_FALSE(coloured(run_with({"list"}, plain, false)));
}

TEST(List, AllFormatsHoldAllPages) {
    ScriptedDaemon::Script script = lists({service("web", "healthy", 2, 2)}, {});
    script["GET /api/v1/verdicts?limit=1000"] = {.body = page({instance("web", "web-1", "healthy")}, R"("41")")};
    script["GET /api/v1/verdicts?limit=1000&cursor=41"] = {
        .body = page({instance("web", "web-2", "unhealthy", "connect_refused")})};
    ScriptedDaemon daemon(script);
    const Ran json = run_at(daemon, {"list", "-o", "json"});
    const Json whole = parse_json(json.out);
    EXPECT_EQ(at(whole, "items").size(), 2u) << json.out;
    EXPECT_TRUE(at(whole, "next").is_null());
    EXPECT_EQ(count_at(whole, "revision"), 12u);
    const Ran jsonl = run_at(daemon, {"list", "-o", "jsonl"});
    EXPECT_EQ(std::ranges::count(jsonl.out, '\n'), 2);
    EXPECT_EQ(parse_json(jsonl.out.substr(0, jsonl.out.find('\n'))), at(whole, "items")[0]);
    const Ran csv = run_at(daemon, {"ls", "-o", "csv"});
    EXPECT_EQ(csv.out,
              "service,instance,id,address,resolved,state,lifecycle,eligible,override,version,since,observed_at,age,"
              "reason,text\r\n"
              "web,web-1,i-web-1,10.0.0.5:3000,10.0.0.5:3000,healthy,serving,true,,7,2020-01-01T00:00:00.000Z,2020-01-"
              "01T00:00:01.000Z,2.100,ok,GET http://10.0.0.5:3000/up: said | so\r\n"
              "web,web-2,i-web-2,10.0.0.5:3000,10.0.0.5:3000,unhealthy,serving,false,,7,2020-01-01T00:00:00.000Z,2020-"
              "01-01T00:00:01.000Z,2.100,connect_refused,GET http://10.0.0.5:3000/up: said | so\r\n");
    const Ran yaml = run_at(daemon, {"list", "-o", "yaml"});
    EXPECT_TRUE(
        yaml.out.starts_with("revision: 12\nitems:\n  - id: i-web-1\n    service: web\n    instance: web-1\n    "
                             "address: \"10.0.0.5:3000\"\n"))
        << yaml.out;
    EXPECT_NE(yaml.out.find("    flags: []\n"), std::string::npos);
    EXPECT_NE(yaml.out.find("    reason:\n      code: ok\n"), std::string::npos);
}

TEST(List, TheWorstVerdictIsTheExitCode) {
    struct State {
        const char* state;
        const char* layer;
        int exit;
    };
    const std::array states{State{"healthy", "null", 0},   State{"degraded", "null", 1},
                            State{"unhealthy", "null", 2}, State{"pending", "null", 3},
                            State{"unknown", "null", 3},   State{"unhealthy", maintenance, 1}};
    // 2 over 3 over 1 over 0, written out.
    const auto worst = [](int a, int b) {
        for (const int exit : {2, 3, 1}) {
            if (a == exit || b == exit) return exit;
        }
        return 0;
    };
    for (const State& a : states) {
        for (const State& b : states) {
            ScriptedDaemon daemon(lists({}, {instance("web", "web-1", a.state, "ok", a.layer),
                                             instance("web", "web-2", b.state, "ok", b.layer)}));
            const int expected = worst(a.exit, b.exit);
            EXPECT_EQ(run_at(daemon, {"list", "--unhealthy"}).exit, expected) << a.state << " " << b.state;
            const Ran nagios = run_at(daemon, {"list", "-o", "nagios"});
            EXPECT_EQ(nagios.exit, expected) << nagios.out;
            constexpr std::array words{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
            EXPECT_TRUE(nagios.out.starts_with(
                fmt::format("HALE {} - 2 instances: ", words[static_cast<std::size_t>(expected)])))
                << nagios.out;
            EXPECT_EQ(std::ranges::count(nagios.out, '|'), 1) << nagios.out;
            EXPECT_EQ(run_at(daemon, {"list"}).exit, 0);
        }
    }
}

TEST(List, AbsenceIsNeverSuccess) {
    ScriptedDaemon daemon(lists({}, {}));
    EXPECT_EQ(run_at(daemon, {"list"}).exit, 0);
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"list", "--unhealthy"}, {"list", "-o", "nagios"}, {"list", "--selector", "team=a"}}) {
        const Ran ran = run_at(daemon, arguments);
        EXPECT_EQ(ran.exit, 3);
        EXPECT_NE(ran.err.find("no checks matched"), std::string::npos) << ran.err;
    }
}

TEST(List, NamesFromStrangersCannotPlayWithTheTerminal) {
    ScriptedDaemon daemon(lists({service("web", "healthy", 1, 1)}, {instance("web", R"(a\u001b[31mb)", "healthy")}));
    EXPECT_EQ(run_at(daemon, {"list"}).out.find('\x1b'), std::string::npos);
}

// ---- Check ----

std::string checked(const std::string& outcome) {
    return fmt::format(R"({{"object":"web","outcome":"{0}","results":[{{"instance":"web-1","check":"main","observation":
        {{"check":"main","outcome":"{0}","code":"status_mismatch","phase":"total","text":"GET http://h/up: 503","status":503,"seconds":{{"connect":0.0004,"total":0.002}},
        "counted":true,"connection":"fresh","from":"host-a/checker-0","evidence":null}}}}]}})",
                       outcome);
}

TEST(Check, V15TheOutcomeOfAProbeIsTheExitCode) {
    struct Row {
        const char* outcome;
        int exit;
    };
    for (const Row& row : {Row{"pass", 0}, Row{"warn", 1}, Row{"fail", 2}, Row{"error", 3}}) {
        ScriptedDaemon daemon(
            {{"GET /api/v1/resolve", {.body = R"({"kind":"service","service":"web","instance":null})"}},
             {"POST /api/v1/services/web:check", {.body = checked(row.outcome)}}});
        EXPECT_EQ(run_at(daemon, {"check", "web"}).exit, row.exit);
        const Ran nagios = run_at(daemon, {"check", "web", "-o", "nagios"});
        EXPECT_EQ(nagios.exit, row.exit);
        EXPECT_NE(nagios.out.find(" - GET http://h/up: 503 | 'connect'=0.000400s;;;0 'total'=0.002000s;;;0\n"),
                  std::string::npos)
            << nagios.out;
    }
    ScriptedDaemon daemon(
        {{"GET /api/v1/resolve", {.body = R"({"kind":"instance","service":"web","instance":"i-1","name":"web-1"})"}},
         {"POST /api/v1/instances/i-1:check", {.body = R"({"results":[]})"}}});
    EXPECT_EQ(run_at(daemon, {"check", "web-1"}).exit, 3);
    EXPECT_EQ(run_at(daemon, {"check", "nobody"}).exit, 3);
}

TEST(Check, AUrlIsProbedFromHere) {
    ScriptedDaemon target(
        {{"GET /up", {.body = "fine"}}, {"GET /sick", {.status = 503, .body = R"({"status":"DOWN"})"}}});
    const auto check = [&](const std::string& path, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"check", target.url() + path});
        return run_with(more, {});
    };
    const Ran fine = check("/up");
    EXPECT_EQ(fine.exit, 0) << fine.err;
    EXPECT_NE(fine.out.find("● pass  ok: GET " + target.url() + "/up: status 200 in "), std::string::npos) << fine.out;
    EXPECT_NE(fine.out.find("(this process), fresh connection"), std::string::npos) << fine.out;
    EXPECT_EQ(check("/sick").exit, 2);
    EXPECT_EQ(check("/sick", {"--expect", "[STATUS] == 503"}).exit, 0);
    EXPECT_EQ(check("/up", {"--expect", "[STATUS] == 200", "--expect", "warn: [BODY] == sour"}).exit, 1);
    const Ran json = check("/sick", {"-o", "json"});
    EXPECT_EQ(text_at(parse_json(json.out), "code"), "status_mismatch") << json.out;
    const Ran nagios = check("/up", {"-o", "nagios"});
    EXPECT_TRUE(nagios.out.starts_with("HALE OK - GET ")) << nagios.out;
    EXPECT_NE(nagios.out.find(" | "), std::string::npos);
    target.stop();
    const Ran refused = check("/up");
    EXPECT_EQ(refused.exit, 2);
    EXPECT_NE(refused.out.find("connect_refused"), std::string::npos) << refused.out;
    EXPECT_EQ(run_with({"check", "tcp://" + target.address().text(), "--timeout", "1s"}, {}).exit, 2);
}

TEST(Healthcheck, KnowsTwoCodes) {
    ScriptedDaemon target({{"GET /live", {}}, {"GET /sick", {.status = 503}}});
    EXPECT_EQ(run_with({"healthcheck", target.url() + "/live"}, {}).exit, 0);
    EXPECT_EQ(run_with({"healthcheck", target.url() + "/sick"}, {}).exit, 1);
    EXPECT_EQ(run_with({"healthcheck", "no url"}, {}).exit, 1);
    target.stop();
    EXPECT_EQ(run_with({"healthcheck", target.url() + "/live"}, {}).exit, 1);
}

// ---- Refusals ----

TEST(Daemon, ItsAnswersBecomeExitCodes) {
    struct Row {
        int status;
        int exit;
    };
    for (const Row& row : {Row{400, 2}, Row{401, 4}, Row{403, 4}, Row{404, 3}, Row{409, 1}, Row{422, 2}, Row{500, 1},
                           Row{503, 1}, Row{504, 5}}) {
        const std::string problem =
            R"({"title":"No","detail":"it is so","code":"x","errors":[{"pointer":"/a","detail":"is wrong","file":"h.yml","line":3}]})";
        ScriptedDaemon daemon(
            {{"GET /api/v1/explain", {.status = row.status, .body = problem, .type = "application/problem+json"}}});
        const Ran ran = run_at(daemon, {"explain", "web"});
        EXPECT_EQ(ran.exit, row.exit) << row.status;
        EXPECT_EQ(ran.out, "");
        const std::string token = row.status == 401 ? "hale: the token came from HALE_TOKEN; `hale token list` beside the daemon shows those that are valid\n" : "";
        EXPECT_EQ(ran.err, "hale: it is so\nhale: h.yml:3: /a: is wrong\n" + token);
    }
}

// Who comes while one process hands over to the next is answered by the next.
TEST(Daemon, AnUpgradeIsWaitedForAndNothingIsAskedTwiceThatWasDone) {
    ScriptedDaemon daemon({{"GET /api/v1/routes", {.body = R"({"items":[],"next":null})", .upgrading = 3}}, {"GET /live", {}},
                           {"POST /api/v1/config:reload", {.body = R"({"revision":7})", .upgrading = 2}}});
    EXPECT_EQ(run_at(daemon, {"route", "list"}).exit, 0);
    const Ran reload = run_at(daemon, {"config", "reload"});
    EXPECT_EQ(reload.exit, 0) << reload.err;
    daemon.stop();
    EXPECT_EQ(std::ranges::count(daemon.seen(), "POST /api/v1/config:reload", &SeenRequest::line), 3);
}

TEST(Daemon, WhatIsWrongIsSaidOnce) {
    struct Row {
        std::string problem, said;
    };
    for (const Row& row :
         {Row{R"({"detail":"/a: is wrong","errors":[{"pointer":"/a","detail":"is wrong"},{"pointer":"/b","detail":"too"}]})",
              "hale: /a: is wrong\nhale: /b: too\n"},
          Row{R"({"detail":"h.yml:3:5: a: is wrong\nh.yml:4:1: b","errors":[{"pointer":"","detail":"h.yml:3:5: a: is wrong","file":"h.yml","line":3},
                  {"pointer":"","detail":"h.yml:4:1: b","file":"h.yml","line":4}]})",
              "hale: h.yml:3:5: a: is wrong\nhale: h.yml:4:1: b\n"},
          Row{R"({"detail":"/a: is wrong","errors":[{"pointer":"/a","detail":"is wrong","file":"h.yml","line":3}]})", "hale: h.yml:3: /a: is wrong\n"}}) {
        ScriptedDaemon daemon({{"GET /api/v1/explain", {.status = 422, .body = row.problem, .type = "application/problem+json"}}});
        EXPECT_EQ(run_at(daemon, {"explain", "web"}).err, row.said);
    }
}

TEST(Daemon, AMissingTokenIsSaidOnlyAfter401) {
    ScriptedDaemon daemon({{"GET /api/v1/routes", {.body = page({})}},
                           {"GET /api/v1/tokens", {.status = 401, .body = R"({"detail":"who are you"})"}}});
    const Environment none{{"HALE_SERVER", daemon.url()}};
    EXPECT_EQ(run_with({"route", "list"}, none).exit, 0);
    const Ran ran = run_with({"token", "list"}, none);
    EXPECT_EQ(ran.exit, 4);
    EXPECT_NE(ran.err.find("set HALE_TOKEN"), std::string::npos) << ran.err;
}

TEST(Daemon, ItsOwnTokenIsUnreadableAndThatIsSaid) {
    const Files files;
    ScriptedDaemon daemon({{"GET /api/v1/tokens", {.status = 401, .body = R"({"detail":"who are you"})"}}});
    files.write("listen.json", fmt::format(R"({{"admin":"{}"}})", daemon.address().text()));
    const std::string config = files.write("hale.yml", fmt::format("state: {}\nservices: {{}}\n", files.path.string()));
    const Ran ran = run_with({"token", "list", "--config", config}, {{"HALE_SERVER", daemon.url()}});
    EXPECT_EQ(ran.exit, 4);
    EXPECT_NE(ran.err.find(fmt::format("no token: set HALE_TOKEN ({}/admin.token: ", files.path.string())),
              std::string::npos)
        << ran.err;
}

// Whoever answers where HALE_SERVER points may be anybody: this machine's admin token is not for them.
TEST(Daemon, AnotherServerIsNotSentTheTokenOfThisMachine) {
    const Files files;
    files.write("admin.token", "from-the-file\n");
    const std::string config = files.write(
        "hale.yml",
        fmt::format("listen: {{admin: \"127.0.0.1:4253\"}}\nstate: {}\nservices: {{}}\n", files.path.string()));
    // Nothing says where the daemon listens; it listens on another port; on another address; it is somebody's socket.
    for (const std::string& listen :
         {R"({})", R"(no json)", R"({"admin":"127.0.0.1:1"})", R"({"admin":"10.0.0.5:PORT"})",
          R"({"http":"127.0.0.1:PORT"})", R"({"admin":"127.0.0.2:PORT"})"}) {
        ScriptedDaemon other({{"GET /api/v1/tokens", {.status = 401, .body = R"({"detail":"who are you"})"}}});
        std::string written = listen;
        if (const auto at = written.find("PORT"); at != written.npos)
            written.replace(at, 4, fmt::format("{}", other.address().port));
        files.write("listen.json", written);
        for (const bool by_option : {false, true}) {
            std::vector<std::string> arguments{"token", "list", "--config", config};
            Environment environment;
            if (by_option)
                arguments.insert(arguments.end(), {"--server", other.url()});
            else
                environment["HALE_SERVER"] = other.url();
            const Ran ran = run_with(arguments, environment);
            EXPECT_EQ(ran.exit, 4) << written;
            EXPECT_NE(
                ran.err.find(fmt::format("{} is not where the daemon of {} listens", other.url(), files.path.string())),
                std::string::npos)
                << ran.err;
            EXPECT_NE(ran.err.find("set HALE_TOKEN"), std::string::npos) << ran.err;
            environment["HALE_TOKEN"] = "theirs";
            run_with(arguments, environment);
        }
        other.stop();
        ASSERT_EQ(other.seen().size(), 4u);
        for (std::size_t i = 0; i < 4; ++i)
            EXPECT_EQ(other.seen()[i].authorization, i % 2 == 0 ? "" : "Bearer theirs") << written;
    }
}

TEST(Daemon, IsItsOwnBySocketOrByTheLoopbackAddressThatItBound) {
    struct Row {
        std::string place, admin, socket;
        bool own;
    };
    const std::vector<Row> table{
        {"127.0.0.1:4253", "127.0.0.1:4253", "", true},
        {"http://127.0.0.1:4253", "127.0.0.1:4253", "", true},
        {"127.0.0.1:4253", "0.0.0.0:4253", "", true},
        {"[::1]:4253", "[::]:4253", "", true},
        {"[::1]:4253", "[::1]:4253", "", true},
        {"localhost:4253", "127.0.0.1:4253", "", true},
        {"localhost:4254", "127.0.0.1:4253", "", false},
        {"localhost:4253", "10.0.0.5:4253", "", false},
        {"127.0.0.1:4254", "127.0.0.1:4253", "", false},
        {"127.0.0.2:4253", "127.0.0.1:4253", "", false},
        {"[::1]:4253", "127.0.0.1:4253", "", false},
        {"10.0.0.5:4253", "10.0.0.5:4253", "", false},  // Which machine that is, is not certain.
        {"10.0.0.5:4253", "0.0.0.0:4253", "", false},
        {"hale.example:4253", "127.0.0.1:4253", "", false},
        {"localhost.example:4253", "127.0.0.1:4253", "", false},
        {"127.0.0.1:4253", "", "", false},
        {"unix:/s/hale.sock", "", "/s/hale.sock", true},
        {"/s/hale.sock", "", "/s/hale.sock", true},
        {"unix:/configured.sock", "", "/s/hale.sock", true},
        {"unix:/tmp/hale.sock", "127.0.0.1:4253", "/s/hale.sock", false},
        {"ssh://127.0.0.1", "127.0.0.1:4253", "/s/hale.sock", false},
    };
    const Files files;
    for (const Row& row : table) {
        files.write("listen.json", fmt::format(R"({{"admin":"{}","socket":"{}"}})", row.admin, row.socket));
        const auto place = parse_place(row.place);
        ASSERT_TRUE(place) << row.place;
        const OwnPlaces own = own_places(files.path, "/configured.sock");
        EXPECT_EQ(is_own(*place, own), row.own) << row.place << " " << row.admin;
        // Its peers are known to the kernel: a token that was removed must not stand in their way.
        EXPECT_EQ(is_shown_own_token(*place, own), row.own && !place->address.value_or(SocketAddress{}).is_unix()) << row.place;
    }
}

TEST(Daemon, IsFoundByTheConfigurationAndGivenItsToken) {
    const Files files;
    ScriptedDaemon daemon({{"GET /api/v1/routes", {.body = page({})}}});
    const std::string config =
        files.write("hale.yml", fmt::format("listen: {{admin: \"{}\"}}\nstate: {}\nservices: {{}}\n",
                                            daemon.address().text(), files.path.string()));
    files.write("admin.token", "from-the-file\n");
    files.write("listen.json", fmt::format(R"({{"admin":"{}"}})", daemon.address().text()));
    EXPECT_EQ(run_with({"route", "list", "--config", config}, {}).exit, 0);
    EXPECT_EQ(run_with({"route", "list"}, {{"HALE_CONFIG", config}}).exit, 0);
    EXPECT_EQ(run_with({"route", "list"}, {{"HALE_CONFIG", config}, {"HALE_TOKEN", "mine"}}).exit, 0);
    daemon.stop();
    ASSERT_EQ(daemon.seen().size(), 3u);
    EXPECT_EQ(daemon.seen()[0].authorization, "Bearer from-the-file");
    EXPECT_EQ(daemon.seen()[1].authorization, "Bearer from-the-file");
    EXPECT_EQ(daemon.seen()[2].authorization, "Bearer mine");
}

TEST(Daemon, IsFoundByAConfigurationThatItWouldRefuse) {
    const Files files;
    chmod(files.path.c_str(), 0700);
    ScriptedDaemon daemon({{"GET /api/v1/routes", {.body = page({})}}, {"GET /api/v1/doctor", {.body = "{}"}}});
    files.write("admin.token", "from-the-file\n");
    files.write("listen.json", fmt::format(R"({{"admin":"{}"}})", daemon.address().text()));
    for (const std::string services :
         {"services: {web: {bad: 1}}\n", "services: {web: {instances: [\"${HALE_UNSET}:1\"]}}\n", "services: [\n"}) {
        const std::string config =
            files.write("hale.yml", fmt::format("listen: {{admin: \"{}\"}}\nstate: {}\n{}", daemon.address().text(),
                                                files.path.string(), services));
        EXPECT_EQ(run_with({"route", "list", "--config", config}, {}).exit, 0) << services;
        const Ran doctor = run_with({"doctor", "--config", config}, {});
        EXPECT_NE(doctor.out.find("answers"), std::string::npos) << doctor.out;
        EXPECT_NE(doctor.out.find(files.path.string()), std::string::npos) << doctor.out;
        EXPECT_NE(doctor.out.find("▲ fail  configuration"), std::string::npos) << doctor.out;
    }
    daemon.stop();
    for (const SeenRequest& one : daemon.seen()) EXPECT_EQ(one.authorization, "Bearer from-the-file") << one.line;
}

TEST(Daemon, WhoeverElseAnswersThereIsNotTakenForIt) {
    const std::string no_route =
        R"({"title":"Not Found","status":404,"code":"no_route","detail":"No route matches this host and path."})";
    struct Other {
        const char* who;
        Scripted answer;
    };
    for (const Other& other : {Other{"our traffic port", {404, no_route, "application/problem+json"}},
                               Other{"a web server", {404, "<h1>Not found</h1>", "text/html"}},
                               Other{"a page for everything", {200, "<h1>Welcome</h1>", "text/html"}},
                               Other{"another API", {404, "{}", "text/json"}}}) {
        ScriptedDaemon::Script script;
        for (const char* asked : {"GET /api/v1/routes", "GET /api/v1/resolve", "POST /api/v1/tokens"})
            script[asked] = other.answer;
        ScriptedDaemon server(script);
        for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{
                 {"route", "list"}, {"unset", "web"}, {"token", "create", "a", "--role", "read"}}) {
            const Ran ran = run_at(server, verb);
            EXPECT_EQ(ran.exit, 6) << other.who << ran.err;
            EXPECT_NE(ran.err.find(server.url() + ": something answers there, but it is no admin API of Hale"),
                      std::string::npos)
                << ran.err;
        }
        EXPECT_EQ(run_at(server, {"check", "web"}).exit, 3) << other.who;
    }
}

// A process that was stopped still has its connections taken, by the kernel.
TEST(Daemon, V12OneThatTakesTheConnectionAndSaysNothingIsGivenUpAfterTwoSeconds) {
    const auto loop = std::move(*os::EpollLoop::create());
    os::EpollNet net(*loop);
    struct Nobody final : io::AcceptHandler {
        void on_accept(std::unique_ptr<io::Stream>) noexcept override {}
    } nobody;
    // Its loop never runs.
    const auto listener = net.listen({.address = {.ip = Ip::v4(127, 0, 0, 1), .port = 0, .path = {}}}, nobody);
    ASSERT_TRUE(listener);
    const std::string where = "http://" + (*listener)->local().text();
    for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{
             {"list"}, {"watch"}, {"verify", "web"}, {"config", "reload"}, {"token", "create", "a", "--role", "read"}}) {
        const Instant began = loop->fresh_now();
        const Ran ran = run_with(verb, {{"HALE_SERVER", where}});
        EXPECT_LT(loop->fresh_now() - began, 3s) << verb.front();
        EXPECT_EQ(ran.exit, 6) << verb.front() << ran.err;
        EXPECT_NE(ran.err.find(where), std::string::npos) << ran.err;
    }
}

TEST(Daemon, V12WhenItIsDownEveryVerbSaysSoSoon) {
    ScriptedDaemon daemon({});
    const std::string where = daemon.url();
    daemon.stop();
    const std::vector<std::pair<std::vector<std::string>, int>> verbs{
        {{"list"}, 6},
        {{"list", "--unhealthy"}, 3},
        {{"list", "-o", "nagios"}, 3},
        {{"check", "web"}, 3},
        {{"explain", "web"}, 6},
        {{"watch"}, 6},
        {{"watch", "web"}, 6},
        {{"verify", "web"}, 6},
        {{"set", "web", "down", "--reason", "x"}, 6},
        {{"unset", "web"}, 6},
        {{"drain", "web"}, 6},
        {{"pause", "web"}, 6},
        {{"resume", "web"}, 6},
        {{"route", "list"}, 6},
        {{"route", "remove", "x"}, 6},
        {{"route", "add", "--host", "h", "--target", "t:1"}, 6},
        {{"token", "list"}, 6},
        {{"token", "create", "a", "--role", "read"}, 6},
        {{"token", "remove", "a"}, 6},
        {{"config", "reload"}, 6},
        {{"config", "show"}, 6},
        {{"doctor"}, 1}};
    const auto clock = std::move(*os::EpollLoop::create());
    for (const auto& [arguments, exit] : verbs) {
        const Instant began = clock->fresh_now();
        const Ran ran = run_with(arguments, {{"HALE_SERVER", where}});
        EXPECT_LT(clock->fresh_now() - began, 2s) << arguments.front();
        EXPECT_EQ(ran.exit, exit) << arguments.front() << ran.err;
        EXPECT_NE((ran.out + ran.err).find(where), std::string::npos) << arguments.front() << ran.err;
    }
    const Ran usual = run_with({"explain", "web"}, {});
    EXPECT_EQ(usual.exit, 6);
    EXPECT_NE(usual.err.find("/run/hale/hale.sock"), std::string::npos) << usual.err;
    EXPECT_NE(usual.err.find("127.0.0.1:4253"), std::string::npos) << usual.err;
    EXPECT_NE(usual.err.find("hale serve --config"), std::string::npos) << usual.err;
}

// ---- Changes ----

TEST(Changes, AskTheDaemonForExactlyOneThing) {
    const ScriptedDaemon::Script script{
        {"GET /api/v1/resolve?target=web", {.body = R"({"kind":"service","service":"web","instance":null})"}},
        {"GET /api/v1/resolve?target=a.example",
         {.body = R"({"kind":"host","service":"web","instance":null,"host":"a.example"})"}},
        {"GET /api/v1/resolve?target=web-1",
         {.body = R"({"kind":"instance","service":"web","instance":"i-77","name":"web-1"})"}},
        {"PUT /api/v1/services/web/override", {.body = R"({"revision":5})"}},
        {"PUT /api/v1/instances/i-77/override", {.body = R"({"revision":5})"}},
        {"DELETE /api/v1/services/web/override", {.body = R"({"revision":5})"}},
        {"POST /api/v1/instances/i-77:drain", {.body = R"({"revision":5})"}},
        {"POST /api/v1/services/web:pause", {.body = R"({"revision":5})"}},
        {"POST /api/v1/services/web:resume", {.body = R"({"revision":5})"}},
        {"POST /api/v1/routes:add", {.status = 201, .body = R"({"revision":5,"route":"r-1","service":"shop"})"}},
        {"GET /api/v1/routes",
         {.body = page({R"({"id":"r-1","host":"a.example","path":"/","service":"web","owner":"api"})",
                        R"({"id":"r-2","host":"a.example","path":"/api","service":"api","owner":"api"})"})}},
        {"DELETE /api/v1/routes/r-1", {.body = R"({"revision":5})"}},
        {"DELETE /api/v1/routes/r-2", {.body = R"({"revision":5})"}},
        {"POST /api/v1/tokens", {.status = 201, .body = R"({"revision":5,"name":"ci","secret":"s3cret"})"}},
        {"DELETE /api/v1/tokens/ci", {.body = R"({"revision":5})"}},
        {"POST /api/v1/upgrade", {.body = R"({"pid":4711,"version":"2.0.0","took":0.25})"}},
        {"POST /api/v1/config:reload", {.body = R"({"revision":5,"source":"hale.yml","warnings":["w1"]})"}},
    };
    struct Row {
        std::vector<std::string> arguments;
        std::string request;
        std::string body;
        std::string out;
    };
    const std::vector<Row> table{
        {{"set", "web", "maintenance", "--for", "90m", "--reason", "disk \"swap\""},
         "PUT /api/v1/services/web/override",
         R"({"state":"maintenance","for":"1h30m","reason":"disk \"swap\""})",
         ""},
        {{"set", "web-1", "down", "--reason", "x"},
         "PUT /api/v1/instances/i-77/override",
         R"({"state":"down","for":"1h","reason":"x"})",
         ""},
        {{"set", "a.example", "up", "--reason", "x"},
         "PUT /api/v1/services/web/override",
         R"({"state":"up","for":"1h","reason":"x"})",
         ""},
        {{"unset", "web"}, "DELETE /api/v1/services/web/override", "", ""},
        {{"drain", "web-1"}, "POST /api/v1/instances/i-77:drain", "", ""},
        {{"pause", "web", "--max", "20s"}, "POST /api/v1/services/web:pause", R"({"max":"20s"})", ""},
        {{"resume", "web"}, "POST /api/v1/services/web:resume", "", ""},
        {{"route", "add", "--host", "a.example", "--target", "h:1", "--target", "h:2", "--service", "shop",
          "--health-path", "/h", "--project", "p", "--strip", "--tls", "--path", "/s"},
         "POST /api/v1/routes:add",
         R"({"host":"a.example","targets":["h:1","h:2"],"path":"/s","service":"shop","health_path":"/h","project":"p","strip":true,"tls":true})",
         "r-1\n"},
        {{"route", "remove", "a.example"}, "DELETE /api/v1/routes/r-1", "", ""},
        {{"route", "remove", "a.example/api"}, "DELETE /api/v1/routes/r-2", "", ""},
        {{"route", "remove", "r-2"}, "DELETE /api/v1/routes/r-2", "", ""},
        {{"token", "create", "ci", "--role", "operate", "--for", "7d"},
         "POST /api/v1/tokens",
         R"({"name":"ci","role":"operate","for":"7d"})",
         "s3cret\n"},
        {{"token", "remove", "ci"}, "DELETE /api/v1/tokens/ci", "", ""},
        {{"config", "reload"}, "POST /api/v1/config:reload", "", ""},
        {{"upgrade"}, "POST /api/v1/upgrade", "", ""},
    };
    for (const Row& row : table) {
        ScriptedDaemon daemon(script);
        const Ran ran = run_at(daemon, row.arguments);
        daemon.stop();
        EXPECT_EQ(ran.exit, 0) << ran.err;
        EXPECT_EQ(ran.out, row.out);
        EXPECT_NE(ran.err, "") << "what happened is said";
        ASSERT_FALSE(daemon.seen().empty());
        EXPECT_EQ(daemon.seen().back().line, row.request);
        EXPECT_EQ(daemon.seen().back().body, row.body);
        EXPECT_EQ(daemon.seen().back().authorization, "Bearer t0k");
        EXPECT_LE(daemon.seen().size(), 2u);
    }
    ScriptedDaemon daemon(script);
    EXPECT_EQ(run_at(daemon, {"route", "remove", "b.example"}).exit, 3);
    EXPECT_EQ(run_at(daemon, {"unset", "nobody"}).exit, 3);
}

TEST(Verify, V14SaysItsDeadlineFirstAndEndsAsTheGateDid) {
    struct Row {
        const char* end;
        int exit;
    };
    for (const Row& row :
         {Row{"eligible", 0}, Row{"not_eligible", 1}, Row{"nothing_to_verify", 3}, Row{"timed_out", 5}}) {
        const std::string body = fmt::format(
            R"({{"end":"{}","revision":4,"instances":[{{"instance":"web-1","end":"passed","eligible":true,"passes":2,"needed":2,"fails":0,
            "observations":[{{"text":"GET http://h/up: 200"}}]}}]}})",
            row.end);
        ScriptedDaemon daemon({{"POST /api/v1/verify?target=web&timeout=5s", {.body = body}}});
        const Ran ran = run_at(daemon, {"verify", "web", "--timeout", "5s"});
        EXPECT_EQ(ran.exit, row.exit) << ran.err;
        EXPECT_TRUE(ran.err.starts_with("verifying web: waits at most 5s for passes that started after now\n"))
            << ran.err;
        EXPECT_EQ(ran.out,
                  "INSTANCE  RESULT      PASSES  FAILURES  LAST PROBE\nweb-1     ● eligible  2 of 2  0         GET "
                  "http://h/up: 200\n");
    }
    ScriptedDaemon daemon({});
    EXPECT_EQ(run_at(daemon, {"verify", "nobody"}).exit, 3);
}

// ---- Watch ----

TEST(Watch, TellsChangesAndResumesAfterTheLastOne) {
    const std::string stream =
        "retry: 2000\n\nid: 41\nevent: verdict\ndata: {\"time\":\"2026-11-21T14:18:21.100Z\",\"data\":" +
        [] {
            std::string one = instance("web", "web-1", "unhealthy", "connect_refused");
            std::erase(one, '\n');
            return one;
        }() +
        "}\n\n: ping\n\n";
    ScriptedDaemon daemon({{"GET /api/v1/resolve", {.body = R"({"kind":"service","service":"web","instance":null})"}},
                           {"GET /api/v1/events", {.body = stream, .type = "text/event-stream"}}});
    const Ran ran = run_at(daemon, {"watch", "web", "--for", "900ms"});
    daemon.stop();
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(
        ran.out.starts_with("14:18:21.100  web-1                 ▲ unhealthy     not eligible  connect_refused: GET "
                            "http://10.0.0.5:3000/up: said | so\n"))
        << ran.out;
    EXPECT_NE(ran.err.find("asking again for 30 s"), std::string::npos) << ran.err;
    ASSERT_GE(daemon.seen().size(), 3u);
    EXPECT_EQ(daemon.seen()[1].line, "GET /api/v1/events?service=web");
    EXPECT_EQ(daemon.seen()[1].last_event_id, "");
    EXPECT_EQ(daemon.seen()[2].last_event_id, "41");
}

// ---- Configuration ----

constexpr const char* good_config = R"(listen: {http: "127.0.0.1:0"}
services:
  web:
    hosts: [a.example]
    instances: ["127.0.0.1:3000"]
    check: {http: /up}
)";

TEST(Config, CheckSaysWhatIsWrongWhereAndHowSoonTroubleIsNoticed) {
    const Files files;
    const std::string good = files.write("good.yml", good_config);
    const Ran ran = run_with({"config", "check", good}, {});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out,
              "SERVICE  INSTANCE  CHECK  KIND  REFUSED WITHIN  SILENT WITHIN\nweb                main   http  6.0 s    "
              "       12 s\n");
    EXPECT_NE(ran.err.find("1 services, 1 instances, 1 routes"), std::string::npos) << ran.err;
    const std::string bad = files.write(
        "bad.yml", "services:\n  web:\n    instances: [\"127.0.0.1:3000\"]\n    check: {http: /up, intervall: 5s}\n");
    const Ran wrong = run_with({"config", "check", bad}, {});
    EXPECT_EQ(wrong.exit, 2);
    EXPECT_EQ(wrong.out, "");
    EXPECT_NE(wrong.err.find("bad.yml:4:"), std::string::npos) << wrong.err;
    EXPECT_NE(wrong.err.find("intervall"), std::string::npos) << wrong.err;
    const std::string blind =
        files.write("blind.yml",
                    "services:\n  web:\n    instances: [\"127.0.0.1:3000\"]\n    check:\n      http: /up\n"
                    "      interval: 2s\n      m_of_n: {m: 5, n: 5, missing: missing}\n");
    EXPECT_NE(run_with({"config", "check", blind}, {}).out.find("10 s            never\n"), std::string::npos)
        << run_with({"config", "check", blind}, {}).out;
    EXPECT_EQ(run_with({"config", "check", "/nowhere/hale.yml"}, {}).exit, 2);
    EXPECT_EQ(run_with({"config", "check"}, {{"HALE_CONFIG", good}}).exit, 0);
}

TEST(Config, TheQuickstartIsGood) {
    const Ran ran = run_with({"config", "check", HALE_SOURCE_DIR "/examples/quickstart/hale.yml"}, {});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_NE(ran.err.find("2 services, 3 instances, 2 routes"), std::string::npos) << ran.err;
    EXPECT_EQ(ran.err.find("warning"), std::string::npos) << ran.err;
}

TEST(Config, SchemaAndShowNeedNoDaemon) {
    const Ran schema = run_with({"config", "schema"}, {});
    EXPECT_EQ(schema.exit, 0);
    EXPECT_FALSE(parse_json(schema.out).is_discarded());
    const Files files;
    const std::string good = files.write("good.yml", good_config);
    const Ran declared = run_with({"config", "show", good}, {}),
              whole = run_with({"config", "show", good, "--effective"}, {});
    EXPECT_EQ(declared.exit, 0) << declared.err;
    EXPECT_NE(declared.out.find("good.yml:6:"), std::string::npos) << declared.out;
    EXPECT_EQ(declared.out.find("default"), std::string::npos) << declared.out;
    EXPECT_NE(whole.out.find("default"), std::string::npos);
}

TEST(Config, DiffComparesTheFileWithWhatRuns) {
    const Files files;
    const std::string good = files.write("good.yml", good_config);
    const Json values =
        at(parse_json(run_with({"config", "show", good, "--effective", "-o", "json"}, {}).out), "items");
    const auto with = [&](const Json& effective) {
        ScriptedDaemon daemon({{"GET /api/v1/config", {.body = dumped(Json{{"effective", effective}})}}});
        return run_at(daemon, {"config", "diff", good, "-o", "json"});
    };
    EXPECT_EQ(at(parse_json(with(values).out), "items").size(), 0u);
    Json other = values;
    other[0]["value"] = "something else";
    other.push_back({{"key", "services.old"}, {"value", "x"}, {"origin", "hale.yml:9:1"}});
    other.push_back({{"key", "services.made"}, {"value", "x"}, {"origin", "api"}});
    const Ran changed = with(other);
    EXPECT_EQ(changed.exit, 0) << changed.err;
    EXPECT_EQ(at(parse_json(changed.out), "items").size(), 2u) << changed.out;
}

// ---- The rest ----

TEST(Doctor, LooksAroundWithAndWithoutADaemon) {
    const Files files;
    chmod(files.path.c_str(), 0700);
    const std::string config = files.write(
        "hale.yml",
        fmt::format("listen: {{http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}}\nstate: {}\nservices: {{}}\n",
                    files.path.string()));
    ScriptedDaemon daemon(
        {{"GET /api/v1/doctor",
          {.body =
               R"({"status":"warn","findings":[{"severity":"warning","code":"shadowed","object":"web","text":"the file's is in force"}]})"}}});
    const Ran well = run_with({"doctor", "--config", config, "--server", daemon.url()}, {});
    EXPECT_EQ(well.exit, 0) << well.out;
    EXPECT_NE(well.out.find("◆ warn  shadowed         web: the file's is in force\n"), std::string::npos) << well.out;
    daemon.stop();
    const Ran alone = run_with({"doctor", "--config", config, "--server", daemon.url()}, {});
    EXPECT_EQ(alone.exit, 1);
    EXPECT_NE(alone.out.find("▲ fail  daemon"), std::string::npos) << alone.out;
    EXPECT_NE(alone.out.find("port http"), std::string::npos) << alone.out;
    chmod(files.path.c_str(), 0755);
    EXPECT_NE(run_with({"doctor", "--config", config, "--server", daemon.url()}, {}).out.find("is open to others"),
              std::string::npos);
}

TEST(Serve, IsGivenTheConfigurationAndTheBackup) {
    EXPECT_EQ(run_with({"serve", "--config", "a.yml", "--restore", "b.db"}, {}).out, "serve a.yml b.db");
    const Ran ran = run_with({"serve"}, {{"HALE_CONFIG", "c.yml"}});
    EXPECT_EQ(ran.out, "serve c.yml -");
    EXPECT_EQ(ran.exit, 7);
}

TEST(Version, IsData) {
    EXPECT_EQ(run_with({"version"}, {}).out, "hale 9.9.9\n");
    EXPECT_EQ(run_with({"version", "-o", "json"}, {}).out, "{\n  \"version\": \"9.9.9\"\n}\n");
}

TEST(Completion, KnowsEveryVerb) {
    for (const std::string shell : {"bash", "zsh", "fish"}) {
        const Ran ran = run_with({"completion", shell}, {});
        EXPECT_EQ(ran.exit, 0);
        for (const VerbHelp& one : all_help()) {
            EXPECT_NE(ran.out.find(one.verb.substr(one.verb.rfind(' ') + 1)), std::string::npos)
                << shell << " " << one.verb;
        }
    }
}

}  // namespace
}  // namespace hale::cli
