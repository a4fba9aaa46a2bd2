// Goal: streams, listeners and connects keep the contract of io/stream.h on real sockets.
// Method: pairs over loopback and unix sockets with port 0 or a fresh directory, turned by hand through
// run_until with a deadline; each way a callback may pull the ground from under itself.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "os/testing.h"

namespace hale::os {
namespace {

using io::IoStatus;

class Net : public ::testing::Test {
protected:
    bool until(const std::function<bool()>& done) { return loop->run_until(done, patience); }
    // What is on its way over loopback has arrived: a few turns that wait for it.
    void settle() {
        for (int i = 0; i < 3; ++i) loop->run_once(2ms);
    }

    std::unique_ptr<EpollLoop> loop = make_loop();
    EpollNet net{*loop};
};

TEST_F(Net, BytesArriveUnchangedWhateverTheSizesOfWritesAndReads) {
    const std::uint64_t seed = 7;
    SCOPED_TRACE(seed);
    Random random(seed);
    for (int round = 0; round < 20; ++round) {
        Pair pair = make_pair(*loop);
        std::string sent(1 + random.below(3'000'000), '\0'), got;
        for (char& c : sent) c = static_cast<char>(random.next());
        std::size_t at = 0;
        Ready writer, reader;
        writer.then = [&](io::Stream& stream, io::Readiness) {
            while (at < sent.size()) {
                // Up to three slices, one of them often empty.
                std::vector<io::Slice> slices;
                std::size_t next = at;
                for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
                    const std::size_t size = std::min<std::size_t>(random.below(200'000), sent.size() - next);
                    slices.push_back({sent.data() + next, size});
                    next += size;
                }
                if (next == at) continue;
                const io::IoResult wrote = stream.write(slices);
                if (wrote.status == IoStatus::would_block) return;
                ASSERT_EQ(wrote.status, IoStatus::ok);
                at += wrote.bytes;
            }
            stream.shutdown_write();
        };
        bool ended = false;
        reader.then = [&](io::Stream& stream, io::Readiness) {
            // Stops at a short read, as the contract allows: the end must still be told.
            std::string buffer(1 + random.below(100'000), '\0');
            for (;;) {
                const io::IoResult read = stream.read(buffer);
                if (read.status == IoStatus::end) ended = true;
                if (read.status != IoStatus::ok) return;
                got.append(buffer, 0, read.bytes);
                if (read.bytes < buffer.size()) return;
            }
        };
        pair.client->set_handler(&writer);
        pair.server->set_handler(&reader);
        ASSERT_TRUE(until([&] { return ended; }));
        ASSERT_EQ(got, sent);
        // The other direction is still open.
        ASSERT_EQ(pair.server->write("bye").bytes, 3u);
    }
}

TEST_F(Net, LastBytesAndTheEndInOneEdgeAreBothTold) {
    Pair pair = make_pair(*loop);
    pair.client->write("last words");
    pair.client.reset();
    settle();
    Ready reader;
    std::string got;
    bool ended = false;
    reader.then = [&](io::Stream& stream, io::Readiness ready) {
        if (!ready.readable) return;
        char buffer[100];
        const io::IoResult read = stream.read(buffer);  // One read per notice.
        if (read.status == IoStatus::end)
            ended = true;
        else
            got.append(buffer, read.bytes);
    };
    pair.server->set_handler(&reader);
    ASSERT_TRUE(until([&] { return ended; }));
    EXPECT_EQ(got, "last words");
}

TEST_F(Net, ReadinessFromBeforeTheHandlerIsTold) {
    Pair pair = make_pair(*loop);
    pair.client->write("early");
    settle();
    Ready reader;
    pair.server->set_handler(&reader);
    EXPECT_EQ(reader.notices, 0) << "never inside set_handler";
    loop->run_once();
    EXPECT_EQ(reader.readable, 1);
    EXPECT_EQ(reader.writable, 1);
    // Told but not read: the next handler is told again, and none after the bytes are gone.
    Ready second, third;
    pair.server->set_handler(&second);
    loop->run_once();
    EXPECT_EQ(second.readable, 1);
    EXPECT_EQ(second.writable, 0);
    EXPECT_EQ(drain(*pair.server), "early");
    pair.server->set_handler(&third);
    settle();
    EXPECT_EQ(third.notices, 0);
    pair.client->write("more");
    ASSERT_TRUE(until([&] { return third.readable == 1; }));
    EXPECT_EQ(second.readable, 1);
}

TEST_F(Net, HalfCloseEndsOneDirectionOnly) {
    Pair pair = make_pair(*loop);
    Ready server, client;
    pair.server->set_handler(&server);
    pair.client->set_handler(&client);
    settle();
    pair.client->shutdown_write();
    const int before = server.readable;
    ASSERT_TRUE(until([&] { return server.readable > before; }));
    EXPECT_EQ(drain(*pair.server), ".");
    EXPECT_EQ(pair.server->write("answer").status, IoStatus::ok);
    std::string got;
    ASSERT_TRUE(until([&] { return (got += drain(*pair.client)) == "answer"; }));
}

TEST_F(Net, ResetReachesThePeerAsAFailure) {
    Pair pair = make_pair(*loop);
    Ready server;
    pair.server->set_handler(&server);
    settle();
    pair.client->write("lost");
    pair.client->reset();
    EXPECT_EQ(pair.client->read(std::span<char>(std::string(1, 'x').data(), 1)).status, IoStatus::failed);
    EXPECT_EQ(pair.client->write("x").status, IoStatus::failed);
    pair.client->reset();
    std::string got;
    ASSERT_TRUE(until([&] { return (got += drain(*pair.server)).contains('!'); }));
    EXPECT_TRUE(got.ends_with("!" + std::to_string(ECONNRESET))) << got;
}

TEST_F(Net, WritingToAClosedPeerFailsWithoutASignal) {
    Pair pair = make_pair(*loop);
    pair.server->reset();
    settle();
    ASSERT_TRUE(until([&] { return pair.client->write("x").status == IoStatus::failed; }));
}

TEST_F(Net, RefusedConnectIsToldLater) {
    SocketAddress nobody;
    {
        Accepted accepted;
        auto listener = net.listen({.address = loopback()}, accepted);
        ASSERT_TRUE(listener);
        nobody = (*listener)->local();
    }
    auto stream = net.connect(nobody);
    ASSERT_TRUE(stream);
    Ready ready;
    (*stream)->set_handler(&ready);
    ASSERT_TRUE(until([&] { return ready.writable > 0; }));
    EXPECT_EQ((*stream)->connect_error(), ECONNREFUSED);
    EXPECT_EQ((*stream)->connect_error(), ECONNREFUSED) << "asking does not forget";
    EXPECT_EQ(drain(**stream), "!" + std::to_string(ECONNREFUSED));
    EXPECT_EQ((*stream)->peer(), nobody);
}

TEST_F(Net, ConnectTellsWritableWithoutAnError) {
    Accepted accepted;
    auto listener = net.listen({.address = loopback()}, accepted);
    auto stream = net.connect((*listener)->local());
    Ready ready;
    (*stream)->set_handler(&ready);
    ASSERT_TRUE(until([&] { return ready.writable > 0 && !accepted.streams.empty(); }));
    EXPECT_EQ((*stream)->connect_error(), 0);
    EXPECT_EQ((*stream)->local(), accepted.streams[0]->peer());
    EXPECT_EQ(accepted.streams[0]->local(), (*listener)->local());
    EXPECT_FALSE((*stream)->credentials());
}

// A reset gives the socket back for the next connect: whatever its last connection came to, and whatever the next one
// does, nothing of the one is told to the other.
TEST_F(Net, AConnectionBegunOnASpareSocketIsAsNew) {
    Accepted first, second;
    auto good = std::move(*net.listen({.address = loopback()}, first));
    auto other = std::move(*net.listen({.address = loopback()}, second));
    auto gone = std::move(*net.listen({.address = loopback()}, second));
    const SocketAddress refused = gone->local();
    gone.reset();
    const std::uint64_t seed = 11;
    SCOPED_TRACE(seed);
    Random random(seed);
    const int before = static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
    for (int round = 0; round < 300; ++round) {
        SCOPED_TRACE(round);
        std::vector<std::unique_ptr<io::Stream>> ends;
        // Several at once, so that spare ones of all ages are there.
        for (std::uint64_t n = 1 + random.below(5); n > 0; --n) {
            const bool refuses = random.one_in(3);
            Accepted& met = random.one_in(2) ? first : second;
            met.streams.clear();
            Ready ready;
            const auto where = refuses ? refused : (&met == &first ? good : other)->local();
            auto stream = std::move(*net.connect(where));
            stream->set_handler(&ready);
            ASSERT_EQ(stream->peer(), where);
            ASSERT_TRUE(until([&] { return ready.writable > 0; }));
            if (refuses) {
                ASSERT_EQ(stream->connect_error(), ECONNREFUSED);
            } else {
                ASSERT_EQ(stream->connect_error(), 0);
                char got[8];
                ASSERT_EQ(stream->read(got).status, IoStatus::would_block) << "bytes of another connection";
                ASSERT_EQ(stream->write("hello").bytes, 5u);  // The handshake's last acknowledgement rides on it.
                ASSERT_TRUE(until([&] { return met.streams.size() == 1; }));
                Ready heard;
                met.streams[0]->set_handler(&heard);
                ASSERT_TRUE(until([&] { return heard.readable > 0; }));
                ASSERT_EQ(met.streams[0]->read(got).bytes, 5u);
                // Closed by the peer, with bytes unread, or still standing.
                const auto manner = random.below(3);
                if (manner == 1) ASSERT_EQ(met.streams[0]->write("late").bytes, 4u);
                if (manner != 0) {
                    met.streams.clear();
                    settle();
                    stream->reset();
                } else {
                    heard.readable = 0;
                    stream->reset();
                    ASSERT_TRUE(until([&] { return heard.readable > 0; }));
                    ASSERT_EQ(met.streams[0]->read(got).status, IoStatus::failed) << "the peer was not told";
                    met.streams.clear();
                }
                ASSERT_EQ(stream->write("x").status, IoStatus::failed);
            }
            if (random.one_in(2)) stream->reset();
            else ends.push_back(std::move(stream));
        }
        for (auto& one : ends) one->reset();
        if (random.one_in(2)) settle();
    }
    EXPECT_LE(static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {})), before + static_cast<int>(SpareSockets::most_spare));
}

// What epoll still has to say of the last connection must not be taken for the next one's: that one waits for a
// listener whose queue is full, so nothing at all is to be told of it.
TEST_F(Net, NothingOfALastConnectionIsToldOfTheNextOnTheSameSocket) {
    const Descriptor full{socket(AF_INET, SOCK_STREAM, 0)};
    RawAddress raw = raw_address(loopback());
    ASSERT_EQ(bind(full.get(), &raw.address.any, raw.size), 0);
    ASSERT_EQ(listen(full.get(), 0), 0);
    ASSERT_EQ(getsockname(full.get(), &raw.address.any, &raw.size), 0);
    const SocketAddress silent = socket_address(raw);
    const Descriptor filling{socket(AF_INET, SOCK_STREAM, 0)};
    ASSERT_EQ(connect(filling.get(), &raw.address.any, raw.size), 0);
    // One of two whose events are collected together ends the other. The next connection is begun at once, with the
    // other's event still to be run; by a timer of the next turn, with what its end brought still to be run; or later.
    for (int later = 0; later < 4; ++later)
        for (int round = 0; round < 10; ++round) {
            SCOPED_TRACE(later);
            // A loop of its own: no other spare socket is there.
            const auto loop = make_loop();
            EpollNet net(*loop);
            const auto until = [&](const std::function<bool()>& done) { return loop->run_until(done, patience); };
            const auto settle = [&] { for (int i = 0; i < 3; ++i) loop->run_once(2ms); };
            Accepted accepted;
            auto listener = std::move(*net.listen({.address = loopback()}, accepted));
            std::unique_ptr<io::Stream> two[2], next;
            Ready ready[2], waiting;
            for (int i = 0; i < 2; ++i) {
                two[i] = std::move(*net.connect(listener->local()));
                two[i]->set_handler(&ready[i]);
            }
            ASSERT_TRUE(until([&] { return ready[0].writable > 0 && ready[1].writable > 0; }));
            for (auto& one : two) ASSERT_EQ(one->write("hello").bytes, 5u);
            ASSERT_TRUE(until([&] { return accepted.streams.size() == 2; }));
            struct Begin {
                std::move_only_function<void()> now;
                void fire() noexcept { now(); }
            } begin{[&] {
                next = std::move(*net.connect(silent));
                next->set_handler(&waiting);
            }};
            io::Timer timer(*loop, io::member_fire<&Begin::fire>, &begin);
            bool over = false;
            for (int i = 0; i < 2; ++i)
                ready[i].then = [&, i](io::Stream&, io::Readiness) {
                    if (std::exchange(over, true)) return;
                    two[1 - i]->reset();
                    if (later == 0) begin.now();
                    else timer.arm(loop->now());
                };
            for (auto& one : accepted.streams) ASSERT_EQ(one->write("both").bytes, 4u);
            for (int i = 0; i < later; ++i) settle();
            ASSERT_TRUE(until([&] { return next != nullptr; }));
            settle();
            ASSERT_EQ(waiting.notices, 0);
            next->reset();
            for (auto& one : two) one->reset();
            settle();
        }
}

TEST_F(Net, Ipv6AndMappedIpv4MeetOnOneListener) {
    Accepted accepted;
    auto listener = net.listen({.address = {}}, accepted);
    if (!listener) GTEST_SKIP() << "no IPv6 here";
    const std::uint16_t port = (*listener)->local().port;
    auto four = net.connect({.ip = Ip::v4(127, 0, 0, 1), .port = port});
    auto six = net.connect({.ip = *Ip::parse("::1"), .port = port});
    ASSERT_TRUE(four);
    if (!six) GTEST_SKIP() << "no IPv6 loopback here";
    ASSERT_TRUE(until([&] { return accepted.streams.size() == 2; }));
    EXPECT_EQ(accepted.streams[0]->peer().ip.is_v4() + accepted.streams[1]->peer().ip.is_v4(), 1);
}

TEST_F(Net, ReusePortSharesOnePort) {
    Accepted accepted;
    auto first = net.listen({.address = loopback(), .reuse_port = true}, accepted);
    ASSERT_TRUE(first);
    auto second = net.listen({.address = (*first)->local(), .reuse_port = true}, accepted);
    EXPECT_TRUE(second);
    auto third = net.listen({.address = (*first)->local()}, accepted);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Code::conflict);
    EXPECT_EQ(third.error().system, EADDRINUSE);
}

// ── Pulling the ground away ──────────────────────────────────────────────────────────────────────────────

TEST_F(Net, ACallbackMayDestroyAnyStreamOfTheSameTurn) {
    // Every pair (who destroys, who is destroyed) out of four streams that are all ready in one turn.
    for (std::size_t killer = 0; killer < 4; ++killer)
        for (std::size_t victim = 0; victim < 4; ++victim)
            for (bool handlers_first : {false, true}) {
                std::vector<Pair> pairs;
                for (int i = 0; i < 4; ++i) pairs.push_back(make_pair(*loop));
                settle();
                std::vector<std::unique_ptr<Ready>> ready(4);
                bool killed = false;
                for (std::size_t i = 0; i < 4; ++i) {
                    ready[i] = std::make_unique<Ready>();
                    ready[i]->then = [&, i](io::Stream&, io::Readiness) {
                        ASSERT_FALSE(killed && i == victim) << "told after its end";
                        if (i != killer || killed) return;
                        killed = true;
                        pairs[victim].server.reset();
                        if (victim != killer) ready[victim].reset();
                    };
                }
                // With handlers set late the notices come from the ring of put-off events, else from epoll.
                if (handlers_first)
                    for (std::size_t i = 0; i < 4; ++i) pairs[i].server->set_handler(ready[i].get());
                if (handlers_first) settle();
                if (killed) continue;
                for (Pair& pair : pairs) pair.client->write("x");
                if (!handlers_first) {
                    settle();
                    for (std::size_t i = 0; i < 4; ++i) pairs[i].server->set_handler(ready[i].get());
                }
                ASSERT_TRUE(until([&] { return killed; }));
                settle();
                for (std::size_t i = 0; i < 4; ++i)
                    if (i != victim) EXPECT_GE(ready[i]->readable, 1) << killer << victim << i;
            }
}

TEST_F(Net, APlaceTakenOverInTheSameTurnGetsNoEventOfItsPredecessor) {
    std::vector<Pair> pairs;
    for (int i = 0; i < 2; ++i) pairs.push_back(make_pair(*loop));
    Ready first, second, fresh;
    pairs[0].server->set_handler(&first);
    pairs[1].server->set_handler(&second);
    settle();
    first.notices = second.notices = 0;
    std::unique_ptr<io::Stream> successor;
    Accepted accepted;
    auto listener = net.listen({.address = loopback()}, accepted);
    // Whoever is told first destroys both and connects anew, which takes over place and descriptor.
    const auto replace = [&](io::Stream&, io::Readiness) {
        pairs[0].server.reset(), pairs[1].server.reset();
        successor = std::move(*net.connect((*listener)->local()));
        successor->set_handler(&fresh);
    };
    first.then = replace;
    second.then = replace;
    pairs[0].client->write("x"), pairs[1].client->write("x");
    ASSERT_TRUE(until([&] { return successor != nullptr; }));
    EXPECT_EQ(first.notices + second.notices, 1);
    EXPECT_EQ(fresh.notices, 0);
    ASSERT_TRUE(until([&] { return fresh.writable == 1; }));
    EXPECT_EQ(fresh.readable, 0);
}

TEST_F(Net, OnAcceptMayDestroyTheListener) {
    Accepted accepted;
    auto listener = net.listen({.address = loopback()}, accepted);
    std::vector<std::unique_ptr<io::Stream>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(std::move(*net.connect((*listener)->local())));
    accepted.then = [&] { listener->reset(); };
    ASSERT_TRUE(until([&] { return !accepted.streams.empty(); }));
    settle();
    EXPECT_EQ(accepted.streams.size(), 1u);
}

TEST_F(Net, AcceptsAtMost64PerTurnAndLosesNone) {
    Accepted accepted;
    auto listener = net.listen({.address = loopback()}, accepted);
    std::vector<std::unique_ptr<io::Stream>> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(std::move(*net.connect((*listener)->local())));
    std::size_t most = 0, before = 0;
    ASSERT_TRUE(until([&] {
        most = std::max(most, accepted.streams.size() - before);
        before = accepted.streams.size();
        return before == 200;
    }));
    EXPECT_EQ(most, 64u);
}

TEST_F(Net, OutOfDescriptorsItPausesSaysSoOnceAndGoesOn) {
    Accepted accepted;
    auto listener = net.listen({.address = loopback()}, accepted);
    std::vector<std::unique_ptr<io::Stream>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(std::move(*net.connect((*listener)->local())));

    // UBSan opens a pipe the first time it meets a type, which would fail below: it meets the timer's now.
    io::Timer timer(*loop, [](void*) noexcept {}, nullptr);
    timer.arm(loop->now() + 1h);
    timer.disarm();
    static int said = 0;
    said = 0;
    set_log_sink([](LogLevel level, std::string_view) { said += level == LogLevel::error; });
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    // The next free number is the first one forbidden.
    const int next = dup(0);
    close(next);
    rlimit lowered = before;
    lowered.rlim_cur = static_cast<rlim_t>(next);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lowered), 0);

    ASSERT_TRUE(until([&] { return said > 0; }));
    auto refused = net.connect((*listener)->local());
    const Instant paused = loop->now();
    const auto three_pauses = [&] { return loop->now() - paused > 3 * EpollNet::accept_pause; };
    const bool waited = until(three_pauses);
    setrlimit(RLIMIT_NOFILE, &before);
    set_log_sink([](LogLevel, std::string_view) {});

    EXPECT_TRUE(waited);
    EXPECT_TRUE(accepted.streams.empty());
    EXPECT_EQ(said, 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().system, EMFILE);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    ASSERT_TRUE(until([&] { return accepted.streams.size() == 3; }));
}

// ── Unix sockets ─────────────────────────────────────────────────────────────────────────────────────────

TEST_F(Net, UnixSocketCarriesBytesModeAndCredentials) {
    const TemporaryDirectory directory;
    const SocketAddress at{.path = directory / "s"};
    Accepted accepted;
    auto listener = net.listen({.address = at, .unix_mode = 0660}, accepted);
    ASSERT_TRUE(listener) << listener.error().text;
    struct stat file{};
    ASSERT_EQ(stat(at.path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0660u);
    auto client = net.connect(at);
    ASSERT_TRUE(client);
    ASSERT_TRUE(until([&] { return !accepted.streams.empty(); }));
    const auto who = accepted.streams[0]->credentials();
    ASSERT_TRUE(who);
    EXPECT_EQ(who->uid, getuid());
    EXPECT_EQ(who->gid, getgid());
    EXPECT_EQ(who->groups.size(), static_cast<std::size_t>(getgroups(0, nullptr)));
    EXPECT_TRUE(accepted.streams[0]->peer().is_unix());
    (*client)->write("hello");
    std::string got;
    ASSERT_TRUE(until([&] { return (got += drain(*accepted.streams[0])) == "hello"; }));
    listener->reset();
    EXPECT_NE(access(at.path.c_str(), F_OK), 0) << "the file goes with the listener";
}

TEST_F(Net, AFullBacklogOfAUnixSocketIsToldAtOnce) {
    const TemporaryDirectory directory;
    const SocketAddress at{.path = directory / "s"};
    Accepted accepted;
    auto listener = net.listen({.address = at, .backlog = 1}, accepted);
    ASSERT_TRUE(listener);
    // Nobody accepts while the loop stands still.
    std::vector<std::unique_ptr<io::Stream>> clients;
    auto next = net.connect(at);
    for (; next && clients.size() < 10; next = net.connect(at)) clients.push_back(std::move(*next));
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().system, EAGAIN);
    EXPECT_EQ(next.error().code, Code::exhausted);
    ASSERT_TRUE(until([&] { return accepted.streams.size() == clients.size(); }));
}

TEST_F(Net, UnixSocketIsReplacedOnlyWhenNobodyAnswers) {
    const TemporaryDirectory directory;
    const SocketAddress at{.path = directory / "s"};
    Accepted accepted;
    auto alive = net.listen({.address = at}, accepted);
    ASSERT_TRUE(alive) << alive.error().text;
    auto second = net.listen({.address = at}, accepted);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    alive->reset();

    // What a killed daemon leaves: a file without a listener.
    const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un raw{.sun_family = AF_UNIX, .sun_path = {}};
    at.path.view().copy(raw.sun_path, sizeof raw.sun_path - 1);
    ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&raw), sizeof raw), 0);
    close(dead);
    auto refused = net.connect(at);
    ASSERT_TRUE(refused) << "a refusal is told later";
    Ready ready;
    (*refused)->set_handler(&ready);
    ASSERT_TRUE(until([&] { return ready.writable == 1; }));
    EXPECT_EQ((*refused)->connect_error(), ECONNREFUSED);
    auto replaced = net.listen({.address = at}, accepted);
    ASSERT_TRUE(replaced) << replaced.error().text;

    // A file that is no socket is nobody's to remove.
    const std::string plain = directory / "plain";
    close(open(plain.c_str(), O_CREAT | O_WRONLY, 0600));
    EXPECT_FALSE(net.listen({.address = {.path = plain}}, accepted));
    EXPECT_EQ(access(plain.c_str(), F_OK), 0);
    EXPECT_FALSE(net.listen({.address = {.path = std::string(200, 'x')}}, accepted));
}

// ---- Datagrams ----

struct HeardDatagrams final : io::DatagramHandler {
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

// A plain socket of the other side, on a port of the kernel's choice.
struct UdpPeer {
    UdpPeer() {
        RawAddress raw = raw_address(loopback());
        HALE_CHECK(socket && bind(socket.get(), &raw.address.any, raw.size) == 0);
        raw.size = sizeof raw.address;
        HALE_CHECK(getsockname(socket.get(), &raw.address.any, &raw.size) == 0);
        address = socket_address(raw);
    }
    std::string receive() {
        char bytes[1000];
        from.size = sizeof from.address;
        const auto got = recvfrom(socket.get(), bytes, sizeof bytes, MSG_DONTWAIT, &from.address.any, &from.size);
        return got < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(got));
    }
    void answer(std::string_view bytes) {
        HALE_CHECK(sendto(socket.get(), bytes.data(), bytes.size(), 0, &from.address.any, from.size) == static_cast<ssize_t>(bytes.size()));
    }
    Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    SocketAddress address;
    RawAddress from;
};

TEST_F(Net, DatagramsComeWholeAndOnlyFromThePeer) {
    UdpPeer peer, stranger;
    HeardDatagrams heard;
    heard.socket = *net.datagrams(peer.address, heard);
    EXPECT_EQ(heard.socket->send("ask"), 0);
    std::string got;
    ASSERT_TRUE(until([&] { return (got = peer.receive()) != "nothing"; }));
    EXPECT_EQ(got, "ask");
    stranger.from = peer.from;
    stranger.answer("from a stranger");
    peer.answer("one");
    peer.answer("");
    peer.answer(std::string(3000, 'x'));
    ASSERT_TRUE(until([&] { return heard.bytes.size() == 3; }));
    settle();
    EXPECT_EQ(heard.bytes, (std::vector<std::string>{"one", "", std::string(3000, 'x')}));
    // More than one turn takes, then closed within its own notice.
    heard.bytes.clear();
    for (int i = 0; i < 100; ++i) peer.answer("many");
    ASSERT_TRUE(until([&] { return heard.bytes.size() == 100; }));
    heard.close_at_first = true;
    for (int i = 0; i < 3; ++i) peer.answer("last");
    ASSERT_TRUE(until([&] { return heard.socket == nullptr; }));
    EXPECT_EQ(heard.bytes.size(), 101u);
}

TEST_F(Net, DatagramsToNobodyAreRefused) {
    auto peer = std::make_unique<UdpPeer>();
    const SocketAddress nobody = peer->address;
    peer.reset();
    HeardDatagrams heard;
    heard.socket = *net.datagrams(nobody, heard);
    EXPECT_EQ(heard.socket->send("ask"), 0);
    ASSERT_TRUE(until([&] { return heard.refused != 0; }));
    EXPECT_EQ(heard.refused, ECONNREFUSED);
}

}  // namespace
}  // namespace hale::os
