// Goal: every socket that is handed over gets somebody who listens, and what the two processes say is understood whole
// or refused.
// Method: all small numbers of sockets and workers; every word there and back, every beginning of one, and bytes changed.

#include "app/sockets.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace hale::app {
namespace {

TEST(Sockets, EveryOneHasExactlyOneOwnerAndOwnersAreEven) {
    for (std::size_t sockets = 0; sockets <= 12; ++sockets)
        for (std::size_t workers = 1; workers <= 12; ++workers) {
            const auto of = shared_out(sockets, workers);
            ASSERT_EQ(of.size(), workers);
            std::vector<int> owners(sockets, 0);
            std::size_t least = sockets, most = 0;
            for (const auto& mine : of) {
                least = std::min(least, mine.size()), most = std::max(most, mine.size());
                for (const auto one : mine) ++owners[one];
            }
            EXPECT_TRUE(std::ranges::all_of(owners, [](int count) { return count == 1; })) << sockets << " for " << workers;
            EXPECT_LE(most - least, 1u);
        }
    EXPECT_TRUE(shared_out(3, 0).empty());
}

RoleSocket socket_for(std::string role, std::string declared, std::uint16_t port) {
    return {std::move(role), std::move(declared), {os::Descriptor{}, SocketAddress{.ip = Ip::v4(127, 0, 0, 1), .port = port}}};
}

TEST(Sockets, AreTakenByRoleAndByWhatWasDeclared) {
    const SocketAddress any{.ip = Ip::v4(127, 0, 0, 1)};
    std::vector<RoleSocket> handed;
    handed.push_back(socket_for("http", "127.0.0.1:0", 1001));
    handed.push_back(socket_for("admin", "127.0.0.1:0", 1002));
    handed.push_back(socket_for("http", "127.0.0.1:0", 1003));
    handed.push_back(socket_for("http", "127.0.0.1:80", 80));
    handed.push_back(socket_for("health", "", 1004));
    Sockets sockets(std::move(handed));
    EXPECT_TRUE(sockets.activated("health"));
    EXPECT_FALSE(sockets.activated("http"));
    const auto http = sockets.take("http", any);
    ASSERT_EQ(http.size(), 2u) << "the one for :80 is declared no more";
    EXPECT_EQ(http[1].listening.local.port, 1003);
    EXPECT_TRUE(sockets.take("http", any).empty());
    EXPECT_EQ(sockets.take("health", std::nullopt).size(), 1u) << "a supervisor's counts, whatever the file says";
    EXPECT_TRUE(sockets.take("admin", SocketAddress{.ip = Ip::v4(127, 0, 0, 2)}).empty());
}

TEST(Sockets, KnowTheirRolesWhenTheyAreHandedOn) {
    Sockets sockets;
    sockets.opened("http", "127.0.0.1:0", {.ip = Ip::v4(127, 0, 0, 1), .port = 1001});
    std::vector<os::Listening> all;
    all.push_back({os::Descriptor{}, {.ip = Ip::v4(127, 0, 0, 1), .port = 1001}});
    all.push_back({os::Descriptor{}, {.ip = Ip::v4(127, 0, 0, 1), .port = 1002}});
    const auto named = sockets.named(std::move(all));
    ASSERT_EQ(named.size(), 1u);
    EXPECT_EQ(named[0].role, "http");
    EXPECT_EQ(named[0].declared, "127.0.0.1:0");
}

TEST(Sockets, ANameThatNobodyKnowsIsRefused) {
    std::vector<RoleSocket> one;
    one.push_back(socket_for("web", "", 1));
    const auto refused = Sockets::check(one);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("\"web\" (LISTEN_FDNAMES); allowed: http, https, admin, health, socket"), std::string::npos) << refused.error().text;
}

TEST(TakeoverWords, ComeBackAsTheyWereSaid) {
    for (const TakeoverWord& word : {TakeoverWord{"hello", {{"0.1.0"}}}, TakeoverWord{"ready", {}}, TakeoverWord{"sockets", {{"http", "127.0.0.1:0"}, {"admin", ""}}},
                                     TakeoverWord{"offer", {{"/var/lib/hale"}}}}) {
        const auto back = parse_takeover(takeover_text(word));
        ASSERT_TRUE(back) << back.error().text;
        EXPECT_EQ(*back, word);
    }
    EXPECT_EQ(parse_takeover(takeover_text({"failed", {{"one\ntwo\tthree"}}}))->first(), "one two three");
}

TEST(TakeoverWords, WhatIsCutOffOrChangedIsRefusedOrReadWithinLimits) {
    const std::string whole = takeover_text({"sockets", {{"http", "127.0.0.1:0"}, {"admin", "127.0.0.1:0"}}});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto word = parse_takeover(whole.substr(0, size));
        if (size <= whole.find("sockets")) EXPECT_FALSE(word) << size;
        else if (word) EXPECT_LE(word->lines.size(), 2u);
    }
    const std::uint64_t seed = 11;
    SCOPED_TRACE(seed);
    Random random(seed);
    for (int i = 0; i < 20'000; ++i) {
        std::string changed = whole;
        for (int n = 0; n < 3; ++n) changed[random.below(changed.size())] = static_cast<char>(random.next());
        if (const auto word = parse_takeover(changed)) EXPECT_LE(word->lines.size(), most_takeover_lines);
    }
    EXPECT_FALSE(parse_takeover("hale-takeover 1 sockets" + std::string(most_takeover_lines + 1, '\n')));
    const auto newer = parse_takeover("hale-takeover 2 hello");
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().text.find("protocol 2"), std::string::npos);
}

}  // namespace
}  // namespace hale::app
