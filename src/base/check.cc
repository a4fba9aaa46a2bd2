#include "base/check.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>

#include "base/log.h"

namespace hale {

namespace {
// Process-wide counters of our own faults: atomics because every thread may meet one, and nothing is decided by them.
std::atomic<std::uint64_t> seen{0};
std::atomic<bool> fatal_in_tests{false};
}  // namespace

void check_failed(std::string_view what, std::source_location where) {
    log(LogLevel::critical, fmt::format("CHECK failed: {} at {}:{}", what, where.file_name(), where.line()));
    std::abort();
}

void bug(std::string_view what, std::source_location where) {
    seen.fetch_add(1, std::memory_order_relaxed);
    log(LogLevel::error, fmt::format("BUG: {} at {}:{}", what, where.file_name(), where.line()));
    if (fatal_in_tests.load(std::memory_order_relaxed)) std::abort();
}

std::uint64_t bugs_seen() { return seen.load(std::memory_order_relaxed); }
void set_bugs_fatal(bool fatal) { fatal_in_tests.store(fatal, std::memory_order_relaxed); }

}  // namespace hale
