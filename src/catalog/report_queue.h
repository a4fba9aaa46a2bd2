// Reports that wait while a mutation is carried out. Bounded: beyond the limit it keeps the latest change of
// each row (verdicts are states, so skipping intermediate ones loses no truth) and counts what it skipped.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "catalog/checking.h"

namespace hale::catalog {

inline constexpr std::size_t most_queued_changes = 65'536;

class ReportQueue {
public:
    void push(CheckReport report);
    std::optional<CheckReport> pop();  // Everything, as one report.
    bool empty() const { return waiting_.changes.empty() && waiting_.seen.empty() && waiting_.first_failures.empty(); }
    std::uint64_t skipped() const { return skipped_; }

private:
    void coalesce();

    CheckReport waiting_;
    std::size_t coalesce_at_ = most_queued_changes;  // Moves up where there are more rows than that.
    std::uint64_t skipped_ = 0;
};

}  // namespace hale::catalog
