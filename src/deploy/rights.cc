#include "deploy/rights.h"

#include <nlohmann/json.hpp>

namespace hale::deploy {

std::string_view repository_of(std::string_view image) {
    image = image.substr(0, image.find('@'));
    const auto colon = image.rfind(':');
    // A colon before the last slash is a registry's port.
    return colon != image.npos && image.find('/', colon) == image.npos ? image.substr(0, colon) : image;
}

bool only_another_version(const std::string& overrides, const config::DeploySpec* declared) {
    if (declared == nullptr) return false;
    if (overrides.empty()) return true;
    const auto said = nlohmann::json::parse(overrides, nullptr, false);
    if (!said.is_object()) return false;
    for (const auto& [key, value] : said.items()) {
        if (key == "replicas") continue;
        if (key != "image" || !value.is_string() || declared->image.empty()) return false;
        if (repository_of(value.get_ref<const std::string&>()) != repository_of(declared->image)) return false;
    }
    return true;
}

}  // namespace hale::deploy
