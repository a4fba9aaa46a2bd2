#include "os/default_route.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "os/files.h"

namespace hale::os {

namespace {

// <linux/route.h>
constexpr std::uint32_t route_up = 0x1;
constexpr std::uint32_t route_reject = 0x200;

constexpr std::size_t most_read = 1 << 20;  // Default routes of IPv4 come first; of IPv6 a table this long holds one too.

std::uint32_t hex(std::string_view text) {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

bool usable(std::string_view flags) { return (hex(flags) & (route_up | route_reject)) == route_up; }

// The fields of each line; what a line lacks is empty.
template <class Each>
bool any_line(std::string_view text, Each&& matches) {
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::array<std::string_view, 11> fields;
        for (auto& field : fields) {
            const auto begin = line.find_first_not_of(" \t");
            if (begin == std::string_view::npos) break;
            line.remove_prefix(begin);
            field = line.substr(0, line.find_first_of(" \t"));
            line.remove_prefix(field.size());
        }
        if (matches(fields)) return true;
    }
    return false;
}

}  // namespace

DefaultRoutes default_routes(std::string_view route, std::string_view ipv6_route) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask …
    const bool v4 = any_line(route, [](const auto& f) { return f[1] == "00000000" && f[7] == "00000000" && usable(f[3]); });
    // destination length source length next-hop metric references use flags device
    const bool v6 = any_line(ipv6_route, [](const auto& f) { return f[1] == "00" && f[9] != "lo" && usable(f[8]); });
    return {v4, v6};
}

DefaultRoutes DefaultRouteReader::now(Instant at) {
    if (read_at_ != Instant::min() && at - read_at_ < least_rest) return last_;
    read_at_ = at;
    const auto route = read_file("/proc/net/route", most_read);
    const auto ipv6_route = read_file("/proc/net/ipv6_route", most_read);
    last_ = default_routes(route ? std::string_view(*route) : std::string_view{}, ipv6_route ? std::string_view(*ipv6_route) : std::string_view{});
    return last_;
}

}  // namespace hale::os
