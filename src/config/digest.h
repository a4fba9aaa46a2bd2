// SHA-256 (FIPS 180-4), as tokens and fingerprints are kept.

#pragma once

#include <string>
#include <string_view>

namespace hale::config {

std::string sha256_hex(std::string_view text);

}  // namespace hale::config
