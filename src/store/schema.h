// The shape of state.db and how older shapes become this one. Inside this folder only.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hale::store {

class Connection;

inline constexpr std::int32_t application_id = 0x48414c45;  // "HALE"

// Takes version `to - 1` to `to`. Steps are never edited once released. A step that changes a table's columns ends by
// writing its rows' sums anew: UPDATE t SET sum = row_sum('t', columns…).
struct Step {
    std::uint32_t to = 0;
    std::string_view sql;
};

// From an empty file to this version, in order.
std::span<const Step> schema_steps();
std::uint32_t newest_version(std::span<const Step> steps);

// Makes a state.db that was never there: built beside, renamed into place, so that a state.db without tables is
// always damage and never a start that was cut off.
Result<> create_state(const std::string& path, std::span<const Step> steps);

// Is it Hale's, not newer than `steps`, structurally whole? Returns its version.
Result<std::uint32_t> verify(Connection& connection, std::span<const Step> steps);

// Runs the steps after `from`. Inside the caller's transaction; throws SQLite's exceptions.
void migrate(Connection& connection, std::span<const Step> steps, std::uint32_t from);

}  // namespace hale::store
