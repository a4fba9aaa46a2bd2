// One of those to choose among: an eligible instance, as balancing sees it.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>

namespace hale::balance {

struct Candidate {
    std::uint32_t id = 0;      // The caller's own number, unique in its list: what pick returns, what `tried` holds.
    std::uint32_t weight = 1;  // Only ratios matter, so scale them for fractions. Zero: never picked.
    std::uint64_t key = 0;     // Of the instance for good (hash64 of its id): its place on the ring.
    const std::atomic<std::uint32_t>* in_flight = nullptr;  // Requests at it now; outlives the picker's list.
};

// Ids that this request was sent to already. Short: a request is retried a few times at most.
using Tried = std::span<const std::uint32_t>;

inline bool is_in(Tried tried, std::uint32_t id) { return std::ranges::find(tried, id) != tried.end(); }

}  // namespace hale::balance
