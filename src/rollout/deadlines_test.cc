// Goal: the time to verify is what the health checks themselves promise, whatever figures are declared.
// Method: known figures, and extremes.

#include "rollout/deadlines.h"

#include <gtest/gtest.h>

#include <array>

namespace hale::rollout {
namespace {

TEST(Deadlines, AHealthChecksOwnFiguresAreItsBudget) {
    EXPECT_EQ(health_budget({.start_period = 90s, .interval = 30s, .timeout = 10s, .retries = 3}), 90s + 3 * 40s + verification_margin);
    EXPECT_EQ(health_budget({}), 3 * 60s + verification_margin);  // Docker's own.
    EXPECT_EQ(health_budget({.interval = 1s, .timeout = 1s, .retries = 0}), 2s + verification_margin) << "one look at least";
    EXPECT_EQ(direct_budget({.interval = 500ms, .timeout = 2s, .rise = 2}), 5s + verification_margin);
}

TEST(Deadlines, ContainersAreVerifiedBesideEachOther) {
    const Verified slow{.health = HealthCheck{.start_period = 90s, .interval = 30s, .timeout = 10s}, .direct = {}}, quick{.health = {}, .direct = DirectCheck{}};
    EXPECT_EQ(verification_deadline(std::array{slow, quick, quick}), health_budget(*slow.health));
    EXPECT_EQ(verification_deadline(std::array<Verified, 20>{slow, slow}), health_budget(*slow.health));
    EXPECT_EQ(verification_deadline(std::array{quick}), least_verification);
    EXPECT_EQ(verification_deadline({}), least_verification);
}

TEST(Deadlines, NothingOverflowsOrLastsForEver) {
    for (const Duration d : {Duration::max(), Duration::min(), Duration{-5}, longest_verification * 2}) {
        EXPECT_LE(health_budget({.start_period = d, .interval = d, .timeout = d, .retries = ~0u}), longest_verification);
        EXPECT_GE(health_budget({.start_period = d, .interval = d, .timeout = d, .retries = ~0u}), 0s);
        EXPECT_LE(direct_budget({.start_period = d, .interval = d, .timeout = d, .rise = ~0u}), longest_verification);
    }
}

}  // namespace
}  // namespace hale::rollout
