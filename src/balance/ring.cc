#include "balance/ring.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace hale::balance {

namespace {

// splitmix64's finaliser: neighbours in, strangers out.
std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

std::uint32_t place(std::uint64_t key, std::uint32_t point) {
    return static_cast<std::uint32_t>(mixed(key + (point + 1) * 0x9e3779b97f4a7c15u) >> 32);
}

// Points of `weight` when weights up to `heaviest` and `n` candidates share the ring. Scaled by powers of two
// alone, so that who comes or goes does not change the others' numbers except across such a power.
std::uint32_t points_of(std::uint32_t weight, std::uint32_t heaviest, std::size_t n) {
    std::uint64_t most = ring_points_most;
    while (most > 2 && most * n > ring_points_in_all) most /= 2;
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, weight * most >> std::bit_width(heaviest)));
}

}  // namespace

void Ring::rebuild(std::span<const Candidate> candidates) {
    std::uint32_t heaviest = 1;
    std::size_t n = 0;
    for (const Candidate& c : candidates) {
        heaviest = std::max(heaviest, c.weight);
        if (c.weight > 0) ++n;
    }
    std::vector<Owner> before = std::exchange(owners_, {});
    for (const Candidate& c : candidates)
        if (c.weight > 0) owners_.push_back({c.key, c.id, points_of(c.weight, heaviest, n)});
    std::ranges::sort(owners_, {}, [](const Owner& o) { return std::pair(o.key, o.id); });

    // Both lists are by key: walk them together. Who stayed with as many points keeps them under a new number.
    constexpr std::uint32_t gone = ~0u;
    std::vector<std::uint32_t> now(before.size(), gone);
    std::vector<Point> added;
    std::size_t old = 0;
    for (std::uint32_t i = 0; i < owners_.size(); ++i) {
        const Owner& owner = owners_[i];
        while (old < before.size() && before[old].key < owner.key) ++old;
        if (old < before.size() && before[old].key == owner.key && before[old].points == owner.points) {
            now[old++] = i;
            continue;
        }
        for (std::uint32_t p = 0; p < owner.points; ++p) added.push_back({place(owner.key, p), i});
    }
    std::erase_if(points_, [&](Point& point) {
        point.owner = now[point.owner];
        return point.owner == gone;
    });
    // Points that share a place are ordered by owner, that is by key: the same way in every process.
    const auto around = [](const Point& p) { return std::pair(p.at, p.owner); };
    std::ranges::sort(added, {}, around);
    const auto middle = static_cast<std::ptrdiff_t>(points_.size());
    points_.insert(points_.end(), added.begin(), added.end());
    std::ranges::inplace_merge(points_, points_.begin() + middle, {}, around);
    index();
}

void Ring::index() {
    const auto bits = std::max(1, static_cast<int>(std::bit_width(points_.size())));
    shift_ = 32 - bits;
    first_.assign((std::size_t{1} << bits), 0);
    std::size_t point = 0;
    for (std::size_t i = 0; i < first_.size(); ++i) {
        while (point < points_.size() && (points_[point].at >> shift_) < i) ++point;
        first_[i] = static_cast<std::uint32_t>(point);
    }
}

std::optional<std::uint32_t> Ring::pick(std::uint64_t hash, Tried tried) const {
    const std::size_t n = points_.size();
    if (n == 0) return std::nullopt;
    const auto at = static_cast<std::uint32_t>(mixed(hash) >> 32);
    std::size_t i = first_[at >> shift_];
    while (i < n && points_[i].at < at) ++i;
    if (tried.empty()) return owners_[points_[i == n ? 0 : i].owner].id;
    for (std::size_t steps = 0; steps < n; ++steps, ++i) {
        if (i >= n) i = 0;
        const std::uint32_t id = owners_[points_[i].owner].id;
        if (!is_in(tried, id)) return id;
    }
    return std::nullopt;
}

}  // namespace hale::balance
