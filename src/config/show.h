// Specs as the API shows them: JSON objects in the shape they may be posted in, secrets as "***".

#pragma once

#include <span>
#include <string>

#include "config/service_spec.h"

namespace hale::config {

std::string to_json(const CheckSpec& check);
std::string to_json(const InstanceSpec& instance);
std::string to_json(const RouteSpec& route);
std::string to_json(const DeploySpec& deploy);
// With its routes, when they are given.
std::string to_json(const ServiceSpec& service, std::span<const RouteSpec> routes = {});

}  // namespace hale::config
