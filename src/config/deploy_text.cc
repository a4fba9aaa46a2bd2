// What is said of deployments, spelled as a file has it.

#include <fmt/format.h>

#include <utility>

#include "config/deploy_spec.h"

namespace hale::config {

std::string_view to_text(Pull pull) {
    constexpr std::string_view words[] = {"missing", "always", "never"};
    return words[std::to_underlying(pull)];
}

std::string_view to_text(Restart restart) {
    constexpr std::string_view words[] = {"no", "always", "unless-stopped", "on-failure"};
    return words[std::to_underlying(restart)];
}

std::string_view to_text(PreExisting pre_existing) { return pre_existing == PreExisting::accept ? "accept" : "fail"; }

std::string Mount::text() const { return fmt::format("{}:{}{}", source, path, read_only ? ":ro" : ""); }

std::string PublishedPort::text() const {
    const std::string at = ip.contains(':') ? fmt::format("[{}]:", ip) : ip.empty() ? std::string{} : fmt::format("{}:", ip);
    return fmt::format("{}{}:{}{}", at, host, container, udp ? "/udp" : "");
}

std::string DeploySpec::network_of(std::string_view service) const { return network.empty() ? fmt::format("{}-network", service) : network; }

}  // namespace hale::config
