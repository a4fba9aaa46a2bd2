// What Ctrl-C says before the command ends: of what goes on without it.

#pragma once

#include <string_view>

namespace hale::cli {

// At most so long; "" for nothing.
inline constexpr unsigned most_said_when_interrupted = 512;
void say_interrupted(std::string_view text);
// For the signal handler: writes it to stderr.
void tell_interrupted() noexcept;

}  // namespace hale::cli
