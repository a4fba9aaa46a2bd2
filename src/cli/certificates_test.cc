// Goal: `hale cert list|show|renew` tell what the daemon knows in words and in its own JSON, ask it the right thing, and end
// with the codes that every verb has.
// Method: a scripted daemon; each state of a certificate, each refusal.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/json.h"
#include "cli/testing.h"
#include "os/clock.h"

namespace hale::cli {
namespace {

std::string certificate(std::string_view host, std::string_view state, std::string_view more = "") {
    const Utc now = os::wall_now();
    return fmt::format(R"({{"host":"{}","state":"{}","reason":null,"source":"acme","not_before":"{}","not_after":"{}","issuer":"CN=R11","fingerprint":"ab12",)"
                       R"("authority":"https://ca.example/dir","next_attempt":"{}","failures":0{}}})",
                       host, state, rfc3339(now - 24h * 30), rfc3339(now + 24h * 60 + 1h), rfc3339(now + 24h * 30 + 1h), more);
}

const std::string waiting = R"({"host":"new.example","state":"failed","reason":"the authority said \"no\u001b[2J\"","source":"acme","not_before":null,"not_after":null,"issuer":"",)"
                            R"("fingerprint":"","authority":"https://ca.example/dir","next_attempt":null,"failures":2})";
const std::string of_file = R"({"host":"old.example","state":"expired","reason":null,"source":"/etc/old.pem","not_before":"2020-01-01T00:00:00Z","not_after":"2020-04-01T00:00:00Z",)"
                            R"("issuer":"CN=Old","fingerprint":"cd34","authority":null,"next_attempt":null,"failures":0})";

std::string listed(const std::vector<std::string>& all) { return fmt::format(R"({{"revision":7,"items":[{}],"next":null}})", fmt::join(all, ",")); }

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Cert, ListTellsEachStateItsEndAndWhyOneIsMissing) {
    ScriptedDaemon daemon({{"GET /api/v1/certificates", {.body = listed({certificate("web.example", "active"), waiting, of_file})}}});
    const Ran ran = run_at(daemon, {"cert", "list"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    const auto lines = split(ran.out, '\n');
    ASSERT_GE(lines.size(), 4u) << ran.out;
    for (const char* head : {"HOST", "STATE", "ENDS", "NEXT", "ISSUER", "SOURCE", "REASON"}) EXPECT_TRUE(holds(std::string(lines[0]), head)) << ran.out;
    EXPECT_TRUE(holds(std::string(lines[1]), "web.example") && holds(std::string(lines[1]), "● active") && holds(std::string(lines[1]), "in 60d") &&
                holds(std::string(lines[1]), "in 30d") && holds(std::string(lines[1]), "CN=R11") && holds(std::string(lines[1]), "https://ca.example/dir"))
        << ran.out;
    EXPECT_TRUE(holds(std::string(lines[2]), "▲ failed") && holds(std::string(lines[2]), "the authority said ")) << ran.out;
    EXPECT_FALSE(holds(ran.out, "\x1b")) << "what a stranger says moves no terminal";
    EXPECT_TRUE(holds(std::string(lines[3]), "▲ expired") && holds(std::string(lines[3]), " ago") && holds(std::string(lines[3]), "/etc/old.pem")) << ran.out;
}

TEST(Cert, EveryStateHasItsShape) {
    for (const auto& [state, shape] : {std::pair{"active", "● active"}, std::pair{"renewing", "● renewing"}, std::pair{"pending", "◌ pending"}, std::pair{"acquiring", "◌ acquiring"},
                                       std::pair{"failed", "▲ failed"}, std::pair{"expired", "▲ expired"}}) {
        ScriptedDaemon daemon({{"GET /api/v1/certificates", {.body = listed({certificate("web.example", state)})}},
                               {"GET /api/v1/certificates/web.example", {.body = certificate("web.example", state)}}});
        EXPECT_TRUE(holds(run_at(daemon, {"cert", "list"}).out, shape)) << state;
        EXPECT_TRUE(holds(run_at(daemon, {"cert", "show", "web.example"}).out, shape)) << state;
    }
}

TEST(Cert, JsonIsWhatTheDaemonSays) {
    const std::string one = certificate("web.example", "active");
    ScriptedDaemon daemon({{"GET /api/v1/certificates", {.body = listed({one, waiting})}}, {"GET /api/v1/certificates/web.example", {.body = one}}});
    const Ran list = run_at(daemon, {"cert", "list", "-o", "json"});
    EXPECT_EQ(list.exit, 0);
    EXPECT_EQ(at(parse_json(list.out), "items"), at(parse_json(listed({one, waiting})), "items"));
    const Ran show = run_at(daemon, {"cert", "show", "web.example", "-o", "json"});
    EXPECT_EQ(show.exit, 0);
    EXPECT_EQ(parse_json(show.out), parse_json(one));
    const Ran csv = run_at(daemon, {"cert", "list", "-o", "csv"});
    EXPECT_EQ(csv.exit, 0);
    EXPECT_TRUE(holds(csv.out, "web.example")) << csv.out;
    EXPECT_EQ(run_at(daemon, {"cert", "list", "-o", "nagios"}).exit, 2) << "only check and list speak to monitoring";
}

TEST(Cert, ShowLeavesOutWhatIsNotKnown) {
    ScriptedDaemon daemon({{"GET /api/v1/certificates/new.example", {.body = waiting}}, {"GET /api/v1/certificates/%2A.example", {.body = certificate("*.example", "active")}}});
    const Ran ran = run_at(daemon, {"cert", "show", "new.example"});
    EXPECT_EQ(ran.exit, 0);
    for (const char* there : {"host", "new.example", "state", "▲ failed", "reason", "authority", "source"}) EXPECT_TRUE(holds(ran.out, there)) << there << "\n" << ran.out;
    for (const char* missing : {"ends", "valid from", "issuer", "sha-256", "next attempt"}) EXPECT_FALSE(holds(ran.out, missing)) << missing << "\n" << ran.out;
    const Ran wild = run_at(daemon, {"cert", "show", "*.example"});
    EXPECT_EQ(wild.exit, 0) << wild.err;
    for (const char* there : {"*.example", "ends", "valid from", "next attempt", "(in 60d", "CN=R11", "ab12"}) EXPECT_TRUE(holds(wild.out, there)) << there << "\n" << wild.out;
}

TEST(Cert, RenewAsksOnceAndSaysWhereToLook) {
    ScriptedDaemon daemon({{"POST /api/v1/certificates/web.example:renew", {.status = 202, .body = R"({"accepted":true})"}}});
    const Ran ran = run_at(daemon, {"cert", "renew", "web.example"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "the next certificate of web.example is asked for; see hale cert show web.example\n");
    daemon.stop();
    ASSERT_FALSE(daemon.seen().empty());
    EXPECT_EQ(std::ranges::count_if(daemon.seen(), [](const SeenRequest& one) { return one.line.starts_with("POST "); }), 1);
    EXPECT_EQ(daemon.seen().back().line, "POST /api/v1/certificates/web.example:renew");
    EXPECT_EQ(daemon.seen().back().authorization, "Bearer t0k");
}

TEST(Cert, EveryRefusalHasItsCodeAndTheDaemonsSentence) {
    struct Row {
        int status, exit;
    };
    for (const Row row : {Row{404, 3}, Row{401, 4}, Row{403, 4}, Row{400, 2}, Row{409, 1}, Row{500, 1}, Row{503, 1}, Row{504, 5}}) {
        const Scripted refusal{row.status, fmt::format(R"({{"title":"No","status":{},"code":"x","detail":"because of {}"}})", row.status, row.status)};
        ScriptedDaemon daemon({{"GET /api/v1/certificates", refusal}, {"GET /api/v1/certificates/a.example", refusal}, {"POST /api/v1/certificates/a.example:renew", refusal}});
        for (const std::vector<std::string>& verb : {std::vector<std::string>{"cert", "list"}, {"cert", "show", "a.example"}, {"cert", "renew", "a.example"}}) {
            const Ran ran = run_at(daemon, verb);
            EXPECT_EQ(ran.exit, row.exit) << verb[1] << " " << row.status << " " << ran.err;
            EXPECT_EQ(ran.out, "") << verb[1];
            EXPECT_TRUE(holds(ran.err, fmt::format("because of {}", row.status))) << verb[1] << ": " << ran.err;
        }
    }
    ScriptedDaemon gone({});
    gone.stop();
    for (const std::vector<std::string>& verb : {std::vector<std::string>{"cert", "list"}, {"cert", "show", "a.example"}, {"cert", "renew", "a.example"}})
        EXPECT_EQ(run_at(gone, verb).exit, 6) << verb[1];
    for (const std::vector<std::string>& verb : {std::vector<std::string>{"cert"}, {"cert", "show"}, {"cert", "renew"}, {"cert", "remove", "a.example"}, {"cert", "list", "more"}})
        EXPECT_EQ(run_with(verb, {}).exit, 2) << verb.back();
}

}  // namespace
}  // namespace hale::cli
