// Goal: hosts get their certificates and keep having them through everything that authorities, disks, clocks and upgrades
// do; nothing is asked twice that was promised not to be; no proof is left standing.
// Method: whole issuers in the simulator against a scripted authority that is strict and misbehaves in one way at a time,
// over days of virtual time; each disk write failing once; the process killed after each write.

#include "acme/issuer.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "acme/encoding.h"
#include "acme/keys.h"
#include "acme/scripted_authority.h"
#include "acme/shelf.h"
#include "acme/test_surroundings.h"
#include "sim/net.h"
#include "sim/resolver.h"
#include "sim/world.h"
#include "tests/support/seed.h"
#include "tls/credentials.h"
#include "tls/testing.h"

namespace hale::acme {
namespace {

// What a client that speaks acme-tls/1 reads in the certificate (RFC 8737 §3), as base 64 for URLs.
std::string digest_in(const std::string& certificate_pem) {
    const tls::BioPtr bio(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
    const tls::CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    ASN1_OBJECT* identifier = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    const int where = certificate ? X509_get_ext_by_OBJ(certificate.get(), identifier, -1) : -1;
    ASN1_OBJECT_free(identifier);
    if (where < 0) return {};
    const ASN1_OCTET_STRING* octets = X509_EXTENSION_get_data(X509_get_ext(certificate.get(), where));
    const std::string_view value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(octets)), static_cast<std::size_t>(ASN1_STRING_length(octets)));
    return value.size() == 34 ? base64url(value.substr(2)) : std::string{};
}

std::string seen_by_authority(const Challenge& challenge) {
    switch (challenge.kind) {
        case ChallengeKind::http_01: return challenge.key_authorization;
        case ChallengeKind::dns_01: return challenge.dns_value;
        case ChallengeKind::tls_alpn_01: return digest_in(challenge.certificate_pem);
    }
    return {};
}

// The machine and everybody around it. Processes come and go.
struct Town {
    explicit Town(std::uint64_t seed = 11) : world(seed), network(world) {
        network.add_host("hale", {"10.0.0.1"});
        network.add_host("ca.example", {"10.0.0.2"});
        network.add_host("other.example", {"10.0.0.3"});
        network.add_host("ask.example", {"10.0.0.4"});
        names.set("ca.example", std::vector<std::string_view>{"10.0.0.2"});
        names.set("other.example", std::vector<std::string_view>{"10.0.0.3"});
        names.set("ask.example", std::vector<std::string_view>{"10.0.0.4"});
        ca = std::make_unique<ScriptedAuthority>(world, network, "ca.example");
        other = std::make_unique<ScriptedAuthority>(world, network, "other.example");
        ask = std::make_unique<ScriptedAuthority>(world, network, "ask.example");
    }

    sim::World world;
    sim::Network network;
    sim::Names names;
    std::unique_ptr<ScriptedAuthority> ca, other, ask;
    Platter platter;
};

// One process.
struct Process {
    explicit Process(Town& the_town, IssuerSettings settings = {}, std::string name = "issuer") : town(the_town), loop(town.world.make_loop(name)) {
        if (settings.authorities.empty()) settings.authorities = {{.directory = town.ca->directory()}};
        loop.run([&] {
            issuer = std::make_unique<Issuer>(Ways{loop, town.network.net("hale", loop), resolver, tls, scratch, "hale/test"}, disk, challenges, issued, std::move(settings));
        });
        const auto look = [this](const std::string& host, const std::string& token) {
            const auto found = challenges.shown.find(token);
            return found != challenges.shown.end() && found->second.host == host ? seen_by_authority(found->second) : std::string{};
        };
        town.ca->look = town.other->look = look;
    }
    ~Process() {
        loop.run([&] { issuer.reset(); });
    }
    void start(std::vector<std::string> hosts) {
        loop.run([&] {
            issuer->want(std::move(hosts));
            issuer->start();
        });
    }
    void stop() {
        bool stopped = false;
        loop.run([&] { issuer->stop([&] { stopped = true; }); });
        EXPECT_TRUE(town.world.run_until([&] { return stopped; }, withdraw_patience + 1s));
    }
    State state(std::string_view host) { return status(host).state; }
    Status status(std::string_view host) { return issuer->status(host).value_or(Status{}); }
    bool until(std::string_view host, State wanted, Duration within) {
        return town.world.run_until([&] { return state(host) == wanted; }, within);
    }
    bool has(const std::string& host) const { return issued.has.contains(host); }

    Town& town;
    sim::Loop& loop;
    sim::Resolver resolver{town.names, loop};
    NoTls tls;
    http::Scratch scratch;
    TestDisk disk{loop, town.platter};
    TestChallenges challenges{loop};
    TestIssued issued;
    std::unique_ptr<Issuer> issuer;
};

TEST(Issuer, GetsKeepsAndRenewsCertificates) {
    Town town;
    Process hale(town);
    hale.start({"www.example", "api.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 1min)) << hale.status("www.example").reason;
    ASSERT_TRUE(hale.until("api.example", State::active, 1min));
    const auto first = hale.issued.has.at("www.example").front();
    const auto read = tls::Credentials::parse(first.chain_pem, first.key_pem, "issued", town.world.utc());
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_TRUE((*read)->covers("www.example"));
    EXPECT_EQ(hale.status("www.example").issuer, "CN=Scripted");
    EXPECT_TRUE(hale.challenges.shown.empty());
    EXPECT_EQ(town.ca->accounts(), 1u);
    // Two months on it is renewed with another key, without a gap.
    town.world.run_for(24h * 62);
    EXPECT_EQ(hale.issued.has.at("www.example").size(), 2u);
    EXPECT_NE(hale.issued.has.at("www.example").back().key_pem, first.key_pem);
    EXPECT_EQ(hale.state("www.example"), State::active);
    EXPECT_EQ(town.ca->orders, 4);
    EXPECT_TRUE(town.ca->complaints.empty()) << town.ca->complaints.front();
    EXPECT_EQ(town.network.open_streams(), 0u);
    EXPECT_EQ(town.network.bytes_held(), 0u);
    hale.stop();
}

TEST(Issuer, GetsThroughBadNoncesAndSlowOrders) {
    const auto seed = test_seed();
    SCOPED_TRACE(seed_text(seed));
    Town town(seed);
    town.ca->bad_nonces = 0.4;
    town.ca->slow_polls = 5;
    town.ca->retry_after_s = 3;
    Process hale(town);
    hale.start({"a.example", "b.example", "c.example"});
    for (const std::string_view host : {"a.example", "b.example", "c.example"}) ASSERT_TRUE(hale.until(host, State::active, 2h)) << hale.status(host).reason;
    EXPECT_GT(town.ca->refused_nonces, 0);
    EXPECT_TRUE(town.ca->complaints.empty()) << town.ca->complaints.front();
    EXPECT_TRUE(hale.challenges.shown.empty());
    hale.stop();
}

TEST(Issuer, RespectsALimitToTheSecond) {
    Town town;
    town.ca->limited_orders = 1;
    town.ca->limited_for_s = 7200;
    Process hale(town);
    const Instant began = town.world.now();
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
    EXPECT_NE(hale.status("www.example").reason.find("too many certificates already"), std::string::npos);
    ASSERT_TRUE(hale.until("www.example", State::active, 3h));
    EXPECT_GE(town.world.now() - began, Duration(7200s));
    EXPECT_LE(town.world.now() - began, Duration(7200s) + longest_sleep);
    EXPECT_EQ(town.ca->limited, 1);
    hale.stop();
}

TEST(Issuer, ProvesHostsByEachKindOfProof) {
    for (const ChallengeKind kind : {ChallengeKind::http_01, ChallengeKind::tls_alpn_01, ChallengeKind::dns_01}) {
        Town town;
        town.ca->offers = text(kind);
        Process hale(town, {.challenge = kind});
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::active, 1min)) << text(kind) << ": " << hale.status("www.example").reason;
        EXPECT_TRUE(hale.challenges.shown.empty());
        hale.stop();
    }
}

TEST(Issuer, LooksNoSoonerThanTheAuthoritySays) {
    Town town;
    town.ca->slow_polls = 2;
    town.ca->retry_after_s = 60;
    Process hale(town);
    const Instant began = town.world.now();
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 15min)) << hale.status("www.example").reason;
    // Twice for the proof, twice for the certificate; the first look of each comes by itself.
    EXPECT_GE(town.world.now() - began, Duration(3 * 60s));
    EXPECT_LE(town.ca->requests, 14);
    hale.stop();
}

TEST(Issuer, UsesNoCertificateOfAnotherKeyOrAnotherName) {
    for (const bool key : {true, false}) {
        Town town;
        (key ? town.ca->signs_another_key : town.ca->signs_another_name) = true;
        Process hale(town);
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
        EXPECT_NE(hale.status("www.example").reason.find("can't be used"), std::string::npos) << hale.status("www.example").reason;
        EXPECT_FALSE(hale.has("www.example"));
        hale.stop();
        // Nor after a restart: it was not kept.
        Process again(town, {}, "again");
        again.start({"www.example"});
        town.world.run_for(1s);
        EXPECT_FALSE(again.has("www.example"));
        again.stop();
    }
}

TEST(Issuer, SurvivesAnAuthorityThatIsDownOrBroken) {
    Town town;
    town.network.set_power("ca.example", false);
    Process hale(town);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::failed, 5min));
    EXPECT_NE(hale.status("www.example").reason.find("can't be reached"), std::string::npos) << hale.status("www.example").reason;
    town.network.set_power("ca.example", true);
    town.ca->broken = 3;
    ASSERT_TRUE(hale.until("www.example", State::active, 2h)) << hale.status("www.example").reason;
    EXPECT_TRUE(hale.challenges.shown.empty());
    hale.stop();
}

TEST(Issuer, GoesToTheNextAuthorityAfterThreeFailures) {
    Town town;
    town.network.set_power("ca.example", false);
    Process hale(town, {.authorities = {{.directory = town.ca->directory()}, {.directory = town.other->directory()}}});
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 2h)) << hale.status("www.example").reason;
    EXPECT_EQ(hale.status("www.example").authority, town.other->directory());
    EXPECT_EQ(town.other->issued, 1);
    hale.stop();
}

TEST(Issuer, TellsTheAuthoritysSentenceOfAFailedValidationAndShowsNothingAfterwards) {
    Town town;
    town.ca->validates = false;
    Process hale(town);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
    EXPECT_EQ(hale.status("www.example").reason, "the authority could not verify www.example by http-01: Connection refused by the host (connection)");
    EXPECT_TRUE(hale.challenges.shown.empty());
    // Bounded: within a day it was tried some times, not hundreds.
    town.world.run_for(24h);
    EXPECT_LE(town.ca->orders, 14);
    EXPECT_GE(town.ca->orders, 7);
    town.ca->validates = true;
    hale.loop.run([&] { EXPECT_TRUE(hale.issuer->renew("www.example")); });
    ASSERT_TRUE(hale.until("www.example", State::active, 1min));
    EXPECT_EQ(hale.status("www.example").reason, "");
    hale.stop();
}

TEST(Issuer, ReplacesAClosedAccountOnce) {
    Town town;
    Process hale(town);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 1min));
    for (int i = 0; i < 2; ++i) {
        i == 0 ? town.ca->close_accounts() : town.ca->lose_accounts();
        hale.loop.run([&] { EXPECT_TRUE(hale.issuer->renew("www.example")); });
        const int before = town.ca->issued;
        ASSERT_TRUE(town.world.run_until([&] { return town.ca->issued > before; }, 1h)) << hale.status("www.example").reason;
        town.world.run_for(1min);
        EXPECT_EQ(hale.state("www.example"), State::active);
    }
    // Closed each time as soon as it is made: it does not register without end.
    town.ca->validates = false;
    for (int i = 0; i < 200; ++i) {
        town.ca->close_accounts();
        hale.loop.run([&] { static_cast<void>(hale.issuer->renew("www.example")); });
        town.world.run_for(1min);
    }
    EXPECT_LE(town.ca->accounts(), 5u);
    hale.stop();
}

TEST(Issuer, TellsTheAccountsContactWheneverItChanged) {
    Town town;
    using Contacts = std::vector<std::string>;
    const auto settings = [&](std::string email) { return IssuerSettings{.authorities = {{.directory = town.ca->directory(), .email = std::move(email)}}}; };
    {
        Process hale(town, settings("one@example.org"));
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::active, 1min));
        town.world.run_for(24h);
        EXPECT_EQ(town.ca->contacts(), Contacts{"mailto:one@example.org"});
        EXPECT_EQ(town.ca->account_updates, 0);  // The registration said it.
        // A reload, there and back, and to nobody.
        for (const std::string email : {"two@example.org", "one@example.org", ""}) {
            hale.loop.run([&] { hale.issuer->set(settings(email)); });
            town.world.run_for(1min);
            EXPECT_EQ(town.ca->contacts(), Contacts{email.empty() ? "-" : "mailto:" + email});
        }
        EXPECT_EQ(town.ca->account_updates, 3);
        hale.stop();
    }
    {
        // What was told is remembered: a restart tells only what is new.
        Process hale(town, settings(""), "same");
        hale.start({"www.example"});
        town.world.run_for(24h);
        EXPECT_EQ(town.ca->account_updates, 3);
        hale.stop();
    }
    // One that the disk of an older Hale says nothing of is told once.
    for (auto& [name, content] : town.platter.files)
        if (is_account_file(name)) {
            auto record = *read_account(content);
            record.contact.reset();
            content = write_account(record);
        }
    for (const std::string name : {"changed", "again"}) {
        Process hale(town, settings("three@example.org"), name);
        hale.start({"www.example"});
        town.world.run_for(24h);
        EXPECT_EQ(town.ca->contacts(), Contacts{"mailto:three@example.org"});
        EXPECT_EQ(town.ca->account_updates, 4);
        hale.stop();
    }
    EXPECT_EQ(town.ca->orders, 1);
    EXPECT_TRUE(town.ca->complaints.empty()) << town.ca->complaints.front();
}

TEST(Issuer, IssuesAlsoWhereTheContactIsRefusedOrTheAuthorityAway) {
    Town town;
    const auto settings = [&](std::string email) { return IssuerSettings{.authorities = {{.directory = town.ca->directory(), .email = std::move(email)}}}; };
    Process hale(town, settings("one@example.org"));
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 1min));
    town.ca->refuses_contacts = true;
    hale.loop.run([&] {
        hale.issuer->set(settings("two@example.org"));
        hale.issuer->want({"www.example", "api.example"});
    });
    ASSERT_TRUE(hale.until("api.example", State::active, 1min)) << hale.status("api.example").reason;
    // Tried again, and not in a hurry.
    town.world.run_for(24h);
    EXPECT_GE(town.ca->account_updates, 3);
    EXPECT_LE(town.ca->account_updates, 5);
    town.ca->refuses_contacts = false;
    town.network.set_power("ca.example", false);
    town.world.run_for(24h);
    town.network.set_power("ca.example", true);
    town.world.run_for(contact_interval + longest_sleep + 1min);
    EXPECT_EQ(town.ca->contacts(), std::vector<std::string>{"mailto:two@example.org"});
    // Found again by its key alone, nobody knows what it was told.
    town.ca->account_updates = 0;
    hale.stop();
    Process again(town, settings("two@example.org"), "again");
    for (auto& [name, content] : town.platter.files)
        if (is_account_file(name)) {
            auto record = *read_account(content);
            record.account.clear();
            content = write_account(record);
        }
    again.start({"www.example", "third.example"});
    ASSERT_TRUE(again.until("third.example", State::active, 1min)) << again.status("third.example").reason;
    town.world.run_for(24h);
    EXPECT_EQ(town.ca->accounts(), 1u);
    EXPECT_EQ(town.ca->account_updates, 1);
    again.stop();
}

TEST(Issuer, SurvivesARestartWithoutAsking) {
    Town town;
    {
        Process hale(town);
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::active, 1min));
        hale.stop();
    }
    const int before = town.ca->requests;
    Process hale(town, {}, "again");
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 1s));
    EXPECT_TRUE(hale.has("www.example"));
    town.world.run_for(24h);
    EXPECT_EQ(town.ca->orders, 1);
    EXPECT_LE(town.ca->requests, before + 5);  // Whether it has windows is asked.
    hale.stop();
}

TEST(Issuer, KeepsACertificateThroughFailuresToRenewItAndRestarts) {
    Town town;
    for (int i = 0; i < 4; ++i) {
        Process hale(town, {}, fmt::format("process {}", i));
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::active, 1min)) << i;
        EXPECT_EQ(hale.issued.has.at("www.example").size(), 1u);
        ASSERT_TRUE(town.world.run_until([&] { return hale.issuer->issuing(); }, 10s));
        // The history of failures is written beside it.
        town.ca->validates = false;
        const int orders = town.ca->orders;
        hale.loop.run([&] { EXPECT_TRUE(hale.issuer->renew("www.example")); });
        ASSERT_TRUE(town.world.run_until([&] { return town.ca->orders > orders; }, 1h));
        town.world.run_for(1min);
        EXPECT_GT(hale.status("www.example").failures, 0u);
        hale.stop();
    }
    EXPECT_EQ(town.ca->issued, 1);
}

TEST(Issuer, DoesNotHurryAnAuthorityByRestarting) {
    Town town;
    town.ca->validates = false;
    for (int i = 0; i < 20; ++i) {
        Process hale(town, {}, fmt::format("process {}", i));
        hale.start({"www.example"});
        town.world.run_for(10s);
        EXPECT_EQ(hale.state("www.example"), State::failed);
        hale.stop();
    }
    EXPECT_LE(town.ca->orders, 3);
}

TEST(Issuer, LeavesTheAskingToOneProcess) {
    Town town;
    Process old(town, {}, "old");
    old.start({"www.example"});
    ASSERT_TRUE(old.until("www.example", State::active, 1min));
    Process young(town, {}, "young");
    young.start({"www.example", "new.example"});
    town.world.run_for(1min);
    EXPECT_EQ(young.state("www.example"), State::active);
    EXPECT_EQ(young.state("new.example"), State::pending);
    EXPECT_FALSE(young.issuer->issuing());
    EXPECT_FALSE(young.issuer->renew("www.example"));
    // What the old one renews meanwhile is the young one's too.
    old.loop.run([&] { EXPECT_TRUE(old.issuer->renew("www.example")); });
    town.ca->look = [&](const std::string&, const std::string& token) { return old.challenges.shown.contains(token) ? old.challenges.shown[token].key_authorization : ""; };
    town.world.run_for(1min);
    EXPECT_EQ(young.issued.has.at("www.example").back().chain_pem, old.issued.has.at("www.example").back().chain_pem);
    EXPECT_EQ(old.issued.has.at("www.example").size(), 2u);
    town.ca->look = [&](const std::string&, const std::string& token) { return young.challenges.shown.contains(token) ? young.challenges.shown[token].key_authorization : ""; };
    old.stop();
    ASSERT_TRUE(young.until("new.example", State::active, 1min)) << young.status("new.example").reason;
    EXPECT_EQ(town.ca->accounts(), 1u);
    EXPECT_EQ(town.ca->orders, 3);
    young.stop();
}

TEST(Issuer, StopsInTheMiddleAndTakesItsProofsBack) {
    // Stopped after each number of milliseconds of an order.
    for (int after = 0; after < 4000; after += 97) {
        Town town;
        town.ca->slow_polls = 2;
        Process hale(town);
        hale.start({"www.example"});
        town.world.run_for(std::chrono::milliseconds(after));
        hale.stop();
        EXPECT_TRUE(hale.challenges.shown.empty()) << after;
        EXPECT_EQ(town.platter.locked_by, nullptr);
        town.world.run_for(5min);
        EXPECT_EQ(town.network.open_streams(), 0u) << after;
    }
}

TEST(Issuer, LosesNothingWhateverWriteFailsOrIsTheLast) {
    for (const bool killed : {false, true})
        for (int nth = 1; nth <= 6; ++nth) {
            SCOPED_TRACE(fmt::format("write {} {}", nth, killed ? "is the last" : "fails"));
            Town town;
            {
                Process hale(town, {}, "first");
                if (!killed) town.platter.fail_at = nth;
                hale.start({"www.example", "api.example"});
                if (killed) town.world.run_until([&] { return town.platter.writes >= nth; }, 5min);
                else EXPECT_TRUE(town.world.run_until([&] { return hale.state("www.example") == State::active && hale.state("api.example") == State::active; }, 1h));
                town.platter.dead = killed;
                hale.stop();
            }
            town.platter.dead = false;
            const int issued = town.ca->issued;
            Process hale(town, {}, "second");
            hale.start({"www.example", "api.example"});
            ASSERT_TRUE(hale.until("www.example", State::active, 1h)) << hale.status("www.example").reason;
            ASSERT_TRUE(hale.until("api.example", State::active, 1h)) << hale.status("api.example").reason;
            // At most what could not be written is asked for again.
            EXPECT_LE(town.ca->issued, std::max(issued, 2) + 1);
            EXPECT_LE(town.ca->accounts(), 1u);
            hale.stop();
        }
}

TEST(Issuer, HasTheAccountsKeyOnTheDiskBeforeTheAuthorityHearsOfIt) {
    Town town;
    {
        Process hale(town);
        hale.start({"www.example"});
        ASSERT_TRUE(town.world.run_until([&] { return town.ca->accounts() == 1; }, 1min));
        ASSERT_EQ(town.platter.files.size(), 1u);
        EXPECT_TRUE(is_account_file(town.platter.files.begin()->first));
        EXPECT_TRUE(read_account(town.platter.files.begin()->second));
        hale.stop();
    }
    Town other;
    other.platter.fail_at = 1;
    Process hale(other);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
    EXPECT_NE(hale.status("www.example").reason.find("no space left on device"), std::string::npos) << hale.status("www.example").reason;
    EXPECT_EQ(other.ca->accounts(), 0u);
    hale.stop();
}

TEST(Issuer, IsNotLedAstrayByAWrongClock) {
    Town town;
    Process hale(town);
    // Two years behind: what is issued is not valid yet, here. That is said, and not tried without end.
    hale.loop.step_wall(-24h * 730);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
    EXPECT_NE(hale.status("www.example").reason.find("clock"), std::string::npos) << hale.status("www.example").reason;
    town.world.run_for(6h);
    EXPECT_LE(town.ca->orders, 10);
    hale.loop.step_wall(24h * 730);
    ASSERT_TRUE(hale.until("www.example", State::active, 7h)) << hale.status("www.example").reason;
    // Ten years ahead: everything looks expired.
    const int before = town.ca->orders;
    hale.loop.step_wall(24h * 3650);
    town.world.run_for(24h);
    EXPECT_EQ(hale.state("www.example"), State::expired);
    EXPECT_LE(town.ca->orders, before + 14);
    hale.loop.step_wall(-24h * 3650);
    town.world.run_for(longest_sleep);
    EXPECT_EQ(hale.state("www.example"), State::active);
    hale.stop();
}

TEST(Issuer, RenewsInTheAuthoritysWindow) {
    Town town;
    town.ca->renewal_info = true;
    Process hale(town);
    hale.start({"www.example"});
    ASSERT_TRUE(hale.until("www.example", State::active, 1min));
    town.world.run_for(24h * 9);
    EXPECT_EQ(town.ca->issued, 1);
    town.world.run_for(24h * 3);
    EXPECT_EQ(town.ca->issued, 2);
    ASSERT_EQ(town.ca->replaced.size(), 1u);
    EXPECT_EQ(town.ca->replaced.front(), renewal_id(hale.issued.has.at("www.example").front().chain_pem));
    hale.stop();
}

TEST(Issuer, HasAtMostSoManyOrdersOpen) {
    Town town;
    town.ca->slow_polls = 3;
    Process hale(town, {.at_once = 3});
    std::vector<std::string> hosts;
    for (int i = 0; i < 30; ++i) hosts.push_back(fmt::format("h{:02}.example", i));
    hale.start(hosts);
    for (const auto& host : hosts) ASSERT_TRUE(hale.until(host, State::active, 1h)) << hale.status(host).reason;
    EXPECT_LE(town.ca->most_orders_open, 3);
    EXPECT_EQ(town.ca->orders, 30);
    hale.stop();
}

TEST(Issuer, ForgetsHostsThatNobodyWants) {
    Town town;
    town.ca->slow_polls = 3;
    Process hale(town);
    hale.start({"www.example", "old.example"});
    town.world.run_for(500ms);
    hale.loop.run([&] { hale.issuer->want({"www.example"}); });
    ASSERT_TRUE(hale.until("www.example", State::active, 1min));
    town.world.run_for(2min);
    EXPECT_FALSE(hale.has("old.example"));
    EXPECT_TRUE(hale.challenges.shown.empty());
    // Wanted again, it comes.
    hale.loop.run([&] { hale.issuer->want({"www.example", "old.example"}); });
    ASSERT_TRUE(hale.until("old.example", State::active, 1min));
    hale.stop();
}

TEST(Issuer, GetsHostsOnDemandThatTheAskUrlKnows) {
    Town town;
    Process hale(town, {.ask_url = "http://ask.example/may", .ask_per_hour = 2});
    hale.start({});
    town.world.run_for(1s);
    hale.loop.run([&] {
        hale.issuer->asked_for("localhost");
        hale.issuer->asked_for("one.example");
        hale.issuer->asked_for("one.example");
        hale.issuer->asked_for("two.example");
        hale.issuer->asked_for("three.example");
    });
    town.world.run_for(1min);
    EXPECT_EQ(town.ask->requests, 2);
    EXPECT_TRUE(hale.has("one.example"));
    EXPECT_FALSE(hale.has("two.example"));    // The URL said no.
    EXPECT_FALSE(hale.has("three.example"));  // The hour's allowance was used up.
    hale.stop();
    // It is remembered as long as there is an ask URL.
    Process again(town, {.ask_url = "http://ask.example/may"}, "again");
    again.start({});
    town.world.run_for(1s);
    EXPECT_TRUE(again.has("one.example"));
    again.loop.run([&] { again.issuer->set({.authorities = {{.directory = town.ca->directory()}}}); });
    EXPECT_FALSE(again.has("one.example"));
    again.stop();
}

TEST(Issuer, SaysThatAnAuthorityWantsAnAccountFromElsewhere) {
    Town town;
    town.ca->external_required = true;
    {
        Process hale(town, {}, "without");
        hale.start({"www.example"});
        ASSERT_TRUE(hale.until("www.example", State::failed, 1min));
        EXPECT_NE(hale.status("www.example").reason.find("acme.eab"), std::string::npos);
        hale.stop();
    }
    Process hale(town, {.authorities = {{.directory = town.ca->directory(), .external_id = "kid-1", .external_secret = "secret"}}}, "with");
    hale.start({"www.example"});
    hale.loop.run([&] { static_cast<void>(hale.issuer->renew("www.example")); });
    ASSERT_TRUE(hale.until("www.example", State::active, 10min)) << hale.status("www.example").reason;
    hale.stop();
}

}  // namespace
}  // namespace hale::acme
