// Goal: the address probed is the address routed, and a check's port is the routed one unless it says its own (V4).
// Method: the one place where it is computed, over every way to declare an address; then whole nodes on the simulator,
// whose backends count what reaches which address while names move.

#include "config/target.h"
#include "probe/destination.h"
#include "sim/seed.h"
#include "tests/scenario/backends.h"

namespace hale::scenario {
namespace {

TEST(Address, V4AProbeGoesToTheRoutedAddressAndItsPortUnlessTheCheckSaysItsOwn) {
    const SocketAddress routed_at{Ip::v4(10, 9, 9, 9), 7000, {}};
    for (const std::string_view declared : {"10.0.0.1:80", "[2001:db8::1]:81", "name:82", "http://name", "http://name:83", "http://10.0.0.2", "unix:/run/x"})
        for (const bool routed : {false, true})
            for (const std::optional<std::uint16_t> own : {std::optional<std::uint16_t>{}, std::optional<std::uint16_t>{9}}) {
                const auto target = config::Target::parse(declared);
                ASSERT_TRUE(target.has_value()) << declared;
                config::CheckSpec check;
                check.port = own;
                const auto to = probe::destination_of(*target, routed ? std::optional{routed_at} : std::nullopt, "web.example", true).for_check(check);
                SCOPED_TRACE(fmt::format("{} routed {} own port {}", declared, routed, own.value_or(0)));
                const std::optional<SocketAddress> expected = routed ? std::optional{routed_at} : target->literal;
                if (expected && expected->is_unix()) {
                    EXPECT_EQ(to.address(), *expected);
                } else if (expected) {
                    ASSERT_FALSE(to.is_name());
                    EXPECT_EQ(to.address(), (SocketAddress{expected->ip, own.value_or(expected->port), {}}));
                } else {
                    EXPECT_EQ(to.text(), fmt::format("{}:{}", target->host, own.value_or(target->port)));
                }
            }
}

struct Street : Site {
    explicit Street(std::uint64_t seed) : Site(seed), loop(world.make_loop("client")) {
        for (int i = 1; i <= 5; ++i)
            backends.push_back(std::make_unique<Backend>(*this, fmt::format("b{}", i), fmt::format("10.0.1.{}", i), std::uint16_t{3000}));
    }
    Backend& b(std::size_t i) { return *backends[i - 1]; }
    // Whoever answers has been proven at that very address.
    std::string reached(Node& node, const std::string& host) {
        const auto got = get(*this, loop, node.worker_at(turn++ % node.workers()), host);
        if (got->status() != 200) return fmt::format("{}", got->status());
        for (const auto& backend : backends)
            if (backend->name() == got->body() && backend->name() != "b4")
                EXPECT_GE(backend->health, 2u) << "V4: " << backend->address() << " was routed and not probed";
        return got->body();
    }
    sim::Loop& loop;
    std::vector<std::unique_ptr<Backend>> backends;
    unsigned turn = 0;
};

TEST(Address, V4WhatIsProbedIsWhatIsRoutedHoweverItIsDeclaredAndWhenItMoves) {
    sim::for_each_seed(3, [](std::uint64_t seed) {
        Street street(seed);
        street.names.set("app.internal", {"10.0.1.2"}, 1s);
        street.names.set("site.internal", {"10.0.1.3"}, 1s);
        // A port of its own for the check of b4: nothing but probes may come there, and no probe to the routed one.
        proxy::Instance own_port(street.network.net("b4", street.world.make_loop("own port")), {Ip::v4(10, 0, 1, 4), 3001, {}});
        own_port.script = [](proxy::Talker& talker, const proxy::Request&) { talker.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); };
        Node node(street);
        ASSERT_TRUE(node.start(R"(
defaults: {check: {interval: 1s, timeout: 500ms, rise: 2, fall: 2, confirm_interval: 200ms}}
services:
  literal: {hosts: [literal.example], check: {http: /up, connection: fresh}, instances: ["10.0.1.1:3000"]}
  name: {hosts: [name.example], check: {http: /up, connection: fresh}, instances: ["app.internal:3000"]}
  url: {hosts: [url.example], check: {http: /up, connection: fresh}, instances: ["http://site.internal:3000"]}
  port: {hosts: [port.example], check: {http: /up, connection: fresh}, instances: [{name: p, address: "10.0.1.4:3000", check: {port: 3001}}]}
)"));
        const auto eligible = [&](std::string_view service) { return node.view().service(service)->standing.counts.eligible == 1; };
        ASSERT_TRUE(street.world.run_until([&] { return eligible("literal") && eligible("name") && eligible("url") && eligible("port"); }, 10s));
        EXPECT_EQ(street.reached(node, "literal.example"), "b1");
        EXPECT_EQ(street.reached(node, "name.example"), "b2");
        EXPECT_EQ(street.reached(node, "url.example"), "b3");
        EXPECT_EQ(street.reached(node, "port.example"), "b4");
        EXPECT_EQ(street.b(4).health, 0u);
        EXPECT_GE(own_port.accepted, 1u);
        EXPECT_EQ(street.b(5).server().accepted, 0u);

        // The name moves to an address that does not prove itself yet: the old one is routed, so it goes on being probed.
        street.b(5).stall_health = 1 << 20;
        street.names.set("app.internal", {"10.0.1.5"}, 1s);
        ASSERT_TRUE(street.world.run_until([&] { return street.b(5).health > 0; }, 10s));
        const auto health = street.b(2).health;
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(street.reached(node, "name.example"), "b2");
            street.world.run_for(500ms);
        }
        EXPECT_GE(street.b(2).health, health + 4) << "V4: routed, and no longer probed";
        EXPECT_EQ(street.b(5).traffic, 0u) << "V4: routed before it was proven";
        street.b(5).stall_health = 0;
        ASSERT_TRUE(street.world.run_until([&] { return street.reached(node, "name.example") == "b5"; }, 20s));
        street.world.run_for(2s);
        const auto after = street.b(2).health;
        const auto traffic = street.b(2).traffic;
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(street.reached(node, "name.example"), "b5");
            street.world.run_for(500ms);
        }
        EXPECT_EQ(street.b(2).health, after) << "V4: probed, and no longer routed";
        EXPECT_EQ(street.b(2).traffic, traffic);
    });
}

}  // namespace
}  // namespace hale::scenario
