// Goal: over TLS everything is as without it, and what a service says of TLS holds: redirects, HSTS, its own clients; a host
// is servable from the snapshot on that routes it; instances over TLS are spoken to by the service's word and no other.
// Method: one worker in the simulator, clients and instances with certificates of an authority of our own.

#include <tuple>

#include "proxy/bed_test.h"
#include "tls/client_context.h"
#include "tls/doors.h"
#include "tls/server_context.h"
#include "tls/testing.h"

namespace hale::proxy {
namespace {

tls::CredentialsPtr read(const tls::Issued& issued, Utc now) { return *tls::Credentials::parse(issued.chain, issued.key, "test", now); }

// A Bed whose worker has TLS on port 443 too.
struct Secured {
    Secured() {
        context->set_credentials({read(authority.issue({.names = {"DNS:a.example", "DNS:*.wild.example"}}), bed.world.utc())});
        bed.worker = std::make_unique<Worker>(bed.loop, bed.network.net("proxy", bed.loop), WorkerOptions{},
                                              WorkerDoors{.server_tls = context.get(),
                                                          .client_tls = &doors,
                                                          .passive = [this](std::vector<catalog::Passive> batch) { for (auto& p : batch) bed.passive.push_back(p); },
                                                          .log = &bed.lines,
                                                          .health = &bed.health});
    }
    void open() {
        bed.adopt();
        const auto https = bed.worker->listen_secure({.ip = Ip::v4(10, 0, 0, 2), .port = https_port});
        HALE_CHECK(https.has_value());
        at = *https;
        const auto http = bed.worker->listen({.ip = Ip::v4(10, 0, 0, 2), .port = 80});
        HALE_CHECK(http.has_value());
        bed.at = *http;
    }
    struct Caller {
        std::unique_ptr<Talker> talker;
        io::SecureStream* stream = nullptr;
    };
    Caller call(const std::string& name, tls::ClientOptions options = {}) {
        if (options.ca_pem.empty()) options.ca_pem = authority.pem();
        auto client = *tls::ClientContext::create(options);
        auto inner = bed.network.net("client", bed.loop).connect(at);
        HALE_CHECK(inner.has_value());
        auto stream = client->secure(bed.loop, std::move(*inner), name);
        Caller made{.talker = nullptr, .stream = stream.get()};
        made.talker = std::make_unique<Talker>(std::move(stream));
        return made;
    }
    std::string ask(const std::string& request, const std::string& name = "a.example", tls::ClientOptions options = {}) {
        auto caller = call(name, std::move(options));
        caller.talker->send(request);
        bed.world.run_for(1s);
        failure = caller.stream->failure();
        std::string got = caller.talker->got;
        caller.talker->close();
        bed.world.run_for(10ms);
        return got;
    }
    // The service of `count` instances, with what it says of TLS.
    catalog::RoutedService& serve(config::RouteTls tls, const std::string& host = "*") {
        auto& service = bed.serve("web", 1, host);
        bed.table.usual_tls["web"] = std::make_shared<const config::RouteTls>(std::move(tls));
        return service;
    }

    Bed bed;
    tls::Authority authority{bed.world.utc()};
    std::shared_ptr<tls::ServerContext> context = *tls::ServerContext::create({});
    tls::Doors doors{bed.loop};
    std::uint16_t https_port = 443;
    SocketAddress at;
    std::string failure;
};

TEST(Secured, ARequestOverTlsIsForwardedAndSaysSo) {
    Secured s;
    s.serve({.hsts = 24h * 365});
    s.open();
    const auto got = s.ask(get("/x") + get("/y"));
    EXPECT_EQ(got.find("HTTP/1.1 200"), 0u) << got << s.failure;
    EXPECT_NE(got.find("Strict-Transport-Security: max-age=31536000\r\n"), std::string::npos);
    ASSERT_EQ(s.bed.instances[0]->requests.size(), 2u);
    auto& fields = s.bed.instances[0]->requests[1].fields;
    EXPECT_EQ(fields["x-forwarded-proto"], "https");
    EXPECT_NE(fields["forwarded"].find("proto=https"), std::string::npos);
    EXPECT_EQ(s.bed.worker->stats().handshakes, 1u);
}

TEST(Secured, WithoutTlsOneIsSentThere) {
    struct Case {
        std::uint16_t redirect, port;
        std::string request, status, location;
    };
    for (const auto& one : std::vector<Case>{{308, 443, get("/x?y=1"), "308", "https://a.example/x?y=1"},
                                             {301, 443, get("/"), "301", "https://a.example/"},
                                             {308, 8443, get("/", "A.example:80"), "308", "https://a.example:8443/"},
                                             {0, 443, get("/"), "200", ""},
                                             {308, 443, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi", "308", "https://a.example/"}}) {
        Secured s;
        s.https_port = one.port;
        s.serve({.redirect = one.redirect, .hsts = 24h});
        s.open();
        const auto got = s.bed.ask(one.request);
        EXPECT_EQ(got.find("HTTP/1.1 " + one.status), 0u) << got;
        EXPECT_EQ(got.find("Location: " + one.location + "\r\n") != std::string::npos, !one.location.empty()) << got;
        EXPECT_EQ(got.find("Strict-Transport-Security"), std::string::npos) << "over plain HTTP it says nothing (RFC 6797 section 7.2)";
    }
    // A proxy before us that had the TLS is believed when it is trusted.
    for (const bool trusted : {false, true}) {
        Secured s;
        s.serve({});
        if (trusted) s.bed.table.trusted = {*Cidr::parse("10.0.0.0/8")};
        s.open();
        const auto got = s.bed.ask(get("/", "a.example", "X-Forwarded-Proto: https\r\n"));
        EXPECT_EQ(got.find(trusted ? "HTTP/1.1 200" : "HTTP/1.1 308"), 0u) << got;
    }
}

TEST(Secured, V2AHostIsServableFromTheSnapshotOnThatRoutesIt) {
    Secured s;
    s.serve({}, "a.example");
    s.open();
    EXPECT_EQ(s.ask(get("/", "new.example"), "new.example", {.verify = false}), "");
    EXPECT_NE(s.failure.find("unrecognized name"), std::string::npos) << s.failure;
    s.bed.table.route("new.example", "web");
    s.bed.adopt();
    EXPECT_EQ(s.ask(get("/", "new.example"), "new.example", {.verify = false}).find("HTTP/1.1 200"), 0u) << s.failure;
    EXPECT_EQ(s.ask(get("/", "new.example"), "new.example"), "") << "made up: nobody who verifies believes it";
    // Its certificate comes while a connection stands, which goes on.
    auto caller = s.call("a.example");
    caller.talker->send(get());
    s.bed.world.run_for(100ms);
    s.context->set_credentials({read(s.authority.issue({.names = {"DNS:a.example"}}), s.bed.world.utc()), read(s.authority.issue({.names = {"DNS:new.example"}}), s.bed.world.utc())});
    EXPECT_EQ(s.ask(get("/", "new.example"), "new.example").find("HTTP/1.1 200"), 0u) << s.failure;
    caller.talker->send(get());
    s.bed.world.run_for(100ms);
    EXPECT_NE(caller.talker->got.find("HTTP/1.1 200", 20), std::string::npos);
    caller.talker->close();
}

// Of one service, on one host: each route by its own word.
TEST(Secured, EachRouteRedirectsAndAsksForCertificatesByItsOwnWord) {
    Secured s;
    s.https_port = 443;
    tls::Authority people(s.bed.world.utc(), "CN=People");
    s.serve({.redirect = 308}, "a.example");
    const auto own = [&](const std::string& path, config::RouteTls tls) {
        s.bed.table.route("a.example", "web", path);
        s.bed.table.routes.back().tls = std::make_shared<const config::RouteTls>(std::move(tls));
    };
    own("/old", {.redirect = 301, .hsts = 24h});
    own("/plain", {.redirect = 0});
    own("/people", {.client_required = true, .client_ca_pem = people.pem()});
    s.open();
    struct Case { std::string path, in_clear, over_tls, with_certificate; bool hsts; };
    for (const Case& one : {Case{"/", "308", "200", "200", false}, {"/old/x", "301", "200", "200", true}, {"/plain", "200", "200", "200", false}, {"/people", "308", "403", "200", false}}) {
        EXPECT_EQ(s.bed.ask(get(one.path)).find("HTTP/1.1 " + one.in_clear), 0u) << one.path;
        const auto got = s.ask(get(one.path), "a.example");
        EXPECT_EQ(got.find("HTTP/1.1 " + one.over_tls), 0u) << one.path << got << s.failure;
        EXPECT_EQ(got.find("Strict-Transport-Security: max-age=86400") != std::string::npos, one.hsts) << one.path << got;
        tls::ClientOptions options;
        options.own = read(people.issue({.names = {"DNS:somebody"}}), s.bed.world.utc());
        EXPECT_EQ(s.ask(get(one.path), "a.example", options).find("HTTP/1.1 " + one.with_certificate), 0u) << one.path << s.failure;
    }
}

TEST(Secured, ClientsOfAServiceShowItsOwnCertificate) {
    for (const auto& [brought, sni, host, status, code] : std::vector<std::tuple<bool, std::string, std::string, std::string, std::string>>{
             {true, "a.example", "a.example", "200", ""},
             {false, "a.example", "a.example", "403", "client_certificate_missing"},
             // Made for a host that asks for nobody: it opens no other.
             {true, "b.wild.example", "a.example", "421", "misdirected"},
             {false, "b.wild.example", "b.wild.example", "200", ""}}) {
        Secured s;
        tls::Authority people(s.bed.world.utc(), "CN=People");
        s.serve({.client_required = true, .client_ca_pem = people.pem()}, "a.example");
        auto& open = s.bed.table.service("open");
        open.endpoints.push_back(s.bed.table.endpoint(s.bed.instance(1).at()));
        s.bed.table.route("b.wild.example", "open");
        s.open();
        tls::ClientOptions options;
        if (brought) options.own = read(people.issue({.names = {"DNS:somebody"}}), s.bed.world.utc());
        const auto got = s.ask(get("/", host), sni, options);
        EXPECT_EQ(got.find("HTTP/1.1 " + status), 0u) << got << s.failure;
        if (!code.empty()) EXPECT_NE(got.find("Hale-Reason: " + code), std::string::npos) << got;
        // Nor is there a way around it without TLS.
        EXPECT_EQ(s.bed.ask(get("/", "a.example")).find("HTTP/1.1 308"), 0u);
    }
}

TEST(Secured, WhoSpeaksTheWrongLanguageIsToldSo) {
    Secured s;
    s.serve({});
    s.open();
    // HTTP to the port of HTTPS.
    const auto plain_at = std::exchange(s.bed.at, s.at);
    const auto told = s.bed.ask(get());
    EXPECT_EQ(told.find("HTTP/1.1 400"), 0u) << told;
    EXPECT_NE(told.find("Try https://"), std::string::npos) << told;
    EXPECT_NE(told.find("Hale-Reason: plain_http"), std::string::npos) << told;
    // TLS to the port of HTTP.
    s.bed.at = plain_at;
    s.at = plain_at;
    EXPECT_EQ(s.ask(get()), "");
    EXPECT_NE(s.failure.find("wrong version number"), std::string::npos) << s.failure;
}

// Clients that begin a handshake and never end it cost a place for ten seconds, and nobody else anything.
TEST(Secured, AStalledHandshakeEndsByItself) {
    Secured s;
    s.serve({});
    s.open();
    const auto plain_at = std::exchange(s.bed.at, s.at);
    auto& silent = s.bed.client();
    auto& begun = s.bed.client();
    begun.send(std::string("\x16\x03\x01\x02\x00\x01", 6));  // A ClientHello's first bytes.
    s.bed.world.run_for(1s);
    EXPECT_EQ(s.ask(get()).find("HTTP/1.1 200"), 0u);
    EXPECT_EQ(s.bed.worker->stats().clients, 2u);
    s.bed.world.run_for(10s);
    EXPECT_EQ(s.bed.worker->stats().clients, 0u);
    EXPECT_TRUE(silent.over() && begun.over());
    s.bed.at = plain_at;
}

// The instance speaks TLS.
struct SecureInstance final : io::AcceptHandler {
    SecureInstance(io::Net& net, io::Loop& loop_, SocketAddress at_, std::shared_ptr<tls::ServerContext> context_) : loop(loop_), context(std::move(context_)) {
        listener = std::move(*net.listen({.address = std::move(at_)}, *this));
    }
    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override {
        auto secure = context->accept(loop, std::move(stream));
        streams.push_back(secure.get());
        auto& talker = *talkers.emplace_back(std::make_unique<Talker>(std::move(secure)));
        talker.then = [this, &talker] {
            if (!talker.got.ends_with("\r\n\r\n")) return;
            asked.push_back(std::exchange(talker.got, {}));
            talker.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        };
    }
    io::Loop& loop;
    std::shared_ptr<tls::ServerContext> context;
    std::unique_ptr<io::Listener> listener;
    std::vector<io::SecureStream*> streams;
    std::vector<std::unique_ptr<Talker>> talkers;
    std::vector<std::string> asked;
};

TEST(Secured, InstancesOverTlsAreSpokenToByTheServicesWord) {
    struct Case {
        std::string what;
        std::function<void(io::TlsSpec&, tls::Authority&)> say;
        std::string status, sni;
    };
    for (const auto& one : std::vector<Case>{
             {"verified", [](io::TlsSpec& spec, tls::Authority& ours) { spec.ca_pem = ours.pem(); }, "200", "back.example"},
             {"by another name", [](io::TlsSpec& spec, tls::Authority& ours) { spec.ca_pem = ours.pem(), spec.name = "alt.example"; }, "200", "alt.example"},
             {"a wrong name", [](io::TlsSpec& spec, tls::Authority& ours) { spec.ca_pem = ours.pem(), spec.name = "wrong.example"; }, "502", "wrong.example"},
             {"nobody believes it", [](io::TlsSpec&, tls::Authority&) {}, "502", "back.example"},
             {"not verified", [](io::TlsSpec& spec, tls::Authority&) { spec.verify = false; }, "200", "back.example"},
             {"another key", [](io::TlsSpec& spec, tls::Authority& ours) { spec.ca_pem = ours.pem(), spec.key_pin = std::string(64, '0'); }, "502", "back.example"},
             {"with a certificate", [](io::TlsSpec& spec, tls::Authority& ours) {
                  const auto own = ours.issue({.names = {"DNS:hale"}});
                  spec.ca_pem = ours.pem(), spec.certificate_pem = own.chain, spec.key_pem = own.key;
              }, "200", "back.example"}}) {
        Secured s;
        auto context = *tls::ServerContext::create({.clients = one.what == "with a certificate" ? tls::ClientCertificates::required : tls::ClientCertificates::none,
                                                    .client_ca_pem = s.authority.pem()});
        context->set_credentials({read(s.authority.issue({.names = {"DNS:back.example", "DNS:alt.example"}}), s.bed.world.utc())});
        const SocketAddress where{.ip = Ip::v4(10, 0, 1, 5), .port = 8443};
        SecureInstance instance(s.bed.network.net("web5", s.bed.loop), s.bed.loop, where, context);
        auto& service = s.bed.table.service("web");
        auto endpoint = s.bed.table.endpoint(where);
        endpoint.tls = true;
        endpoint.tls_name = std::string("back.example");
        endpoint.authority = std::string("back.example:8443");
        service.endpoints.push_back(endpoint);
        auto spec = std::make_shared<io::TlsSpec>();
        one.say(*spec, s.authority);
        service.upstream_tls = spec;
        s.bed.table.route("*", "web");
        s.open();
        const auto got = s.bed.ask(get());
        EXPECT_EQ(got.find("HTTP/1.1 " + one.status), 0u) << one.what << ": " << got;
        ASSERT_FALSE(instance.streams.empty()) << one.what;
        EXPECT_EQ(instance.streams[0]->server_name(), one.sni) << one.what;
        if (one.status == "200") {
            ASSERT_FALSE(instance.asked.empty());
            EXPECT_NE(instance.asked[0].find("Host: back.example:8443\r\n"), std::string::npos);
            // Kept like any other, until the service says something else.
            EXPECT_EQ(s.bed.worker->stats().upstream_idle, 1u);
            s.bed.ask(get());
            EXPECT_EQ(instance.streams.size(), 1u);
            auto changed = std::make_shared<io::TlsSpec>(*spec);
            changed->alpn = {"http/1.1"};
            service.upstream_tls = changed;
            s.bed.adopt();
            EXPECT_EQ(s.bed.worker->stats().upstream_idle, 0u);
        } else {
            EXPECT_NE(got.find("Hale-Reason: upstream_connect"), std::string::npos) << got;
            ASSERT_FALSE(s.bed.passive.empty()) << one.what;
            EXPECT_EQ(s.bed.passive[0].reason, verdict::Reason::tls_failure) << one.what;
        }
        s.bed.worker->stop();
        instance.talkers.clear();
        instance.listener.reset();
    }
}

}  // namespace
}  // namespace hale::proxy
