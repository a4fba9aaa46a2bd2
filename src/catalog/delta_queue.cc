#include "catalog/delta_queue.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "base/reached.h"

namespace hale::catalog {

namespace {

// States: a later one of the same object makes an earlier one needless.
bool may_wait(const Delta& delta) {
    return std::holds_alternative<VerdictPut>(delta.what) || std::holds_alternative<SeenPut>(delta.what) ||
           std::holds_alternative<StandingPut>(delta.what);
}

// Of may_wait() ones: object and kind in one number.
std::uint64_t key_of(const Delta& delta) {
    const auto key = [](std::uint64_t kind, Slot slot, std::uint64_t part = 0) { return kind << 56 | part << 32 | slot; };
    if (const auto* verdict = std::get_if<VerdictPut>(&delta.what)) return key(1, verdict->slot);
    if (const auto* seen = std::get_if<SeenPut>(&delta.what)) return key(2, seen->slot, seen->seen.check);
    return key(3, std::get<StandingPut>(delta.what).slot);
}

}  // namespace

std::vector<Delta> DeltaQueue::push(std::vector<Delta> deltas) {
    if (held_.empty() && on_their_way_ < most_) [[likely]] return send(std::move(deltas));
    const bool wait = std::ranges::all_of(deltas, may_wait);
    held_.insert(held_.end(), std::make_move_iterator(deltas.begin()), std::make_move_iterator(deltas.end()));
    if (!wait) return release();
    if (held_.size() > coalesce_at_) coalesce();
    return {};
}

std::vector<Delta> DeltaQueue::taken(std::size_t count) {
    on_their_way_ -= std::min(count, on_their_way_);
    return held_.empty() || on_their_way_ >= most_ ? std::vector<Delta>{} : release();
}

std::vector<Delta> DeltaQueue::send(std::vector<Delta> deltas) {
    on_their_way_ += deltas.size();
    return deltas;
}

std::vector<Delta> DeltaQueue::release() {
    if (untold_ != 0) {
        const std::uint64_t newest = std::ranges::max(held_, {}, &Delta::revision).revision;  // Probes alone have none.
        held_.push_back({newest, held_.back().at, DeltasSkipped{std::exchange(untold_, 0)}});
    }
    coalesce_at_ = most_;
    return send(std::exchange(held_, {}));
}

void DeltaQueue::coalesce() {
    HALE_REACHED("audience: the readers do not keep up");
    std::unordered_set<std::uint64_t> met(held_.size());
    std::vector<Delta> kept;
    kept.reserve(held_.size());
    for (auto it = held_.rbegin(); it != held_.rend(); ++it)
        if (met.insert(key_of(*it)).second) kept.push_back(std::move(*it));
    std::ranges::reverse(kept);
    skipped_ += held_.size() - kept.size();
    untold_ += held_.size() - kept.size();
    held_ = std::move(kept);
    coalesce_at_ = std::max(most_, 2 * held_.size());
}

}  // namespace hale::catalog
