// Counts probes as their results pass by on the way into the view, for /metrics. Series vanish with their
// service.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "catalog/view.h"

namespace hale::api {

struct ProbeTally {
    static constexpr std::array<std::uint32_t, 12> bounds_us{1'000,   2'500,   5'000,     10'000,    25'000,    50'000,
                                                             100'000, 250'000, 500'000, 1'000'000, 2'500'000, 10'000'000};
    std::map<std::pair<verdict::Outcome, verdict::Reason>, std::uint64_t> outcomes;
    std::array<std::uint64_t, bounds_us.size() + 1> durations{};
    std::uint64_t measured = 0;
    Duration sum{};
};

class Tally {
public:
    // Before the delta is applied.
    void count(const catalog::View& view, const catalog::Delta& delta);
    const std::map<std::string, ProbeTally, std::less<>>& services() const { return services_; }

private:
    std::map<std::string, ProbeTally, std::less<>> services_;
};

}  // namespace hale::api
