// Goal: renewal comes 30 days or a third of the lifetime before the end, spread by the seed and never later; windows of
// the authority are kept to; pauses grow to their limit. Method: lifetimes from an hour to ten years against the rule.

#include "acme/calendar.h"

#include <gtest/gtest.h>

#include <set>

namespace hale::acme {
namespace {

const Utc start{1'795'270'000s};

TEST(Calendar, RenewsThirtyDaysOrAThirdOfTheLifetimeBeforeTheEnd) {
    for (const Duration lifetime : {Duration(1h), Duration(24h), Duration(24h * 6), Duration(24h * 47), Duration(24h * 90), Duration(24h * 398), Duration(24h * 3650)}) {
        const Duration before = std::min<Duration>(lifetime / 3, 24h * 30);
        for (std::uint64_t seed = 0; seed < 200; ++seed) {
            const Utc at = renewal_time(start, start + lifetime, {}, seed);
            EXPECT_LE(at, start + lifetime - before);
            EXPECT_GE(at, start + lifetime - before - before / 10);
            EXPECT_GE(at, start + lifetime / 3);  // Never as soon as it is there.
        }
    }
}

TEST(Calendar, SpreadsCertificatesOfOneDay) {
    std::set<Utc> times;
    for (std::uint64_t seed = 0; seed < 100; ++seed) times.insert(renewal_time(start, start + 24h * 90, {}, seed));
    EXPECT_GT(times.size(), 95u);
    EXPECT_EQ(renewal_time(start, start + 24h * 90, {}, 7), renewal_time(start, start + 24h * 90, {}, 7));
}

TEST(Calendar, KeepsToWhatWasConfiguredWithinReason) {
    const Utc at = renewal_time(start, start + 24h * 90, Duration(24h * 10), 1);
    EXPECT_LE(at, start + 24h * 80);
    EXPECT_GE(at, start + 24h * 79);
    // Asked to renew 60 days before the end of six days.
    EXPECT_GE(renewal_time(start, start + 24h * 6, Duration(24h * 60), 1), start + 24h);
}

TEST(Calendar, ChoosesAMomentOfTheAuthoritysWindow) {
    const RenewalWindow window{.start = start + 24h, .end = start + 48h};
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const Utc at = renewal_time(window, start + 24h * 90, seed);
        EXPECT_GE(at, window.start);
        EXPECT_LE(at, window.end);
    }
    EXPECT_EQ(renewal_time(window, start + 2h, 1), start + 2h);  // The certificate ends before its window.
}

TEST(Calendar, PausesLongerAfterEachFailureUpToALimit) {
    EXPECT_EQ(pause_after(0, 1), Duration::zero());
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Duration least = first_pause;
        for (unsigned failures = 1; failures < 40; ++failures) {
            const Duration pause = pause_after(failures, seed);
            EXPECT_GE(pause, least);
            EXPECT_LE(pause, least + least / 5);
            least = std::min<Duration>(least * 2, longest_pause);
        }
    }
    EXPECT_GE(pause_after(~0u, 1), longest_pause);
}

}  // namespace
}  // namespace hale::acme
