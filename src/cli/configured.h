// A configuration as the daemon would load it, certificates looked at included.

#pragma once

#include <expected>
#include <string>

#include "config/load.h"

namespace hale::cli {

std::expected<config::Document, config::Problems> load_configuration(const std::string& path, bool effective = false);

}  // namespace hale::cli
