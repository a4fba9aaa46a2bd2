#include "catalog/report_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hale::catalog {

namespace {

// Keeps the last element of each row, in order; returns how many went. Rows are small numbers.
template <class T>
std::size_t keep_latest(std::vector<T>& list) {
    std::vector<bool> met;
    std::vector<T> kept;
    kept.reserve(list.size());
    for (auto it = list.rbegin(); it != list.rend(); ++it) {
        if (met.size() <= it->row) met.resize(it->row + std::size_t{1});
        if (met[it->row]) continue;
        met[it->row] = true;
        kept.push_back(std::move(*it));
    }
    std::ranges::reverse(kept);
    const std::size_t went = list.size() - kept.size();
    list = std::move(kept);
    return went;
}

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
    if (to.empty()) to = std::move(from);
    else to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void ReportQueue::push(CheckReport report) {
    append(waiting_.changes, std::move(report.changes));
    append(waiting_.seen, std::move(report.seen));
    append(waiting_.first_failures, std::move(report.first_failures));
    waiting_.discarded += report.discarded;
    if (std::max(waiting_.changes.size(), waiting_.seen.size()) > coalesce_at_) coalesce();
}

void ReportQueue::coalesce() {
    skipped_ += keep_latest(waiting_.changes);
    keep_latest(waiting_.seen);
    if (waiting_.first_failures.size() > most_queued_changes) waiting_.first_failures.clear();
    coalesce_at_ = std::max(most_queued_changes, 2 * std::max(waiting_.changes.size(), waiting_.seen.size()));
}

std::optional<CheckReport> ReportQueue::pop() {
    if (empty()) return std::nullopt;
    coalesce_at_ = most_queued_changes;
    return std::exchange(waiting_, CheckReport{});
}

}  // namespace hale::catalog
