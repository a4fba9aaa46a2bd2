// From the labels of a container that somebody else made to what they declare: an instance, and what is said of its service. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "docker/hale_labels.h"
#include "docker/place.h"
#include "docker/words.h"

namespace hale::fleet {

using docker::config_label, docker::home_label, docker::label, docker::number_label, docker::port_label, docker::service_label;
using docker::deployment_label;  // Made by us: no word of its labels declares anything.
inline constexpr std::string_view network_label = "hale.network";
inline constexpr std::string_view compose_project_label = "com.docker.compose.project";
inline constexpr std::string_view compose_service_label = "com.docker.compose.service";

struct Claim {
    std::string container;  // Its name, as the engine calls it.
    std::string service;
    std::string instance;       // The container's name, as instances are called.
    std::string instance_json;  // For config::load_instance.
    std::string service_json;   // For config::load_service; "{}": nothing is said of the service.
    std::optional<Utc> created;

    bool declares() const { return service_json != "{}"; }
    bool operator==(const Claim&) const = default;
};

// Whether its labels make it an instance: hale.service does, and so do compose's own beside any of ours.
bool claims(const docker::Inspected& container);
// Which service it belongs to, deployed or discovered; empty: none.
std::string service_of(const docker::Inspected& container);
// A container's name may hold what no instance's does.
std::string instance_name(std::string_view container);
// Code::not_found while it has no address; any other error: its labels are wrong, and how.
Result<Claim> claim_of(const docker::Inspected& container, const docker::Place& engine);

// Where a container that a deployment made answers, by its own labels. Code::not_found: nobody comes to it.
Result<std::uint16_t> deployed_port(const docker::Inspected& container);
Result<std::string> deployed_at(const docker::Inspected& container, const docker::Place& engine);

// What the loader found wrong, by the label that said it: "label hale.check.interval: …".
std::string label_of(std::string_view pointer);

}  // namespace hale::fleet
