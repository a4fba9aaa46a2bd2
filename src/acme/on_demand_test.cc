// Goal: a stranger's handshakes cost a bounded number of questions, whatever they ask for. Method: names that can and can't
// have a certificate; a flood; time that passes.

#include "acme/on_demand.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace hale::acme {
namespace {

using Verdict = OnDemand::Verdict;
const Instant start{1h};

TEST(OnDemand, AsksOnlyForNamesThatAnAuthorityCouldCertify) {
    for (const std::string_view good : {"www.example", "a.b.c.example.org", "xn--bcher-kva.example", "1.example"}) EXPECT_TRUE(could_be_certified(good)) << good;
    for (const std::string_view bad : {"", "localhost", "example", "10.0.0.1", "[::1]", "::1", "*.example.org", "a_b.example", "host.local", "x.localhost", "WWW.example",
                                       "www.example.", "www.example:443", "a..b", "-", "1.2.3.4.5", "a b.example", "db.internal"})
        EXPECT_FALSE(could_be_certified(bad)) << bad;
}

TEST(OnDemand, AsksAtMostSoOftenAnHour) {
    OnDemand decision(3);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(decision.wanted(fmt::format("h{}.example", i), start + std::chrono::minutes(i)), Verdict::ask);
    EXPECT_EQ(decision.wanted("h4.example", start + 3min), Verdict::too_many);
    EXPECT_EQ(decision.wanted("h4.example", start + 59min), Verdict::too_many);
    EXPECT_EQ(decision.wanted("h4.example", start + 60min), Verdict::ask);
    EXPECT_EQ(decision.wanted("h5.example", start + 60min), Verdict::too_many);
}

TEST(OnDemand, AsksOnceUntilTheAnswerAndNotAgainSoonAfterANo) {
    OnDemand decision(100);
    EXPECT_EQ(decision.wanted("a.example", start), Verdict::ask);
    EXPECT_EQ(decision.wanted("a.example", start), Verdict::refused);
    decision.answered("a.example", false, start + 1s);
    EXPECT_EQ(decision.wanted("a.example", start + 2s), Verdict::refused);
    EXPECT_EQ(decision.wanted("a.example", start + 1s + OnDemand::refusal_holds), Verdict::ask);
    decision.answered("a.example", true, start + 20min);
    EXPECT_EQ(decision.wanted("a.example", start + 20min), Verdict::ask);  // Yes, and nobody made it wanted: asked again.
}

TEST(OnDemand, RemembersABoundedNumberOfRefusals) {
    OnDemand decision(1'000'000);
    for (std::size_t i = 0; i < 3 * OnDemand::most_remembered; ++i) EXPECT_EQ(decision.wanted(fmt::format("h{}.example", i), start), Verdict::ask);
}

}  // namespace
}  // namespace hale::acme
