// What was probably meant by a mistyped word.

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hale {

// The nearest of `known` by edits (a swap of neighbours is one); "" when nothing is near enough.
std::string nearest(std::string_view word, std::span<const std::string> known);

}  // namespace hale
