#include "api/trust.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace hale::api {

const config::Document& document_of(const Desk& desk) {
    static const config::Document none;
    return desk.view.document() != nullptr ? *desk.view.document() : none;
}

void answer_problems(const CallPtr& call, const config::Problems& problems) {
    std::vector<ProblemPart> parts;
    for (const auto& one : problems) {
        std::string detail = one.what;
        if (!one.allowed.empty()) detail += "; allowed: " + one.allowed;
        parts.push_back({one.pointer, std::move(detail), one.mark.line > 0 ? one.mark.file.str() : "", one.mark.line});
    }
    answer_problem(call, invalid(400, std::move(parts)));
}

bool may_add_target(const Desk& desk, const CallPtr& call, const config::Target& target) {
    if (call->caller.role >= guard::Role::admin) return true;
    if (target.declared.empty()) return true;  // Implicit: nothing is probed over the network.
    const auto& allow = document_of(desk).settings.targets_allow;
    const bool within = target.literal && !target.literal->is_unix() &&
                        std::ranges::any_of(allow, [&](const Cidr& cidr) { return cidr.contains(target.literal->ip); });
    if (!within)
        answer_problem(call, {403, "target_not_allowed",
                              fmt::format("Role operate may only add addresses within targets.allow; {} is not: use role admin", escaped(target.declared))});
    return within;
}

}  // namespace hale::api
