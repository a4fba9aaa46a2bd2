// Identities. Crockford's base 32 in lower case (0-9 a-z without i l o u), so that nobody misreads one aloud.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"

namespace hale {

// "i-" and 12 characters, 60 random bits: an instance's immutable id.
std::string make_instance_id(Random& random);
bool is_instance_id(std::string_view text);

// 16 characters, 80 random bits: request ids, event ids.
std::string make_request_id(Random& random);
// The same without allocating: writes exactly 16 characters.
inline constexpr int request_id_length = 16;
void write_request_id(Random& random, char* out);

}  // namespace hale
