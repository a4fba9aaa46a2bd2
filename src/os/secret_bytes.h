// Randomness for secrets: tokens, ids that must not be guessed, seeds of base/random.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace hale::os {

// From the kernel's generator; waits at the first boot of a machine until it is seeded, never fails.
void fill_secret(std::span<std::byte> out);
std::string secret_bytes(std::size_t count);
std::uint64_t secret_seed();

}  // namespace hale::os
