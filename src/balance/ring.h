// A consistent hash ring: the same key meets the same instance while it is there. Who leaves gives away its own
// keys only; who comes takes keys to itself only. Nothing else moves.
//
// Each candidate owns points on a circle of 2^32, a number of them by its weight, placed by its key alone. A
// request's hash belongs to the next point. A table over the circle's high bits finds that point in a step or
// two. A rebuild after one change merges into the ring that is there instead of sorting all of it again.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "balance/candidate.h"

namespace hale::balance {

inline constexpr std::uint32_t ring_points_most = 256;  // Of one candidate; the heaviest owns at least half of it.
// Beyond, everyone owns fewer. When full, the first build takes a few milliseconds, a change under one.
inline constexpr std::size_t ring_points_in_all = std::size_t{1} << 16;

class Ring {
public:
    void rebuild(std::span<const Candidate> candidates);
    // `hash`: of what the request should stick to. A tried one gives way to the next on the circle.
    std::optional<std::uint32_t> pick(std::uint64_t hash, Tried tried) const;
    std::size_t points() const { return points_.size(); }

private:
    struct Owner {
        std::uint64_t key;
        std::uint32_t id;
        std::uint32_t points;
    };
    struct Point {
        std::uint32_t at;
        std::uint32_t owner;  // Where in owners_.
    };
    void index();

    std::vector<Owner> owners_;         // By key.
    std::vector<Point> points_;         // Around the circle.
    std::vector<std::uint32_t> first_;  // By high bits of `at`: the first point not before that place.
    int shift_ = 32;
};

}  // namespace hale::balance
