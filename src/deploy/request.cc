#include "deploy/request.h"

#include <nlohmann/json.hpp>

namespace hale::deploy {

std::string with_replicas(const std::string& overrides, std::uint32_t replicas) {
    auto said = nlohmann::json::parse(overrides.empty() ? "{}" : overrides, nullptr, false);
    if (!said.is_object()) said = nlohmann::json::object();
    said["replicas"] = replicas;
    return said.dump();
}

}  // namespace hale::deploy
