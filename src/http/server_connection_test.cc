// Goal: the server's side of a connection answers each request once and in order, however its bytes are split,
// streams without outrunning the client, and ends every connection that stands still.
// Method: conversations over a simulated pipe; every split; the Nth operation failing; virtual time.

#include "http/server_connection.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string>

#include "http/server_port.h"
#include "sim/byte_pipe.h"
#include "sim/world.h"

namespace hale::http {
namespace {

struct Reader : io::StreamHandler {
    void on_ready(io::Stream& stream, io::Readiness) noexcept override {
        if (paused) return;
        std::array<char, 4096> piece;
        for (;;) {
            const auto result = stream.read(piece);
            if (result.status == io::IoStatus::end) ended = true;
            if (result.status == io::IoStatus::failed) failed = true;
            if (result.status != io::IoStatus::ok) return;
            got.append(piece.data(), result.bytes);
        }
    }
    std::string got;
    bool ended = false, failed = false, paused = false;
};

struct Counting final : BodyProducer {
    explicit Counting(int most) : left(most) {}
    More produce(std::string& out, std::size_t) override {
        ++calls();
        out += std::string(1000, 'x');
        return --left == 0 ? More::done : More::more;
    }
    static int& calls() {
        static int count = 0;
        return count;
    }
    int left;
};

struct Server : ::testing::Test {
    void open(sim::PipeOptions options = {}) {
        auto [ours, theirs] = sim::make_pipe(world, options);
        client = std::move(theirs);
        client->set_handler(&reader);
        port.on_accept(std::move(ours));
    }
    void settle(Duration d = 100ms) { world.run_for(d); }

    sim::World world{1};
    std::vector<std::shared_ptr<ServerExchange>> exchanges;
    std::function<void(std::shared_ptr<ServerExchange>)> handle = [this](std::shared_ptr<ServerExchange> exchange) {
        exchanges.push_back(exchange);
        const auto& request = exchange->request;
        exchange->answer(200, {{"X-Path", std::string(request.head.target)}}, fmt::format("{}:{}", request.head.method_name, request.body));
    };
    ServerPort port{world.loop(), {}, [this](std::shared_ptr<ServerExchange> exchange) { handle(std::move(exchange)); },
                    [](int status, std::string_view why) { return fmt::format("{} {}", status, why); }};
    Reader reader;
    std::unique_ptr<io::Stream> client;
};

constexpr std::string_view two =
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

TEST_F(Server, PipelinedRequestsAreAnsweredInOrderHoweverTheyAreSplit) {
    for (std::size_t cut = 1; cut < two.size(); ++cut) {
        reader = {};
        open();
        client->write(two.substr(0, cut));
        settle(1ms);
        client->write(two.substr(cut));
        settle();
        const auto first = reader.got.find("POST:hello"), second = reader.got.find("PUT:abc");
        ASSERT_NE(first, std::string::npos) << cut << reader.got;
        ASSERT_NE(second, std::string::npos) << cut << reader.got;
        EXPECT_LT(first, second);
        client.reset();
        settle();
        EXPECT_EQ(port.connections(), 0u);
    }
}

TEST_F(Server, KeepsItsLimits) {
    open();
    client->write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n");
    settle();
    EXPECT_TRUE(reader.got.starts_with("HTTP/1.1 413 ")) << reader.got;
    EXPECT_TRUE(reader.ended);
    settle(2s);
    EXPECT_EQ(port.connections(), 0u);
    reader = {};
    open();
    client->write("BROKEN\r\n\r\n");
    settle();
    EXPECT_TRUE(reader.got.starts_with("HTTP/1.1 400 ")) << reader.got;
}

TEST_F(Server, ExpectContinueIsToldOnce) {
    open();
    client->write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    settle();
    EXPECT_EQ(reader.got, "HTTP/1.1 100 Continue\r\n\r\n");
    client->write("hi");
    settle();
    EXPECT_NE(reader.got.find("POST:hi"), std::string::npos);
}

TEST_F(Server, AStreamGoesNoFasterThanItsReader) {
    handle = [](std::shared_ptr<ServerExchange> exchange) { exchange->stream(200, {}, std::make_unique<Counting>(1000)); };
    Counting::calls() = 0;
    reader.paused = true;
    open({.window = 8 * 1024});
    client->write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle();
    EXPECT_LT(Counting::calls(), 12);
    reader.paused = false;
    reader.on_ready(*client, {});
    settle(5s);
    EXPECT_EQ(Counting::calls(), 1000);
    EXPECT_TRUE(reader.got.ends_with("\r\n0\r\n\r\n"));
}

TEST_F(Server, AClientThatDoesNotReadIsLeft) {
    handle = [](std::shared_ptr<ServerExchange> exchange) { exchange->stream(200, {}, std::make_unique<Counting>(1000)); };
    reader.paused = true;
    open({.window = 8 * 1024});
    client->write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(29s);
    EXPECT_EQ(port.connections(), 1u);
    settle(2s);
    EXPECT_EQ(port.connections(), 0u);
}

TEST_F(Server, EveryPhaseHasADeadline) {
    open();
    settle(76s);
    EXPECT_EQ(port.connections(), 0u);
    for (const std::string_view part : {"GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab"}) {
        reader = {};
        open();
        client->write(part);
        settle(32s);
        EXPECT_TRUE(reader.got.starts_with("HTTP/1.1 408 ")) << reader.got;
        EXPECT_EQ(port.connections(), 0u);
    }
}

TEST_F(Server, AnsweringSomebodyWhoLeftDoesNothing) {
    handle = [this](std::shared_ptr<ServerExchange> exchange) { exchanges.push_back(std::move(exchange)); };
    open();
    client->write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle();
    ASSERT_EQ(exchanges.size(), 1u);
    bool told = false;
    exchanges[0]->when_gone([&] { told = true; });
    client->reset();
    settle();
    EXPECT_TRUE(told);
    EXPECT_TRUE(exchanges[0]->gone());
    exchanges[0]->answer(200, {}, "late");
    EXPECT_EQ(port.connections(), 0u);
}

TEST_F(Server, HeadGetsNoBodyAndOldClientsAClose) {
    open();
    client->write("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle();
    EXPECT_TRUE(reader.got.ends_with("\r\n\r\n")) << reader.got;
    EXPECT_NE(reader.got.find("Content-Length: 5"), std::string::npos);
    reader = {};
    open();
    client->write("GET / HTTP/1.0\r\n\r\n");
    settle();
    EXPECT_TRUE(reader.got.ends_with("GET:")) << reader.got;
    EXPECT_TRUE(reader.ended);
}

TEST_F(Server, SurvivesAFailureOfEveryOperation) {
    auto faults = std::make_shared<sim::PipeFaults>();
    for (std::uint64_t nth = 1; nth <= 12; ++nth) {
        *faults = {.fail_operation = nth};
        reader = {};
        open({.left = faults});
        client->write(two);
        settle();
        client.reset();
        settle(80s);
        EXPECT_EQ(port.connections(), 0u) << nth;
    }
}

}  // namespace
}  // namespace hale::http
