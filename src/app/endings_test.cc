// Goal: a service is told of exactly when a listener would show one of its hosts' users a certificate that ends soon.
// Method: the rule over certificates of all lengths, sources and names, with the choice that listeners make; then a
// loop of virtual time, in which a certificate comes to its end and is replaced.

#include "app/endings.h"

#include <gtest/gtest.h>

#include "sim/world.h"
#include "tls/testing.h"

namespace hale::app {
namespace {

const Utc now = *parse_rfc3339("2027-03-01T00:00:00Z");

struct Bench {
    tls::Authority authority{now};

    Certificates::Known known(std::vector<std::string> names, Duration left, std::string source = "/etc/chain.pem", Duration life = 24h * 90, bool rsa = false) {
        for (auto& name : names) name = "DNS:" + name;
        const auto issued = authority.issue({.names = names, .from = left - life, .until = left, .rsa = rsa});
        // Parsed at a time at which it holds.
        auto parsed = tls::Credentials::parse(issued.chain, issued.key, source, now + left - life / 2);
        EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text);
        return {source, *parsed};
    }
};

std::vector<catalog::Route> routes(std::vector<std::pair<std::string, std::string>> to) {
    std::vector<catalog::Route> out;
    for (auto& [host, service] : to) {
        auto routed = std::make_shared<catalog::RoutedService>();
        routed->name = service;
        out.push_back({.id = "r-" + host, .host = host, .path = "/", .service = std::move(routed)});
    }
    return out;
}

TEST(Endings, AFileIsToldOfTwoWeeksBeforeAndWhatRenewsItselfInTheLastSixthOfItsLife) {
    struct Case { Duration left, life; std::string source; bool told; };
    const std::vector<Case> cases{
        {24h * 15, 24h * 90, "/c.pem", false}, {24h * 14, 24h * 90, "/c.pem", false}, {24h * 14 - 1s, 24h * 90, "/c.pem", true}, {24h * 9, 24h * 10, "/c.pem", true},
        {-1h, 24h * 90, "/c.pem", true},       {24h * 14 - 1s, 24h * 90, "acme", true}, {24h * 3, 24h * 6, "acme", false},     {23h, 24h * 6, "acme", true},
    };
    for (const Case& one : cases) {
        Bench bench;
        const auto found = endings_of(routes({{"a.example", "a"}}), {bench.known({"a.example"}, one.left, one.source, one.life)}, now);
        EXPECT_EQ(found.contains("a"), one.told) << human(one.left) << " of " << human(one.life) << " " << one.source;
        if (one.told && found.contains("a")) { EXPECT_EQ(found.at("a"), (catalog::EndingCertificate{"a.example", one.source, now + one.left})); }
    }
}

TEST(Endings, OnlyWhatAListenerWouldShowCounts) {
    Bench bench;
    const auto soon = [&](std::vector<std::string> names, bool rsa = false) { return bench.known(std::move(names), 24h, "/soon.pem", 24h * 90, rsa); };
    const auto late = [&](std::vector<std::string> names, bool rsa = false) { return bench.known(std::move(names), 24h * 60, "/late.pem", 24h * 90, rsa); };
    struct Case { std::string what; std::vector<Certificates::Known> known; std::string host; bool told; };
    const std::vector<Case> cases{
        {"nothing names it", {soon({"b.example"})}, "a.example", false},
        {"by itself", {soon({"b.example", "a.example"})}, "a.example", true},
        {"by a wildcard", {soon({"*.example"})}, "a.example", true},
        {"a wildcard is one level", {soon({"*.example"})}, "x.a.example", false},
        {"itself before a wildcard", {soon({"*.example"}), late({"a.example"})}, "a.example", false},
        {"the first of a kind", {late({"a.example"}), soon({"a.example"})}, "a.example", false},
        {"the first of a kind, the other way round", {soon({"a.example"}), late({"a.example"})}, "a.example", true},
        {"another kind is shown to others", {late({"a.example"}), soon({"a.example"}, true)}, "a.example", true},
        {"a wildcard route by the wildcard", {soon({"*.example"})}, "*.example", true},
        {"any host is nobody's", {soon({"*.example"})}, "*", false},
    };
    for (const Case& one : cases) EXPECT_EQ(endings_of(routes({{one.host, "a"}}), one.known, now).contains("a"), one.told) << one.what;
}

TEST(Endings, OfAServicesHostsTheSoonestIsTold) {
    Bench bench;
    const std::vector known{bench.known({"a.example"}, 24h * 5, "/a"), bench.known({"b.example"}, 24h * 3, "/b"), bench.known({"c.example"}, 24h * 4, "/c")};
    const auto found = endings_of(routes({{"a.example", "web"}, {"b.example", "web"}, {"c.example", "other"}}), known, now);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found.at("web").host, "b.example");
    EXPECT_EQ(found.at("other").host, "c.example");
}

}  // namespace
}  // namespace hale::app
