#include "acme/calendar.h"

#include <algorithm>

#include "base/random.h"

namespace hale::acme {

namespace {

// A share of `whole`, from none of it to all of it.
Duration share(Duration whole, std::uint64_t seed) {
    if (whole <= Duration::zero()) return Duration::zero();
    return Duration(static_cast<Duration::rep>(Random(seed).below(static_cast<std::uint64_t>(whole.count()) + 1)));
}

}  // namespace

Utc renewal_time(Utc not_before, Utc not_after, std::optional<Duration> renew_before, std::uint64_t seed) {
    const Duration lifetime = std::max<Duration>(not_after - not_before, 0s);
    // However early renewal was asked for, a new certificate is used for a third of its life.
    const Duration before = std::min(renew_before.value_or(std::min<Duration>(usual_renew_before, lifetime / 3)), lifetime * 2 / 3);
    return not_after - before - share(std::min(before, lifetime / 3) / 10, seed);
}

Utc renewal_time(const RenewalWindow& window, Utc not_after, std::uint64_t seed) {
    return std::min(window.start + share(window.end - window.start, seed), not_after);
}

Duration pause_after(unsigned failures, std::uint64_t seed) {
    if (failures == 0) return Duration::zero();
    const unsigned doublings = std::min(failures - 1, 10u);
    const Duration pause = std::min<Duration>(first_pause * (1 << doublings), longest_pause);
    return pause + share(pause / 5, seed + failures);
}

}  // namespace hale::acme
