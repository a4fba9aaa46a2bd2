// Instants and durations, without a clock.
//
// `Monotonic` and `Wall` have no now() on purpose: an Instant or a Utc can only come from a loop
// (io::Loop::now, io::Loop::utc) or from a test that made one up. Code that reads a clock behind the
// simulator's back does not compile.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hale {

using Duration = std::chrono::nanoseconds;
using std::chrono::duration_cast;
using namespace std::chrono_literals;

struct Monotonic {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Monotonic, duration>;
    static constexpr bool is_steady = true;
};

// Counts from the Unix epoch, without leap seconds.
struct Wall {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Wall, duration>;
    static constexpr bool is_steady = false;
};

using Instant = Monotonic::time_point;  // For deciding: never steps, means nothing to people.
using Utc = Wall::time_point;           // For showing and storing: may step, never decides.

inline constexpr Instant never = Instant::max();

double seconds(Duration d);

// RFC 3339 in UTC with milliseconds, "2026-11-21T14:18:21.100Z".
std::string rfc3339(Utc at);
std::optional<Utc> parse_rfc3339(std::string_view text);
// IMF-fixdate of RFC 9110 section 5.6.7, "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(Utc at);

// For people: "400 µs", "1.5 s", "2m04s", "3d 02h".
std::string human(Duration d);

}  // namespace hale
