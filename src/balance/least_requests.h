// Two at random, and the one with fewer requests in flight for its weight: nearly as even as asking all, and
// without the herd that runs to the single least loaded. Each is drawn in proportion to its weight (Walker's
// alias table), so an idle service is served by weight too.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "balance/candidate.h"
#include "base/random.h"

namespace hale::balance {

class LeastRequests {
public:
    explicit LeastRequests(std::uint64_t seed) : random_(seed) {}

    void rebuild(std::span<const Candidate> candidates);
    std::optional<std::uint32_t> pick(Tried tried);

private:
    struct Column {
        const std::atomic<std::uint32_t>* in_flight;
        std::uint32_t id;
        std::uint32_t weight;
        std::uint32_t keep;  // Of 2^32: below it the draw means this column, else its alias.
        std::uint32_t alias;
    };
    std::size_t draw(std::uint32_t bits) const;
    bool lighter(const Column& a, const Column& b) const;  // Strictly.
    std::optional<std::uint32_t> lightest_untried(Tried tried);

    std::vector<Column> columns_;
    Random random_;
};

}  // namespace hale::balance
