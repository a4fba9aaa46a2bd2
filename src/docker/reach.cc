#include "docker/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace hale::docker {

Result<std::string> address_of(const Inspected& container, const Place& engine, std::string_view network, std::uint16_t port) {
    if (!engine.path.empty()) {
        if (container.network_mode == "host" && container.state == ContainerState::running) return fmt::format("127.0.0.1:{}", port);
        for (const auto& one : container.attachments)
            if (one.network == network || one.network_id == network || container.attachments.size() == 1)
                if (one.ip) return fmt::format("{}:{}", one.ip->text(), port);
        return fail(Code::not_found, fmt::format("container {} has no address in network {}", container.name, network));
    }
    for (const auto& one : container.published)
        if (one.port.number == port && one.port.protocol == "tcp" && one.host_port != 0)
            return fmt::format("{}:{}", engine.host.contains(':') ? "[" + engine.host + "]" : engine.host, one.host_port);
    return fail(Code::invalid, fmt::format("container {} runs on {} and publishes no port for its {}: it has to, or nobody here reaches it", container.name, engine.shown, port));
}

Result<std::string> network_of(const Inspected& container) {
    if (container.attachments.size() == 1) return container.attachments.front().network;
    for (const auto& one : container.attachments)
        if (one.network == container.network_mode || one.network_id == container.network_mode) return one.network;
    if (container.attachments.empty()) return container.network_mode;
    std::vector<std::string> names;
    for (const auto& one : container.attachments) names.push_back(one.network);
    return fail(Code::invalid, fmt::format("container {} is in the networks {}: label hale.network has to say in which it is reached", container.name, fmt::join(names, ", ")));
}

}  // namespace hale::docker
