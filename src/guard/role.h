// What a caller may do. Each role may do everything of the roles before it.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hale::guard {

enum class Role : std::uint8_t { none, read, operate, admin };

std::string_view to_text(Role role);
std::optional<Role> parse_role(std::string_view text);  // Not "none".

}  // namespace hale::guard
