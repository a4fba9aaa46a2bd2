// Smooth weighted round robin: of weights 5, 1, 1 it makes a a b a c a a, not a a a a a b c. Each pick raises
// everyone by its weight and takes the highest, which pays the sum. Equal weights take a shortcut of the same
// order. Where it stands survives a rebuild, so frequent rebuilds don't favour the head of the list.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "balance/candidate.h"

namespace hale::balance {

class RoundRobin {
public:
    // `seed` sets the first turn, so that workers don't all begin with the same instance.
    explicit RoundRobin(std::uint64_t seed) : turn_(seed) {}

    void rebuild(std::span<const Candidate> candidates);
    std::optional<std::uint32_t> pick(Tried tried);

private:
    struct Turn {
        std::uint32_t id;
        std::uint32_t weight;
        std::int64_t credit;
    };
    std::vector<Turn> turns_;  // Those with a weight.
    std::uint64_t turn_;       // Whose it is, while all weights are equal.
    bool equal_ = true;
};

}  // namespace hale::balance
