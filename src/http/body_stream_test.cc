// Goal: what is handed out of a body depends on the bytes of the answer alone, not on how they were split or on who used the
// scratch meanwhile; an answer that is cut, broken or beyond a limit never ends well.
// Method: a stream that hands out scripted pieces; every answer of the corpus in every two pieces and byte by byte, cut after
// every byte, the head spoiled between steps.

#include "http/body_stream.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <vector>

namespace hale::http {
namespace {

class Pieces final : public io::Stream {
public:
    std::deque<std::string> pieces;
    bool ends = false;
    int fails = 0;
    std::size_t takes = 1u << 20;
    std::string written;

    void set_handler(io::StreamHandler*) override {}
    io::IoResult read(std::span<char> into) override {
        if (blocked_ || pieces.empty()) {
            const bool more = blocked_;
            blocked_ = false;
            if (more) return {io::IoStatus::would_block};
            if (fails != 0) return {io::IoStatus::failed, 0, fails};
            return {ends ? io::IoStatus::end : io::IoStatus::would_block};
        }
        std::string& piece = pieces.front();
        const std::size_t some = std::min(piece.size(), into.size());
        std::copy_n(piece.begin(), some, into.begin());
        piece.erase(0, some);
        if (piece.empty()) {
            pieces.pop_front();
            blocked_ = true;
        }
        return {io::IoStatus::ok, some};
    }
    using io::Stream::write;
    io::IoResult write(std::span<const io::Slice> slices) override {
        if (full_) {
            full_ = false;
            return {io::IoStatus::would_block};
        }
        const std::size_t some = std::min(slices[0].size, takes);
        written.append(slices[0].data, some);
        full_ = some < slices[0].size;
        return {io::IoStatus::ok, some};
    }
    int connect_error() override { return 0; }
    void shutdown_write() override {}
    void reset() override {}
    const SocketAddress& peer() const override { return address_; }
    SocketAddress local() const override { return address_; }

private:
    SocketAddress address_;
    bool blocked_ = false, full_ = false;
};

const std::string request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";

// "200 body|", with "|" at a good end, "!why" at a bad one, and nothing when it waits.
std::string story(std::vector<std::string> pieces, bool ends, std::size_t takes = 1u << 20, int fails = 0) {
    auto scratch = std::make_unique<Scratch>();
    Pieces stream;
    for (auto& piece : pieces)
        if (!piece.empty()) stream.pieces.push_back(std::move(piece));
    stream.ends = ends;
    stream.takes = takes;
    stream.fails = fails;
    BodyStream body(*scratch);
    body.begin(request, wire::Method::post);
    std::string out;
    int blanks = 0;
    for (int i = 0; i < 100'000 && blanks < 3; ++i) {
        switch (body.advance(stream)) {
            case BodyStream::Step::waiting: blanks = stream.pieces.empty() ? blanks + 1 : 0; break;
            case BodyStream::Step::head: out += std::to_string(body.head().status) + " "; break;
            case BodyStream::Step::payload:
                EXPECT_FALSE(body.payload().empty());
                EXPECT_LE(body.payload().size(), BodyStream::piece_bytes + BodyStream::head_limit);
                out += body.payload();
                break;
            case BodyStream::Step::ended: EXPECT_EQ(stream.written, request); return out + "|";
            case BodyStream::Step::failed: return out + "!" + std::string(body.why());
        }
        scratch->bytes.fill('?');
        scratch->head = {};
    }
    EXPECT_EQ(stream.written, request);
    return out;
}

struct Case {
    std::string bytes;
    bool ends;
    std::string story;
};

const std::vector<Case> corpus{
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "200 hello|"},
    {"HTTP/1.1 204 No\r\nServer: s\r\n\r\n", false, "204 |"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false, "200 abcde|"},
    {"HTTP/1.1 200 OK\r\nServer: s\r\n\r\nto the end", true, "200 to the end|"},
    {"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Go\r\n\r\nHTTP/1.1 404 OK\r\nContent-Length: 2\r\n\r\nok", false, "404 ok|"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false, "200 a"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nx", false, "!"},
    {"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\nraw", false, "!the connection was turned into something else than HTTP"},
};

TEST(BodyStream, HandsOutTheSameHoweverItCame) {
    for (const Case& one : corpus) {
        const auto right = [&](const std::string& got) { 
            // How much is handed out before a fault is found does depend on the pieces.
            return one.story == "!" ? got.find("!a chunk does not begin") != got.npos : got == one.story;
        };
        EXPECT_TRUE(right(story({one.bytes}, one.ends))) << one.bytes << story({one.bytes}, one.ends);
        for (std::size_t at = 1; at < one.bytes.size(); ++at) {
            const auto got = story({one.bytes.substr(0, at), one.bytes.substr(at)}, one.ends, at % 7 + 1);
            EXPECT_TRUE(right(got)) << one.bytes << " at " << at << ": " << got;
        }
        std::vector<std::string> single;
        for (const char c : one.bytes) single.emplace_back(1, c);
        EXPECT_TRUE(right(story(single, one.ends))) << one.bytes;
    }
}

TEST(BodyStream, NeverTakesACutForAnEnd) {
    for (const Case& one : corpus) {
        if (one.ends || !one.story.ends_with('|')) continue;
        for (std::size_t at = 0; at < one.bytes.size(); ++at) {
            const std::string cut = story({one.bytes.substr(0, at)}, true);
            EXPECT_NE(cut.find("!the "), std::string::npos) << at << one.bytes << ": " << cut;
            EXPECT_NE(story({one.bytes.substr(0, at)}, false, 1u << 20, ECONNRESET).find('!'), std::string::npos);
        }
    }
}

TEST(BodyStream, BoundsHeadsAndInterimAnswers) {
    std::string long_head = "HTTP/1.1 200 OK\r\nX: ";
    long_head += std::string(BodyStream::head_limit, 'x') + "\r\n\r\n";
    EXPECT_TRUE(story({long_head}, false).starts_with("!"));
    std::string many;
    for (int i = 0; i <= BodyStream::most_interim_answers; ++i) many += "HTTP/1.1 103 Hints\r\n\r\n";
    EXPECT_EQ(story({many + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, false), "!too many interim (1xx) answers");
    EXPECT_EQ(story({many.substr(22) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, false), "200 |");
}

TEST(BodyStream, CarriesLongBodies) {
    const std::string body(300'000, 'b');
    EXPECT_EQ(story({"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body}, false), "200 " + body + "|");
}

}  // namespace
}  // namespace hale::http
