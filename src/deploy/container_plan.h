// From what is declared of a service's containers to what the engine is asked for, and back to where they answer. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/deploy_spec.h"
#include "docker/place.h"
#include "docker/plans.h"
#include "docker/words.h"
#include "rollout/deadlines.h"

namespace hale::deploy {

// By these a Hale that was restarted, or installed anew, knows its own containers.
inline constexpr std::string_view service_label = "hale.service";
inline constexpr std::string_view deployment_label = "hale.deployment";
inline constexpr std::string_view port_label = "hale.port";

// The port of traffic and checks: the declared one, else the only one that the image exposes.
Result<std::uint16_t> port_of(const config::DeploySpec& spec, const docker::ImageFacts& image);

docker::ContainerPlan container_plan(const config::DeploySpec& spec, std::string_view service, std::string_view deployment, std::string_view name, std::uint16_t port);

// What the image or the declaration says of the container's own health; nothing: it says nothing.
std::optional<rollout::HealthCheck> own_health(const config::DeploySpec& spec, const docker::ImageFacts& image);

// Which of `required_env` nobody sets: neither the declaration nor the image. (Images tell no environment here: what is
// declared counts alone.)
std::vector<std::string> missing_env(const config::DeploySpec& spec);

// Where it answers: its address in the network, for an engine on this machine; else the port it publishes there.
// Code::not_found while it has none.
Result<std::string> address_of(const docker::Inspected& container, const docker::Place& engine, std::string_view network, std::uint16_t port);

// Who to come as to the registry that the image's name says.
docker::RegistryAuth auth_for(std::string_view image, const std::vector<config::RegistryLogin>& registries);

}  // namespace hale::deploy
