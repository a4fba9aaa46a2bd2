// Goal: baking counts what users met at the new version since it began, and nothing else, and says no exactly beyond what is
// declared.
// Method: figures of two workers that grow, begin anew or come late, against sums kept beside them; every border of each limit.

#include "deploy/baking.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/seed.h"

namespace hale::deploy {
namespace {

catalog::InstanceTraffic traffic_of(std::string name, std::uint64_t requests, std::uint64_t failed, std::vector<std::uint64_t> took = {}) {
    constexpr std::array<Duration, 3> bounds{100ms, 500ms, Duration::max()};
    catalog::InstanceTraffic out{.name = std::move(name), .requests = requests, .failed = failed, .took = {}};
    for (std::size_t i = 0; i < took.size(); ++i) out.took.emplace_back(bounds[i], took[i]);
    return out;
}

TEST(Baking, CountsWhatCameSinceItBegan) {
    const std::uint64_t first = test_seed();
    SCOPED_TRACE(seed_text(first));
    Random random(first);
    for (int world = 0; world < 200; ++world) {
        Baked seen;
        catalog::TrafficNow now{{traffic_of("web-2-1", 50, 10, {1, 2, 3}), traffic_of("web-1-1", 9, 9)}, {}};
        seen.take(now, {"web-2-1", "web-2-2"});
        std::uint64_t requests = 0, failed = 0;
        for (int n = 0; n < 20; ++n) {
            // Another instance appears at the second worker; figures begin anew; the old version is nobody's.
            for (auto& worker : now)
                for (auto& one : worker) {
                    if (random.below(6) == 0) one = traffic_of(one.name, 0, 0);
                    const std::uint64_t more = random.below(100), bad = random.below(more + 1);
                    // What begins anew and passes what it was in the same moment can't be told from what grew.
                    if (one.requests == 0 && more >= 50) continue;
                    one.requests += more;
                    one.failed += bad;
                }
            if (n == 3) now[1].push_back(traffic_of("web-2-2", 5, 1)), requests += 5, failed += 1;
            const std::uint64_t before_requests = seen.requests(), before_failed = seen.failed();
            seen.take(now, {"web-2-1", "web-2-2"});
            EXPECT_GE(seen.requests(), before_requests);
            EXPECT_GE(seen.failed(), before_failed);
            EXPECT_LE(seen.failed(), seen.requests());
        }
    }
    Baked seen;
    seen.take({{traffic_of("a", 50, 10)}, {traffic_of("a", 7, 0)}}, {"a"});
    EXPECT_EQ(seen.requests(), 0u) << "what was before is not counted";
    seen.take({{traffic_of("a", 60, 12), traffic_of("b", 99, 99)}, {traffic_of("a", 3, 1)}}, {"a"});
    EXPECT_EQ(seen.requests(), 13u) << "ten more, and three since it began anew";
    EXPECT_EQ(seen.failed(), 3u);
    seen.take({{traffic_of("a", 60, 12)}, {traffic_of("a", 3, 1)}}, {"a"});
    EXPECT_EQ(seen.requests(), 13u) << "the same again is nothing more";
}

TEST(Baking, SaysNoExactlyBeyondWhatIsDeclared) {
    const auto told = [](config::Bake allowed, std::uint64_t requests, std::uint64_t failed, std::vector<std::uint64_t> took = {}) {
        Baked seen;
        seen.take({{}}, {"a"});
        seen.take({{traffic_of("a", requests, failed, std::move(took))}}, {"a"});
        return worse(allowed, seen).value_or("");
    };
    const config::Bake allowed{.duration = 60s, .max_error_ratio = 0.05, .min_requests = 100, .max_p95 = 300ms};
    EXPECT_EQ(told(allowed, 99, 99), "") << "too few";
    EXPECT_EQ(told(allowed, 100, 5), "") << "exactly what may";
    EXPECT_EQ(told(allowed, 100, 6), "of 100 requests to the new version 6 failed: 6.0 %, and 5 % may");
    EXPECT_EQ(told(allowed, 100, 0, {95, 5, 0}), "") << "95 within 100 ms";
    EXPECT_EQ(told(allowed, 100, 0, {90, 10, 0}), "") << "95 within 300 ms";
    EXPECT_EQ(told(allowed, 100, 0, {80, 20, 0}), "95 % of 100 answers of the new version took up to 400 ms, and 300 ms is allowed");
    EXPECT_EQ(told(allowed, 100, 0, {0, 0, 100}), "95 % of 100 answers of the new version took up to 500 ms, and 300 ms is allowed") << "at least";
    EXPECT_EQ(told({.duration = 60s, .max_error_ratio = 1, .min_requests = 1}, 100, 100, {0, 0, 100}), "") << "nothing is asked of it";
    EXPECT_EQ(told({.duration = 60s, .max_error_ratio = 0, .min_requests = 1}, 1, 1), "of 1 requests to the new version 1 failed: 100.0 %, and 0 % may");
}

}  // namespace
}  // namespace hale::deploy
