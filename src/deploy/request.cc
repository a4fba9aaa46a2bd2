#include "deploy/request.h"

#include <nlohmann/json.hpp>

namespace hale::deploy {

namespace {

template <class Value>
std::string with(const std::string& overrides, const char* key, const Value& value) {
    auto said = nlohmann::json::parse(overrides.empty() ? "{}" : overrides, nullptr, false);
    if (!said.is_object()) said = nlohmann::json::object();
    said[key] = value;
    return said.dump();
}

}  // namespace

std::string with_image(const std::string& overrides, const std::string& image) { return with(overrides, "image", image); }
std::string with_replicas(const std::string& overrides, std::uint32_t replicas) { return with(overrides, "replicas", replicas); }

}  // namespace hale::deploy
