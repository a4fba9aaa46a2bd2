// Goal: the simulated network does what its faults say and nothing else; no byte and no stream is ever lost
// track of; equal seeds give equal runs.
// Method: conversations with an echo server under every fault, over many seeds; then each kind of trouble by
// itself, with its errno and its instant.

#include "sim/net.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <list>
#include <set>

#include "sim/echo_test.h"
#include "sim/seed.h"
#include "sim/world.h"

namespace hale::sim {
namespace {

struct EchoServer : io::AcceptHandler {
    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        ++accepted;
        credentials = stream->credentials();
        std::erase_if(sessions, [](const Echo& e) { return e.stream == nullptr; });
        sessions.emplace_back(std::move(stream));
    }
    std::list<Echo> sessions;
    std::optional<io::PeerCredentials> credentials;
    int accepted = 0;
};

const SocketAddress web = *SocketAddress::parse("10.0.0.2:80");

// Two hosts, an echo server on one of them.
struct Town {
    explicit Town(std::uint64_t seed) : world(seed, {.keep_notes = true}) {
        network.add_host("a", {"10.0.0.1", "fd00::1"});
        network.add_host("b", {"10.0.0.2"});
    }
    void serve() { listener = *server_net().listen({.address = web}, server); }
    Net& client_net() { return network.net("a", client); }
    Net& server_net() { return network.net("b", serving); }
    // Asks once and waits for the end of it; nothing if it did not end within `most`.
    std::optional<std::string> ask(std::string text, Duration most = 1h) {
        auto stream = client_net().connect(web);
        if (!stream) return std::nullopt;
        asker.emplace(std::move(*stream), std::move(text));
        world.run_until([&] { return asker->stream == nullptr; }, most);
        world.note(fmt::format("answer {} error {}", asker->answer, asker->error));
        if (asker->stream != nullptr || asker->failed) return std::nullopt;
        return asker->answer;
    }
    int error() const { return asker->failed ? asker->error : 0; }
    std::string close_all() {
        asker.reset();
        server.sessions.clear();
        listener.reset();
        EXPECT_TRUE(world.run_until_idle(2h));
        return network.leaks();
    }

    World world;
    Network network{world};
    Loop& client = world.make_loop("client");
    Loop& serving = world.make_loop("serving");
    EchoServer server;
    std::unique_ptr<io::Listener> listener;
    std::optional<Asker> asker;
};

struct Kind {
    const char* name;
    Faults faults;
    bool fails = false;  // Some conversations must; with false none may.
};

const Kind kinds[] = {
    {"none", {}},
    {"slow", {.latency = 300ms, .jitter = 200ms}},
    {"tiny window", {.window = 3}},
    {"loss", {.loss = 0.05}},
    {"stall", {.stall = 0.05}},
    {"connect delay", {.connect_delay = 3s}},
    {"one byte reads", {.one_byte_reads = 0.5}},
    {"short", {.short_read = 0.5, .short_write = 0.5}},
    {"spurious", {.spurious_notice = 0.5}},
    {"refuse", {.refuse = 0.3}, true},
    {"unreachable", {.unreachable = 0.3}, true},
    {"silent", {.silent = 0.3}, true},
    {"reset", {.reset = 0.5, .within = 400}, true},
    {"vanish", {.vanish = 0.3, .within = 400}, true},
    {"everything",
     {.jitter = 5ms,
      .window = 50,
      .loss = 0.05,
      .stall = 0.01,
      .refuse = 0.1,
      .silent = 0.05,
      .reset = 0.1,
      .vanish = 0.1,
      .one_byte_reads = 0.1,
      .short_read = 0.3,
      .short_write = 0.3,
      .spurious_notice = 0.3},
     true},
};

struct Story {
    int succeeded = 0, failed = 0;
    std::uint64_t digest = 0;
    std::vector<std::string> notes;
};

Story tell(const Kind& kind, std::uint64_t seed) {
    Story result;
    Town town(seed);
    town.network.set_faults(kind.faults);
    town.serve();
    for (int i = 0; i < 12; ++i) {
        std::string text;
        for (std::uint64_t n = town.world.random().below(300) + 1; n > 0; --n)
            text += static_cast<char>('a' + town.world.random().below(26));
        const auto answer = town.ask(text);
        if (answer) {
            EXPECT_EQ(*answer, text);
        } else {
            // Who only waits for a peer that is gone waits for ever; nothing else may hang.
            if (kind.faults.vanish == 0) EXPECT_TRUE(town.asker->failed) << "it hangs";
            EXPECT_TRUE(text.starts_with(town.asker->answer));
        }
        ++(answer ? result.succeeded : result.failed);
        // At any time: bytes are read, dropped for a named reason, or held.
        const Totals& t = town.network.totals();
        EXPECT_EQ(t.written, t.read + t.dropped() + town.network.bytes_held());
        if (!kind.fails) EXPECT_EQ(t.dropped(), 0u);
    }
    EXPECT_EQ(town.close_all(), "") << kind.name;
    result.digest = town.world.digest();
    result.notes = town.world.notes();
    return result;
}

TEST(Network, EveryFaultFailsOrDelaysAndNothingLeaks) {
    for (const Kind& kind : kinds) {
        SCOPED_TRACE(kind.name);
        int succeeded = 0, failed = 0;
        for_each_seed(15, [&](std::uint64_t seed) {
            const Story result = tell(kind, seed);
            succeeded += result.succeeded;
            failed += result.failed;
        });
        if (HasFailure()) return;
        EXPECT_EQ(failed > 0, kind.fails);
        EXPECT_GT(succeeded, 0);
    }
}

TEST(Network, EqualSeedsTellEqualStoriesAndOthersDoNot) {
    for (const Kind& kind : kinds) {
        std::set<std::uint64_t> digests;
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            const Story first = tell(kind, seed), second = tell(kind, seed);
            EXPECT_EQ(first.digest, second.digest) << kind.name;
            EXPECT_EQ(first.notes, second.notes) << kind.name;
            digests.insert(first.digest);
        }
        EXPECT_EQ(digests.size(), 8u) << kind.name;
    }
}

TEST(Network, EachRefusalHasItsErrorAndItsInstant) {
    Town town(1);
    const auto refused_after = [&](int error) {
        const Instant begin = town.world.now();
        EXPECT_EQ(town.ask("x"), std::nullopt);
        EXPECT_EQ(town.error(), error);
        return town.world.now() - begin;
    };
    EXPECT_LE(refused_after(ECONNREFUSED), 1ms);  // Nobody listens.
    town.network.set_faults({.unreachable = 1});
    EXPECT_LE(refused_after(EHOSTUNREACH), 1ms);
    town.network.set_faults({.silent = 1});
    EXPECT_EQ(std::chrono::round<std::chrono::seconds>(refused_after(ETIMEDOUT)), 127s);
    town.network.clear_faults();
    town.serve();
    town.network.set_faults({.from = "a", .port = 80}, {.refuse = 1});
    EXPECT_LE(refused_after(ECONNREFUSED), 1ms);
    town.network.set_faults({.from = "a", .port = 81}, {.refuse = 1});
    town.network.set_faults({.from = "a", .port = 80}, {});
    EXPECT_EQ(town.ask("x"), "x");
    town.network.set_faults({.from = "a", .port = 80}, {.reset_answer_at = 2});
    EXPECT_EQ(town.ask("four"), std::nullopt);
    EXPECT_EQ(town.error(), ECONNRESET);
    EXPECT_EQ(town.asker->answer, "fo");
    town.network.clear_faults();
    town.network.set_power("b", false);
    EXPECT_EQ(std::chrono::round<std::chrono::seconds>(refused_after(ETIMEDOUT)), 127s);
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, OurOwnTroubleIsToldAtOnce) {
    Town town(1);
    town.serve();
    Net& net = town.client_net();
    const auto own = [&] {
        const auto stream = net.connect(web);
        return stream ? 0 : stream.error().system;
    };
    net.fail_next(Operation::connect, EADDRNOTAVAIL, 2);
    EXPECT_EQ(own(), EADDRNOTAVAIL);
    EXPECT_EQ(own(), EADDRNOTAVAIL);
    EXPECT_EQ(own(), 0);
    town.network.set_link("a", false);
    EXPECT_EQ(own(), ENETUNREACH);
    town.network.set_link("a", true);
    town.network.limit_local_ports("a", 0);
    EXPECT_EQ(own(), EADDRNOTAVAIL);
    town.network.limit_local_ports("a", 1);
    const auto first = net.connect(web);
    EXPECT_EQ(own(), EADDRNOTAVAIL);
    town.network.limit_local_ports("a", 2);
    town.network.limit_descriptors("a", 1);
    EXPECT_EQ(own(), EMFILE);
    town.network.limit_descriptors("a", 9);
    EXPECT_EQ(own(), 0);
    EXPECT_EQ(town.server_net().listen({.address = web}, town.server).error().system, EADDRINUSE);
    EXPECT_EQ(net.listen({.address = web}, town.server).error().system, EADDRNOTAVAIL);
}

TEST(Network, AnAcceptorWithoutDescriptorsWaitsATenthOfASecond) {
    Town town(1);
    town.serve();
    town.network.limit_descriptors("b", 1);
    town.world.wire().post_at(town.world.now() + 250ms, [&] { town.network.limit_descriptors("b", 2); });
    const Instant begin = town.world.now();
    EXPECT_EQ(town.ask("x"), "x");
    EXPECT_GE(town.world.now() - begin, 300ms);
    EXPECT_LT(town.world.now() - begin, 310ms);
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, AFullBacklogLosesTheHandshakeAndATurnAcceptsSixtyFour) {
    Town town(1);
    town.listener = *town.server_net().listen({.address = web, .backlog = 100}, town.server);
    town.serving.stall(500ms);
    std::vector<std::unique_ptr<io::Stream>> streams;
    for (int i = 0; i < 120; ++i) streams.push_back(*town.client_net().connect(web));
    std::vector<int> turns;
    town.world.run_until(
        [&] {
            if (town.server.accepted > 0 && (turns.empty() || turns.back() != town.server.accepted))
                turns.push_back(town.server.accepted);
            return false;
        },
        900ms);
    EXPECT_EQ(turns, (std::vector{64, 100}));
    town.world.run_for(200ms);
    EXPECT_EQ(town.server.accepted, 120);  // The lost ones came again after a second.
    streams.clear();
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, ACutDelaysAndALongOneEndsTheConnection) {
    for (const bool both : {true, false}) {
        Town town(1);
        town.serve();
        auto stream = *town.client_net().connect(web);
        struct Reader : io::StreamHandler {
            void on_ready(io::Stream& s, io::Readiness) noexcept override {
                char buffer[100];
                for (;;) {
                    const auto r = s.read(buffer);
                    if (r.status == io::IoStatus::ok)
                        got.append(buffer, r.bytes);
                    else if (r.status == io::IoStatus::would_block)
                        return;
                    else {
                        error = r.error;
                        return;
                    }
                }
            }
            std::string got;
            int error = 0;
        } reader;
        stream->set_handler(&reader);
        town.world.run_for(1s);
        if (both)
            town.network.cut_for("a", "b", 5s);
        else {
            town.network.cut_one_way("a", "b");
            town.world.wire().post_at(town.world.now() + 5s, [&] { town.network.heal("a", "b"); });
        }
        EXPECT_EQ(stream->write("hello").status, io::IoStatus::ok);
        town.world.run_for(4900ms);
        EXPECT_EQ(reader.got, "");
        town.world.run_for(2s);
        EXPECT_EQ(reader.got, "hello");

        // Half open: the peer is gone, writes go on succeeding, and it takes a quarter of an hour to notice.
        town.network.set_power("b", false);
        EXPECT_EQ(stream->write("anybody?").status, io::IoStatus::ok);
        town.world.run_for(10min);
        EXPECT_EQ(stream->write("hello?").status, io::IoStatus::ok);
        EXPECT_EQ(reader.error, 0);
        town.world.run_for(10min);
        EXPECT_EQ(reader.error, ETIMEDOUT);
        EXPECT_EQ(town.network.totals().dropped_by_loss, 14u);
        stream.reset();
        EXPECT_EQ(town.close_all(), "");
    }
}

TEST(Network, AStalledProcessStillHasAKernel) {
    // What arrived while the loop slept is there when it wakes, before a timer that was due later.
    Town town(1);
    town.serve();
    auto stream = *town.client_net().connect(web);
    std::vector<std::string> order;
    struct Reader : io::StreamHandler {
        explicit Reader(std::vector<std::string>& into) : order(into) {}
        void on_ready(io::Stream&, io::Readiness ready) noexcept override {
            if (ready.readable) order.emplace_back("bytes");
        }
        std::vector<std::string>& order;
    } reader(order);
    stream->set_handler(&reader);
    town.world.run_for(1s);
    stream->write("hello");
    town.client.post_at(town.world.now() + 1s, [&] { order.emplace_back("deadline"); });
    town.client.stall(5s);
    town.world.run_for(6s);
    EXPECT_EQ(order, (std::vector<std::string>{"bytes", "deadline"}));
}

TEST(Network, ListenersShareAPortOnlyWhenTheyAgree) {
    Town town(1);
    Loop& second = town.world.make_loop("second");
    EchoServer other;
    town.listener = *town.server_net().listen({.address = web, .reuse_port = true}, town.server);
    auto listener = *town.network.net("b", second).listen({.address = web, .reuse_port = true}, other);
    for (int i = 0; i < 60; ++i) EXPECT_EQ(town.ask("x"), "x");
    EXPECT_GT(town.server.accepted, 15);
    EXPECT_GT(other.accepted, 15);
    const int before = town.server.accepted;
    listener.reset();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(town.ask("x"), "x");
    EXPECT_EQ(town.server.accepted, before + 10);

    auto any = *town.server_net().listen({.address = *SocketAddress::parse("0.0.0.0:0")}, other);
    EXPECT_NE(any->local().port, 0);
}

TEST(Network, AListenerThatGoesResetsWhatItNeverAccepted) {
    Town town(1);
    town.serve();
    town.serving.stall(1s);
    auto stream = *town.client_net().connect(web);
    town.world.run_for(500ms);
    EXPECT_EQ(stream->write("x").status, io::IoStatus::ok);
    town.world.run_for(100ms);
    town.listener.reset();
    town.world.run_for(100ms);
    char byte[1];
    EXPECT_EQ(stream->read(byte).error, ECONNRESET);
    EXPECT_EQ(town.server.accepted, 0);
    stream.reset();
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, AConnectionThatBrokeBeforeItWasAcceptedIsAccountedForToo) {
    Town town(1);
    town.network.set_faults({.reset_request_at = 3});
    town.serve();
    town.serving.stall(1s);
    EXPECT_EQ(town.ask("hello", 100ms), std::nullopt);
    EXPECT_EQ(town.error(), ECONNRESET);
    EXPECT_EQ(town.network.bytes_held(), 3u);
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, UnixSocketsSayWhoAsks) {
    Town town(1);
    const SocketAddress path{.path = "/run/hale/hale.sock"};
    Net& net = town.client_net();
    net.set_credentials({.uid = 1000, .gid = 100, .groups = {27}});
    const auto ask = [&] {
        Asker asker(*net.connect(path), "hi");
        EXPECT_TRUE(town.world.run_until([&] { return asker.stream == nullptr; }, 1s));
        return asker.error;
    };
    EXPECT_EQ(ask(), ENOENT);
    {
        EchoServer server;
        const auto listener = *net.listen({.address = path}, server);
        EXPECT_EQ(ask(), 0);
        ASSERT_TRUE(server.credentials);
        EXPECT_EQ(server.credentials->uid, 1000u);
        town.world.run_for(1s);
    }
    EXPECT_EQ(town.close_all(), "");
}

TEST(Network, EveryOperationOfEitherHostMayFail) {
    for (const bool at_server : {false, true}) {
        int failures = 0;
        std::uint64_t operations = 0;
        for (std::uint64_t n = 1;; ++n) {
            Town town(1);
            town.network.set_faults({.window = 4});
            Net& faulty = at_server ? town.server_net() : town.client_net();
            faulty.fail_nth(n, at_server && n == 1 ? EADDRINUSE : ECONNRESET);
            auto listener = town.server_net().listen({.address = web}, town.server);
            if (listener) town.listener = std::move(*listener);
            failures += town.ask("0123456789") == std::nullopt;
            EXPECT_EQ(town.close_all(), "") << n;
            operations = faulty.operations();
            if (operations < n) break;
        }
        EXPECT_GE(operations, 5u);
        // An accept that fails is tried again; every other operation ends the conversation, up to the last close.
        EXPECT_GE(failures, static_cast<int>(operations) - 2);
    }
}

}  // namespace
}  // namespace hale::sim
