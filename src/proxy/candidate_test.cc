// Goal: what a deployment has not switched to is reached by its key and by nothing else, on users' own routes; the instance
// never sees the key.
// Method: a whole worker in the simulated world, with an instance that serves and one that is starting.

#include "proxy/bed_test.h"

namespace hale::proxy {
namespace {

struct Two {
    Two() {
        auto& web = bed.serve("web", 2);
        web.endpoints[1].lifecycle = verdict::Lifecycle::starting;
        web.candidate_key = "k-1";
        bed.open();
    }
    std::string ask(const std::string& fields, const std::string& path = "/") { return bed.ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"); }
    std::pair<std::size_t, std::size_t> asked() const { return {bed.instances[0]->requests.size(), bed.instances[1]->requests.size()}; }
    catalog::RoutedService& web() { return bed.table.services.at("web"); }
    Bed bed;
};
using Asked = std::pair<std::size_t, std::size_t>;

TEST(Candidate, OnlyItsKeyLeadsToIt) {
    Two two;
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(two.ask("").starts_with("HTTP/1.1 200 "));
    EXPECT_EQ(two.asked(), (Asked{20, 0}));
    for (const char* wrong : {"Hale-Candidate: k-2\r\n", "Hale-Candidate:\r\n", "Hale-Candidate: k-11\r\n", "X-Hale-Candidate: k-1\r\n"}) two.ask(wrong);
    EXPECT_EQ(two.asked(), (Asked{24, 0}));
    EXPECT_TRUE(two.ask("hale-candidate: k-1\r\nX-Kept: yes\r\n").starts_with("HTTP/1.1 200 "));
    EXPECT_EQ(two.asked(), (Asked{24, 1}));
    const auto& seen = two.bed.instances[1]->requests[0].head;
    EXPECT_EQ(seen.find("k-1"), std::string::npos) << seen;
    EXPECT_NE(seen.find("X-Kept: yes"), std::string::npos) << seen;
    EXPECT_NE(two.bed.instances[0]->requests[20].head.find("Hale-Candidate: k-2"), std::string::npos) << "not ours: passed on";
}

TEST(Candidate, ItIsReachedWhileUsersAreKeptAway) {
    Two two;
    two.web().override = verdict::OverrideState::maintenance;
    two.bed.adopt();
    EXPECT_TRUE(two.ask("").starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(two.ask("Hale-Candidate: k-1\r\n").starts_with("HTTP/1.1 200 "));
    two.web().override.reset();
    two.web().paused_until = two.bed.world.now() + 10s;
    two.bed.adopt();
    EXPECT_TRUE(two.ask("Hale-Candidate: k-1\r\n").starts_with("HTTP/1.1 200 "));
    EXPECT_EQ(two.asked(), (Asked{0, 2}));
}

TEST(Candidate, WithoutACandidateItsKeyLeadsNowhere) {
    Two two;
    two.web().candidate_key.clear();
    two.bed.adopt();
    two.ask("Hale-Candidate: k-1\r\n");
    two.ask("Hale-Candidate:\r\n");
    EXPECT_EQ(two.asked(), (Asked{2, 0}));
    two.web().candidate_key = "k-1";
    two.web().endpoints[1].lifecycle = verdict::Lifecycle::draining;
    two.bed.adopt();
    EXPECT_NE(two.ask("Hale-Candidate: k-1\r\n").find("Hale-Reason: no_eligible_instance"), std::string::npos);
    EXPECT_EQ(two.asked(), (Asked{2, 0}));
}

TEST(Candidate, WhatItFailsIsItsOwn) {
    Two two;
    two.bed.instances[1]->kill();
    two.bed.world.run_for(1s);
    const auto got = two.ask("Hale-Candidate: k-1\r\n");
    EXPECT_NE(got.find("Hale-Reason: upstream_connect"), std::string::npos) << got;
    EXPECT_EQ(two.asked(), (Asked{0, 0})) << "nobody else answers for it";
}

TEST(Candidate, SeveralTakeTurns) {
    Bed bed;
    auto& web = bed.serve("web", 4);
    for (int i : {1, 3}) web.endpoints[static_cast<std::size_t>(i)].lifecycle = verdict::Lifecycle::starting;
    web.candidate_key = "k";
    bed.open();
    for (int i = 0; i < 6; ++i) bed.ask("GET / HTTP/1.1\r\nHost: a\r\nHale-Candidate: k\r\n\r\n");
    EXPECT_EQ(bed.instances[1]->requests.size(), 3u);
    EXPECT_EQ(bed.instances[3]->requests.size(), 3u);
}

}  // namespace
}  // namespace hale::proxy
