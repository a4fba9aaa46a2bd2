#include "cli/ages.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::cli {

std::string age_text(std::optional<double> seconds) {
    if (!seconds) return "–";
    const Duration exact = std::chrono::round<Duration>(std::chrono::duration<double>(std::max(*seconds, 0.0)));
    const auto whole = std::chrono::floor<std::chrono::seconds>(exact);
    return exact < 1s ? human(exact) : exact < 1min ? fmt::format("{} s", whole.count()) : human(whole);
}

std::string ago(const Json& from, std::string_view key, Utc now) {
    const auto then = parse_rfc3339(text_at(from, key));
    return then ? age_text(seconds(now - *then)) : "–";
}

std::string clock_text(const std::string& rfc3339_text) {
    const auto when = parse_rfc3339(rfc3339_text);
    return when ? rfc3339(*when).substr(11, 12) : rfc3339_text;
}

}  // namespace hale::cli
