#include "guard/role.h"

#include <utility>

namespace hale::guard {

std::string_view to_text(Role role) {
    switch (role) {
        case Role::none: return "none";
        case Role::read: return "read";
        case Role::operate: return "operate";
        case Role::admin: return "admin";
    }
    std::unreachable();
}

std::optional<Role> parse_role(std::string_view text) {
    for (const Role role : {Role::read, Role::operate, Role::admin})
        if (text == to_text(role)) return role;
    return std::nullopt;
}

}  // namespace hale::guard
