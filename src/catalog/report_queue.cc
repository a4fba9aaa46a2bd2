#include "catalog/report_queue.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace hale::catalog {

namespace {

// Keeps the last element of each row, in order; returns how many went.
template <class T>
std::size_t keep_latest(std::vector<T>& list) {
    std::unordered_set<verdict::RowId> met;
    std::vector<T> kept;
    const std::size_t before = list.size();
    for (auto it = list.rbegin(); it != list.rend(); ++it)
        if (met.insert(it->row).second) kept.push_back(std::move(*it));
    std::ranges::reverse(kept);
    list = std::move(kept);
    return before - list.size();
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
    if (waiting_.changes.size() > most_queued_changes || waiting_.seen.size() > most_queued_changes) coalesce();
}

void ReportQueue::coalesce() {
    skipped_ += keep_latest(waiting_.changes);
    keep_latest(waiting_.seen);
    if (waiting_.first_failures.size() > most_queued_changes) waiting_.first_failures.clear();
}

std::optional<CheckReport> ReportQueue::pop() {
    if (empty()) return std::nullopt;
    return std::exchange(waiting_, CheckReport{});
}

}  // namespace hale::catalog
