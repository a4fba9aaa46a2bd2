// Is there a way out of this machine at all? Where there is none, "network unreachable" says nothing about the
// target. From /proc/net, which costs no waiting; one reader per loop.

#pragma once

#include <string_view>

#include "base/time.h"

namespace hale::os {

struct DefaultRoutes {
    bool v4 = false;
    bool v6 = false;
};

// The texts of /proc/net/route and /proc/net/ipv6_route. Routes that are down, or there to refuse, are none.
DefaultRoutes default_routes(std::string_view route, std::string_view ipv6_route);

class DefaultRouteReader {
public:
    static constexpr Duration least_rest = 1s;  // Between two looks.

    DefaultRoutes now(Instant at);

private:
    DefaultRoutes last_;
    Instant read_at_ = Instant::min();
};

}  // namespace hale::os
