// Goal: TLS is a Stream like any other: whatever pieces the bytes come in and whatever fails below, what was written
// comes out unchanged or the failure is told once and in words; whoever must not be believed is not, and why is said.
// Method: both ends over one simulated pipe, certificates of an authority of our own; every split of the bytes, the Nth
// operation failing for every N; each way in which a certificate can be wrong.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cerrno>
#include <functional>
#include <map>
#include <tuple>

#include "sim/byte_pipe.h"
#include "sim/world.h"
#include "tls/client_context.h"
#include "tls/server_context.h"
#include "tls/testing.h"
#include "tls/turnstile.h"

namespace hale::tls {
namespace {

using io::IoStatus;

// Reads all that comes, and writes what it is given as room is there.
struct End final : io::StreamHandler {
    std::string got;
    std::string_view to_write;
    bool ended = false, writable = false;
    int error = 0, notices = 0;
    std::size_t read_size = 4096;

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override {
        ++notices;
        if (ready.writable) {
            writable = true;
            if (const int failed = stream.connect_error(); failed != 0) {
                error = failed;
                return;
            }
            write(stream);
        }
        std::string buffer(read_size, '\0');
        for (;;) {
            const auto result = stream.read(buffer);
            if (result.status == IoStatus::end) ended = true;
            if (result.status == IoStatus::failed) error = result.error;
            if (result.status != IoStatus::ok) return;
            got.append(buffer, 0, result.bytes);
            if (result.bytes < buffer.size()) return;  // As the contract says: a notice comes when there is more.
        }
    }
    void write(io::Stream& stream) {
        while (!to_write.empty()) {
            const auto result = stream.write(to_write);
            if (result.status == IoStatus::failed) error = result.error;
            if (result.status != IoStatus::ok) return;
            to_write.remove_prefix(result.bytes);
        }
    }
};

struct Bench {
    explicit Bench(sim::PipeOptions pipe = {}) {
        auto [left, right] = sim::make_pipe(world, pipe);
        ours = std::move(left);
        theirs = std::move(right);
        certificate = authority.issue({.names = {"DNS:www.example", "DNS:*.wild.example", "IP:10.0.0.7"}});
        server_context = *ServerContext::create({});
        show({certificate});
    }
    static CredentialsPtr credentials(const Issued& issued, Utc now) {
        return *Credentials::parse(issued.chain, issued.key, "test", now);
    }
    void show(const std::vector<Issued>& all) {
        std::vector<CredentialsPtr> list;
        for (const auto& one : all) list.push_back(credentials(one, world.utc()));
        server_context->set_credentials(std::move(list));
    }
    void begin(const std::string& name = "www.example", ClientOptions options = {}) {
        if (options.ca_pem.empty()) options.ca_pem = authority.pem();
        world.loop().run([&] {
            client_context = *ClientContext::create(options);
            server = server_context->accept(world.loop(), std::move(theirs));
            client = client_context->secure(world.loop(), std::move(ours), name);
            server->set_handler(&server_end);
            client->set_handler(&client_end);
        });
    }
    bool until(const std::function<bool()>& done) { return world.run_until(done, 60s); }
    bool open() {
        return until([&] { return client_end.writable && server_end.writable; });
    }
    // What the client was told in the end.
    std::string refusal() {
        until([&] { return client_end.error != 0; });
        return client->failure();
    }

    sim::World world{7};
    Authority authority{world.utc()};
    Issued certificate;
    std::unique_ptr<io::Stream> ours, theirs;
    std::shared_ptr<ServerContext> server_context;
    std::shared_ptr<const ClientContext> client_context;
    std::unique_ptr<io::SecureStream> server, client;
    End server_end, client_end;
};

std::string made_up(std::size_t size) {
    std::string text(size, '\0');
    Random random(size + 1);
    for (char& c : text) c = static_cast<char>(random.next());
    return text;
}

TEST(Tls, CarriesBytesUnchangedInWhateverPiecesTheyCome) {
    const std::string up = made_up(70'000), down = made_up(50'001);
    for (const std::uint64_t piece :
         {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{5}, std::uint64_t{17}, std::uint64_t{1000}, sim::no_limit})
        for (const std::uint64_t window : {1'000u, 65'536u}) {
            SCOPED_TRACE(fmt::format("{} bytes at a time, window {}", piece, window));
            auto faults = std::make_shared<sim::PipeFaults>();
            faults->most_per_read = faults->most_per_write = piece;
            Bench bench({.left = faults, .right = faults, .window = window});
            bench.client_end.to_write = up;
            bench.server_end.to_write = down;
            bench.client_end.read_size = piece == 1 ? 3 : 4096;
            bench.begin();
            ASSERT_TRUE(bench.until([&] {
                return bench.server_end.got.size() == up.size() && bench.client_end.got.size() == down.size();
            })) << bench.server_end.got.size()
                << " and " << bench.client_end.got.size() << ": " << bench.client->failure() << bench.server->failure();
            EXPECT_TRUE(bench.server_end.got == up && bench.client_end.got == down);
            EXPECT_EQ(bench.client->version(), "TLSv1.3");
            EXPECT_EQ(bench.server->server_name(), "www.example");
            bench.world.loop().run([&] { bench.client->shutdown_write(); });
            EXPECT_TRUE(bench.until([&] { return bench.server_end.ended; }));
            EXPECT_EQ(bench.server_end.error, 0);
        }
}

TEST(Tls, TheNthOperationMayFailAndIsToldOnce) {
    const std::string up = made_up(40'000);
    std::uint64_t operations = 0;
    {
        auto counted = std::make_shared<sim::PipeFaults>();
        Bench bench({.left = counted});
        bench.client_end.to_write = up;
        bench.begin();
        ASSERT_TRUE(bench.until([&] { return bench.server_end.got == up; }));
        operations = counted->operations;
    }
    ASSERT_GT(operations, 5u);
    for (std::uint64_t n = 1; n <= operations; ++n) {
        SCOPED_TRACE(n);
        auto faults = std::make_shared<sim::PipeFaults>();
        faults->fail_operation = n;
        Bench bench({.left = faults});
        bench.client_end.to_write = up;
        bench.begin();
        ASSERT_TRUE(bench.until([&] { return bench.client_end.error != 0 || bench.server_end.got == up; }));
        EXPECT_TRUE(up.starts_with(bench.server_end.got));
        if (bench.client_end.error != 0) EXPECT_FALSE(bench.client->failure().empty());
    }
}

TEST(Tls, ACutEndIsAFailureAndASaidOneIsNone) {
    for (const bool said : {true, false}) {
        Bench bench;
        bench.server_end.to_write = "half an answer";
        bench.begin();
        ASSERT_TRUE(bench.until([&] { return bench.client_end.got == "half an answer"; }));
        bench.world.loop().run([&] {
            if (said)
                bench.server.reset();
            else
                bench.server->reset();
        });
        ASSERT_TRUE(bench.until([&] { return bench.client_end.ended || bench.client_end.error != 0; }));
        EXPECT_EQ(bench.client_end.ended, said);
        EXPECT_EQ(bench.client_end.error != 0, !said);
    }
}

TEST(Tls, ShowsTheCertificateOfTheNameAskedFor) {
    for (const auto& [name, shown] :
         {std::pair{"www.example", "www.example"}, std::pair{"other.example", "other.example"},
          std::pair{"a.wild.example", "www.example"}, std::pair{"10.0.0.7", "www.example"}}) {
        SCOPED_TRACE(name);
        Bench bench;
        const Issued second = bench.authority.issue({.names = {"DNS:other.example"}});
        bench.show({bench.certificate, second});
        bench.begin(name);
        ASSERT_TRUE(bench.open()) << bench.client->failure();
        EXPECT_EQ(bench.client->connect_error(), 0) << bench.client->failure();
        ASSERT_TRUE(bench.client->peer_certificate());
        EXPECT_EQ(bench.client->peer_certificate()->names.front(), shown);
    }
}

TEST(Tls, BelievesNobodyWhoMustNotBeBelievedAndSaysWhy) {
    struct Case {
        Authority::Wanted wanted;
        std::string name;
        bool stranger;
        std::string_view why;
    };
    const Case cases[] = {
        {{.names = {"DNS:www.example"}}, "elsewhere.example", false, "hostname mismatch"},
        {{.names = {"DNS:www.example"}}, "10.0.0.7", false, "IP address mismatch"},
        {{.names = {"DNS:*.example"}}, "a.b.example", false, "hostname mismatch"},
        {{.names = {"DNS:www.example"}}, "www.example", true, "unable to get local issuer certificate"}};
    for (const auto& one : cases)
        for (const bool verify : {true, false}) {
            SCOPED_TRACE(fmt::format("{} {}", one.name, one.why));
            Bench bench;
            Authority stranger(bench.world.utc(), "CN=Stranger");
            bench.show({(one.stranger ? stranger : bench.authority).issue(one.wanted)});
            bench.begin(one.name, {.verify = verify});
            if (verify) {
                EXPECT_NE(bench.refusal().find("certificate verify failed"), std::string::npos)
                    << bench.client->failure();
                EXPECT_NE(bench.client->failure().find(one.why), std::string::npos) << bench.client->failure();
                EXPECT_EQ(bench.client_end.error, EPROTO);
            } else {
                ASSERT_TRUE(bench.open()) << bench.client->failure();
                EXPECT_EQ(bench.client_end.error, 0);
                EXPECT_EQ(bench.client->peer_certificate()->fingerprint.size(), 64u);
                EXPECT_EQ(bench.client->peer_certificate()->key_pin.size(), 64u);
            }
        }
    // By the loop's clock: the certificate was good when it was loaded.
    Bench bench;
    bench.world.step_wall(24h * 365);
    bench.begin();
    EXPECT_NE(bench.refusal().find("certificate has expired"), std::string::npos) << bench.client->failure();
}

TEST(Tls, AgreesOnAProtocolOrOnNone) {
    for (const auto& [offered, agreed] :
         {std::pair<std::vector<std::string>, std::string>{{"h2", "http/1.1"}, "http/1.1"},
          {{}, ""},
          {{"spdy"}, "refused"}}) {
        Bench bench;
        bench.begin("www.example", {.alpn = offered});
        if (agreed == "refused") {
            EXPECT_NE(bench.refusal().find("no application protocol"), std::string::npos) << bench.client->failure();
            continue;
        }
        ASSERT_TRUE(bench.open());
        EXPECT_EQ(bench.client->alpn(), agreed);
        EXPECT_EQ(bench.server->alpn(), agreed);
    }
}

TEST(Tls, ShowsAProofToValidatorsAndToNobodyElse) {
    struct Case {
        std::vector<std::string> offered;
        std::string name, seen;  // Whose certificate is shown; empty: refused.
    };
    for (const Case& one : {Case{{"acme-tls/1"}, "www.example", "proof"}, {{"acme-tls/1", "http/1.1"}, "www.example", "www"}, {{"http/1.1"}, "www.example", "www"},
                            {{}, "www.example", "www"}, {{"acme-tls/1"}, "other.example", ""}}) {
        Bench bench;
        // By its own name, so that it can be told apart.
        const auto proof = bench.authority.issue({.names = {"DNS:www.example", "DNS:proof.example"}});
        bench.server_context->set_proof("www.example", Bench::credentials(proof, bench.world.utc()));
        bench.begin(one.name, {.alpn = one.offered, .verify = false});
        if (one.seen.empty()) {
            EXPECT_NE(bench.refusal(), "");
            continue;
        }
        ASSERT_TRUE(bench.open());
        const auto names = bench.client->peer_certificate()->names;
        EXPECT_EQ(std::ranges::count(names, "proof.example"), one.seen == "proof" ? 1 : 0);
        EXPECT_EQ(bench.client->alpn(), one.seen == "proof" ? "acme-tls/1" : one.offered.empty() ? "" : "http/1.1");
    }
    // Taken back.
    Bench bench;
    bench.server_context->set_proof("www.example", Bench::credentials(bench.certificate, bench.world.utc()));
    bench.server_context->set_proof("www.example", nullptr);
    bench.begin("www.example", {.alpn = {"acme-tls/1"}});
    EXPECT_NE(bench.refusal(), "");
}

TEST(Tls, TellsOfNamesThatNoCertificateCovers) {
    for (const auto& [name, told] : {std::pair<std::string, int>{"www.example", 0}, {"a.wild.example", 0}, {"New.example", 1}, {"10.0.0.9", 0}}) {
        Bench bench;
        std::vector<std::string> unknown;
        bench.server_context->set_unknown([&](std::string_view host) { unknown.emplace_back(host); });
        bench.begin(name, {.verify = false});
        ASSERT_TRUE(bench.open());
        EXPECT_EQ(unknown, told == 1 ? std::vector<std::string>{"new.example"} : std::vector<std::string>{}) << name;
    }
}

TEST(Tls, AsksForClientsCertificatesWhereItIsTold) {
    for (const auto clients : {ClientCertificates::asked, ClientCertificates::required})
        for (const int brought : {0, 1, 2}) {  // None, one of the authority, a stranger's.
            SCOPED_TRACE(fmt::format("{} {}", static_cast<int>(clients), brought));
            Bench bench;
            bench.server_context = *ServerContext::create({.clients = clients, .client_ca_pem = bench.authority.pem()});
            bench.show({bench.certificate});
            Authority stranger(bench.world.utc(), "CN=Stranger");
            ClientOptions options;
            if (brought != 0)
                options.own = Bench::credentials(
                    (brought == 1 ? bench.authority : stranger).issue({.names = {"DNS:client"}}), bench.world.utc());
            bench.client_end.to_write = "hello";
            bench.begin("www.example", options);
            const bool welcome = brought == 1 || (brought == 0 && clients == ClientCertificates::asked);
            ASSERT_TRUE(bench.until([&] { return bench.server_end.got == "hello" || bench.server_end.error != 0; }));
            EXPECT_EQ(bench.server_end.got == "hello", welcome) << bench.server->failure();
            if (brought != 2) EXPECT_EQ(bench.server->peer_certificate().has_value(), brought == 1);
        }
}

// Whatever a stranger says instead of a ClientHello, and at whichever byte of a good one it stops.
TEST(Tls, AStrangersBytesEndTheHandshakeAndNothingElse) {
    for (const std::string_view said :
         {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\xff\xff", "SSH-2.0-x\r\n", "\x16\x03\x01\x00\x05hello"}) {
        Bench bench;
        bench.world.loop().run([&] {
            bench.server = bench.server_context->accept(bench.world.loop(), std::move(bench.theirs));
            bench.server->set_handler(&bench.server_end);
            bench.ours->write(said);
        });
        bench.world.run_for(1s);
        if (bench.server_end.error == 0) bench.world.loop().run([&] { bench.ours.reset(); });
        ASSERT_TRUE(bench.until([&] { return bench.server_end.error != 0; })) << said;
        EXPECT_FALSE(bench.server->failure().empty());
        EXPECT_FALSE(bench.server->established());
    }
}

// Each name may have a certificate of either kind of key; the client's abilities choose, ECDSA where they allow it.
struct Hosts final : io::TlsHosts {
    std::map<std::string, const std::string*, std::less<>> served;
    Host host(std::string_view name) const override {
        const auto found = served.find(name);
        return found == served.end() ? Host{} : Host{.served = true, .client_ca_pem = found->second};
    }
};

TEST(Tls, ServesAHostBeforeItHasACertificateAndNobodyElses) {
    for (const auto& [name, made_up, refused] :
         std::vector<std::tuple<std::string, bool, bool>>{{"www.example", false, false},
                                                          {"a.wild.example", false, false},
                                                          {"new.example", true, false},
                                                          {"foreign.example", false, true}}) {
        Bench bench;
        Hosts hosts;
        hosts.served = {{"new.example", nullptr}};
        bench.server_context->set_hosts(&hosts);
        bench.begin(name, {.verify = false});
        if (refused) {
            EXPECT_NE(bench.refusal().find("unrecognized name"), std::string::npos) << bench.refusal();
            continue;
        }
        ASSERT_TRUE(bench.open()) << name;
        const auto shown = bench.client->peer_certificate();
        ASSERT_TRUE(shown);
        EXPECT_EQ(shown->issuer.find("placeholder") != std::string::npos, made_up) << name << ": " << shown->issuer;
        if (made_up) {
            EXPECT_EQ(shown->names, std::vector<std::string>{name});
            EXPECT_FALSE(bench.client->peer_verified());
        }
    }
}

// A session takes what its context has when the connection is accepted; what is shown is settled by the hello, later.
TEST(Tls, CertificatesMayComeAndChangeBetweenAConnectionAndItsHello) {
    sim::World world{7};
    Authority authority{world.utc()};
    const auto one = [&](bool rsa) { return authority.issue({.names = {"DNS:www.example"}, .rsa = rsa}); };
    const Issued rsa = one(true), first = one(false), second = one(false);
    // None, one, another, one of another kind of key, both kinds.
    const std::vector<std::vector<Issued>> shown{{}, {first}, {second}, {rsa}, {rsa, second}};
    Hosts hosts;
    hosts.served = {{"www.example", nullptr}};
    for (std::size_t before = 0; before < shown.size(); ++before)
        for (std::size_t after = 1; after < shown.size(); ++after) {
            SCOPED_TRACE(fmt::format("{} → {}", before, after));
            Bench bench;
            bench.server_context->set_hosts(&hosts);
            bench.show(shown[before]);
            bench.begin("www.example", {.ca_pem = authority.pem()});
            bench.show(shown[after]);
            ASSERT_TRUE(bench.open()) << bench.client->failure();
            EXPECT_EQ(bench.client_end.error, 0) << bench.client->failure();
            EXPECT_TRUE(bench.client->peer_verified());
        }
}

// What opens one host must not open another: not the certificate, and no session that was made with it.
TEST(Tls, EachHostHasItsOwnClients) {
    for (const bool right : {false, true}) {
        Bench bench;
        Authority mine(bench.world.utc()), stranger(bench.world.utc(), "CN=Other");
        const std::string mine_pem = mine.pem();
        Hosts hosts;
        hosts.served = {{"www.example", &mine_pem}, {"a.wild.example", nullptr}};
        bench.server_context->set_hosts(&hosts);
        bench.begin(
            "www.example",
            {.own = Bench::credentials((right ? mine : stranger).issue({.names = {"DNS:client"}}), bench.world.utc())});
        bench.until([&] { return bench.server_end.writable || bench.server_end.error != 0; });
        EXPECT_EQ(bench.server->established(), right);
        if (right)
            EXPECT_TRUE(bench.server->peer_verified());
        else
            EXPECT_NE(bench.server->failure().find("certificate verify failed"), std::string::npos)
                << bench.server->failure();
    }
    Bench bench;
    const std::string pem = bench.authority.pem();
    Hosts hosts;
    hosts.served = {{"www.example", &pem}};
    bench.server_context->set_hosts(&hosts);
    bench.begin("www.example");
    ASSERT_TRUE(bench.open());
    EXPECT_FALSE(bench.server->peer_verified()) << "nobody showed a certificate, and the request is told so";
}

TEST(Tls, PlainHttpIsToldApartAndItsStreamGivenBack) {
    Bench bench;
    bench.world.loop().run([&] {
        bench.server = bench.server_context->accept(bench.world.loop(), std::move(bench.theirs));
        bench.server->set_handler(&bench.server_end);
        bench.ours->write("GET / HTTP/1.1\r\nHost: www.example\r\n\r\n");
    });
    ASSERT_TRUE(bench.until([&] { return bench.server_end.error != 0; }));
    EXPECT_TRUE(bench.server->met_plain_http());
    bench.world.loop().run([&] {
        const auto plain = bench.server->take_inner();
        plain->write("HTTP/1.1 400 Bad Request\r\n\r\n");
        plain->shutdown_write();
        bench.server.reset();
        bench.ours->set_handler(&bench.client_end);
    });
    ASSERT_TRUE(bench.until([&] { return !bench.client_end.got.empty(); }));
    EXPECT_TRUE(bench.client_end.got.starts_with("HTTP/1.1 400"));
}

struct Step final : Waiting {
    std::vector<int>* order = nullptr;
    int number = 0;
    Turnstile* again = nullptr;
    void step() noexcept override {
        order->push_back(number);
        if (again != nullptr) std::exchange(again, nullptr)->enter(*this);
    }
};

TEST(Turnstile, LetsOneThroughATurnInOrderAndForgetsWhoLeft) {
    sim::World world{3};
    const auto turnstile = std::make_shared<Turnstile>(world.loop());
    std::vector<int> order;
    std::vector<Step> steps(20);
    for (int i = 0; i < 20; ++i)
        steps[static_cast<std::size_t>(i)].order = &order, steps[static_cast<std::size_t>(i)].number = i;
    steps[0].again = turnstile.get();
    world.loop().run([&] {
        for (auto& one : steps) turnstile->enter(one);
        turnstile->enter(steps[3]);  // Already in line.
        turnstile->leave(steps[5]);
    });
    ASSERT_TRUE(world.run_until([&] { return turnstile->waiting() == 0 && order.size() == 20; }, 1s)) << order.size();
    const std::vector<int> wanted{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0};
    EXPECT_EQ(order, wanted);
}

TEST(Tls, HasBothKindsOfKeysSideBySide) {
    for (const bool rsa_first : {false, true}) {
        Bench bench;
        const Issued ecdsa = bench.authority.issue({.names = {"DNS:www.example"}}),
                     rsa = bench.authority.issue({.names = {"DNS:www.example"}, .rsa = true});
        if (rsa_first)
            bench.show({rsa, ecdsa});
        else
            bench.show({ecdsa, rsa});
        bench.begin();
        ASSERT_TRUE(bench.open()) << bench.client->failure();
        EXPECT_EQ(bench.client->peer_certificate()->fingerprint,
                  Bench::credentials(ecdsa, bench.world.utc())->fingerprint());
    }
}

TEST(Credentials, RefuseWhatCannotServeAndSayWhy) {
    const Utc now{1'795'270'000s};
    Authority authority(now);
    const Issued good = authority.issue({.names = {"DNS:a.example"}}),
                 other = authority.issue({.names = {"DNS:b.example"}});
    const Issued old = authority.issue({.names = {"DNS:a.example"}, .from = -48h, .until = -24h}),
                 early = authority.issue({.names = {"DNS:a.example"}, .from = 1h});
    const std::string encrypted = pem_of(new_key().get(), "secret");
    const struct {
        std::string chain, key;
        std::string_view why;
    } cases[] = {{"", good.key, "there is no certificate in it"},
                 {good.chain.substr(0, 200), good.key, "can't be read"},
                 {good.chain, "", "there is no private key in it"},
                 {good.chain, good.key.substr(0, 100), "is the file complete?"},
                 {good.chain, encrypted, "the private key is encrypted"},
                 {good.chain, other.key, "the private key is not this certificate's"},
                 {old.chain, old.key, "expired at 2026-11-20T"},
                 {early.chain, early.key, "is not valid before 2026-11-21T"}};
    for (const auto& one : cases) {
        const auto parsed = Credentials::parse(one.chain, one.key, "web.pem", now);
        ASSERT_FALSE(parsed) << one.why;
        EXPECT_TRUE(parsed.error().text.starts_with("web.pem: ") &&
                    parsed.error().text.find(one.why) != std::string::npos)
            << parsed.error().text;
    }
    const auto parsed = Credentials::parse(good.chain + authority.pem(), good.key, "web.pem", now);
    ASSERT_TRUE(parsed);
    EXPECT_EQ((*parsed)->names(), std::vector<std::string>{"a.example"});
    EXPECT_EQ((*parsed)->key_kind(), KeyKind::ecdsa);
    EXPECT_EQ((*parsed)->issuer(), "CN=Test Authority");
    EXPECT_EQ((*parsed)->not_after(), now + 24h * 90);
}

TEST(Credentials, CoverNamesAsRfc6125Says) {
    for (const auto& [pattern, host, covered] : {std::tuple{"a.example", "a.example", true},
                                                 {"*.example", "a.example", true},
                                                 {"*.example", "example", false},
                                                 {"*.example", "a.b.example", false},
                                                 {"*.example", ".example", false},
                                                 {"a.example", "b.example", false}})
        EXPECT_EQ(name_covers(pattern, host), covered) << pattern << " " << host;
}

}  // namespace
}  // namespace hale::tls
