// Goal: whatever a server does, a fetch answers exactly once and in its time: with the whole answer, or with a sentence that
// names what was asked and what happened; half an answer is never taken for one, and nothing stays open.
// Method: a scripted server in the simulator: its answer split at every byte, cut after every byte, stalled at every stage,
// over every limit; names with dead addresses; TLS with certificates of an authority of our own; each operation of the
// network failing once.

#include "acme/fetch.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cerrno>

#include "acme/scripted_server.h"
#include "acme/test_surroundings.h"
#include "sim/resolver.h"
#include "tests/support/seed.h"
#include "tls/doors.h"
#include "tls/server_context.h"
#include "tls/testing.h"

namespace hale::acme {
namespace {

const std::string good = "HTTP/1.1 201 Created\r\nLocation: /order/7\r\nReplay-Nonce: n-1\r\nRetry-After: 30\r\nContent-Length: 5\r\n\r\nhello";

struct World {
    explicit World(std::uint64_t seed = 3) : world(seed), loop(world.make_loop("fetching")) {
        names.set("ca.example", {"10.0.0.2"});
        server = std::make_unique<ScriptedServer>(world, network, "server", 80);
        server->pieces = {good};
    }
    ~World() {
        loop.run([&] { fetch.reset(); });
        server.reset();
        world.run_for(5min);
        EXPECT_EQ(network.leaks(), "");
    }

    void start(FetchRequest request) {
        answers = 0;
        loop.run([&] {
            fetch = std::make_unique<Fetch>(ways);
            fetch->start(std::move(request), [this](Result<Answer> came) {
                ++answers;
                answer = std::move(came);
                at = world.now();
            });
            EXPECT_EQ(answers, 0) << "answered within the call";
        });
    }
    // One fetch, and what came of it.
    Result<Answer> ask(FetchRequest request = {.url = "http://ca.example/new"}) {
        const Instant began = world.now();
        const Duration patience = request.patience;
        start(std::move(request));
        EXPECT_TRUE(world.run_until([&] { return answers > 0; }, patience + 1s));
        took = at - began;
        loop.run([&] { fetch.reset(); });
        world.run_for(1s);
        EXPECT_EQ(answers, 1);
        return answer;
    }
    std::string sentence(FetchRequest request = {.url = "http://ca.example/new"}) {
        const auto came = ask(std::move(request));
        return came ? fmt::format("status {}", came->status) : came.error().text;
    }

    sim::World world;
    struct Machines : sim::Network {
        explicit Machines(sim::World& in) : sim::Network(in) {
            add_host("hale", {"10.0.0.1"});
            add_host("server", {"10.0.0.2", "10.0.0.3"});
        }
    } network{world};
    sim::Names names;
    sim::Loop& loop;
    sim::Resolver resolver{names, loop};
    NoTls no_tls;
    tls::Doors doors{loop};
    http::Scratch scratch;
    Ways ways{loop, network.net("hale", loop), resolver, no_tls, scratch, "hale/test"};
    std::unique_ptr<ScriptedServer> server;
    std::unique_ptr<Fetch> fetch;
    int answers = 0;
    Result<Answer> answer = fail(Code::internal, "none came");
    Instant at{};
    Duration took{};
};

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

TEST(Fetch, AsksAndReadsWhatTheMachinesLookAt) {
    World w;
    const auto answer = w.ask({.method = "POST", .url = "http://CA.example:80/new?a=b", .content_type = "application/jose+json", .body = "{\"x\":1}", .accept = "application/pem"});
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->body, "hello");
    EXPECT_EQ(answer->location, "http://ca.example/order/7");  // Of a relative one, what it means here.
    EXPECT_EQ(answer->nonce, "n-1");
    EXPECT_EQ(answer->retry_after, Duration(30s));
    ASSERT_EQ(w.server->requests.size(), 1u);
    EXPECT_EQ(w.server->requests.front(),
              "POST /new?a=b HTTP/1.1\r\nHost: ca.example\r\nUser-Agent: hale/test\r\nConnection: close\r\nAccept: application/pem\r\n"
              "Content-Type: application/jose+json\r\nContent-Length: 7\r\n\r\n{\"x\":1}");
    // Without a body nothing is said of one, but that a POST has none.
    ASSERT_TRUE(w.ask());
    EXPECT_FALSE(holds(w.server->requests.back(), "Content"));
    ASSERT_TRUE(w.ask({.method = "POST", .url = "http://ca.example/"}));
    EXPECT_TRUE(holds(w.server->requests.back(), "Content-Length: 0\r\n"));
    EXPECT_FALSE(holds(w.server->requests.back(), "Content-Type"));
}

TEST(Fetch, TakesTheSameAnswerHoweverItIsSplit) {
    const std::string chunked = "HTTP/1.1 201 Created\r\nLocation: /order/7\r\nReplay-Nonce: n-1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
    const std::string until_end = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nLocation: /order/7\r\nReplay-Nonce: n-1\r\n\r\nhello";
    for (const std::string& whole : {good, chunked, until_end}) {
        World w;
        for (std::size_t at = 0; at <= whole.size(); ++at) {
            w.server->pieces = {whole.substr(0, at), whole.substr(at)};
            const auto answer = w.ask();
            ASSERT_TRUE(answer) << at << ": " << answer.error().text;
            ASSERT_EQ(answer->body, "hello") << at;
            ASSERT_EQ(answer->location, "http://ca.example/order/7") << at;
            ASSERT_EQ(answer->nonce, "n-1") << at;
        }
        // Every byte alone.
        w.server->pieces.clear();
        for (const char c : whole) w.server->pieces.emplace_back(1, c);
        EXPECT_EQ(w.sentence(), "status 201");
    }
}

TEST(Fetch, NeverTakesHalfAnAnswerForOne) {
    for (const auto how : {ScriptedServer::Then::close, ScriptedServer::Then::reset}) {
        World w;
        w.server->then = how;
        for (std::size_t at = 0; at < good.size(); ++at) {
            w.server->pieces = {good.substr(0, at)};
            const auto answer = w.ask();
            ASSERT_FALSE(answer) << at;
            EXPECT_EQ(answer.error().code, Code::unavailable);
            EXPECT_TRUE(answer.error().text.starts_with("GET http://ca.example/new: ")) << answer.error().text;
            EXPECT_LT(w.took, Duration(1s)) << at;
        }
    }
}

TEST(Fetch, GivesUpAtItsDeadlineWhereverItStands) {
    World w;
    w.server->then = ScriptedServer::Then::hold;
    for (const std::size_t at : {std::size_t{0}, std::size_t{9}, good.size() - 1}) {
        w.server->pieces = {good.substr(0, at)};
        const auto answer = w.ask({.url = "http://ca.example/new", .patience = 7s});
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Code::timed_out);
        EXPECT_EQ(answer.error().text, "GET http://ca.example/new: no whole answer within 7.0 s");
        EXPECT_EQ(w.took, Duration(7s));
    }
    // A byte now and then buys no time.
    w.server->pieces.assign(1000, "x");
    w.server->pieces.front() = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    w.server->between = 1s;
    EXPECT_EQ(w.sentence({.url = "http://ca.example/new", .patience = 7s}), "GET http://ca.example/new: no whole answer within 7.0 s");
    EXPECT_EQ(w.took, Duration(7s));
    w.names.at("ca.example").silent = true;
    const auto unresolved = w.ask({.url = "http://ca.example/new", .patience = 7s});
    ASSERT_FALSE(unresolved);
    EXPECT_LE(w.took, Duration(7s));
    w.network.set_faults({.silent = 1});
    EXPECT_EQ(w.sentence({.url = "http://10.0.0.2/new", .patience = 7s}), "GET http://10.0.0.2/new: no connection within 7.0 s");
    EXPECT_EQ(w.took, Duration(7s));
}

TEST(Fetch, BoundsWhatAServerCouldMakeEndless) {
    World w;
    const std::string body(most_answer_bytes, 'b');
    const auto head = [](std::size_t length) { return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", length); };
    w.server->pieces = {head(body.size()), body};
    const auto most = w.ask();
    ASSERT_TRUE(most) << most.error().text;
    EXPECT_EQ(most->body.size(), body.size());
    for (const bool told : {true, false}) {
        w.server->pieces = {told ? head(body.size() + 1) : "HTTP/1.1 200 OK\r\n\r\n", body, "b"};
        const auto more = w.ask();
        ASSERT_FALSE(more);
        EXPECT_EQ(more.error().code, Code::exhausted);
        EXPECT_EQ(more.error().text, "GET http://ca.example/new: the answer is longer than 1048576 bytes");
    }
    w.server->pieces.assign(64, "X-Long: " + std::string(1024, 'x') + "\r\n");
    w.server->pieces.insert(w.server->pieces.begin(), "HTTP/1.1 200 OK\r\n");
    EXPECT_FALSE(w.ask());
    w.server->pieces.assign(1000, "HTTP/1.1 103 Early Hints\r\n\r\n");
    EXPECT_FALSE(w.ask());
    EXPECT_LT(w.took, Duration(5s));
    for (const std::string_view nonsense : {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2000 Many\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\x16\x03\x01\x00\x05hello"}) {
        w.server->pieces = {std::string(nonsense)};
        const auto answer = w.ask();
        ASSERT_FALSE(answer) << nonsense;
        EXPECT_EQ(answer.error().code, Code::unavailable);
    }
}

TEST(Fetch, FollowsNoRedirectAndTellsWhereItLeads) {
    World w;
    for (const int status : {301, 302, 307, 308}) {
        w.server->pieces = {fmt::format("HTTP/1.1 {} Elsewhere\r\nLocation: http://10.9.9.9/other\r\nContent-Length: 0\r\n\r\n", status)};
        const auto answer = w.ask();
        ASSERT_TRUE(answer) << answer.error().text;
        EXPECT_EQ(answer->status, status);
        EXPECT_FALSE(answer->ok());
        EXPECT_EQ(answer->location, "http://10.9.9.9/other");
    }
    EXPECT_EQ(w.server->accepted, 4);
}

TEST(Fetch, RefusesWhatIsNoUrlOfHttp) {
    World w;
    for (const std::string_view url : {"", "ca.example", "ftp://ca.example/", "http://", "http://ca.example:99999/", "http://ca.example/a b", "http://ca.example/\r\nX: y"}) {
        const auto answer = w.ask({.url = std::string(url)});
        ASSERT_FALSE(answer) << url;
        EXPECT_EQ(answer.error().code, Code::invalid) << answer.error().text;
        EXPECT_EQ(w.took, Duration{0});
    }
    EXPECT_EQ(w.server->accepted, 0);
}

TEST(Fetch, TriesTheNamesAddressesOneAfterTheOther) {
    World w;
    w.server.reset();
    w.server = std::make_unique<ScriptedServer>(w.world, w.network, "server", 80, *Ip::parse("10.0.0.3"));
    w.server->pieces = {good};
    w.names.set("ca.example", {"10.0.0.2", "10.0.0.3"});
    EXPECT_EQ(w.sentence(), "status 201");
    // Of many that are dead, four; the last one's sentence is told.
    w.names.set("dead.example", {"10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.3"});
    EXPECT_EQ(w.sentence({.url = "http://dead.example/"}), "GET http://dead.example/: connect to 10.0.0.2:80: connection refused");
    EXPECT_EQ(w.sentence({.url = "http://10.0.0.3/"}), "status 201");
    EXPECT_EQ(w.server->accepted, 2);
    const auto unknown = w.ask({.url = "http://nowhere.example/"});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::not_found);
    EXPECT_TRUE(unknown.error().text.starts_with("GET http://nowhere.example/: ")) << unknown.error().text;
    // A connection that broke after the request was sent is not sent elsewhere: the server may have heard it.
    w.names.set("ca.example", {"10.0.0.3", "10.0.0.2"});
    w.server->pieces = {};
    EXPECT_FALSE(w.ask());
    EXPECT_EQ(w.server->accepted, 3);
}

TEST(Fetch, AnswersOnceWhicheverOperationOfTheNetworkFails) {
    World w;
    w.server->pieces = {good.substr(0, 40), good.substr(40)};
    for (std::uint64_t nth = 1; nth <= 6; ++nth)
        for (const int error : {EMFILE, ECONNRESET, ENOBUFS}) {
            sim::Net& net = w.network.net("hale", w.loop);
            net.fail_nth(nth, error);
            const auto answer = w.ask();
            if (!answer) EXPECT_TRUE(answer.error().text.starts_with("GET http://ca.example/new: ")) << answer.error().text;
            else EXPECT_EQ(answer->body, "hello");
        }
    w.network.net("hale", w.loop).fail_nth(1'000'000, EMFILE);
    EXPECT_EQ(w.sentence(), "status 201");
}

TEST(Fetch, EndsUnheardWhenItIsDestroyedAtAnyMoment) {
    for (int us = 0; us < 3000; us += 53) {
        World w;
        w.server->pieces = {good.substr(0, 30), good.substr(30)};
        w.server->between = 1ms;
        w.start({.url = "http://ca.example/new"});
        w.world.run_for(std::chrono::microseconds(us));
        const int before = w.answers;
        w.loop.run([&] { w.fetch.reset(); });
        w.world.run_for(1min);
        EXPECT_EQ(w.answers, before) << us;
    }
}

TEST(Fetch, ReadsUnderEveryFaultOfTheWay) {
    const auto seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    World w(seed);
    w.network.set_faults({.jitter = 5ms, .loss = 0.05, .one_byte_reads = 0.3, .short_read = 0.3, .short_write = 0.3, .spurious_notice = 0.3});
    w.server->pieces = {good.substr(0, 50), good.substr(50)};
    for (int i = 0; i < 50; ++i) EXPECT_EQ(w.sentence(), "status 201") << i;
}

// The same over TLS.
struct Secured : World {
    Secured() : authority(world.utc()) {
        secured = std::make_unique<ScriptedServer>(world, network, "server", 443);
        secured->pieces = {good};
        secured->tls = context.get();
        show({.names = {"DNS:ca.example"}});
    }
    ~Secured() { secured.reset(); }
    void show(const tls::Authority::Wanted& wanted) {
        const auto issued = authority.issue(wanted);
        context->set_credentials({*tls::Credentials::parse(issued.chain, issued.key, "test", world.utc() + (wanted.from + wanted.until) / 2)});
    }
    FetchRequest request(Duration patience = 10s) const {
        io::TlsSpec spec;
        spec.ca_pem = authority.pem();
        return {.url = "https://ca.example/new", .tls = std::make_shared<const io::TlsSpec>(std::move(spec)), .patience = patience};
    }
    Result<Answer> ask_secured(FetchRequest what) {
        Ways over{loop, network.net("hale", loop), resolver, doors, scratch, "hale/test"};
        int came = 0;
        Result<Answer> out = fail(Code::internal, "none came");
        const Duration patience = what.patience;
        loop.run([&] {
            fetch = std::make_unique<Fetch>(over);
            fetch->start(std::move(what), [&](Result<Answer> one) {
                ++came;
                out = std::move(one);
            });
        });
        EXPECT_TRUE(world.run_until([&] { return came > 0; }, patience + 1s));
        loop.run([&] { fetch.reset(); });
        return out;
    }

    tls::Authority authority;
    std::shared_ptr<tls::ServerContext> context = *tls::ServerContext::create({});
    std::unique_ptr<ScriptedServer> secured;
};

TEST(FetchOverTls, AsksWhomItMayBelieve) {
    Secured w;
    const auto answer = w.ask_secured(w.request());
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->body, "hello");
    EXPECT_EQ(answer->location, "https://ca.example/order/7");
    for (std::size_t at = 0; at < good.size(); at += 7) {
        w.secured->pieces = {good.substr(0, at), good.substr(at)};
        EXPECT_TRUE(w.ask_secured(w.request())) << at;
    }
}

TEST(FetchOverTls, SaysNothingToWhomItDoesNotBelieve) {
    Secured w;
    // Of an authority that this machine does not know.
    FetchRequest usual = w.request();
    usual.tls = nullptr;
    const auto stranger = w.ask_secured(std::move(usual));
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().code, Code::unavailable);
    EXPECT_TRUE(holds(stranger.error().text, "GET https://ca.example/new: TLS with 10.0.0.2:443: ")) << stranger.error().text;
    EXPECT_TRUE(holds(stranger.error().text, "certificate verify failed")) << stranger.error().text;
    w.show({.names = {"DNS:other.example"}});
    EXPECT_FALSE(w.ask_secured(w.request()));
    w.show({.names = {"DNS:ca.example"}, .from = -48h, .until = -24h});
    const auto expired = w.ask_secured(w.request());
    ASSERT_FALSE(expired);
    EXPECT_TRUE(holds(expired.error().text, "expired")) << expired.error().text;
    EXPECT_TRUE(w.secured->requests.empty());
}

TEST(FetchOverTls, MeetsPlainHttpSilenceAndCuts) {
    Secured w;
    w.secured->tls = nullptr;  // Plain HTTP behind the port of https: what it hears is no request.
    EXPECT_EQ(w.ask_secured(w.request(3s)).error().text, "GET https://ca.example/new: the TLS handshake was not over within 3.0 s");
    w.secured->resets_at_accept = true;
    const auto cut = w.ask_secured(w.request());
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::unavailable);
    w.secured->resets_at_accept = false;
    w.secured->tls = w.context.get();
    w.secured->then = ScriptedServer::Then::reset;
    for (std::size_t at = 0; at < good.size(); at += 11) {
        w.secured->pieces = {good.substr(0, at)};
        EXPECT_FALSE(w.ask_secured(w.request())) << at;
    }
}

}  // namespace
}  // namespace hale::acme
