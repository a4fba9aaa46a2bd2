// Base 64 without padding in the alphabet for URLs (RFC 4648 §5), as JWS and ACME write bytes.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hale::acme {

std::string base64url(std::string_view bytes);
// Also with padding, and in the usual alphabet: secrets are copied from pages that write either.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace hale::acme
