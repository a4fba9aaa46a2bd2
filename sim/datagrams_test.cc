// Goal: simulated datagrams behave as UDP's do: whole or not at all, in any order, refused where nobody listens, silent
// where nobody is; and the same seed gives the same day.
// Method: a server that echoes, faults turned on one by one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "sim/net.h"
#include "sim/world.h"

namespace hale::sim {
namespace {

struct Heard final : io::DatagramHandler {
    std::vector<std::string> bytes;
    int refused = 0;
    std::unique_ptr<io::Datagrams> socket;
    bool close_at_first = false;
    void on_datagram(std::string_view one) noexcept override {
        bytes.emplace_back(one);
        if (close_at_first) socket.reset();
    }
    void on_refused(int error) noexcept override { refused = error; }
};

struct Day {
    explicit Day(std::uint64_t seed = 1) : world(seed), network(world), loop(world.make_loop("here")), far(world.make_loop("there")) {
        network.add_host("hale", {"10.0.0.1"});
        network.add_host("dns", {"10.0.0.5"});
        server = network.net("dns", far).serve_datagrams(*SocketAddress::parse("10.0.0.5:53"), [this](const SocketAddress& from, std::string_view bytes) {
            last_from = from;
            return std::vector<std::string>(copies, "echo " + std::string(bytes));
        });
    }
    Net& net() { return network.net("hale", loop); }
    void open(std::string_view to) {
        auto made = net().datagrams(*SocketAddress::parse(to), heard);
        ASSERT_TRUE(made) << made.error().text;
        heard.socket = std::move(*made);
    }

    World world;
    Network network;
    Loop& loop;
    Loop& far;
    std::size_t copies = 1;
    SocketAddress last_from;
    std::unique_ptr<Net::DatagramServer> server;
    Heard heard;
};

TEST(Datagrams, AnAnswerComesBackToWhoAsked) {
    Day day;
    day.copies = 2;
    day.open("10.0.0.5:53");
    EXPECT_EQ(day.heard.socket->send("a"), 0);
    day.world.run_for(1s);
    EXPECT_EQ(day.heard.bytes, (std::vector<std::string>{"echo a", "echo a"}));
    EXPECT_EQ(day.last_from.ip, *Ip::parse("10.0.0.1"));
    EXPECT_EQ(day.heard.socket->peer(), *SocketAddress::parse("10.0.0.5:53"));
    EXPECT_EQ(day.heard.refused, 0);
    day.heard.socket.reset();
    day.server.reset();
    EXPECT_EQ(day.network.leaks(), "");
}

TEST(Datagrams, NobodyListensNobodyIsThere) {
    Day day;
    day.open("10.0.0.5:54");
    day.heard.socket->send("a");
    day.world.run_for(1s);
    EXPECT_EQ(day.heard.refused, ECONNREFUSED);
    day.heard.refused = 0;
    day.open("10.0.0.99:53");
    day.heard.socket->send("a");
    day.world.run_for(60s);
    EXPECT_EQ(day.heard.refused, 0);
    EXPECT_TRUE(day.heard.bytes.empty());
}

TEST(Datagrams, LossAndOrderAreDrawnFromTheSeed) {
    const auto heard = [](std::uint64_t seed, double loss) {
        Day day(seed);
        day.network.set_faults({.latency = 1ms, .jitter = 5ms, .loss = loss});
        day.open("10.0.0.5:53");
        for (char c = 'a'; c <= 'z'; ++c) day.heard.socket->send(std::string(1, c));
        day.world.run_for(1s);
        return day.heard.bytes;
    };
    const auto all = heard(7, 0);
    EXPECT_EQ(all.size(), 26u);
    EXPECT_FALSE(std::ranges::is_sorted(all));
    const auto some = heard(7, 0.3);
    EXPECT_GT(some.size(), 0u);
    EXPECT_LT(some.size(), 26u);
    EXPECT_EQ(some, heard(7, 0.3));
    EXPECT_EQ(heard(7, 1.0).size(), 0u);
}

TEST(Datagrams, ClosedInsideItsOwnNoticeAndOurOwnTroubles) {
    Day day;
    day.copies = 3;
    day.heard.close_at_first = true;
    day.open("10.0.0.5:53");
    day.heard.socket->send("a");
    day.world.run_for(1s);
    EXPECT_EQ(day.heard.bytes.size(), 1u);
    day.net().fail_next(Operation::connect, EMFILE);
    EXPECT_EQ(day.net().datagrams(*SocketAddress::parse("10.0.0.5:53"), day.heard).error().system, EMFILE);
    day.network.set_link("hale", false);
    EXPECT_EQ(day.net().datagrams(*SocketAddress::parse("10.0.0.5:53"), day.heard).error().system, ENETUNREACH);
    day.network.set_link("hale", true);
    day.network.cut("hale", "dns");
    day.heard.bytes.clear();
    day.open("10.0.0.5:53");
    EXPECT_EQ(day.heard.socket->send("a"), 0);
    day.world.run_for(1s);
    EXPECT_TRUE(day.heard.bytes.empty());
}

}  // namespace
}  // namespace hale::sim
