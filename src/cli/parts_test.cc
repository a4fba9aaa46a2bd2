// Goal: the small pieces under the verbs hold for all their inputs. Method: tables of all forms, every split of a
// stream, and oracles written another way.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "cli/ages.h"
#include "cli/event_stream.h"
#include "cli/exits.h"
#include "cli/place.h"
#include "cli/print.h"
#include "cli/probe_here.h"

namespace hale::cli {
namespace {

TEST(Exits, WorseIsATotalOrder) {
    constexpr std::array order{exits::ok, exits::warning, exits::unknown, exits::critical};  // Best first.
    for (std::size_t a = 0; a < order.size(); ++a) {
        for (std::size_t b = 0; b < order.size(); ++b)
            EXPECT_EQ(exits::worse(order[a], order[b]), order[std::max(a, b)]);
    }
}

TEST(EventStream, EverySplitTellsTheSame) {
    const std::string text =
        "retry: 2000\n\nid: 4\nevent: verdict\ndata: {\"a\":1}\n\n: ping\r\n\r\ndata:x\r\ndata: y\rid: 5\n\nevent: "
        "empty\n\nid: 6\ndata: cut";
    const auto events = [&](std::string_view a, std::string_view b) {
        EventStream stream;
        std::string out;
        const auto told = [&](const StreamEvent& event) {
            out += fmt::format("[{}|{}]", event.name, event.data);
            return true;
        };
        EXPECT_TRUE(stream.take(a, told));
        EXPECT_TRUE(stream.take(b, told));
        return out + stream.last_id();
    };
    for (std::size_t at = 0; at <= text.size(); ++at) {
        EXPECT_EQ(events(std::string_view(text).substr(0, at), std::string_view(text).substr(at)),
                  "[verdict|{\"a\":1}][|x\ny]5")
            << at;
    }
}

TEST(EventStream, AnEndlessEventIsRefusedAndAHalfOneForgotten) {
    EventStream stream;
    const auto none = [](const StreamEvent&) { return true; };
    const std::string much(1 << 20, 'x');
    EXPECT_TRUE(stream.take("data: ", none));
    bool going = true;
    for (int i = 0; going && i < 10; ++i) going = stream.take(much, none);
    EXPECT_FALSE(going);
    EventStream other;
    std::string out;
    const auto told = [&](const StreamEvent& event) {
        out += event.data;
        return true;
    };
    EXPECT_TRUE(other.take("id: 9\ndata: half", told));
    other.forget_half();
    EXPECT_TRUE(other.take("data: whole\n\n", told));
    EXPECT_EQ(out, "whole");
    EXPECT_EQ(other.last_id(), "");
}

TEST(Place, IsWrittenInFourWays) {
    struct Row {
        const char* text;
        const char* address;  // "" none
        const char* authority;
    };
    for (const Row& row :
         {Row{"http://127.0.0.1:99", "127.0.0.1:99", "127.0.0.1:99"},
          Row{"http://127.0.0.1", "127.0.0.1:80", "127.0.0.1:80"}, Row{"127.0.0.1", "127.0.0.1:4253", "127.0.0.1:4253"},
          Row{"127.0.0.1:99", "127.0.0.1:99", "127.0.0.1:99"}, Row{"[::1]:99", "[::1]:99", "[::1]:99"},
          Row{"http://[::1]:99/", "[::1]:99", "[::1]:99"}, Row{"unix:/a/b", "unix:/a/b", "localhost"},
          Row{"/a/b", "unix:/a/b", "localhost"}, Row{"host.example:99", "", "host.example:99"},
          Row{"ssh://me@host", "", "localhost"}}) {
        const auto place = parse_place(row.text);
        ASSERT_TRUE(place) << row.text;
        EXPECT_EQ(place->address ? place->address->text() : "", row.address) << row.text;
        EXPECT_EQ(place->authority, row.authority) << row.text;
    }
    EXPECT_EQ(parse_place("ssh://me@host:2222")->command,
              (std::vector<std::string>{"/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-p",
                                        "2222", "me@host", "hale", "stdio"}));
    for (const char* bad : {"", "http://", "http://h/path", "http://u:p@h:1", "https://h/path", "ftp://h", "ssh://",
                            "ssh://-oX", "ssh://a b", "ssh://h;ls", "unix:", "ssh://-l@h"}) {
        EXPECT_FALSE(parse_place(bad)) << bad;
    }
}

TEST(Print, TablesAlignByWhatIsSeen) {
    const Table table{.heads = {"A", "B"}, .rows = {{Cell("●●●"), "x"}, {Cell("ab"), ""}, {Cell("c", "red"), "y"}}};
    EXPECT_EQ(aligned(table, false), "A    B\n●●●  x\nab\nc    y\n");
    EXPECT_EQ(aligned(table, true), "\x1b[1mA\x1b[0m    \x1b[1mB\x1b[0m\n●●●  x\nab\n\x1b[31mc\x1b[0m    y\n");
    EXPECT_EQ(csv({.heads = {"A"}, .rows = {{Cell("x,\"y\"")}, {Cell("l\nm")}}}),
              "a\r\n\"x,\"\"y\"\"\"\r\n\"l\nm\"\r\n");
}

TEST(Print, YamlQuotesWhatCouldBeMisread) {
    const Json value{{"plain", "web-1"}, {"number", "12"},
                     {"no", "no"},       {"colon", "a: b"},
                     {"empty", ""},      {"list", Json::array({1, "x", Json{{"k", Json::array()}}})},
                     {"none", nullptr},  {"nest", Json::array({Json::array({1, 2})})}};
    EXPECT_EQ(yaml(value),
              "plain: web-1\nnumber: \"12\"\n\"no\": \"no\"\ncolon: \"a: b\"\nempty: \"\"\nlist:\n  - 1\n  - x\n  - k: "
              "[]\nnone: null\nnest:\n  - - 1\n    - 2\n");
}

TEST(Print, NagiosOutputIsOneLineWithOneBar) {
    EXPECT_EQ(nagios_line(2, "a | b\nc", "x=1"), "HALE CRITICAL - a / b\\nc | x=1\n");
}

TEST(Check, AddressesAreToldFromNames) {
    for (const char* url :
         {"http://h/p", "h:80", "127.0.0.1:3000/up", "[::1]:80", "tcp://h:5432", "unix:/a", "https://h"})
        EXPECT_TRUE(is_target_url(url)) << url;
    for (const char* name :
         {"web", "web-1", "a.example", "host:a.example", "service:web", "instance:web-1", "web-1@10.0.0.7"})
        EXPECT_FALSE(is_target_url(name)) << name;
}

TEST(Ages, AreWithoutFalsePrecision) {
    EXPECT_EQ(age_text(std::nullopt), "–");
    EXPECT_EQ(age_text(2.9), "2 s");
    EXPECT_EQ(age_text(-1), age_text(0));
    EXPECT_EQ(clock_text("2026-11-21T14:18:21.1Z"), "14:18:21.100");
    EXPECT_EQ(clock_text("noon"), "noon");
}

}  // namespace
}  // namespace hale::cli
