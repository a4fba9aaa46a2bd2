// Goal: what Gatus' documentation and habits write as a condition means the same here.
// Method: a table of conditions, answers, and the end Gatus gives them; where this language says more (a
// text where a number belongs, a constant alone) the table says that it is refused, and at which column.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect/conditions.h"

namespace hale::expect {
namespace {

struct Row {
    std::string condition;
    Response response;
    bool holds;
    std::string resolved;  // Where it doesn't hold.
};

Response status(int code) { return {.status = code}; }
Response body(std::string_view text) { return {.status = 200, .body = text}; }
Response took(Duration d) { return {.status = 200, .timings = {.total = d}}; }
Response from(Ip ip) { return {.status = 200, .connected = true, .ip = ip}; }

Response ending_in(Duration left) { return {.connected = true, .certificate_left = left}; }
Response rcode(std::string_view code) { return {.connected = true, .rcode = code}; }

constexpr std::string_view html = R"(<!DOCTYPE html><html><body><div id="user">john.doe</div></body></html>)";

TEST(Gatus, ConditionsMeanTheSame) {
    const std::vector<Row> rows{
        {"[STATUS] == 200", status(200), true, ""},
        {"[STATUS] == 200", status(500), false, "[STATUS] (500) == 200"},
        {"[STATUS] != 200", status(201), true, ""},
        {"[STATUS] < 300", status(201), true, ""},
        {"[STATUS] < 300", status(404), false, "[STATUS] (404) < 300"},
        {"[STATUS] <= 299", status(299), true, ""},
        {"[STATUS] > 400", status(400), false, "[STATUS] (400) > 400"},
        {"[STATUS] >= 400", status(400), true, ""},
        {"[STATUS] == any(200, 429)", status(429), true, ""},
        {"any(200, 429) == [STATUS]", status(429), true, ""},
        {"[STATUS] == any(200, 429)", status(404), false, "[STATUS] (404) == any(200, 429)"},
        {"[STATUS] == pat(4*)", status(404), true, ""},
        {"[STATUS] == pat(4*)", status(200), false, "[STATUS] (200) == pat(4*)"},
        {"[STATUS] == [BODY].status", body(R"({"status":200})"), true, ""},
        {"[CONNECTED] == true", from(Ip::v4(127, 0, 0, 1)), true, ""},
        {"[CONNECTED] == true", Response{}, false, "[CONNECTED] (false) == true"},
        {"[RESPONSE_TIME] < 500", took(50ms), true, ""},
        {"[RESPONSE_TIME] < 1s", took(50ms), true, ""},
        {"[RESPONSE_TIME] > 500", took(750ms), true, ""},
        {"[RESPONSE_TIME] >= 500", took(500ms), true, ""},
        {"[RESPONSE_TIME] >= 500", took(499ms), false, "[RESPONSE_TIME] (499 ms) >= 500"},
        {"[RESPONSE_TIME] <= 500", took(500ms), true, ""},
        {"[RESPONSE_TIME] <= 500", took(750ms), false, "[RESPONSE_TIME] (750 ms) <= 500"},
        {"[CERTIFICATE_EXPIRATION] > 48h", ending_in(49h), true, ""},
        {"[CERTIFICATE_EXPIRATION] > 48h", ending_in(47h), false, "[CERTIFICATE_EXPIRATION] (1d 23h) > 48h"},
        {"[CERTIFICATE_EXPIRATION] > 0", ending_in(-1h), false, "[CERTIFICATE_EXPIRATION] (-1h 00m) > 0"},
        {"[CERTIFICATE_EXPIRATION] > 48h", status(200), false, "[CERTIFICATE_EXPIRATION] (no certificate) > 48h"},
        {"[DNS_RCODE] == NOERROR", rcode("NOERROR"), true, ""},
        {"[DNS_RCODE] == any(NOERROR, NXDOMAIN)", rcode("NXDOMAIN"), true, ""},
        {"[DNS_RCODE] == NOERROR", rcode("SERVFAIL"), false, "[DNS_RCODE] (SERVFAIL) == NOERROR"},
        {"[DNS_RCODE] == NOERROR", status(200), false, "[DNS_RCODE] (no DNS answer) == NOERROR"},
        {"[IP] == 127.0.0.1", from(Ip::v4(127, 0, 0, 1)), true, ""},
        {"[IP] == pat(10.*)", from(Ip::v4(10, 0, 0, 0)), true, ""},
        {"[IP] == pat(10.*)", from(Ip::v4(255, 255, 255, 255)), false, "[IP] (255.255.255.255) == pat(10.*)"},
        {"[BODY] == test", body("test"), true, ""},
        {"[BODY] == 123", body("123"), true, ""},
        {"[BODY] < 124", body("123"), true, ""},
        {"[BODY] > 123", body("100"), false, "[BODY] (100) > 123"},
        {"[BODY].status == UP", body(R"({"status":"UP"})"), true, ""},
        {"[BODY].data.name == john", body(R"({"data": {"id": 1, "name": "john"}})"), true, ""},
        {"[BODY].data.name == john", body(R"({"data": {"id": 1}})"), false, "[BODY].data.name (no such field) == john"},
        {"[BODY].user.first != [BODY].user.last", body(R"({"user": {"first": "john", "last": "doe"}})"), true, ""},
        {"[BODY].user.first == [BODY].user.last", body(R"({"user": {"first": "john", "last": "doe"}})"), false,
         "[BODY].user.first (john) == [BODY].user.last (doe)"},
        {"[BODY][0].id == 1", body(R"([{"id": 1}, {"id": 2}])"), true, ""},
        {"[BODY].[0].id == 1", body(R"([{"id": 1}, {"id": 2}])"), true, ""},
        {"[BODY].data == OK", body(R"({"data": null})"), false, "[BODY].data (null) == OK"},
        {"[BODY].data == OK", body("null"), false, "[BODY].data (no such field) == OK"},
        {"[BODY].data == OK", body(R"({"data": null}")"), false, "[BODY].data (the body is not JSON) == OK"},
        {"[BODY][0].name == test", body(R"({"message": "no"})"), false, "[BODY][0].name (no such field) == test"},
        {"[BODY].data[1].id == 2", body(R"({"data": [{"id": 1}, {"id": 2}]})"), true, ""},
        {"[BODY].users[0].name == john doe", body(R"({"users": [{"name": "john doe"}]})"), true, ""},
        {"[BODY].data > 0", body(R"({"data": "0x1"})"), true, ""},
        {"[BODY].data == 12648243", body(R"({"data": "0xC0ff33"})"), true, ""},
        {"[BODY].data == 0x1", body(R"({"data": "0x01"})"), true, ""},
        {"[BODY].data == 2", body(R"({"data": "0o2"})"), true, ""},
        {"[BODY].data == 0b10", body(R"({"data": "0b0010"})"), true, ""},
        {"[BODY].balance > 100", body(R"({"balance": "123.40000000000005"})"), true, ""},
        {"[BODY].data.id > 5", body(R"({"data": {"id": 1}})"), false, "[BODY].data.id (1) > 5"},
        {"[BODY].age == [BODY].id", body(R"({"age": 3, "id": "3"})"), true, ""},
        {"len([BODY].data.name) == 4", body(R"({"data": {"name": "john"}})"), true, ""},
        {"len([BODY]) == 3", body("[1, 2, 3]"), true, ""},
        {"len([BODY].data) < 5", body(R"({"data": [1, 2, 3]})"), true, ""},
        {"len([BODY].data) == 8", body(R"({"name": "john"})"), false, "len([BODY].data) (no such field) == 8"},
        {"len([BODY]) == 8", body("john.doe"), true, ""},
        {"len([BODY].age) == 2", body(R"({"age":18})"), true, ""},
        {"len([BODY].adult) == 4", body(R"({"adult":true})"), true, ""},
        {"len([BODY][0]) == 23", body(R"([{"age":18,"adult":true}])"), true, ""},
        {"len([BODY]) == 20", body(R"({"name": "john.doe"})"), true, ""},
        {"[BODY] == pat(*john*)", body(R"({"name": "john.doe"})"), true, ""},
        {"[BODY].name == pat(john*)", body(R"({"name": "john.doe"})"), true, ""},
        {"[BODY].name == pat(bob*)", body(R"({"name": "john.doe"})"), false, "[BODY].name (john.doe) == pat(bob*)"},
        {R"([BODY] == pat(*<div id="user">john.doe</div>*))", body(html), true, ""},
        {R"(pat(*<div id="user">john.doe</div>*) == [BODY])", body(html), true, ""},
        {R"([BODY] == pat(*<div id="user">jane.doe</div>*))", body("no"), false,
         R"([BODY] (no) == pat(*<div id="user">jane.doe</div>*))"},
        {"[BODY].data == pat(*Whatever*)", body(R"({"data": ["hello", "Whatever"]})"), true, ""},
        {"[BODY].name == any(john.doe, jane.doe)", body(R"({"name": "jane.doe"})"), true, ""},
        {"[BODY].name == any(john.doe, jane.doe)", body(R"({"name": "bob"})"), false,
         "[BODY].name (bob) == any(john.doe, jane.doe)"},
        {"[BODY].name == any(pat(j*), bob)", body(R"({"name": "jane.doe"})"), true, ""},
        {"has([BODY].errors) == false", body("{}"), true, ""},
        {"has([BODY].users[0].name) == true", body(R"({"users": [{"name": "x"}]})"), true, ""},
        {"has([BODY].errors) == false", body(R"({"errors": ["1"]})"), false, "has([BODY].errors) (true) == false"},
    };
    for (const Row& row : rows) {
        const auto condition = compile(row.condition);
        ASSERT_TRUE(condition) << row.condition << ": " << condition.error().text();
        Conditions all;
        ASSERT_TRUE(all.add(*condition));
        const Evaluation seen = all.evaluate(row.response);
        EXPECT_EQ(seen.outcome == verdict::Outcome::pass, row.holds) << row.condition << " " << seen.resolved;
        EXPECT_EQ(seen.resolved, row.resolved) << row.condition;
    }
}

TEST(Gatus, WhatCouldNeverHoldIsRefusedWithItsColumn) {
    struct Refused {
        std::string condition;
        std::size_t column;
        std::string what;  // A part of it.
    };
    const std::vector<Refused> rows{
        {"[DOMAIN_EXPIRATION] > 720h", 1, "not supported by this version"},
        {"[STATUS] == 200 and [DOMAIN_EXPIRATION] > 48h", 21, "not supported by this version"},
        {"[BODY].a[*].b == 1", 9, "not supported by this version"},
        {"[STATUS] == potato", 13, "compared with potato"},
        {"[STATUS] == \"200\"", 13, "compared with"},
        {"[STATUS] == 5s", 13, "compared with 5s"},
        {"[STATUS] == any(200, up)", 22, "compared with up"},
        {"[STATUS] < any(200, 300)", 21, "any() has no order"},
        {"[STATUS] < pat(2*)", 12, "no order"},
        {"[STATUS] < 2xx", 12, "compared with 2xx"},
        {"[RESPONSE_TIME] < potato", 19, "compared with potato"},
        {"[RESPONSE_TIME] == [STATUS]", 20, "a duration is compared with a number"},
        {"[CONNECTED] == 1", 16, "compared with 1"},
        {"[CONNECTED] < true", 1, "no order"},
        {"[IP] == localhost", 9, "compared with localhost"},
        {"[HEALTH] == fine", 13, "compared with fine"},
        {"len([BODY].x) == john", 18, "a length is compared with john"},
        {"len([STATUS]) == 3", 5, "len() can't be taken"},
        {"has([IP])", 5, "has() can't be taken"},
        {"len(x) == 3", 5, "a placeholder is missing"},
        {"[BODY].x < wat", 12, "has no order"},
        {"1 == 2", 1, "nothing of the answer"},
        {"raw == raw", 1, "nothing of the answer"},
        {"raw", 1, "a constant alone"},
        {"[STATUS]", 1, "nothing is asked"},
        {"[STATUS] ==", 12, "a value is missing"},
        {"[STATUS] ? 201", 10, "a comparator is missing"},
        {"[STATUS] = = 201", 10, "a comparator is missing"},
        {"[STATUS] == 200 == 201", 17, "can't be compared again"},
        {"[STATU] == 200", 1, "unknown placeholder [STATU]"},
        {"[STATUS == 200", 1, "not closed behind the name"},
        {"[STATUS].x == 200", 9, "unexpected text behind [STATUS]"},
        {"[PHASE] < 1s", 8, "the name of a phase"},
        {"[PHASE].warp < 1s", 9, "unknown phase warp"},
        {"[HEADER] == x", 9, "the name of a header"},
        {"foo([BODY]) == 1", 1, "unknown function foo()"},
        {"[BODY] == foo(1)", 11, "unknown function foo()"},
        {"([STATUS] == 200", 1, "never closed"},
        {"[STATUS] == 200)", 16, "never opened"},
        {"[BODY] == \"abc", 11, "never closed"},
        {"[BODY] == pat(abc", 11, "never closed"},
        {"[BODY] == pat([abc)", 15, "class is not closed"},
        {"[BODY] == any(a, b", 11, "never closed"},
        {"[STATUS] == any(200, [BODY].x)", 22, "can't stand in any()"},
        {"[BODY] matches abc", 16, "a regular expression is missing"},
        {"[BODY] matches /abc", 16, "never closed"},
        {"[BODY] matches /a(b/", 17, "bad regular expression"},
        {"[BODY] matches /ab/x", 20, "unknown flag"},
        {"[RESPONSE_TIME] matches /1/", 1, "reads text"},
        {"[BODY]. == 1", 8, "a key is missing"},
        {"[BODY][x] == 1", 8, "no index"},
        {"[BODY][\"x\" == 1", 7, "not closed"},
        {"[STATUS] == 200 and", 20, "a value is missing"},
        {"not", 4, "a value is missing"},
        {"", 1, "empty"},
        {"[BODY] matches /(((a{1000}){1000}){1000})/", 21, "bad regular expression"},
        {"[BODY] matches /\\pL{999}\\pN{999}/", 17, "bad regular expression"},
        {std::string(40, '(') + "[CONNECTED]" + std::string(40, ')'), 33, "nested too deeply"},
        {std::string(max_condition_bytes + 1, 'x'), max_condition_bytes + 1, "too long"},
    };
    for (const Refused& row : rows) {
        const auto condition = compile(row.condition);
        ASSERT_FALSE(condition) << row.condition;
        EXPECT_EQ(condition.error().column, row.column) << row.condition << ": " << condition.error().text();
        EXPECT_TRUE(condition.error().what.contains(row.what)) << row.condition << ": " << condition.error().text();
    }
}

}  // namespace
}  // namespace hale::expect
