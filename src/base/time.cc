#include "base/time.h"

#include <fmt/format.h>

#include <array>

namespace hale {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

namespace {

struct Civil {
    std::int64_t year;
    unsigned month, day, hour, minute, second, milli, weekday;
};

Civil civil(Utc at) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch());
    const std::chrono::sys_time<std::chrono::milliseconds> point{ms};
    const auto day = std::chrono::floor<std::chrono::days>(point);
    const std::chrono::year_month_day ymd{day};
    const std::chrono::hh_mm_ss clock{point - day};
    return {int{ymd.year()},
            unsigned{ymd.month()},
            unsigned{ymd.day()},
            static_cast<unsigned>(clock.hours().count()),
            static_cast<unsigned>(clock.minutes().count()),
            static_cast<unsigned>(clock.seconds().count()),
            static_cast<unsigned>(clock.subseconds().count()),
            std::chrono::weekday{day}.c_encoding()};
}

// Reads exactly `count` digits at `at`; nothing when they are not all digits.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

}  // namespace

std::string rfc3339(Utc at) {
    const Civil c = civil(at);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", c.year, c.month, c.day, c.hour, c.minute, c.second,
                       c.milli);
}

std::optional<Utc> parse_rfc3339(std::string_view text) {
    const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    constexpr int first_year = 1678, last_year = 2261;  // That nanoseconds of 64 bits hold whole.
    if (*year < first_year || *year > last_year) return std::nullopt;
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
    Duration since = std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{*hour} +
                     std::chrono::minutes{*minute} + std::chrono::seconds{*second};
    std::size_t i = 19;
    if (i < text.size() && text[i] == '.') {
        Duration unit = 100ms;
        const std::size_t first = ++i;
        for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, unit /= 10) since += unit * (text[i] - '0');
        if (i == first) return std::nullopt;
    }
    if (i + 1 == text.size() && (text[i] == 'Z' || text[i] == 'z')) return Utc{since};
    if (i + 6 != text.size() || (text[i] != '+' && text[i] != '-') || text[i + 3] != ':') return std::nullopt;
    const auto h = digits(text, i + 1, 2), m = digits(text, i + 4, 2);
    if (!h || !m || *h > 23 || *m > 59) return std::nullopt;
    const Duration offset = std::chrono::hours{*h} + std::chrono::minutes{*m};
    return Utc{text[i] == '+' ? since - offset : since + offset};
}

std::string http_date(Utc at) {
    static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const Civil c = civil(at);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[c.weekday], c.day, months[c.month - 1], c.year,
                       c.hour, c.minute, c.second);
}

std::string human(Duration d) {
    if (d < Duration{0}) return "-" + human(-d);
    const double s = seconds(d);
    if (s < 0.001) return fmt::format("{:.0f} µs", s * 1e6);
    if (s < 0.01) return fmt::format("{:.1f} ms", s * 1e3);
    if (s < 1) return fmt::format("{:.0f} ms", s * 1e3);
    if (s < 60) return s < 10 ? fmt::format("{:.1f} s", s) : fmt::format("{:.0f} s", s);
    const auto whole = static_cast<std::int64_t>(s);
    if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{}h {:02}m", whole / 3600, whole % 3600 / 60);
    return fmt::format("{}d {:02}h", whole / 86400, whole % 86400 / 3600);
}

}  // namespace hale
