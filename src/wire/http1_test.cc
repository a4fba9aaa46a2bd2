// Goal: heads are read as RFC 9112 says, what two readers could understand differently is refused, and the
// verdict depends on the bytes alone, not on how they were split.
// Method: tables of good and bad messages; every message of every table again in each split in two and byte by
// byte, in buffers that end where their allocation ends; seeded mutants for the same property.

#include "wire/http1.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/seed.h"
#include "tests/support/wire_describe.h"

namespace hale::wire {
namespace {

const HeadLimits small{.max_request_line = 60, .max_head_bytes = 400, .max_fields = 6};

HeadResult read(std::string_view text, RequestHead& head, const HeadLimits& limits = {}) {
    HeadScan scan;
    return parse_request_head(text, limits, scan, head);
}

HeadResult read(std::string_view text, ResponseHead& head, Method request = Method::get) {
    HeadScan scan;
    return parse_response_head(text, {}, request, scan, head);
}

struct Good {
    std::string_view name, text;
};
const Good good_requests[] = {
    {"plain", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"},
    {"pipelined", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"no fields, 1.0", "GET /x?y=1 HTTP/1.0\r\n\r\n"},
    {"length", "POST /p HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello"},
    {"length 0", "POST /p HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 0\r\n\r\n"},
    {"chunked", "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"},
    {"blanks around values", "GET / HTTP/1.1\r\nHost: \t a \t\r\nX:\r\nY: \t\r\nZ: a b\tc\r\n\r\n"},
    {"obs-text", "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\xff\r\n\r\n"},
    {"v6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n"},
    {"host with empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"},
    {"absolute", "GET http://A.example:81/p?q HTTP/1.1\r\nHost: a.example:81\r\n\r\n"},
    {"absolute without path", "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"absolute 1.0", "GET http://a/p HTTP/1.0\r\n\r\n"},
    {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"connect", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"},
    {"own method", "M-SEARCH /x HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"later minor", "GET / HTTP/1.7\r\nHost: a\r\n\r\n"},
    {"upgrade", "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"},
    {"listed", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine , ,Host\r\nX-Mine: 1\r\nX-Other: 2\r\n\r\n"},
    {"expect", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"},
    {"long value",
     "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n\r\n"},
};

struct Bad {
    std::string_view name;
    int answer;
    std::string_view text;
};
using namespace std::string_view_literals;
const Bad bad_requests[] = {
    {"not HTTP", 400, "\x16\x03\x01\x02\x00\x01"sv},
    {"two empty lines before", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"bare LF before", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"blank before", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"bare CR before", 400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"HTTP/0.9", 400, "GET /\r\n\r\n"},
    {"no target", 400, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"no blank", 400, "GET\r\nHost: a\r\n\r\n"},
    {"method with a colon", 400, "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"blank in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"two blanks", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"tab for a blank", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"blank behind the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
    {"fragment", 400, "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"NUL in the target", 400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"not ASCII in the target", 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"CR in the target", 400, "GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"lower case version", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
    {"long version", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
    {"HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {"HTTP/0.9 written out", 505, "GET / HTTP/0.9\r\n\r\n"},
    {"line ends in LF", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
    {"field ends in LF", 400, "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n"},
    {"head ends in LF", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
    {"all LF", 400, "GET / HTTP/1.1\nHost: a\n\n"},
    {"bare CR in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"},
    {"CR CR LF", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n"},
    {"empty line with bare CR", 400, "GET / HTTP/1.1\r\nHost: a\r\n\rX"},
    {"NUL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv},
    {"escape in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[2J\r\n\r\n"},
    {"DEL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"},
    {"control far into a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789abcdef0123456789\x01\r\n\r\n"},
    {"fold", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"},
    {"fold with tab", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"},
    {"fold of the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
    {"blank before the colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {"tab before the colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n"},
    {"no colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
    {"no name", 400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
    {"blank in the name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"},
    {"NUL in the name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"sv},
    {"name not ASCII", 400, "GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa9: b\r\n\r\n"},
    {"no Host", 400, "GET / HTTP/1.1\r\nX: a\r\n\r\n"},
    {"no Host, no fields", 400, "GET / HTTP/1.1\r\n\r\n"},
    {"two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
    {"two Hosts in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
    {"empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
    {"Host with userinfo", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
    {"Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {"Host with a blank", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {"Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"},
    {"Host with a large port", 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
    {"Host with a long port", 400, "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n"},
    {"Host with half a literal", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
    {"Host with v4 in brackets", 400, "GET / HTTP/1.1\r\nHost: [10.0.0.1]\r\n\r\n"},
    {"Host with a zone", 400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"},
    {"Host with a bad escape", 400, "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"},
    {"two authorities", 400, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"},
    {"authorities differ in the port", 400, "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"absolute with userinfo", 400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"absolute without host", 400, "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"absolute, query without path", 400, "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"other scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"asterisk with GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"relative target", 400, "GET p HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"authority with GET", 400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"CONNECT with a path", 400, "CONNECT /p HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"CONNECT without a port", 400, "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"length twice", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"},
    {"same length twice", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {"length list", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"},
    {"empty length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
    {"signed length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"},
    {"negative length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"},
    {"hex length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"},
    {"length with a blank", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 6\r\n\r\n"},
    {"huge length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n"},
    {"CL.TE", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"},
    {"TE.CL", 400,
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n"},
    {"TE in 1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE twice", 400,
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"},
    {"chunked twice", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"},
    {"TE with an empty element", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n"},
    {"empty TE", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"},
    {"TE gzip", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
    {"TE identity", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
    {"TE xchunked", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
    {"TE in quotes", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"},
    {"TE with a parameter", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=1\r\n\r\n"},
};

const Good good_responses[] = {
    {"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
    {"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"},
    {"no blank behind the code", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"},
    {"until close", "HTTP/1.1 200 OK\r\n\r\nabc"},
    {"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx"},
    {"chunked", "HTTP/1.1 503 Out of Service\r\nTransfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n0\r\n\r\n"},
    {"continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {"switching", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01x"},
    {"obs-text reason", "HTTP/1.1 500 D\xe9sol\xe9\r\nContent-Length: 0\r\n\r\n"},
    {"odd code", "HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n"},
};

const Bad bad_responses[] = {
    {"another protocol", 502, "SSH-2.0-OpenSSH_9.2\r\n"},
    {"HTTP/2 spoken", 502, "HTTP/2 200\r\n\r\n"},
    {"ICY", 502, "ICY 200 OK\r\n\r\n"},
    {"short", 502, "HTTP/1.1 20\r\n\r\n"},
    {"code below 100", 502, "HTTP/1.1 099 Hm\r\n\r\n"},
    {"code of four digits", 502, "HTTP/1.1 2000 Hm\r\n\r\n"},
    {"two blanks", 502, "HTTP/1.1  200 OK\r\n\r\n"},
    {"line ends in LF", 502, "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
    {"control in the reason", 502, "HTTP/1.1 200 O\x01K\r\n\r\n"},
    {"empty line before", 502, "\r\nHTTP/1.1 200 OK\r\n\r\n"},
    {"both lengths", 502, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"length twice", 502, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {"length no number", 502, "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"},
    {"TE in 1.0", 502, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE gzip", 502, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
    {"fold", 502, "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"},
    {"interim with a body", 502, "HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nHTTP"},
};

TEST(RequestHead, GoodOnesAreRead) {
    for (const Good& message : good_requests) {
        RequestHead head;
        const HeadResult result = read(message.text, head);
        EXPECT_EQ(result.status, ParseStatus::done) << message.name << ": " << result.why;
        EXPECT_LE(result.consumed, message.text.size());
        EXPECT_EQ(message.text.substr(result.consumed - 4, 4), "\r\n\r\n") << message.name;
    }
}

TEST(RequestHead, BadOnesAreRefusedWithTheirStatus) {
    for (const Bad& message : bad_requests) {
        RequestHead head;
        const HeadResult result = read(message.text, head);
        EXPECT_EQ(result.status, ParseStatus::bad) << message.name << "\n" << describe(result, head);
        EXPECT_EQ(result.answer, message.answer) << message.name << ": " << result.why;
        EXPECT_FALSE(result.why.empty()) << message.name;
    }
}

TEST(ResponseHead, GoodOnesAreRead) {
    for (const Good& message : good_responses) {
        ResponseHead head;
        const HeadResult result = read(message.text, head);
        EXPECT_EQ(result.status, ParseStatus::done) << message.name << ": " << result.why;
    }
}

TEST(ResponseHead, BadOnesAreRefused) {
    for (const Bad& message : bad_responses) {
        ResponseHead head;
        const HeadResult result = read(message.text, head);
        EXPECT_EQ(result.status, ParseStatus::bad) << message.name << "\n" << describe(result, head);
        EXPECT_EQ(result.answer, message.answer) << message.name;
    }
}

// A message without an end may be refused later when it comes in pieces; once it has one, the refusal must be
// the same.
template <class Read>
void compare_splits(std::string_view text, Read&& read_in_pieces) {
    const std::string whole = read_in_pieces(text, {});
    std::vector<std::vector<std::size_t>> splits{every_byte(text)};
    for (std::size_t cut = 1; cut < text.size(); ++cut) splits.push_back({cut});
    for (const auto& cuts : splits) {
        std::string split = read_in_pieces(text, cuts);
        if (split == "need_more" && whole != split) split = read_in_pieces(std::string(text) + "\r\n\r\n", cuts);
        ASSERT_EQ(split, whole) << "first cut at " << cuts[0] << " of\n" << text;
    }
}

void expect_same_in_every_split(std::string_view text, const HeadLimits& limits) {
    using Cuts = std::vector<std::size_t>;
    compare_splits(text, [&](std::string_view t, const Cuts& cuts) { return request_in_pieces(t, cuts, limits); });
    compare_splits(
        text, [&](std::string_view t, const Cuts& cuts) { return response_in_pieces(t, cuts, limits, Method::get); });
}

std::vector<std::string> corpus() {
    std::vector<std::string> all;
    for (const Good& message : good_requests) all.emplace_back(message.text);
    for (const Bad& message : bad_requests) all.emplace_back(message.text);
    for (const Good& message : good_responses) all.emplace_back(message.text);
    for (const Bad& message : bad_responses) all.emplace_back(message.text);
    return all;
}

TEST(Heads, VerdictDoesNotDependOnTheSplit) {
    for (const std::string& text : corpus()) {
        expect_same_in_every_split(text, {});
        expect_same_in_every_split(text, small);
        expect_same_in_every_split(text, {.max_request_line = 5, .max_head_bytes = 30, .max_fields = 1});
    }
}

TEST(Heads, VerdictOnMutantsDoesNotDependOnTheSplit) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    const std::vector<std::string> all = corpus();
    static constexpr std::string_view spice = "\r\n\r\n :\t\0,;aA0[]/?#%HGT\x7f\xff"sv;
    for (int round = 0; round < 2000; ++round) {
        std::string text = all[random.below(all.size())];
        for (std::uint64_t n = random.below(4); n != ~std::uint64_t{0}; --n) {
            const std::size_t at = random.below(text.size() + 1);
            switch (random.below(3)) {
                case 0:
                    text.insert(at, 1, spice[random.below(spice.size())]);
                    break;
                case 1:
                    text.erase(at, 1 + random.below(3));
                    break;
                default:
                    if (at < text.size()) text[at] = spice[random.below(spice.size())];
            }
        }
        ASSERT_NO_FATAL_FAILURE(expect_same_in_every_split(text, random.one_in(2) ? small : HeadLimits{}));
    }
}

TEST(RequestHead, SaysWhatItReads) {
    RequestHead head;
    ASSERT_EQ(
        read("POST http://A.example:81/p?q HTTP/1.1\r\nHost: a.example:81\r\nTransfer-Encoding: chunked\r\n"
             "Connection: upgrade, x-mine\r\nUpgrade: h\r\nX-Mine: 1\r\nX-Other: 2\r\nExpect: 100-continue\r\n\r\n",
             head)
            .status,
        ParseStatus::done);
    EXPECT_EQ(head.method, Method::post);
    EXPECT_EQ(head.method_name, "POST");
    EXPECT_EQ(head.form, TargetForm::absolute);
    EXPECT_EQ(head.path_and_query, "/p?q");
    EXPECT_EQ(head.authority, "a.example:81");
    EXPECT_EQ(head.host, "a.example");
    EXPECT_EQ(head.port, 81);
    EXPECT_EQ(head.framing, (Framing{BodyKind::chunked, 0}));
    EXPECT_TRUE(head.keep_alive);
    EXPECT_TRUE(head.upgrade);
    EXPECT_TRUE(head.expect_continue);
    ASSERT_EQ(head.fields.size(), 7u);
    EXPECT_EQ(head.fields[1].id, Known::transfer_encoding);
    EXPECT_TRUE(hop_by_hop(head.fields[1], head.fields));
    EXPECT_TRUE(hop_by_hop(head.fields[4], head.fields)) << "listed in Connection";
    EXPECT_FALSE(hop_by_hop(head.fields[5], head.fields));
    EXPECT_EQ(head.fields.find("x-OTHER")->value, "2");
    EXPECT_EQ(head.fields.find("nothing"), nullptr);
}

TEST(RequestHead, KeepsTheConnectionAsTheVersionAndConnectionSay) {
    const auto keeps = [](std::string_view version, std::string_view connection) {
        RequestHead head;
        const std::string text = fmt::format("GET / {}\r\nHost: a\r\n{}\r\n", version, connection);
        EXPECT_EQ(read(text, head).status, ParseStatus::done) << text;
        return head.keep_alive;
    };
    EXPECT_TRUE(keeps("HTTP/1.1", ""));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: x,close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", ""));
    EXPECT_TRUE(keeps("HTTP/1.0", "Connection: keep-alive\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestHead, ConnectionCantTakeAwayWhatTheNextHopMustBelieve) {
    RequestHead head;
    ASSERT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length, x-forwarded-for, cookie\r\n"
                   "X-Forwarded-For: 1.2.3.4\r\nContent-Length: 1\r\nCookie: a\r\n\r\n",
                   head)
                  .status,
              ParseStatus::done);
    EXPECT_FALSE(hop_by_hop(*head.fields.find(Known::host), head.fields));
    EXPECT_FALSE(hop_by_hop(*head.fields.find(Known::content_length), head.fields));
    EXPECT_FALSE(hop_by_hop(*head.fields.find(Known::x_forwarded_for), head.fields));
    EXPECT_TRUE(hop_by_hop(*head.fields.find(Known::cookie), head.fields));
}

TEST(RequestHead, LimitsAnswerTheirStatus) {
    RequestHead head;
    const HeadLimits limits{.max_request_line = 16, .max_head_bytes = 60, .max_fields = 2};
    EXPECT_EQ(read("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", head, limits).status, ParseStatus::done);
    EXPECT_EQ(read("GET /12 HTTP/1.1\r\nHost: a\r\n\r\n", head, limits).status, ParseStatus::done) << "exactly 16";
    EXPECT_EQ(read("GET /123 HTTP/1.1\r\nHost: a\r\n\r\n", head, limits).answer, 414);
    EXPECT_EQ(read("GET /12345678901234", head, limits).answer, 414) << "before the line ends";
    EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n", head, limits).status, ParseStatus::done);
    EXPECT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 1\r\n\r\n", head, limits).answer, 431);
    const std::string large = fmt::format("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", std::string(30, 'x'));
    ASSERT_EQ(large.size(), 62u);
    EXPECT_EQ(read(large, head, limits).answer, 431);
    EXPECT_EQ(read(large, head, {.max_head_bytes = 62}).status, ParseStatus::done);
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 200; ++i) many += "A: b\r\n";
    EXPECT_EQ(read(many + "\r\n", head, {.max_fields = 100'000}).answer, 431) << "the array's own capacity";
}

TEST(ResponseHead, FramingFollowsTheRequestAndTheStatus) {
    struct Row {
        std::string_view text;
        Method request;
        Framing framing;
        bool keep_alive, interim, tunnel;
    };
    const Framing none{}, five{BodyKind::length, 5}, close{BodyKind::until_close, 0}, chunked{BodyKind::chunked, 0};
    const Row rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::get, five, true, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::head, none, true, false, false},
        {"HTTP/1.1 200 OK\r\n\r\n", Method::head, none, true, false, false},
        {"HTTP/1.1 200 OK\r\n\r\n", Method::get, close, false, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::post, chunked, true, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::head, none, true, false, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", Method::get, none, true, false, false},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Method::get, none, false, false, false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::get, none, true, false, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", Method::post, none, true, true, false},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", Method::get, none, false, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::connect, none, false, false, true},
        {"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", Method::connect, five, true, false, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Method::get, five, false, false, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", Method::get, five, false, false, false},
    };
    for (const Row& row : rows) {
        ResponseHead head;
        ASSERT_EQ(read(row.text, head, row.request).status, ParseStatus::done) << row.text;
        EXPECT_EQ(head.framing, row.framing) << row.text;
        EXPECT_EQ(head.keep_alive, row.keep_alive) << row.text;
        EXPECT_EQ(head.interim, row.interim) << row.text;
        EXPECT_EQ(head.tunnel, row.tunnel) << row.text;
    }
}

TEST(Heads, ReusedHeadForgetsTheMessageBefore) {
    RequestHead head;
    read(
        "POST http://b:1/x HTTP/1.1\r\nHost: b:1\r\nContent-Length: 5\r\nConnection: x\r\nExpect: 100-continue\r\n\r\n",
        head);
    read("GET / HTTP/1.0\r\n\r\n", head);
    RequestHead fresh;
    const HeadResult result = read("GET / HTTP/1.0\r\n\r\n", fresh);
    EXPECT_EQ(describe(result, head), describe(result, fresh));
    EXPECT_FALSE(head.fields.connection_names_others());
    read("POST http://b:1/x HTTP/1.1\r\nHost: b:1\r\nTransfer-Encoding: chunked\r\n\r\n", head);
    EXPECT_EQ(read("\x16\x03", head).status, ParseStatus::bad);
    constexpr HeadResult shown{.status = ParseStatus::done};
    EXPECT_EQ(describe(shown, head), describe(shown, RequestHead{}));
    ResponseHead answer;
    read("HTTP/1.1 101 Hm\r\n\r\n", answer);
    EXPECT_EQ(read("SSH-", answer).status, ParseStatus::bad);
    EXPECT_EQ(describe(shown, answer), describe(shown, ResponseHead{}));
    read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", answer);
    read("HTTP/1.1 200\r\n\r\n", answer);
    EXPECT_EQ(answer.content_length, std::nullopt);
    EXPECT_EQ(answer.reason, "");
}

TEST(Heads, AFloodOfSmallPiecesIsNotParsedAgainAndAgain) {
    // Counted, not timed: HeadScan may only move forward, and nothing is parsed again before the head ends.
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    while (text.size() < 60'000) text += "X-Padding: 0123456789\r\n";
    HeadScan scan;
    RequestHead head;
    for (std::size_t size = 1; size <= text.size(); ++size) {
        ASSERT_EQ(parse_request_head(std::string_view(text).substr(0, size), {}, scan, head).status,
                  ParseStatus::need_more);
        ASSERT_EQ(scan.scanned, size);
        ASSERT_TRUE(head.fields.empty()) << "nothing behind the start line may have been parsed yet";
    }
}

// How many bytes must come, one by one, before the verdict.
std::size_t bytes_until_refused(std::string_view text) {
    HeadScan scan;
    RequestHead head;
    for (std::size_t size = 1; size <= text.size(); ++size)
        if (parse_request_head(text.substr(0, size), {}, scan, head).status == ParseStatus::bad) return size;
    return 0;
}

TEST(RequestHead, AStrangerInSmallPiecesIsToldEarly) {
    EXPECT_EQ(bytes_until_refused("\x16\x03\x01\x02"), 1u);
    EXPECT_EQ(bytes_until_refused("SSH-2.0-OpenSSH_9.2\r\n"), 21u) << "at the end of the first line";
    EXPECT_EQ(bytes_until_refused("\r\nHELO there\r\nMAIL"), 14u);
    EXPECT_EQ(bytes_until_refused("GET / HTTP/1.1\nHost"), 15u) << "at a bare line feed";
    EXPECT_EQ(bytes_until_refused("GET / HTTP/1.1\r\nHost: a\nX: y"), 24u);
    EXPECT_EQ(bytes_until_refused("GET / HTTP/1.1\r\nHost: a\r\n\n\n"), 26u);
    EXPECT_EQ(bytes_until_refused("GET /" + std::string(9000, 'x')), HeadLimits{}.max_request_line + 2);
}

TEST(Known, EveryNameIsFoundInAnyCaseAndNothingElse) {
    for (int i = 1; i <= static_cast<int>(Known::hale_panic); ++i) {
        const auto id = static_cast<Known>(i);
        std::string name{known_name(id)};
        ASSERT_FALSE(name.empty());
        EXPECT_EQ(known_of(name), id) << name;
        for (char& c : name)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        EXPECT_EQ(known_of(name), id) << name;
        for (std::size_t at = 0; at < name.size(); ++at) {
            std::string other = name;
            other[at] = other[at] == 'Q' ? 'x' : 'Q';
            EXPECT_EQ(known_of(other), Known::other) << other;
        }
        EXPECT_NE(known_of(name + "x"), id);
    }
    EXPECT_EQ(known_of(""), Known::other);
    EXPECT_EQ(known_of("x"), Known::other);
}

TEST(Methods, TextAndIdAgree) {
    for (int i = 1; i <= static_cast<int>(Method::patch); ++i) {
        const auto method = static_cast<Method>(i);
        EXPECT_EQ(method_of(method_text(method)), method);
    }
    EXPECT_EQ(method_of("get"), Method::other) << "methods are case-sensitive";
    EXPECT_TRUE(idempotent(Method::put));
    EXPECT_FALSE(idempotent(Method::post));
    EXPECT_FALSE(idempotent(Method::other));
}

TEST(FieldLines, AreReadWithoutTheEmptyLine) {
    Fields fields;
    EXPECT_EQ(parse_field_lines("", 4, fields).status, ParseStatus::done);
    EXPECT_EQ(parse_field_lines("A: 1\r\nB: 2\r\n", 4, fields).status, ParseStatus::done);
    EXPECT_EQ(fields.size(), 2u);
    EXPECT_EQ(parse_field_lines("A: 1\r\nB: 2\r\n", 1, fields).status, ParseStatus::bad);
    EXPECT_EQ(parse_field_lines("A: 1\r\nB: 2", 4, fields).status, ParseStatus::bad);
    EXPECT_EQ(parse_field_lines("A: 1\r\n\r\n", 4, fields).status, ParseStatus::bad);
}

}  // namespace
}  // namespace hale::wire
