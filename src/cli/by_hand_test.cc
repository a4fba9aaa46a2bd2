// Goal: the verbs about containers ask the daemon the right question, say what it said to the right stream, and end with the
// code that the guide gives them; the live tree fits its terminal, and ends as plain lines do.
// Method: verbs run inside this process against a scripted daemon on a loopback socket; the tree as pure lines over every width,
// and drawn on a terminal that this test plays.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/arguments.h"
#include "cli/exits.h"
#include "cli/print.h"
#include "cli/progress_tree.h"
#include "cli/testing.h"

namespace hale::cli {
namespace {

const char* const two_containers = R"json({"revision":1,"items":[
 {"name":"web-2-1","service":"web","number":2,"deployment":"d-2","image":"web:2","digest":"web@sha256:0123456789abcdef","image_id":"sha256:9","state":"running","health":"healthy","uptime":125.0,"restarts":1,"stopped":null,"verdict":"healthy","lifecycle":"serving"},
 {"name":"web-1-1","service":"web","number":null,"deployment":"d-1","image":"web:1","digest":null,"image_id":"sha256:fedcba9876543210","state":"exited","health":null,"uptime":null,"restarts":0,"stopped":{"code":"oom","text":"it ran out of memory (exit code 137: killed (SIGKILL))"},"verdict":null,"lifecycle":null}],"next":null})json";

TEST(Ps, ShowsContainersAndWhyTheyDoNotRun) {
    ScriptedDaemon daemon({{"GET /api/v1/containers", {.body = two_containers}}});
    const Ran all = run_at(daemon, {"ps", "web", "--all"});
    EXPECT_EQ(all.exit, 0) << all.err;
    EXPECT_EQ(all.out,
              "CONTAINER  SERVICE  DEPLOYMENT  IMAGE  STATE    HEALTH   UP     RESTARTS  VERDICT    WHY\n"
              "web-2-1    web      2           web:2  running  healthy  2m05s  1         ● healthy\n"
              "web-1-1    web      d-1         web:1  exited   –        –      0         –          it ran out of memory (exit code 137: killed (SIGKILL))\n");
    const Ran wide = run_at(daemon, {"ps", "-o", "wide"});
    EXPECT_NE(wide.out.find("0123456789ab "), std::string::npos) << wide.out;
    EXPECT_NE(wide.out.find("fedcba987654 "), std::string::npos) << wide.out;
    daemon.stop();
    EXPECT_EQ(daemon.seen()[0].line, "GET /live");
    EXPECT_EQ(daemon.seen()[1].line, "GET /api/v1/containers?service=web&all=true");
    EXPECT_EQ(daemon.seen()[3].line, "GET /api/v1/containers");
}

const char* const resolved_service = R"({"target":"web","kind":"service","service":"web","instance":null,"name":null})";
const char* const resolved_instance = R"({"target":"web-1","kind":"instance","service":"web","instance":"i-1","name":"web-1"})";
const char* const log_stream =
    "{\"containers\":[\"web-1\",\"web-12\"]}\n\n"
    "{\"container\":\"web-1\",\"source\":\"output\",\"at\":\"2026-11-22T07:00:00Z\",\"line\":\"a\\tb \\u001b[31mred\"}\n"
    "{\"container\":\"web-12\",\"source\":\"errors\",\"at\":\"2026-11-22T07:00:01Z\",\"line\":\"oh\"}\n";

TEST(Logs, ArePrefixedWhereThereAreSeveralAndAPipeGetsThemAsTheyWere) {
    ScriptedDaemon daemon({{"GET /api/v1/resolve?target=web", {.body = resolved_service}},
                           {"GET /live", {}},
                           {"GET /api/v1/services/web/logs", {.body = log_stream, .type = "application/x-ndjson"}}});
    const Environment at{{"HALE_SERVER", daemon.url()}, {"HALE_TOKEN", "t"}};
    const Ran piped = run_with({"logs", "web", "--tail", "7", "--since", "10m", "-f"}, at);
    EXPECT_EQ(piped.exit, 0) << piped.err;
    EXPECT_EQ(piped.out, "web-1  | a\tb \x1b[31mred\nweb-12 | oh\n");
    const Ran shown = run_with({"logs", "web", "--timestamps"}, at, true);
    EXPECT_EQ(shown.out.find('\x1b'), std::string::npos) << "a terminal would obey it";
    EXPECT_NE(shown.out.find("web-12 | 2026-11-22T07:00:01Z oh\n"), std::string::npos);
    const Ran lines = run_with({"logs", "web", "-o", "jsonl"}, at);
    EXPECT_EQ(std::ranges::count(lines.out, '\n'), 2) << lines.out;
    daemon.stop();
    EXPECT_EQ(daemon.seen()[1].line, "GET /api/v1/services/web/logs?tail=7&follow=true&since=10m");
}

TEST(Logs, OfOneContainerStandAloneAndTroubleIsTold) {
    ScriptedDaemon daemon({{"GET /api/v1/resolve?target=web-1", {.body = resolved_instance}},
                           {"GET /live", {}},
                           {"GET /api/v1/resolve?target=web-0-1", {.status = 404, .body = R"({"detail":"there is no web-0-1"})"}},
                           {"GET /api/v1/containers/web-0-1/logs", {.body = "{\"containers\":[\"web-0-1\"]}\n{\"container\":\"web-0-1\",\"line\":\"kept\"}\n", .type = "application/x-ndjson"}},
                           {"GET /api/v1/resolve?target=none", {.status = 404, .body = R"({"detail":"there is no none; did you mean web?"})"}},
                           {"GET /api/v1/containers/none/logs", {.status = 404, .body = R"({"detail":"No such container"})"}},
                           {"GET /api/v1/containers/web-1/logs", {.body = "{\"containers\":[\"web-1\"]}\n{\"container\":\"web-1\",\"line\":\"x\"}\n{\"container\":\"web-1\",\"error\":\"it broke\"}\n", .type = "application/x-ndjson"}}});
    const Ran one = run_at(daemon, {"logs", "web-1"});
    EXPECT_EQ(one.exit, exits::failed);
    EXPECT_EQ(one.out, "x\n");
    EXPECT_EQ(one.err, "hale: web-1: it broke\n");
    const Ran kept = run_at(daemon, {"logs", "web-0-1"});
    EXPECT_EQ(kept.exit, 0) << kept.err;
    EXPECT_EQ(kept.out, "kept\n") << "what is kept of an earlier version is no instance";
    const Ran none = run_at(daemon, {"logs", "none"});
    EXPECT_EQ(none.exit, exits::no_such);
    EXPECT_EQ(none.err, "hale: there is no none; did you mean web?\n") << "the better sentence";
}

TEST(Exec, IsTheCommandsOwnEnd) {
    for (const int code : {0, 1, 3, 7, 137}) {
        ScriptedDaemon daemon({{"GET /live", {}}, {"POST /api/v1/containers/web-1:exec", {.body = fmt::format(R"({{"container":"web-1","exit_code":{},"output":"out\n","errors":"err\n","truncated":{}}})", code, code == 7)}}});
        const Ran ran = run_at(daemon, {"exec", "web-1", "--timeout", "5s", "--user", "app", "--", "ls", "--all", "-o", "json", "--"});
        EXPECT_EQ(ran.exit, code);
        EXPECT_EQ(ran.out, "out\n");
        EXPECT_EQ(ran.err, code == 7 ? "err\nhale: it wrote more than 64 KiB: the rest is not shown\n" : "err\n");
        const Ran json = run_at(daemon, {"exec", "web-1", "-o", "json", "--", "ls"});
        EXPECT_EQ(json.exit, code);
        EXPECT_NE(json.out.find(fmt::format("\"exit_code\": {}", code)), std::string::npos) << json.out;
        daemon.stop();
        EXPECT_EQ(daemon.seen()[1].body, R"({"command":["ls","--all","-o","json","--"],"timeout":"5s","user":"app"})") << "what stands behind -- is its own";
    }
    EXPECT_EQ(run_with({"exec", "web-1"}, {}).exit, exits::usage);
    EXPECT_EQ(run_with({"exec", "web-1", "--"}, {}).exit, exits::usage);
}

TEST(Instance, IsStoppedAndStartedWithItsTimePrintedFirst) {
    ScriptedDaemon daemon({{"GET /live", {}},
                           {"POST /api/v1/instances/web-1:restart", {.body = R"({"revision":5,"instance":"web-1","container":"running","eligible":true,"moved":true,"seconds":3.21,"address":"10.0.0.9:80"})"}},
                           {"POST /api/v1/instances/web-1:stop", {.status = 409, .body = R"({"detail":"web-1 is the last eligible instance of web"})"}}});
    const Ran ran = run_at(daemon, {"instance", "restart", "web-1", "--force", "--timeout", "30s"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.err, "restart of web-1: at most 30 s\n");
    EXPECT_NE(ran.out.find("10.0.0.9:80 (new)  eligible  3.2 s"), std::string::npos) << ran.out;
    const Ran refused = run_at(daemon, {"instance", "stop", "web-1"});
    EXPECT_EQ(refused.exit, exits::failed);
    EXPECT_EQ(refused.err, "stop of web-1: at most 2m00s\nhale: web-1 is the last eligible instance of web\n");
    daemon.stop();
    EXPECT_EQ(daemon.seen()[1].body, R"({"timeout":"30s","force":true})");
    EXPECT_EQ(daemon.seen()[3].body, R"({"timeout":"2m"})");
    EXPECT_EQ(run_with({"instance", "start", "web-1", "--force"}, {}).exit, exits::usage) << "a start takes nobody's traffic";
}

// ---- The tree ----

const std::string verifying = R"({"id":"d-1","service":"web","phase":"verifying","over":false,"longest":60,"seconds":4,
 "phases":[{"phase":"requested","entered":"2026-11-22T07:00:00.000Z","deadline":"2026-11-22T07:00:10.000Z"},
           {"phase":"pulling","entered":"2026-11-22T07:00:00.100Z","deadline":"2026-11-22T07:10:00.100Z"},
           {"phase":"verifying","entered":"2026-11-22T07:00:02.600Z","deadline":"2026-11-22T07:00:32.600Z"}],
 "instances":[{"instance":"web-2-1","target":"10.0.0.7:3000","kept":false,"container":"pass","direct":"none","observations":["2026-11-22T07:00:03.000Z GET http://10.0.0.7:3000/up: connect refused"]},
              {"instance":"web-2-2","target":"10.0.0.8:3000","kept":false,"container":"none","direct":"none","observations":[]},
              {"instance":"web-2-3","target":"10.0.0.9:3000","kept":false,"container":null,"direct":"pass","observations":[]}],
 "deadlines":{"requested":10,"pulling":600,"creating":0,"verifying":30,"switching":10,"draining":35,"rolling_back":60}})";

Utc clock_at(std::string_view text) { return *parse_rfc3339(text); }

TEST(Tree, ShowsWhatIsOverWhatGoesOnAndWhatComes) {
    const auto lines = progress_lines(parse_json(verifying), clock_at("2026-11-22T07:00:06.000Z"), 120, 24, false);
    const std::vector<std::string> expected{
        "● requested    0.1 s",
        "● pulling      2.5 s",
        "◌ verifying    3.4 s of 30 s",
        "  web-2-1 10.0.0.7:3000   itself: pass   directly: none   GET http://10.0.0.7:3000/up: connect refused",
        "  web-2-2 10.0.0.8:3000   itself: none   directly: none",
        "  web-2-3 10.0.0.9:3000   directly: pass",
        "· switching    10 s at most",
        "· draining     35 s at most",
    };
    EXPECT_EQ(lines, expected) << fmt::format("{}", fmt::join(lines, "\n"));
}

TEST(Tree, FitsEveryTerminal) {
    const Json record = parse_json(verifying);
    for (std::size_t columns = 1; columns <= 120; ++columns)
        for (std::size_t rows = 1; rows <= 12; ++rows) {
            const auto lines = progress_lines(record, clock_at("2026-11-22T07:00:06.000Z"), columns, rows, false);
            EXPECT_LE(lines.size(), std::max<std::size_t>(rows, 2) - 1) << columns << "x" << rows;
            for (const auto& line : lines) EXPECT_LE(width(line), std::max<std::size_t>(columns, 20)) << line;
            EXPECT_FALSE(lines.empty());
        }
    const auto few = progress_lines(record, clock_at("2026-11-22T07:00:06.000Z"), 80, 8, false);
    ASSERT_EQ(few.size(), 7u);
    EXPECT_EQ(few[4], "  … and 2 more");
}

TEST(Tree, AWayBackHasNothingToCome) {
    Json record = parse_json(verifying);
    record["phases"].push_back({{"phase", "rolling_back"}, {"entered", "2026-11-22T07:00:06.000Z"}, {"deadline", "2026-11-22T07:01:06.000Z"}});
    const auto lines = progress_lines(record, clock_at("2026-11-22T07:00:07.000Z"), 100, 24, true);
    EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.contains("at most"); }), 0);
    EXPECT_EQ(lines[3], "\x1b[31m◌ rolling_back 1.0 s of 1m00s\x1b[0m");
}

// A terminal, as far as the tree speaks with it.
struct Screen {
    std::vector<std::string> lines{""};
    std::size_t row = 0;
    std::string word;

    void take(std::string_view text) {
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\x1b') {
                const auto end = text.find_first_of("AKJm", i);
                const std::size_t count = text[i + 2] >= '0' && text[i + 2] <= '9' ? static_cast<std::size_t>(std::stoi(std::string(text.substr(i + 2)))) : 1;
                if (text[end] == 'A') row -= std::min(row, count), column = 0;
                if (text[end] == 'K') lines[row].resize(column);
                if (text[end] == 'J') lines.resize(row + 1), lines[row].resize(column);
                i = end;
            } else if (text[i] == '\r') {
                column = 0;
            } else if (text[i] == '\n') {
                column = 0;
                if (++row == lines.size()) lines.emplace_back();
            } else {
                if (lines[row].size() <= column) lines[row].resize(column + 1, ' ');
                lines[row][column++] = text[i];
            }
        }
    }
    std::string text() const {
        std::string out;
        for (const auto& line : lines) out += line + "\n";
        return out;
    }
    std::size_t column = 0;
};

TEST(Tree, IsDrawnOverItselfAndLeavesNothing) {
    Screen screen;
    Surroundings around;
    std::size_t writes = 0;
    around.err = [&](std::string_view text) { screen.take(text), ++writes; };
    screen.take("before\n");
    LiveLines live(around);
    live.draw({"one", "two two", "three"});
    EXPECT_EQ(screen.text(), "before\none\ntwo two\nthree\n\n");
    live.draw({"one", "two", "three", "four"});
    EXPECT_EQ(screen.text(), "before\none\ntwo\nthree\nfour\n\n");
    live.draw({"one"});
    EXPECT_EQ(screen.row, 2u) << "beneath what is there";
    EXPECT_EQ(screen.lines[2], "");
    const auto so_far = writes;
    live.draw({"one"});
    EXPECT_EQ(writes, so_far) << "what did not change is not drawn";
    live.wipe();
    screen.take("after\n");
    EXPECT_TRUE(screen.text().starts_with("before\nafter\n")) << screen.text();
}

TEST(Tree, OnlyATerminalThatCanHasIt) {
    const auto draws = [](Environment environment, bool terminal, Invocation asked = {}) {
        Surroundings around;
        around.environment = [environment](const std::string& name) -> std::optional<std::string> {
            const auto found = environment.find(name);
            return found == environment.end() ? std::nullopt : std::optional(found->second);
        };
        around.errors_on_terminal = terminal;
        return draws_live(asked, around);
    };
    EXPECT_TRUE(draws({{"TERM", "xterm"}}, true));
    EXPECT_FALSE(draws({{"TERM", "xterm"}}, false));
    EXPECT_FALSE(draws({{"TERM", "dumb"}}, true));
    EXPECT_FALSE(draws({}, true));
    EXPECT_FALSE(draws({{"TERM", "xterm"}, {"NO_COLOR", "1"}}, true));
    EXPECT_FALSE(draws({{"TERM", "xterm"}}, true, {.no_color = true}));
    EXPECT_FALSE(draws({{"TERM", "xterm"}}, true, {.format = Format::jsonl}));
}

}  // namespace
}  // namespace hale::cli
