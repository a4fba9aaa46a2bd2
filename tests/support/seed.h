// The seed of a test that makes up its input: fresh each run, so that runs explore; HALE_SEED=N repeats one.
// Say it in a SCOPED_TRACE, so that a failure prints it.

#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace hale {

inline std::uint64_t test_seed() {
    if (const char* given = std::getenv("HALE_SEED")) return std::strtoull(given, nullptr, 10);
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

inline std::string seed_text(std::uint64_t seed) { return "repeat with HALE_SEED=" + std::to_string(seed); }

}  // namespace hale
