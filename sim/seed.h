// Seeds of randomised tests: which to run, and how to run the one that failed again.
//
//   HALE_SEED=n    run with this seed alone
//   HALE_SEEDS=n   run with so many seeds instead of the test's own number (nightly runs)

#pragma once

#include <cstdint>
#include <functional>

namespace hale::sim {

// HALE_SEED, or `otherwise`. Recorded as a property of the running test; when the test fails or the process
// dies, "HALE_SEED=n" is printed.
std::uint64_t seed_from_environment(std::uint64_t otherwise);

// Calls body(seed) for `count` seeds from `first` on, or for HALE_SEED alone. Stops at the first seed that
// fails; each failure carries "HALE_SEED=n".
void for_each_seed(std::uint64_t count, const std::function<void(std::uint64_t seed)>& body, std::uint64_t first = 1);

}  // namespace hale::sim
