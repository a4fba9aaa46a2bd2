// Goal: a day of traffic over TLS, in which certificates are renewed every hour and ticket keys changed every eight, instances
// fall sick and die, and the configuration is reloaded, loses no request and never shows what has ended (V2, part of V20).
// Method: a whole node on the simulator, clients that verify what they are shown; the faults are drawn from the seed.

#include "base/random.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"
#include "tls/client_context.h"
#include "tls/testing.h"

namespace hale::scenario {
namespace {

constexpr Duration day = 24h;
constexpr Duration between_requests = 30s;
constexpr Duration certificate_life = 3h;

std::string yaml(std::size_t round) {
    return fmt::format("defaults: {{check: {{interval: 30s, timeout: 500ms, rise: 1, fall: 2, confirm_interval: 200ms}}}}\n"
                       "services:\n  web: {{hosts: [web.example], tls: {{hsts: {}d}}, check: {{http: /up}}, retry: {{max: 2, budget: 100%}}, "
                       "instances: [\"10.0.1.1:3000\", \"10.0.1.2:3000\", \"10.0.1.3:3000\"]}}\n",
                       1 + round % 7);
}

struct Day : Site {
    explicit Day(std::uint64_t seed) : Site(seed), random(seed), loop(world.make_loop("client")) {
        for (int i = 0; i < 3; ++i)
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i + 1), std::uint16_t{3000}));
        believing = *tls::ClientContext::create({.alpn = {"http/1.1"}, .ca_pem = authority.pem(), .own = nullptr});
    }
    Duration elapsed() { return world.now() - began; }
    void rotate(Node& node) {
        const auto issued = authority.issue({.names = {"DNS:web.example"}, .from = elapsed() - 5min, .until = elapsed() + certificate_life, .rsa = ++rotations % 4 == 0});
        latest = *tls::Credentials::parse(issued.chain, issued.key, "test", world.utc());
        node.show({latest});
    }
    // What is well is well for two others at least.
    void trouble() {
        for (auto& one : backends) {
            one->sick = false;
            if (one->dead) one->up();
        }
        Backend& chosen = *backends[random.below(backends.size())];
        switch (random.below(4)) {
            case 0: chosen.sick = true; break;
            case 1: chosen.kill(); break;
            case 2: chosen.drop_connections(); break;
            default: break;
        }
    }
    std::string ask(Node& node) {
        auto inner = network.net("client", loop).connect(node.worker_secure_at(turn++ % node.workers()));
        HALE_CHECK(inner.has_value());
        auto secure = believing->secure(loop, std::move(*inner), "web.example");
        io::SecureStream& stream = *secure;
        proxy::Talker talker(std::move(secure));
        talker.send("GET / HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n");
        EXPECT_TRUE(world.run_until([&] { return talker.over() || stream.connect_error() != 0; }, 30s)) << "a request without an end";
        if (stream.established()) {
            const auto shown = stream.peer_certificate();
            EXPECT_TRUE(shown && shown->fingerprint == latest->fingerprint()) << "what is shown is the newest";
            EXPECT_GT(shown->not_after, world.utc());
        }
        if (talker.got.empty()) return stream.failure();
        return talker.got.substr(0, talker.got.find("\r\n"));
    }

    Random random;
    sim::Loop& loop;
    std::vector<std::unique_ptr<Backend>> backends;
    tls::Authority authority{world.utc()};
    std::shared_ptr<const tls::ClientContext> believing;
    tls::CredentialsPtr latest;
    const Instant began = world.now();
    std::size_t rotations = 0;
    unsigned turn = 0;
};

TEST(Secured, V2V20ADayOfRotationsAndFaultsLosesNothing) {
    const auto seed = sim::seed_from_environment(31);
    Day site(seed);
    Node node(site, {.tls = true});
    site.rotate(node);
    ASSERT_TRUE(node.start(yaml(0)));
    ASSERT_TRUE(site.world.run_until([&] { return node.own().serving() || site.elapsed() > 30s; }, 60s));
    site.world.run_for(5s);
    std::vector<tls::TicketKey> keys;
    std::size_t asked = 0, reloads = 0;
    Duration next_rotation = 1h, next_keys{0}, next_trouble = 7min, next_reload = 50min;
    while (site.elapsed() < day && !testing::Test::HasFailure()) {
        if (site.elapsed() >= next_keys) {
            tls::TicketKey key;
            for (auto* part : {key.name.data(), key.cipher.data(), key.mac.data()}) *part = static_cast<std::uint8_t>(site.random.next());
            keys.insert(keys.begin(), key);
            node.seal_with(keys);
            next_keys += 8h;
        }
        if (site.elapsed() >= next_rotation) site.rotate(node), site.world.run_for(10ms), next_rotation += 1h;
        if (site.elapsed() >= next_trouble) site.trouble(), next_trouble += 7min;
        if (site.elapsed() >= next_reload) {
            EXPECT_TRUE(node.reload(yaml(++reloads)).has_value());
            next_reload += 50min;
        }
        const auto got = site.ask(node);
        EXPECT_EQ(got, "HTTP/1.1 200 OK") << "seed " << seed << ", after " << human(site.elapsed()) << ": " << got;
        ++asked;
        site.world.run_for(between_requests);
    }
    EXPECT_GT(asked, 2'500u);
    EXPECT_GE(site.rotations, 24u);
    EXPECT_GE(reloads, 28u);
}

}  // namespace
}  // namespace hale::scenario
