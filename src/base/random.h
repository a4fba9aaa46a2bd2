// Seeded randomness: xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain algorithms,
// https://prng.di.unimi.it). Never for secrets: those come from os::secret_bytes.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hale {

class Random {
public:
    explicit Random(std::uint64_t seed);

    std::uint64_t next();
    // Uniform in [0, bound); 0 when bound is 0.
    std::uint64_t below(std::uint64_t bound);
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    double unit();  // [0, 1)

    using result_type = std::uint64_t;
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return ~result_type{0}; }
    result_type operator()() { return next(); }

private:
    std::array<std::uint64_t, 4> state_;
};

// Mixes well enough for phases and hash balancing; not keyed, not for hash tables fed by strangers.
std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0);

}  // namespace hale
