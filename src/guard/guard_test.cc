// Goal: who shows nothing gets nothing, roles come from tokens and socket credentials as the page says, and a
// browser cannot be used against the daemon.
// Method: tables of claims with the answer expected of each.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "config/digest.h"
#include "guard/door.h"

namespace hale::guard {
namespace {

struct Head {
    explicit Head(std::string fields) : bytes("GET / HTTP/1.1\r\n" + fields + "\r\n") {
        wire::HeadScan scan;
        EXPECT_EQ(wire::parse_request_head(bytes, {}, scan, head).status, wire::ParseStatus::done) << bytes;
    }
    std::string bytes;
    wire::RequestHead head;
};

const Utc noon{1'795'270'000s};

NewToken token(std::string name, Role role, unsigned char seed, std::optional<Utc> expires = std::nullopt) {
    return make_token(std::move(name), role, std::string(token_random_bytes, static_cast<char>(seed)), noon, expires);
}

TEST(Tokens, AreFoundBySecretUntilTheyExpire) {
    EXPECT_EQ(config::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Tokens tokens;
    const auto a = token("a", Role::read, 1), b = token("b", Role::admin, 2, noon + 1h);
    tokens.put(a.stored);
    tokens.put(b.stored);
    EXPECT_EQ(a.secret.size(), 5 + 64u);
    EXPECT_EQ(a.stored.sha256.find(a.secret.substr(5)), std::string::npos);
    EXPECT_EQ(tokens.find(a.secret, noon)->name, "a");
    EXPECT_EQ(tokens.find(b.secret, noon)->name, "b");
    EXPECT_EQ(tokens.find(b.secret, noon + 1h), nullptr);
    EXPECT_EQ(tokens.find("", noon), nullptr);
    EXPECT_EQ(tokens.find(a.stored.sha256, noon), nullptr);  // The hash is no key.
    tokens.remove("a");
    EXPECT_EQ(tokens.find(a.secret, noon), nullptr);
}

TEST(Door, RolesOfTheSocket) {
    const UnixRights rights{.daemon_uid = 100, .operators_gid = 200};
    const struct { io::PeerCredentials peer; Role role; } cases[] = {
        {{.uid = 0, .gid = 0}, Role::admin},         {{.uid = 100, .gid = 5}, Role::admin}, {{.uid = 7, .gid = 200}, Role::operate},
        {{.uid = 7, .gid = 5, .groups = {1, 200}}, Role::operate}, {{.uid = 7, .gid = 5}, Role::none}};
    for (const auto& one : cases) EXPECT_EQ(caller_of(one.peer, rights).role, one.role) << one.peer.uid;
    EXPECT_EQ(caller_of({.uid = 7, .gid = ~0u}, {.daemon_uid = 100}).role, Role::none);
}

TEST(Door, ATokenWinsAndABadOneIsNobody) {
    Tokens tokens;
    const auto reader = token("r", Role::read, 1);
    tokens.put(reader.stored);
    const SocketAddress peer = *SocketAddress::parse("127.0.0.1:5");
    const std::optional<io::PeerCredentials> root = io::PeerCredentials{};
    const std::optional<io::PeerCredentials> nobody;
    const auto ask = [&](const std::string& fields, const std::optional<io::PeerCredentials>& credentials) {
        const Head head("Host: localhost\r\n" + fields);
        return identify({head.head, peer, credentials}, tokens, {}, noon);
    };
    EXPECT_EQ(ask("", nobody).caller.role, Role::none);
    EXPECT_FALSE(ask("", nobody).bad_token);
    EXPECT_TRUE(ask("", nobody).caller.loopback);
    EXPECT_EQ(ask("", root).caller.role, Role::admin);
    EXPECT_EQ(ask(fmt::format("Authorization: Bearer {}\r\n", reader.secret), root).caller.role, Role::read);
    EXPECT_EQ(ask(fmt::format("Authorization: bearer   {}\r\n", reader.secret), nobody).caller.name, "r");
    for (const std::string_view bad : {"Bearer", "Bearer x", "Basic eDp4", "Bearer hale_00"}) {
        const auto got = ask(fmt::format("Authorization: {}\r\n", bad), root);
        EXPECT_EQ(got.caller.role, Role::none) << bad;
        EXPECT_TRUE(got.bad_token) << bad;
    }
}

TEST(Door, HostAndOrigin) {
    const std::vector<std::string> declared{"hale.example"};
    const struct { std::string_view host; bool allowed; } hosts[] = {
        {"127.0.0.1:4253", true}, {"[::1]:4253", true}, {"localhost", true}, {"LOCALHOST:1", true}, {"10.9.8.7", true},
        {"hale.example", true}, {"HALE.example:4253", true}, {"evil.example", false}, {"localhost.evil.example", false}, {"127.0.0.1.evil.example", false}};
    for (const auto& one : hosts) EXPECT_EQ(host_allowed(Head(fmt::format("Host: {}\r\n", one.host)).head, declared), one.allowed) << one.host;
    const struct { std::string_view origin; bool allowed; } origins[] = {
        {"http://hale.example:4253", true}, {"https://HALE.example:4253", true}, {"http://hale.example", false},
        {"null", false}, {"http://evil.example", false}, {"", false}};
    EXPECT_TRUE(origin_allowed(Head("Host: hale.example:4253\r\n").head));
    for (const auto& one : origins)
        EXPECT_EQ(origin_allowed(Head(fmt::format("Host: hale.example:4253\r\nOrigin: {}\r\n", one.origin)).head), one.allowed) << one.origin;
}

}  // namespace
}  // namespace hale::guard
