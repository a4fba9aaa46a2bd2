// Containers run whatever their image holds, with what this machine's engine gives them. Pure.

#pragma once

#include <string>
#include <string_view>

#include "config/deploy_spec.h"

namespace hale::deploy {

// "registry.example:5000/team/web" of "registry.example:5000/team/web:2@sha256:…".
std::string_view repository_of(std::string_view image);

// Does a deployment's own word (JSON; empty: none) say no more than another version of the declared image, and how many?
// Whoever may operate may say that; more is an administrator's.
bool only_another_version(const std::string& overrides, const config::DeploySpec* declared);

}  // namespace hale::deploy
