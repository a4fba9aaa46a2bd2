// Bytes as lower-case hexadecimal digits.

#pragma once

#include <span>
#include <string>

namespace hale {

std::string hex(std::span<const unsigned char> bytes);

}  // namespace hale
