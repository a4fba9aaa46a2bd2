// Goal: a body ends where RFC 9112 says, its payload comes out whole, and nothing after it is touched.
// Method: tables of bodies with what must come of them, each as a whole, in every split in two and byte by byte;
// random payloads chunked by our own writer come back.

#include "wire/http1_body.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/seed.h"
#include "tests/support/wire_describe.h"
#include "wire/http1_write.h"

namespace hale::wire {
namespace {

using namespace std::string_view_literals;
constexpr Framing chunked{BodyKind::chunked, 0};

struct Row {
    std::string_view text, expected;
};
const Row chunked_rows[] = {
    {"0\r\n\r\n", "done 5 [] trailers []"},
    {"5\r\nhello\r\n0\r\n\r\nGET /", "done 15 [hello] trailers []"},
    {"5\r\nhello\r\n6\r\n world\r\n00\r\n\r\n", "done 27 [hello world] trailers []"},
    {"A\r\n0123456789\r\n0\r\n\r\n", "done 20 [0123456789] trailers []"},
    {"a;x\r\n0123456789\r\n0;y=\"z;\"\r\n\r\n", "done 29 [0123456789] trailers []"},
    {"1 \t;x=1\r\na\r\n0\r\n\r\n", "done 17 [a] trailers []"},
    {"000000000000001\r\na\r\n0\r\n\r\n", "done 25 [a] trailers []"},
    {"0\r\nX-Sum: 1\r\nY: 2\r\n\r\nrest", "done 21 [] trailers [X-Sum: 1\r\nY: 2\r\n]"},
    {"5\r\nhel", "more 6 [hel] trailers []"},
    {"4\r\n\r\n\r\n\r\n0\r\n\r\n", "done 14 [\r\n\r\n] trailers []"},
    {"", "more 0 [] trailers []"},
    {"\r\n", "bad a chunk does not begin with its size in hexadecimal after []"},
    {" 5\r\nhello\r\n", "bad a chunk does not begin with its size in hexadecimal after []"},
    {";x\r\n", "bad a chunk does not begin with its size in hexadecimal after []"},
    {"+5\r\nhello\r\n", "bad a chunk does not begin with its size in hexadecimal after []"},
    {"0x5\r\nhello\r\n", "bad a character in a chunk-size line that is not allowed there after []"},
    {"5 \r\nhello\r\n", "bad a character in a chunk-size line that is not allowed there after []"},
    {"5_0\r\n", "bad a character in a chunk-size line that is not allowed there after []"},
    {"5\nhello\r\n0\r\n\r\n", "bad a character in a chunk-size line that is not allowed there after []"},
    {"5\rhello", "bad a bare CR in a chunk-size line after []"},
    {"5;a\nhello\r\n", "bad a control character in a chunk extension after []"},
    {"5;a\x01\r\n", "bad a control character in a chunk extension after []"},
    {"5\r\nhello0\r\n\r\n", "bad a chunk is longer than its size says after [hello]"},
    {"5\r\nhello\n0\r\n\r\n", "bad a chunk is longer than its size says after [hello]"},
    {"5\r\nhello\rX", "bad a chunk does not end in CR LF after [hello]"},
    {"0000000000000001\r\na", "bad a chunk size with too many digits after []"},
    {"fffffffffffffffff\r\n", "bad a chunk size with too many digits after []"},
    {"0\r\nX: 1\n\r\n", "bad a trailer line ends in a bare line feed instead of CR LF after []"},
    {"0\r\nX : 1\r\n\r\n", "bad a blank before the colon of a header field after []"},
    {"0\r\nX: 1\r\n y\r\n\r\n", "bad a folded header line (RFC 9112 section 5.2) after []"},
    {"0\r\nnonsense\r\n\r\n", "bad a header line without a colon after []"},
    {"0\r\nX: a\0b\r\n\r\n"sv, "bad a control character in a header value after []"},
    {"0\r\nContent-Length: 5\r\n\r\n", "bad a trailer field that decides framing or routing after []"},
    {"0\r\ntransfer-encoding: chunked\r\n\r\n", "bad a trailer field that decides framing or routing after []"},
    {"0\r\n\n", "bad a trailer line ends in a bare line feed instead of CR LF after []"},
};

void expect_in_every_split(std::string_view text, Framing framing, const BodyLimits& limits,
                           std::string_view expected) {
    ASSERT_EQ(body_in_pieces(text, {}, framing, limits).text(), expected) << text;
    for (std::size_t cut = 1; cut < text.size(); ++cut)
        ASSERT_EQ(body_in_pieces(text, {cut}, framing, limits).text(), expected) << "cut at " << cut << " of\n" << text;
    ASSERT_EQ(body_in_pieces(text, every_byte(text), framing, limits).text(), expected) << text;
}

TEST(BodyReader, ChunkedBodiesEndWhereTheySay) {
    for (const Row& row : chunked_rows) expect_in_every_split(row.text, chunked, {}, row.expected);
}

TEST(BodyReader, LimitsHoldInEverySplit) {
    const BodyLimits tight{
        .max_chunk_line = 8, .max_extension_bytes = 6, .max_trailer_bytes = 12, .max_trailer_fields = 1};
    expect_in_every_split("5;abcd\r\nhello\r\n0\r\n\r\n", chunked, tight, "done 20 [hello] trailers []");
    expect_in_every_split("5;abcde\r\nhello\r\n0\r\n\r\n", chunked, tight,
                          "bad a chunk-size line longer than the limit after []");
    expect_in_every_split("1;abcd\r\nh\r\n1;abcd\r\nh\r\n", chunked, tight,
                          "bad more chunk extensions than the limit after [h]");
    expect_in_every_split("0\r\nA: 12345\r\n\r\n", chunked, tight, "done 15 [] trailers [A: 12345\r\n]");
    expect_in_every_split("0\r\nA: 123456\r\n\r\n", chunked, tight, "bad trailers larger than the limit after []");
    expect_in_every_split("0\r\nA:\r\nB:\r\n\r\n", chunked, tight, "bad more header fields than the limit after []");
}

TEST(BodyReader, FixedLengthTakesExactlyThat) {
    expect_in_every_split("hello world", {BodyKind::length, 5}, {}, "done 5 [hello] trailers []");
    expect_in_every_split("hel", {BodyKind::length, 5}, {}, "more 3 [hel] trailers []");
    expect_in_every_split("hello", {BodyKind::none, 0}, {}, "done 0 [] trailers []");
    expect_in_every_split("hello", {BodyKind::until_close, 0}, {}, "more 5 [hello] trailers []");
}

TEST(BodyReader, ClosingEndsOnlyWhatClosingEnds) {
    BodyReader none;
    EXPECT_EQ(none.end_of_stream().status, BodyStatus::done);
    BodyReader open({BodyKind::until_close, 0});
    open.read("abc");
    EXPECT_EQ(open.end_of_stream().status, BodyStatus::done);
    EXPECT_TRUE(open.done());
    BodyReader fixed({BodyKind::length, 5});
    fixed.read("abc");
    EXPECT_EQ(fixed.left(), 2u);
    EXPECT_EQ(fixed.end_of_stream().status, BodyStatus::bad);
    EXPECT_EQ(fixed.read("de").status, BodyStatus::bad) << "bad is final";
    // Chunked: cut anywhere before the last byte is cut off.
    const std::string_view text = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < text.size(); ++size) {
        BodyReader reader(chunked);
        BodySeen seen;
        feed(reader, text.substr(0, size), seen);
        EXPECT_EQ(reader.end_of_stream().status, BodyStatus::bad) << size;
    }
}

TEST(BodyReader, WhatTheWriterChunksComesBack) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    for (int round = 0; round < 200; ++round) {
        std::string payload, wire;
        for (std::uint64_t n = random.below(6); n > 0; --n) {
            std::string piece(random.below(300), '\0');
            for (char& c : piece) c = static_cast<char>(random.next());
            payload += piece;
            append_chunk(wire, piece);
        }
        wire += last_chunk;
        std::vector<std::size_t> cuts;
        for (std::size_t at = 0; (at += 1 + random.below(100)) < wire.size();) cuts.push_back(at);
        const BodySeen seen = body_in_pieces(wire + "next", cuts, chunked, {});
        ASSERT_EQ(seen.status, BodyStatus::done);
        ASSERT_EQ(seen.consumed, wire.size());
        ASSERT_EQ(seen.payload, payload);
    }
}

}  // namespace
}  // namespace hale::wire
