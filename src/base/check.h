// Three strengths of "this can't be". What the world may do is neither: that is a Result.
//
//   HALE_CHECK  shared state is wrong (a corrupt ledger): always on, the process ends.
//   HALE_BUG    one request or connection is wrong: logged and counted, fatal in tests; the caller drops
//               what it was doing. A daemon that carries traffic does not die for one malformed request.

#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

namespace hale {

[[noreturn]] void check_failed(std::string_view what, std::source_location where = std::source_location::current());

// Counts and logs. In tests (set_bugs_fatal) it ends the process instead.
void bug(std::string_view what, std::source_location where = std::source_location::current());
std::uint64_t bugs_seen();
void set_bugs_fatal(bool fatal);

}  // namespace hale

#define HALE_CHECK(condition) \
    do {                      \
        if (!(condition)) [[unlikely]] ::hale::check_failed(#condition); \
    } while (false)

// if (HALE_BUG_IF(x == nullptr)) return;
#define HALE_BUG_IF(condition) ((condition) ? (::hale::bug(#condition), true) : false)
