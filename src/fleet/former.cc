#include "fleet/former.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace hale::fleet {

Result<Former> former_of(const docker::Inspected& container, const docker::Place& engine, bool runs) {
    Former out{.container = container.name, .deployment = label(container, deployment_label), .version = label(container, config_label), .home = label(container, home_label), .address = {}};
    if (out.deployment.empty()) return fail(Code::not_found, fmt::format("container {} is of no deployment", container.name));
    out.number = parse_unsigned(label(container, number_label)).value_or(0);
    if (!runs) {
        HALE_TRY(deployed_port(container));
        return out;
    }
    HALE_ASSIGN(out.address, deployed_at(container, engine));
    return out;
}

TakenUp take_up(std::vector<Former> there, const std::set<std::string>& instances) {
    std::ranges::sort(there, {}, [&](const Former& one) { return std::tuple{!instances.contains(one.container), one.address.empty(), one.number, one.container}; });
    TakenUp out;
    if (there.empty()) return out;
    const Former first = there.front();
    for (auto& one : there) {
        if (one.address.empty() || instances.contains(one.container)) continue;
        if (one.version == first.version) out.back.push_back(std::move(one));
        else out.left.push_back({one.container, fmt::format("deployment {}, which is not on record here, made it as another version than {}, which is there", one.deployment, first.container)});
    }
    std::ranges::sort(out.back, {}, &Former::container);
    return out;
}

}  // namespace hale::fleet
