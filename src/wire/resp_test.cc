// Goal: RESP2 replies read the same however the network cuts them, and what is no RESP2, or too much of it, is refused.
// Method: a table of replies and refusals, each read at once, at every single cut and byte by byte, against one oracle.

#include "wire/resp.h"

#include <gtest/gtest.h>

#include <optional>

namespace hale::wire {
namespace {

using Kind = RespValue::Kind;

struct Read {
    std::vector<RespValue> values;
    std::string why;
    bool operator==(const Read&) const = default;
};

// The pieces after the reading of `cuts`; what is left of a piece after a whole reply goes on.
Read read(std::string_view text, std::size_t cut, std::size_t step, RespLimits limits = {}) {
    RespReader reader(limits);
    Read out;
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t size = step != 0 ? step : at < cut ? cut - at : text.size() - at;
        std::string_view piece = text.substr(at, size);
        at += piece.size();
        while (!piece.empty()) {
            const auto result = reader.read(piece);
            piece.remove_prefix(result.consumed);
            if (result.status == RespStatus::bad) return out.why = result.why, out;
            if (result.status == RespStatus::more) break;
            out.values.push_back(reader.take());
        }
    }
    return out;
}

Read every_split(std::string_view text, RespLimits limits = {}) {
    const Read whole = read(text, text.size(), 0, limits);
    for (std::size_t cut = 1; cut < text.size(); ++cut) EXPECT_EQ(read(text, cut, 0, limits), whole) << cut;
    for (std::size_t step = 1; step < 4; ++step) EXPECT_EQ(read(text, 0, step, limits), whole) << step;
    return whole;
}

RespValue text(Kind kind, std::string value) { return {.kind = kind, .text = std::move(value)}; }
RespValue number(std::int64_t value) { return {.kind = Kind::integer, .integer = value}; }
RespValue list(std::vector<RespValue> items) { return {.kind = Kind::array, .items = std::move(items)}; }

TEST(Resp, Replies) {
    const struct {
        std::string_view bytes;
        std::vector<RespValue> values;
    } cases[] = {{"+PONG\r\n", {text(Kind::simple, "PONG")}},
                 {"+\r\n", {text(Kind::simple, "")}},
                 {"-NOAUTH Authentication required.\r\n", {text(Kind::error, "NOAUTH Authentication required.")}},
                 {":-12\r\n:9223372036854775807\r\n", {number(-12), number(INT64_MAX)}},
                 {"$5\r\nab\r\nc\r\n", {text(Kind::bulk, "ab\r\nc")}},
                 {"$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n", {text(Kind::bulk, ""), {}, {}, list({})}},
                 {"*3\r\n$6\r\nmaster\r\n:3129659\r\n*2\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n*0\r\n+OK\r\n",
                  {list({text(Kind::bulk, "master"), number(3129659),
                         list({list({text(Kind::bulk, "127.0.0.1"), text(Kind::bulk, "9001"), text(Kind::bulk, "3129242")}), list({})})}),
                   text(Kind::simple, "OK")}}};
    for (const auto& one : cases) {
        SCOPED_TRACE(one.bytes);
        EXPECT_EQ(every_split(one.bytes), (Read{one.values, ""}));
    }
}

TEST(Resp, RefusesWhatIsNoRespOrTooMuch) {
    const RespLimits small{.max_line = 8, .max_bulk_bytes = 4, .max_items = 3, .max_depth = 2};
    const struct {
        std::string_view bytes, why;
    } cases[] = {{"HTTP/1.1 400", "no type"},     {"\r\n", "empty"},           {"+abcdefgh\r\n", "line is too long"}, {"+a\n", "without CR"},
                 {"+a\rb", "without LF"},         {":12x\r\n", "number"},      {":\r\n", "number"},                   {"$-2\r\n", "negative"},
                 {"$5\r\nabcde\r\n", "too long"}, {"$2\r\nabc\r\n", "longer"}, {"$2\r\nab\rx", "longer"},             {"*4\r\n", "too many items"},
                 {"*-7\r\n", "negative"},         {"*1\r\n*1\r\n*1\r\n", "nested"},  {"*2\r\n*2\r\n", "too many items"}};
    for (const auto& one : cases) {
        SCOPED_TRACE(one.bytes);
        const Read got = every_split(one.bytes, small);
        EXPECT_NE(got.why.find(one.why), std::string::npos) << got.why;
    }
}

TEST(Resp, WritesCommandsThatReadAsTheyWere) {
    std::string out;
    append_resp_command(out, {"AUTH", "app", "p\r\nw"});
    EXPECT_EQ(out, "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$4\r\np\r\nw\r\n");
    EXPECT_EQ(every_split(out).values, (std::vector{list({text(Kind::bulk, "AUTH"), text(Kind::bulk, "app"), text(Kind::bulk, "p\r\nw")})}));
}

TEST(Resp, FieldsOfInfo) {
    const std::string_view info = "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.4\r\nloading:0\n";
    EXPECT_EQ(info_field(info, "role"), "slave");
    EXPECT_EQ(info_field(info, "loading"), "0");
    EXPECT_EQ(info_field(info, "host"), "");
    EXPECT_EQ(text(Kind::error, "WRONGPASS invalid username").error_code(), "WRONGPASS");
    EXPECT_EQ(text(Kind::simple, "OK").error_code(), "");
}

}  // namespace
}  // namespace hale::wire
