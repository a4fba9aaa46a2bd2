// Goal: the pure parts agree with their rules: who is a candidate, what a head becomes, what a line says.
// Method: enumeration against the rules written out; tables of named cases.

#include <gtest/gtest.h>

#include "base/text.h"
#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/eligible.h"
#include "proxy/forward.h"
#include "proxy/stats.h"
#include "proxy/bed_test.h"

namespace hale::proxy {
namespace {

using verdict::Lifecycle;
using verdict::OverrideState;
using verdict::State;

TEST(EligibleList, HoldsExactlyWhomTheTableAdmits) {
    for (const auto state : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
        for (const bool before : {false, true})
            for (const auto lifecycle : {Lifecycle::starting, Lifecycle::serving, Lifecycle::draining, Lifecycle::retired})
                for (const int override : {-1, 0, 1, 2})
                    for (const bool other_generation : {false, true}) {
                        Table table;
                        auto& s = table.service("s");
                        auto e = table.endpoint({.port = 80});
                        e.lifecycle = lifecycle;
                        if (override >= 0) e.override = static_cast<OverrideState>(override);
                        verdict::Word word{.state = state, .was_eligible = before, .version = 7};
                        word.generation = other_generation ? 2 : 1;
                        word.flags.set(verdict::Flag::held, state == State::unknown && before);
                        e.row->word.store(word.pack());
                        s.endpoints = {e};
                        EligibleList list;
                        list.rebuild(s);
                        const bool judged_up = !other_generation && (state == State::healthy || state == State::degraded ||
                                                                     (state == State::unknown && before));
                        const bool expected = lifecycle == Lifecycle::serving &&
                                              (override == 0 || (override == -1 && judged_up));
                        EXPECT_EQ(list.candidates().size(), expected ? 1u : 0u);
                        if (expected) EXPECT_FALSE(list.candidates()[0].panicked);
                    }
}

TEST(EligibleList, WeighsDegradedInstancesLessAndZeroOnlyAsTheLastResort) {
    Table table;
    auto& s = table.service("s");
    s.degraded_weight = 0.25;
    s.endpoints = {table.endpoint({.port = 1}), table.endpoint({.port = 2}, State::degraded), table.endpoint({.port = 3})};
    s.endpoints[0].weight = 4;
    s.endpoints[1].weight = 2;
    s.endpoints[2].weight = 0;
    EligibleList list;
    list.rebuild(s);
    ASSERT_EQ(list.candidates().size(), 2u);
    EXPECT_EQ(list.candidates()[0].weight, 4);
    EXPECT_EQ(list.candidates()[1].weight, 0.5);
    table.judge(s.endpoints[0], State::unhealthy);
    table.judge(s.endpoints[1], State::unhealthy);
    list.rebuild(s);
    ASSERT_EQ(list.candidates().size(), 1u);
    EXPECT_EQ(list.candidates()[0].endpoint, 2u);
    EXPECT_EQ(list.candidates()[0].weight, 1);
}

// Fail-open as control has it in force, over every state and layer: it adds the covered ones that it reaches, and nobody else.
TEST(EligibleList, PanicReachesWhatItCoversAndNoMore) {
    for (const State state : {State::pending, State::healthy, State::degraded, State::unhealthy, State::unknown})
        for (const auto lifecycle : {Lifecycle::starting, Lifecycle::serving, Lifecycle::draining})
            for (const bool down : {false, true})
                for (const bool reached : {false, true}) {
                    Table table;
                    auto& s = table.service("s");
                    s.panic = true;
                    auto endpoint = table.endpoint({.port = 1}, state);
                    endpoint.lifecycle = lifecycle;
                    endpoint.in_panic = reached;
                    if (down) endpoint.override = OverrideState::down;
                    s.endpoints = {endpoint};
                    EligibleList list;
                    list.rebuild(s);
                    const bool good = state == State::healthy || state == State::degraded;
                    const bool serves = lifecycle == Lifecycle::serving && !down;
                    ASSERT_EQ(list.candidates().size(), serves && (good || (reached && state == State::unhealthy)) ? 1u : 0u);
                    if (!list.candidates().empty()) EXPECT_EQ(list.candidates()[0].panicked, !good);
                }
}

TEST(Strip, LeavesTheOriginalBytesOfTheRest) {
    struct Case {
        const char *target, *stripped;
        std::size_t prefix;
    };
    for (const auto& [target, stripped, prefix] : std::vector<Case>{{"/api/x", "/x", 4}, {"/api", "/", 4}, {"/api?q=1", "/?q=1", 4}, {"/%61%70i/%20", "/%20", 4},
                                                                    {"/a%2fb/c", "/c", 6}, {"/", "/", 0}, {"/x%41", "/x%41", 0}}) {
        std::string out;
        append_stripped(out, target, prefix);
        EXPECT_EQ(out, stripped) << target;
    }
}

TEST(ClientAddress, IsTheFirstFromTheRightThatIsNotTrusted) {
    const std::vector<Cidr> trusted{*Cidr::parse("10.0.0.0/8")};
    const auto seen = [&](const std::string& forwarded, const char* peer_text) {
        wire::RequestHead head;
        wire::HeadScan scan;
        const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n" + forwarded + "\r\n";
        EXPECT_EQ(wire::parse_request_head(bytes, {}, scan, head).status, wire::ParseStatus::done);
        const auto peer = Peer::of({.ip = *Ip::parse(peer_text)}, trusted);
        return std::string(client_address(head, peer, trusted).spelled);
    };
    EXPECT_EQ(seen("X-Forwarded-For: 1.1.1.1\r\n", "9.9.9.9"), "9.9.9.9");
    EXPECT_EQ(seen("X-Forwarded-For: 1.1.1.1\r\n", "10.0.0.9"), "1.1.1.1");
    EXPECT_EQ(seen("X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.3\r\n", "10.0.0.9"), "1.1.1.1");
    EXPECT_EQ(seen("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "10.0.0.9"), "1.1.1.1");
    EXPECT_EQ(seen("X-Forwarded-For: 1.1.1.1, nonsense, 10.0.0.3\r\n", "10.0.0.9"), "10.0.0.3");
    EXPECT_EQ(seen("", "10.0.0.9"), "10.0.0.9");
}

TEST(RequestId, IsPlainAndBounded) {
    EXPECT_TRUE(valid_request_id("aZ09-_."));
    EXPECT_TRUE(valid_request_id(std::string(128, 'a')));
    for (const std::string& bad : {std::string(), std::string("a b"), std::string("a\"b"), std::string("ä"), std::string(129, 'a')}) EXPECT_FALSE(valid_request_id(bad));
}

TEST(Histogram, CountsUpToEachBoundInclusively) {
    Histogram h;
    for (const auto bound : Histogram::bounds_us) h.add(std::chrono::microseconds(bound));
    h.add(1h);
    for (const auto count : h.counts) EXPECT_EQ(count, 1u);
    EXPECT_EQ(h.total(), Histogram::bounds_us.size() + 1);
}

TEST(AccessLog, SaysEverythingOncePerLineAndHidesSecrets) {
    Lines lines;
    AccessLog log(&lines);
    std::string request;
    AccessLog::start_request(request, "GET", "a\"b", "/p\x01?token=abc&x=1&password=2&y");
    EXPECT_EQ(request, R"("method":"GET","host":"a\"b","path":"/p\u0001?token=***&x=1&password=***&y")");
    const auto at = *parse_rfc3339("2026-11-21T14:18:21.007Z");
    log.add({.time = at, .client = "1.2.3.4", .request = request, .status = 200, .bytes_in = 1, .bytes_out = 2, .duration = 1'234'567us, .service = "web",
             .route = "r1", .instance = "i-1", .upstream = "10.0.0.1:80", .version = 5, .revision = 9, .request_id = "id", .retries = 1, .panic = true});
    log.add({.time = at + 994ms, .client = "::1", .status = 400, .request_id = "x", .reason = Answered::bad_request});
    EXPECT_EQ(lines.writes, 0);
    log.flush();
    EXPECT_EQ(lines.text,
              "{\"time\":\"2026-11-21T14:18:21.007Z\",\"client\":\"1.2.3.4\"," + request +
                  ",\"status\":200,\"bytes_in\":1,\"bytes_out\":2,\"seconds\":1.234567,\"service\":\"web\",\"route\":\"r1\",\"instance\":\"i-1\","
                  "\"upstream\":\"10.0.0.1:80\",\"version\":5,\"revision\":9,\"request_id\":\"id\",\"retries\":1,\"panic\":true}\n"
                  "{\"time\":\"2026-11-21T14:18:22.001Z\",\"client\":\"::1\",\"status\":400,\"bytes_in\":0,\"bytes_out\":0,\"seconds\":0.000000,"
                  "\"revision\":0,\"request_id\":\"x\",\"reason\":\"bad_request\"}\n");
    lines.broken = true;
    while (lines.writes < 3) log.add({.time = at, .request_id = "x"});
    EXPECT_GT(log.dropped(), 100u);
    log.reopen();
    EXPECT_EQ(lines.reopened, 1);
}

}  // namespace
}  // namespace hale::proxy
