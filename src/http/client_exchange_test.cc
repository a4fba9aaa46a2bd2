// Goal: what an exchange makes of an answer depends on its bytes alone, not on how they were split, and what
// the peer could make endless is bounded.
// Method: a stream that hands out scripted pieces; every answer of the corpus whole, byte by byte and in every
// two and three pieces, with another exchange using the same scratch in between.

#include "http/client_exchange.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <optional>
#include <vector>

namespace hale::http {
namespace {

// Each piece is what one read gives; between pieces the reader is told would_block.
class Scripted final : public io::Stream {
public:
    std::deque<std::string> pieces;
    bool ends = false;
    int fails = 0;
    std::size_t takes = 1u << 20;  // Of each write.
    std::string written;
    bool writable = true;

    void set_handler(io::StreamHandler*) override {}
    io::IoResult read(std::span<char> into) override {
        if (blocked_) {
            blocked_ = false;
            return {io::IoStatus::would_block};
        }
        if (pieces.empty()) {
            if (fails != 0) return {io::IoStatus::failed, 0, fails};
            return {ends ? io::IoStatus::end : io::IoStatus::would_block};
        }
        std::string& piece = pieces.front();
        const std::size_t some = std::min(piece.size(), into.size());
        std::copy_n(piece.begin(), some, into.begin());
        piece.erase(0, some);
        if (piece.empty()) {
            pieces.pop_front();
            blocked_ = !pieces.empty();
        }
        return {io::IoStatus::ok, some};
    }
    using io::Stream::write;
    io::IoResult write(std::span<const io::Slice> slices) override {
        if (!writable) return {io::IoStatus::would_block};
        std::size_t done = 0;
        for (const io::Slice& slice : slices) {
            const std::size_t some = std::min(slice.size, takes - done);
            written.append(slice.data, some);
            done += some;
        }
        writable = takes >= 1u << 20;
        return {io::IoStatus::ok, done};
    }
    int connect_error() override { return 0; }
    void shutdown_write() override {}
    void reset() override {}
    const SocketAddress& peer() const override { return address_; }
    SocketAddress local() const override { return address_; }

private:
    SocketAddress address_;
    bool blocked_ = false;
};

struct Ending {
    Progress progress = Progress::waiting;
    int status = 0;
    std::string body;
    bool truncated = false;
    bool in_step = false;
    Trouble trouble = Trouble::none;
    std::string server;
    bool operator==(const Ending&) const = default;
};

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Ending run(Scratch& scratch, std::vector<std::string> pieces, const AnswerPlan& plan, bool ends, bool disturb = true) {
    Scripted stream;
    for (auto& piece : pieces)
        if (!piece.empty()) stream.pieces.push_back(std::move(piece));
    stream.ends = ends;
    ClientExchange exchange(scratch);
    const io::Slice slice{request.data(), request.size()};
    exchange.begin(std::span(&slice, 1), plan);
    Progress progress = exchange.advance(stream);
    EXPECT_EQ(stream.written, request);
    for (int i = 0; i < 2000 && progress == Progress::waiting; ++i) {
        if (disturb) {
            scratch.bytes.fill('?');
            scratch.head = {};
        }
        progress = exchange.advance(stream);
        if (stream.pieces.empty() && !ends) break;
    }
    Ending out{.progress = progress};
    if (progress == Progress::answered) {
        out.status = exchange.head().status;
        out.body = exchange.body();
        out.truncated = exchange.body_truncated();
        out.in_step = exchange.in_step();
        const wire::Field* server = exchange.head().fields.find(wire::Known::server);
        out.server = server != nullptr ? server->value : "";
    }
    out.trouble = exchange.trouble();
    return out;
}

struct Case {
    std::string bytes;
    bool ends;
    Ending expected;
};

const std::vector<Case>& corpus() {
    static const std::vector<Case> all{
        {"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello",
         false,
         {Progress::answered, 200, "hello", false, true, {}, "s"}},
        {"HTTP/1.1 204 No\r\nServer: s\r\n\r\n", false, {Progress::answered, 204, "", false, true, {}, "s"}},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
         false,
         {Progress::answered, 200, "abcde", false, true, {}, ""}},
        {"HTTP/1.1 200 OK\r\nServer: s\r\n\r\nto the end",
         true,
         {Progress::answered, 200, "to the end", false, false, {}, "s"}},
        {"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
         false,
         {Progress::answered, 200, "ok", false, true, {}, ""}},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
         false,
         {Progress::answered, 200, "ok", false, false, {}, ""}},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
         false,
         {Progress::answered, 200, "ok", false, false, {}, ""}},
        {"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz",
         false,
         {Progress::answered, 200, "abcdefghijklmnop", true, false, {}, ""}},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
         true,
         {.progress = Progress::failed, .trouble = Trouble::closed}},
        {"HTTP/1.1 200 O", true, {.progress = Progress::failed, .trouble = Trouble::closed}},
        {"", true, {.progress = Progress::failed, .trouble = Trouble::closed}},
        {"SSH-2.0-OpenSSH\r\n\r\n", false, {.progress = Progress::failed, .trouble = Trouble::malformed}},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         false,
         {.progress = Progress::failed, .trouble = Trouble::malformed}},
    };
    return all;
}

AnswerPlan small_plan() {
    AnswerPlan plan;
    plan.body_limit = 16;
    return plan;
}

TEST(ClientExchange, SplitsDoNotMatter) {
    Scratch scratch;
    for (const Case& one : corpus()) {
        const std::string& b = one.bytes;
        ASSERT_EQ(run(scratch, {b}, small_plan(), one.ends), one.expected) << b;
        std::vector<std::string> bytes;
        for (const char c : b) bytes.emplace_back(1, c);
        ASSERT_EQ(run(scratch, bytes, small_plan(), one.ends), one.expected) << b;
        for (std::size_t i = 0; i <= b.size(); ++i)
            for (std::size_t j = i; j <= b.size(); j += 3)
                ASSERT_EQ(run(scratch, {b.substr(0, i), b.substr(i, j - i), b.substr(j)}, small_plan(), one.ends),
                          one.expected)
                    << b << " split at " << i << " and " << j;
    }
}

TEST(ClientExchange, TheHeadMayBeEnough) {
    Scratch scratch;
    AnswerPlan plan;
    plan.head_only = true;
    const auto whole = run(scratch, {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, plan, false);
    EXPECT_EQ(whole.progress, Progress::answered);
    EXPECT_TRUE(whole.in_step);  // The body came along.
    const auto rest = run(scratch, {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nok"}, plan, false);
    EXPECT_EQ(rest.progress, Progress::answered);
    EXPECT_FALSE(rest.in_step);
}

TEST(ClientExchange, WhatFollowsTheAnswerSpoilsTheConnection) {
    Scratch scratch;
    const auto two = run(scratch, {"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n"}, {}, false);
    EXPECT_EQ(two.progress, Progress::answered);
    EXPECT_FALSE(two.in_step);
}

TEST(ClientExchange, NothingIsEndless) {
    Scratch scratch;
    std::vector<std::string> headers{"HTTP/1.1 200 OK\r\n"};
    for (int i = 0; i < 1000; ++i) headers.push_back("X: " + std::string(100, 'x') + "\r\n");
    EXPECT_EQ(run(scratch, headers, {}, false, false).trouble, Trouble::malformed);
    EXPECT_EQ(run(scratch, std::vector<std::string>(20, "HTTP/1.1 100 Continue\r\n\r\n"), {}, false).trouble,
              Trouble::malformed);
    AnswerPlan large;
    large.body_limit = 1u << 20;
    std::vector<std::string> body{"HTTP/1.1 200 OK\r\n\r\n"};
    for (int i = 0; i < 40; ++i) body.push_back(std::string(100'000, 'b'));
    const auto cut = run(scratch, body, large, false, false);
    EXPECT_EQ(cut.progress, Progress::answered);
    EXPECT_EQ(cut.body.size(), large.body_limit);
    EXPECT_TRUE(cut.truncated);
}

TEST(ClientExchange, ARequestMayGoOutInPieces) {
    Scratch scratch;
    Scripted stream;
    stream.takes = 3;
    ClientExchange exchange(scratch);
    const std::vector<io::Slice> slices{
        {request.data(), 5}, {request.data() + 5, 4}, {request.data() + 9, request.size() - 9}};
    exchange.begin(slices, {});
    Progress progress = exchange.advance(stream);
    for (int i = 0; i < 100 && !exchange.sent(); ++i) {
        EXPECT_EQ(progress, Progress::waiting);
        stream.writable = true;
        if (stream.written.size() + 3 >= request.size()) stream.pieces.push_back("HTTP/1.1 204 No\r\n\r\n");
        progress = exchange.advance(stream);
    }
    EXPECT_EQ(stream.written, request);
    EXPECT_EQ(progress, Progress::answered);  // Seen at the notice that sent the last piece.
}

TEST(ClientExchange, BytesBeforeTheRequestAreNoAnswer) {
    Scratch scratch;
    Scripted stream;
    stream.pieces.push_back("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ClientExchange exchange(scratch);
    const io::Slice slice{request.data(), request.size()};
    exchange.begin(std::span(&slice, 1), {});
    EXPECT_EQ(exchange.advance(stream, true), Progress::failed);
    EXPECT_EQ(exchange.trouble(), Trouble::early);
    EXPECT_TRUE(stream.written.empty());

    Scripted reset;
    reset.fails = ECONNRESET;
    exchange.begin(std::span(&slice, 1), {});
    EXPECT_EQ(exchange.advance(reset), Progress::waiting);
    EXPECT_EQ(exchange.advance(reset), Progress::failed);
    EXPECT_EQ(exchange.trouble(), Trouble::reset);
}

}  // namespace
}  // namespace hale::http
