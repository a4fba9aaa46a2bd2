// Goal: what an answer makes of a check's conditions: the outcome, who decided and why, what is shown; and
// that hostile answers, absent things and cut bodies never count as success.
// Method: named examples for each rule; every cut of a body; a count of allocations on the plain path.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "expect/conditions.h"

namespace {
std::size_t allocations = 0;
}

// Counted for the whole test program; only one test looks.
void* operator new(std::size_t size) {
    ++allocations;
    if (void* at = std::malloc(size == 0 ? 1 : size)) return at;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }

namespace hale::expect {
namespace {

using verdict::Outcome;
using verdict::Reason;

Conditions conditions(const std::vector<std::string>& fails, const std::vector<std::string>& warns = {}) {
    Conditions out;
    const auto add = [&](const std::string& text, Severity severity) {
        const auto condition = compile(text, severity);
        if (!condition) {
            ADD_FAILURE() << text << ": " << condition.error().text();
            return;
        }
        EXPECT_TRUE(out.add(*condition));
    };
    for (const auto& text : fails) add(text, Severity::fail);
    for (const auto& text : warns) add(text, Severity::warn);
    return out;
}

bool holds(const std::string& text, const Response& response) {
    return conditions({text}).evaluate(response).outcome == Outcome::pass;
}

Response body(std::string_view text, int status = 200) { return {.status = status, .connected = true, .body = text}; }

TEST(Evaluation, FailsOverWarnsAndTheFirstOfTheWorstDecides) {
    const auto all = conditions({"[STATUS] == 2xx", "[BODY] == ok"}, {"[RESPONSE_TIME] < 500"});
    Response response = body("ok");
    response.timings.total = 100ms;
    EXPECT_EQ(all.evaluate(response).outcome, Outcome::pass);
    EXPECT_EQ(all.evaluate(response).held, 0b111u);
    EXPECT_EQ(all.evaluate(response).reason, Reason::ok);
    EXPECT_EQ(all.evaluate(response).resolved, "");

    response.timings.total = 600ms;
    const auto slow = all.evaluate(response);
    EXPECT_EQ(slow.outcome, Outcome::warn);
    EXPECT_EQ(slow.reason, Reason::latency_exceeded);
    EXPECT_EQ(slow.decided_by, 2u);
    EXPECT_EQ(slow.held, 0b011u);
    EXPECT_EQ(slow.resolved, "[RESPONSE_TIME] (600 ms) < 500");

    response.body = "no";
    const auto wrong = all.evaluate(response);
    EXPECT_EQ(wrong.outcome, Outcome::fail);
    EXPECT_EQ(wrong.reason, Reason::body_mismatch);
    EXPECT_EQ(wrong.decided_by, 1u);
    EXPECT_EQ(wrong.resolved, "[BODY] (no) == ok");

    response.status = 503;
    EXPECT_EQ(all.evaluate(response).decided_by, 0u);
    EXPECT_EQ(all.evaluate(response).reason, Reason::status_mismatch);
    EXPECT_EQ(all.evaluate(response).resolved, "[STATUS] (503) == 2xx");

    const auto every = all.resolve(response);
    ASSERT_EQ(every.size(), 3u);
    EXPECT_FALSE(every[0].held);
    EXPECT_EQ(every[2].severity, Severity::warn);
    EXPECT_EQ(every[2].text, "[RESPONSE_TIME] (600 ms) < 500");
    EXPECT_EQ(all.text(), "[STATUS] == 2xx; [BODY] == ok; warn: [RESPONSE_TIME] < 500");
}

TEST(Evaluation, NoConditionsPassAndTooManyAreRefused) {
    Conditions all;
    EXPECT_EQ(all.evaluate({}).outcome, Outcome::pass);
    for (std::size_t i = 0; i < Conditions::max_conditions; ++i) EXPECT_TRUE(all.add(default_status_condition()));
    EXPECT_FALSE(all.add(default_status_condition()));
    EXPECT_EQ(all.evaluate({.status = 204}).held, ~std::uint64_t{0});
}

TEST(Evaluation, ReasonsFollowThePlaceholderThatDecided) {
    const std::vector<Header> headers{{"X-Mode", "blue"}};
    Response response = body(R"({"n": 5, "s": "x"})", 404);
    response.headers = headers;
    response.timings = {.connect = 3ms, .total = 80ms};
    const auto reason = [&](const std::string& text) { return conditions({text}).evaluate(response).reason; };
    EXPECT_EQ(reason("[STATUS] == 200"), Reason::status_mismatch);
    EXPECT_EQ(reason("[HEADER].x-mode == green"), Reason::header_mismatch);
    EXPECT_EQ(reason("[HEADER].x-none == green"), Reason::header_mismatch);
    EXPECT_EQ(reason("[BODY].n == 6"), Reason::body_mismatch);
    EXPECT_EQ(reason("len([BODY].s) > 1"), Reason::body_mismatch);
    EXPECT_EQ(reason("[HEALTH] == pass"), Reason::body_mismatch);
    EXPECT_EQ(reason("[PHASE].connect < 1ms"), Reason::latency_exceeded);
    EXPECT_EQ(reason("[PHASE].tls < 1ms"), Reason::condition_failed);  // Never got there.
    EXPECT_EQ(reason("[CONNECTED] == false"), Reason::condition_failed);
    EXPECT_EQ(reason("[IP] == 10.0.0.1"), Reason::condition_failed);
    EXPECT_EQ(reason("[BODY].n == 5 and [STATUS] == 200"), Reason::status_mismatch);
    EXPECT_EQ(reason("[BODY].n == 6 or [STATUS] == 200"), Reason::body_mismatch);
    EXPECT_EQ(reason("not ([STATUS] == 404)"), Reason::status_mismatch);
    EXPECT_EQ(reason("[BODY].n == 5 and ([CONNECTED] and not [STATUS] > 400)"), Reason::status_mismatch);
}

TEST(Evaluation, AbsenceIsNeverSuccess) {
    const Response nothing;
    for (const char* text :
         {"[STATUS] != 200", "[STATUS] < 300", "not [STATUS] == 500", "[RESPONSE_TIME] < 1h", "[RESPONSE_TIME] != 5",
          "[PHASE].tls < 1h", "not [PHASE].tls > 1h", "[IP] != 10.0.0.1", "[HEADER].x != y", "not [HEADER].x == y",
          "has([HEADER].x) == false", "[BODY].x != y", "not [BODY].x == y", "has([BODY].x) == false",
          "len([BODY].x) == 0", "[HEALTH] != fail", "[BODY].a == [BODY].b", "[BODY].a != [BODY].b", "[CONNECTED]"})
        EXPECT_FALSE(holds(text, nothing)) << text;
    EXPECT_TRUE(holds("[BODY].x == y or [CONNECTED] == false", nothing));
    EXPECT_FALSE(holds("not ([BODY].x == y or [CONNECTED])", nothing));
    EXPECT_TRUE(holds("not ([BODY].x == y and [CONNECTED])", nothing));
    EXPECT_TRUE(holds("has([HEADER].x) == false", body("")));
    EXPECT_FALSE(holds("has([HEADER].x)", body("")));
    EXPECT_TRUE(holds("not has([BODY].x)", body("{}")));
    EXPECT_TRUE(holds("[BODY].x == null", body(R"({"x": null})")));
    EXPECT_FALSE(holds("[BODY].x == null", body("{}")));
    EXPECT_FALSE(holds("[BODY].x != a", body(R"({"x": null})")));
    EXPECT_FALSE(holds("[BODY].x < 5", body(R"({"x": "abc"})")));
    EXPECT_FALSE(holds("not [BODY].x < 5", body(R"({"x": "abc"})")));
}

TEST(Evaluation, LiteralsQuotesWordsAndRegexes) {
    EXPECT_TRUE(holds("[BODY].m == \"salt and pepper\"", body(R"({"m": "salt and pepper"})")));
    EXPECT_TRUE(holds("[BODY].m == 'a \\' b'", body(R"({"m": "a ' b"})")));
    EXPECT_TRUE(holds("[BODY] == \"ok\"", body("ok")));
    EXPECT_TRUE(holds("[BODY] == \"ok\"", body("\"ok\"")));  // As Gatus reads it.
    EXPECT_TRUE(holds("[BODY].v == \"1.0\"", body(R"({"v": "1.0"})")));
    EXPECT_FALSE(holds("[BODY].v == \"1.0\"", body(R"({"v": "1"})")));
    EXPECT_TRUE(holds("[BODY].v == 1.0", body(R"({"v": "1"})")));
    EXPECT_TRUE(holds("[BODY][\"a.b\"]['c d'] == 1", body(R"({"a.b": {"c d": 1}})")));
    EXPECT_TRUE(holds("[BODY].a-b:c == x", body(R"({"a-b:c": "x"})")));
    EXPECT_TRUE(holds("[BODY].a==1", body(R"({"a": 1})")));
    EXPECT_TRUE(holds("[status] == 200", body("")));
    EXPECT_TRUE(holds("[BODY].ok == true", body(R"({"ok": true})")));
    EXPECT_TRUE(holds("[BODY].age < 5m", body(R"({"age": "4m59s"})")));
    EXPECT_TRUE(holds("[BODY].age < 5m", body(R"({"age": 299999})")));
    EXPECT_TRUE(holds("5 < [BODY].n", body(R"({"n": 6})")));
    EXPECT_FALSE(holds("5 >= [BODY].n", body(R"({"n": 6})")));
    EXPECT_TRUE(holds("[BODY].n == 9007199254740993", body(R"({"n": 9007199254740993})")));
    EXPECT_FALSE(holds("[BODY].n == 9007199254740993", body(R"({"n": 9007199254740992})")));
    EXPECT_TRUE(holds("[BODY] matches /v[0-9]+\\/x/", body("at v12/x")));
    EXPECT_TRUE(holds("[BODY] matches /HELLO/i and [STATUS] == 200", body("say hello")));
    EXPECT_FALSE(holds("[BODY] matches /^hello/", body("say hello")));
    EXPECT_TRUE(holds("[BODY] == pat(*a\\)b*)", body("xa)by")));
    EXPECT_TRUE(holds("[BODY] == pat(*f(x)*)", body("call f(x) now")));
    EXPECT_TRUE(holds("[BODY] == pat(a?c[0-9])", body("abc7")));
    EXPECT_TRUE(holds("[BODY] == pat(*needle*)", body(std::string_view("\xff\x00\nneedle\xfe", 10))));
    EXPECT_TRUE(holds("[STATUS] == any(2xx, 401)", body("", 401)));
    EXPECT_TRUE(holds("[STATUS] != any(4xx, 5xx)", body("", 302)));
    EXPECT_FALSE(holds("[STATUS] == 2xx", body("", 300)));
    EXPECT_TRUE(holds("[IP] == ::1", {.ip = *Ip::parse("::1")}));
    EXPECT_TRUE(holds("[IP] == any(10.0.0.1, 0:0:0:0:0:0:0:1)", {.ip = *Ip::parse("::1")}));
    EXPECT_TRUE(holds("[IP] != 10.0.0.2", {.ip = Ip::v4(10, 0, 0, 1)}));
}

TEST(Evaluation, ACutBodyTellsOnlyWhatItHolds) {
    const std::string whole = R"({"status": "UP", "n": 1})";
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        Response response = body(std::string_view(whole).substr(0, cut));
        response.body_truncated = true;
        for (const char* text : {"[BODY].status == UP", "[BODY].status != UP", "has([BODY].x) == false",
                                 "len([BODY]) > 0", "[HEALTH] == pass", "[BODY] != abc", "not [BODY] == pat(*secret*)"})
            EXPECT_FALSE(holds(text, response)) << text << " at " << cut;
        EXPECT_EQ(holds("[BODY] == pat(*UP*)", response), cut >= whole.find("UP") + 2);
        // The same bytes without the mark are no JSON either.
        response.body_truncated = false;
        EXPECT_FALSE(holds("[BODY].n == 1", response)) << cut;
    }
    Response response = body(whole);
    response.body_truncated = true;
    EXPECT_EQ(conditions({"[BODY].n == 1"}).evaluate(response).resolved,
              "[BODY].n (the body is longer than what was read of it) == 1");
}

TEST(Evaluation, HostileBodiesAreMismatchesWithAWord) {
    const auto resolved = [&](std::string_view text) {
        const auto seen = conditions({"[BODY].a == 1"}).evaluate(body(text));
        EXPECT_EQ(seen.outcome, Outcome::fail);
        EXPECT_EQ(seen.reason, Reason::body_mismatch);
        return seen.resolved;
    };
    EXPECT_EQ(resolved(""), "[BODY].a (the body is empty) == 1");
    EXPECT_EQ(resolved("<html>"), "[BODY].a (the body is not JSON) == 1");
    EXPECT_EQ(resolved(std::string(30'000, '[') + std::string(30'000, ']')),
              "[BODY].a (the body is nested too deeply) == 1");
    EXPECT_EQ(resolved(std::string(65'536, '{')), "[BODY].a (the body is not JSON) == 1");
    EXPECT_EQ(resolved(std::string_view("\0\0\0\0", 4)), "[BODY].a (the body is not JSON) == 1");
    EXPECT_EQ(resolved("{\"a\": \"\xff\xfe\"}"), "[BODY].a (the body is not JSON) == 1");
    EXPECT_EQ(resolved(R"({"a": "\u001b[31mred"})"), "[BODY].a (\\x1b[31mred) == 1");
    const std::string huge = "{\"a\": \"" + std::string(5'000, 'x') + "\"}";
    EXPECT_EQ(resolved(huge), "[BODY].a (" + std::string(200, 'x') + "…) == 1");
    for (int c = 0; c < 256; ++c) {  // Every single byte is a body.
        const char one = static_cast<char>(c);
        resolved(std::string_view(&one, 1));
    }
}

TEST(Evaluation, SecretsAreNotShown) {
    const std::vector<Header> headers{{"X-Api-Key", "s3cr3t"}};
    Response response = body(R"({"auth": {"token": "s3cr3t"}})");
    response.headers = headers;
    EXPECT_EQ(conditions({"[HEADER].x-api-key == hunter2"}).evaluate(response).resolved,
              "[HEADER].x-api-key (***) == ***");
    EXPECT_EQ(conditions({"[BODY].auth.token == any(a, b)"}).evaluate(response).resolved,
              "[BODY].auth.token (***) == any(***, ***)");
    EXPECT_EQ(conditions({"len([BODY].auth.token) > 50"}).evaluate(response).resolved,
              "len([BODY].auth.token) (6) > 50");
}

TEST(Health, TheWorseOfBodyAndStatusCounts) {
    struct Row {
        std::string_view body;
        int status;
        std::string_view is;  // Empty: can't be told.
        bool lint;
    };
    for (const Row& row : std::initializer_list<Row>{{R"({"status":"pass"})", 200, "pass", false},
                                                     {R"({"status":"UP","components":{}})", 200, "pass", false},
                                                     {R"({"status":"Healthy","entries":{}})", 200, "pass", false},
                                                     {R"({"status":"Degraded"})", 200, "warn", false},
                                                     {R"({"status":"warn"})", 503, "fail", true},
                                                     {R"({"status":"DOWN","checks":[]})", 503, "fail", false},
                                                     {R"({"status":"OUT_OF_SERVICE"})", 200, "fail", true},
                                                     {R"({"status":"pass"})", 503, "fail", true},
                                                     {R"({"status":"purple"})", 200, "", false},
                                                     {R"({"status":200})", 200, "", false},
                                                     {R"([])", 200, "", false},
                                                     {"ok", 200, "", false}}) {
        for (const std::string word : {"pass", "warn", "fail"}) {
            const auto seen = conditions({"[HEALTH] == " + word}).evaluate(body(row.body, row.status));
            EXPECT_EQ(seen.outcome == Outcome::pass, word == row.is) << row.body << row.status << word;
            EXPECT_EQ(!seen.lint.empty(), row.lint) << row.body << row.status << seen.lint;
        }
        EXPECT_EQ(holds("[HEALTH] == any(up, degraded)", body(row.body, row.status)),
                  row.is == "pass" || row.is == "warn");
    }
}

TEST(Lint, AStatusOnlyCheckOfABodyThatSaysOtherwise) {
    const auto only_status = conditions({"[STATUS] < 300"});
    EXPECT_EQ(lint(only_status, body(R"({"status":"unhealthy"})")),
              "only the status is tested (200), but the body says \"status\": \"unhealthy\"; "
              "add [HEALTH] == pass or [BODY].status == …");
    EXPECT_EQ(lint(only_status, body(R"({"status":"healthy"})")), "");
    EXPECT_EQ(lint(only_status, body("<html>")), "");
    EXPECT_EQ(lint(only_status, body("")), "");
    EXPECT_EQ(lint(conditions({"[STATUS] < 300", "[BODY].status == x"}), body(R"({"status":"unhealthy"})")), "");
}

TEST(Conditions, SayWhatTheyNeed) {
    const auto facts = [](const std::string& text) {
        const auto all = conditions({text});
        return std::vector{all.mentions_status(), all.needs_body(), all.needs_headers()};
    };
    EXPECT_EQ(facts("[STATUS] == 200"), (std::vector{true, false, false}));
    EXPECT_EQ(facts("[BODY].x == 200"), (std::vector{false, true, false}));
    EXPECT_EQ(facts("[HEALTH] == pass"), (std::vector{false, true, false}));
    EXPECT_EQ(facts("has([HEADER].x)"), (std::vector{false, false, true}));
    EXPECT_EQ(facts("[RESPONSE_TIME] < 5 or [BODY].x == [STATUS]"), (std::vector{true, true, false}));
}

TEST(Conditions, ThePlainPathAllocatesNothing) {
    const auto all = conditions({"[STATUS] == 2xx", "[STATUS] == any(200, 401)", "[STATUS] < 300 and [CONNECTED]"},
                                {"[RESPONSE_TIME] < 500", "[PHASE].connect < 100ms"});
    Response response = body("never looked at");
    response.timings = {.connect = 1ms, .total = 20ms};
    const std::size_t before = allocations;
    const auto seen = all.evaluate(response);
    const std::size_t after = allocations;
    EXPECT_EQ(seen.outcome, Outcome::pass);
    EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace hale::expect
