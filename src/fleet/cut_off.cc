#include "fleet/cut_off.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::fleet {

namespace {
constexpr std::string_view between = "-sick-";
constexpr std::size_t id_letters = 12;
}  // namespace

std::string aside_name(std::string_view name, std::string_view id) { return fmt::format("{}{}{}", name, between, id.substr(0, id_letters)); }

std::string_view usual_name(const docker::Inspected& container) {
    const std::string_view name = container.name;
    const auto at = name.rfind(between);
    if (at == 0 || at == name.npos || name != aside_name(name.substr(0, at), container.id)) return name;
    return name.substr(0, at);
}

std::vector<CutOff> cut_off(const std::vector<docker::Inspected>& there) {
    std::vector<CutOff> out;
    for (const auto& one : there) {
        if (!is_aside(one)) continue;
        CutOff left{.id = one.id, .name = std::string(usual_name(one)), .made = {}};
        if (const auto instead = std::ranges::find(there, left.name, &docker::Inspected::name); instead != there.end()) {
            // Made again it has all its labels; what has not is somebody else's, who took the name while it was free.
            if (instead->labels != one.labels) continue;
            left.made = instead->id;
            left.start = instead->state == docker::ContainerState::created;
        }
        out.push_back(std::move(left));
    }
    std::ranges::sort(out, {}, &CutOff::name);
    return out;
}

}  // namespace hale::fleet
