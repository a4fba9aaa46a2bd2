// Marks in rare branches: tests and nightly runs ask which of them were never reached, so that "this case is
// covered" is a fact. Put one where a bug would hide: a retry of a retry, a late answer, a full queue.
//
//   if (backlog_.full()) { HALE_REACHED("listener: backlog full"); ... }
//
// Costs one relaxed increment, nothing with NDEBUG. In .cc files only: marks live in a section of the
// program, which inline and template functions can't share.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace hale {

struct ReachedMark {
    const char* name;
    const char* file;
    std::uint64_t line;
    std::atomic<std::uint64_t> hits;
};

// The marks compiled into this program, also those never reached.
std::vector<const ReachedMark*> reached_marks();
// "name (file:line)" of each mark without a hit.
std::vector<std::string> never_reached();

}  // namespace hale

#ifdef NDEBUG
#define HALE_REACHED(name) static_cast<void>(0)
#else
#define HALE_REACHED(name)                                                                                     \
    do {                                                                                                       \
        __attribute__((section("hale_reached"), used)) static constinit ::hale::ReachedMark hale_reached_mark{ \
            name, __FILE__, __LINE__, 0};                                                                      \
        hale_reached_mark.hits.fetch_add(1, std::memory_order_relaxed);                                        \
    } while (false)
#endif
