#include "api/tally.h"

#include <algorithm>

namespace hale::api {

void Tally::count(const catalog::View& view, const catalog::Delta& delta) {
    if (const auto* gone = std::get_if<catalog::ServiceGone>(&delta.what)) {
        if (const auto* service = view.service(gone->slot)) services_.erase(service->facts->name.str());
        return;
    }
    const auto* put = std::get_if<catalog::SeenPut>(&delta.what);
    const auto* instance = put != nullptr ? view.instance(put->slot) : nullptr;
    if (instance == nullptr) return;
    auto found = services_.find(instance->facts->service);
    if (found == services_.end()) found = services_.emplace(instance->facts->service, ProbeTally{}).first;
    ProbeTally& tally = found->second;
    ++tally.outcomes[{put->seen.outcome, put->seen.reason}];
    const Duration total = put->seen.timings.total;
    if (total < Duration{0}) return;
    const auto bucket = std::ranges::lower_bound(ProbeTally::bounds_us, static_cast<std::uint64_t>(total / 1us));
    ++tally.durations[static_cast<std::size_t>(bucket - ProbeTally::bounds_us.begin())];
    ++tally.measured;
    tally.sum += total;
}

}  // namespace hale::api
