// The labels by which containers that Hale makes, or follows, are known: written when one is made, read by whoever looks at containers.

#pragma once

#include <string>
#include <string_view>

namespace hale::docker {

inline constexpr std::string_view service_label = "hale.service";
inline constexpr std::string_view deployment_label = "hale.deployment";
inline constexpr std::string_view number_label = "hale.number";  // Of that deployment.
inline constexpr std::string_view home_label = "hale.home";      // Where the Hale that made it has its state.
inline constexpr std::string_view port_label = "hale.port";
inline constexpr std::string_view application_label = "hale.application";
inline constexpr std::string_view container_label = "hale.container";  // In the application's file.
inline constexpr std::string_view config_label = "hale.config";        // The same on all that were made alike.
inline constexpr std::string_view writes_label = "hale.writes";        // The volumes that it writes, blank-separated.

// Of anything that has labels. Empty: it has none of that name.
template <class Labelled>
std::string label(const Labelled& one, std::string_view name) {
    const auto found = one.labels.find(std::string(name));
    return found == one.labels.end() ? std::string() : found->second;
}

}  // namespace hale::docker
