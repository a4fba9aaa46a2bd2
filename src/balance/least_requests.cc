#include "balance/least_requests.h"

namespace hale::balance {

void LeastRequests::rebuild(std::span<const Candidate> candidates) {
    columns_.clear();
    std::uint64_t sum = 0;
    for (const Candidate& c : candidates) {
        if (c.weight == 0) continue;
        columns_.push_back({c.in_flight, c.id, c.weight, ~0u, static_cast<std::uint32_t>(columns_.size())});
        sum += c.weight;
    }
    // Vose's construction in whole numbers: a column is full at `sum`; who has more than that fills up others.
    const std::uint64_t n = columns_.size();
    std::vector<std::uint64_t> mass(n);
    std::vector<std::uint32_t> small, large;
    for (std::uint32_t i = 0; i < n; ++i) {
        mass[i] = std::uint64_t{columns_[i].weight} * n;
        (mass[i] < sum ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
        const std::uint32_t poor = small.back(), rich = large.back();
        small.pop_back();
        // sum may need more than 32 bits; a double's 53 are plenty for a probability of 32.
        columns_[poor].keep =
            static_cast<std::uint32_t>(static_cast<double>(mass[poor]) / static_cast<double>(sum) * 0x1p32);
        columns_[poor].alias = rich;
        mass[rich] -= sum - mass[poor];
        if (mass[rich] < sum) {
            large.pop_back();
            small.push_back(rich);
        }
    }
}

std::size_t LeastRequests::draw(std::uint32_t bits) const {
    const std::uint64_t product = std::uint64_t{bits} * columns_.size();
    const auto at = static_cast<std::size_t>(product >> 32);
    const Column& column = columns_[at];
    return static_cast<std::uint32_t>(product) < column.keep ? at : column.alias;
}

bool LeastRequests::lighter(const Column& a, const Column& b) const {
    const std::uint64_t at_a = a.in_flight->load(std::memory_order_relaxed);
    const std::uint64_t at_b = b.in_flight->load(std::memory_order_relaxed);
    return at_a * b.weight < at_b * a.weight;
}

std::optional<std::uint32_t> LeastRequests::pick(Tried tried) {
    const std::size_t n = columns_.size();
    if (n == 0) return std::nullopt;
    if (!tried.empty()) return lightest_untried(tried);
    if (n == 1) return columns_.front().id;
    const std::uint64_t bits = random_.next();
    const std::size_t first = draw(static_cast<std::uint32_t>(bits >> 32));
    std::size_t second = draw(static_cast<std::uint32_t>(bits));
    if (second == first) second = first + 1 == n ? 0 : first + 1;
    return columns_[lighter(columns_[second], columns_[first]) ? second : first].id;
}

// A retry is rare, and its second choice matters: ask all, from a random one on so that ties spread.
std::optional<std::uint32_t> LeastRequests::lightest_untried(Tried tried) {
    const std::size_t n = columns_.size();
    const std::size_t start = random_.below(n);
    const Column* best = nullptr;
    for (std::size_t i = 0; i < n; ++i) {
        const Column& c = columns_[(start + i) % n];
        if (is_in(tried, c.id)) continue;
        if (best == nullptr || lighter(c, *best)) best = &c;
    }
    if (best == nullptr) return std::nullopt;
    return best->id;
}

}  // namespace hale::balance
