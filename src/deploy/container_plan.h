// From what is declared of a service's containers to what the engine is asked for, and back to where they answer. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/deploy_spec.h"
#include "docker/hale_labels.h"
#include "docker/place.h"
#include "docker/plans.h"
#include "docker/reach.h"
#include "docker/words.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

// By these a Hale that was restarted, or installed anew, knows its own containers.
using docker::application_label, docker::config_label, docker::container_label, docker::deployment_label, docker::home_label, docker::number_label, docker::port_label, docker::service_label,
    docker::writes_label;
using docker::label;

// Whose a container is.
struct Belonging {
    std::string service, deployment;
    std::uint64_t number = 0;
    std::string application, container;  // Empty: of a service alone.
    std::string home = {};
};

// The port of traffic and checks: the declared one, else the only one that the image exposes.
Result<std::uint16_t> port_of(const config::DeploySpec& spec, const docker::ImageFacts& image);

// `port`: 0 where nobody comes to it. `far`: the engine is on another machine, which its containers are reached at: the port is
// published there, at any free one where `deploy.ports` says none.
docker::ContainerPlan container_plan(const config::DeploySpec& spec, const Belonging& whose, std::string_view name, std::uint16_t port, bool far = false);

// What the image or the declaration says of the container's own health; nothing: it says nothing.
std::optional<rollout::HealthCheck> own_health(const config::DeploySpec& spec, const docker::ImageFacts& image);

// Which image a name meant, by what it holds: "web@sha256:...", or its id where it came from no registry.
std::string exactly(std::string_view image, const docker::ImageFacts& facts);

// Which of `required_env` nobody sets: neither the declaration nor the image. (Images tell no environment here: what is
// declared counts alone.)
std::vector<std::string> missing_env(const config::DeploySpec& spec);

using docker::address_of;

// Who to come as to the registry that the image's name says.
docker::RegistryAuth auth_for(std::string_view image, const std::vector<config::RegistryLogin>& registries);

}  // namespace hale::deploy
