// Goal: what is written reads back as it was meant, and nothing that would break a message is ever written.
// Method: every byte value in every place of a head; random heads through writer and parser.

#include "wire/http1_write.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/seed.h"
#include "tests/support/wire_describe.h"

namespace hale::wire {
namespace {

TEST(HeadWriter, WritesRequestsAndResponses) {
    std::string out = "before|";
    EXPECT_TRUE(HeadWriter(out).request("GET", "/a?b").field("Host", "a").field("Content-Length", 17u).end());
    EXPECT_TRUE(HeadWriter(out).response(503).field("Retry-After", 1u).end());
    EXPECT_TRUE(HeadWriter(out).response(418, "Teapot", 0).end());
    EXPECT_EQ(out,
              "before|GET /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n"
              "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n"
              "HTTP/1.0 418 Teapot\r\n\r\n");
}

TEST(HeadWriter, ARefusedHeadLeavesNoTrace) {
    for (int c = 0; c < 256; ++c) {
        const std::string inside = {'a', static_cast<char>(c), 'b'};
        const bool token = valid_field_name(inside);
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        std::string out = "kept";
        EXPECT_EQ(HeadWriter(out).response(200).field("X", inside).field("Y", "1").end(), !control) << c;
        EXPECT_EQ(out == "kept", control) << c;
        out = "kept";
        EXPECT_EQ(HeadWriter(out).response(200).field(inside, "x").end(), token) << c;
        EXPECT_EQ(out == "kept", !token) << c;
        out = "kept";
        EXPECT_EQ(HeadWriter(out).response(200, inside).end(), !control) << c;
        EXPECT_EQ(HeadWriter(out).request(inside, "/").end(), token) << c;
        const bool target = c > 0x20 && c < 0x7f && c != '#';
        EXPECT_EQ(HeadWriter(out).request("GET", "/" + inside).end(), target) << c;
    }
    std::string out;
    EXPECT_FALSE(HeadWriter(out).response(99).end());
    EXPECT_FALSE(HeadWriter(out).response(1000).end());
    EXPECT_FALSE(HeadWriter(out).request("GET", "").end());
    EXPECT_FALSE(HeadWriter(out).response(200).field("", "x").end());
    EXPECT_FALSE(HeadWriter(out).response(200).field("X", " x").end());
    EXPECT_FALSE(HeadWriter(out).response(200).field("X", "x\t").end());
    EXPECT_EQ(out, "");
}

TEST(HeadWriter, WhatItWritesReadsBack) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Random random(seed);
    for (int round = 0; round < 1000; ++round) {
        std::string out;
        HeadWriter writer(out);
        writer.response(static_cast<int>(200 + random.below(300)), "Because");
        std::vector<std::pair<std::string, std::string>> fields;
        for (std::uint64_t n = random.below(20); n > 0; --n) {
            std::string name = "X-", value = "v";
            for (std::uint64_t k = random.below(20); k > 0; --k) name += static_cast<char>('A' + random.below(26));
            for (std::uint64_t k = random.below(60); k > 0; --k) value += static_cast<char>(' ' + random.below(95));
            value += 'v';
            writer.field(name, value);
            fields.emplace_back(name, value);
        }
        ASSERT_TRUE(writer.field("Content-Length", random.below(1000)).end());
        HeadScan scan;
        ResponseHead head;
        const HeadResult result = parse_response_head(out, {}, Method::get, scan, head);
        ASSERT_EQ(result.status, ParseStatus::done) << result.why << "\n" << out;
        ASSERT_EQ(result.consumed, out.size());
        ASSERT_EQ(head.fields.size(), fields.size() + 1);
        std::string copy;
        HeadWriter again(copy);
        again.response(head.status, head.reason);
        for (std::size_t i = 0; i < head.fields.size(); ++i) {
            again.copy(head.fields[i]);
            if (i == fields.size()) continue;
            ASSERT_EQ(head.fields[i].name, fields[i].first);
            ASSERT_EQ(head.fields[i].value, fields[i].second);
        }
        ASSERT_TRUE(again.end());
        ASSERT_EQ(copy, out);
    }
}

TEST(Chunks, AreWrittenInHexadecimal) {
    std::string out;
    append_chunk(out, "");
    EXPECT_EQ(out, "") << "an empty chunk would end the body";
    append_chunk(out, std::string(26, 'x'));
    EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n");
    out.clear();
    append_chunk_header(out, ~std::uint64_t{0});
    EXPECT_EQ(out, "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace hale::wire
