// When a certificate is renewed, and how long to wait after a failure: dates in, dates out. Wall time decides here, as
// certificates live by it; a clock that was stepped costs at most one renewal too early, and back-off bounds that.

#pragma once

#include <cstdint>
#include <optional>

#include "acme/answers.h"
#include "base/time.h"

namespace hale::acme {

inline constexpr Duration usual_renew_before = 24h * 30;  // Or a third of the lifetime, whichever is less.
inline constexpr Duration first_pause = 2min;             // After a failure; doubles
inline constexpr Duration longest_pause = 6h;             // up to this.
inline constexpr Duration longest_rate_limit = 24h * 8;   // Believed of Retry-After; the longest window of the authorities we know is a week.
inline constexpr Duration renewal_info_interval = 6h;     // How often the authority's window is asked for.

// `seed` spreads those that were issued together over a tenth of the time before the end.
Utc renewal_time(Utc not_before, Utc not_after, std::optional<Duration> renew_before, std::uint64_t seed);
// A moment of the window that the authority suggests, the same for the same seed (RFC 9773 §4.2); never after the end.
Utc renewal_time(const RenewalWindow& window, Utc not_after, std::uint64_t seed);
// After the nth failure in a row (from 1), up to a fifth longer by the seed.
Duration pause_after(unsigned failures, std::uint64_t seed);

}  // namespace hale::acme
