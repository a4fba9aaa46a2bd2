#include "docker/recreation.h"

#include <fmt/format.h>

#include "docker/document.h"

namespace hale::docker {

Result<Recreation> read_recreation(std::string_view inspected) {
    HALE_ASSIGN(const Json document, parse_object("the answer about a container", inspected));
    const Json& config = member(document, "Config");
    const Json& host = member(document, "HostConfig");
    const std::string id = word(document, "Id"), image = word(document, "Image");
    if (!config.is_object() || !host.is_object() || id.empty() || image.empty()) return unreadable("the answer about a container", "it does not say how it was made");
    Json out = config;
    out["Image"] = image;
    // Its own id, which it was given as a name because nobody said one.
    if (const std::string name = word(config, "Hostname"); !name.empty() && id.starts_with(name)) out.erase("Hostname");
    out.erase("MacAddress");
    out["HostConfig"] = host;
    const Json& networks = member(member(document, "NetworkSettings"), "Networks");
    if (networks.is_object() && networks.size() > 1) return fail(Code::invalid, "it is in several networks, and none is made in more than one");
    if (networks.is_object() && word(host, "NetworkMode") != "host" && word(host, "NetworkMode") != "none") {
        for (const auto& [name, one] : networks.items()) {
            Json aliases = Json::array();
            for (const auto& alias : words(one, "Aliases"))
                if (!id.starts_with(alias)) aliases.push_back(alias);
            Json endpoint = Json::object();
            if (!aliases.empty()) endpoint["Aliases"] = std::move(aliases);
            if (const Json& fixed = member(one, "IPAMConfig"); fixed.is_object() && !fixed.empty()) endpoint["IPAMConfig"] = fixed;
            out["NetworkingConfig"]["EndpointsConfig"][name] = std::move(endpoint);
        }
    }
    return Recreation{out.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace hale::docker
