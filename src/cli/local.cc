// Verbs that need no daemon because they are one, become a part of one, or ask something smaller.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "os/standard_pipe.h"
#include "wire/url.h"

namespace hale::cli {

namespace {
constexpr Duration usual_healthcheck = 5s;
}

int run_serve(const Invocation& asked, Surroundings& around) {
    const std::string config = config_path(asked, around);
    if (config.empty()) {
        around.err(
            "hale: no configuration: give --config FILE, set HALE_CONFIG, or write /etc/hale/hale.yml; `services: {}` "
            "is enough to start\n");
        return exits::usage;
    }
    return around.serve(config, asked.restore, asked.takeover);
}

int run_version(const Invocation& asked, Surroundings& around) {
    if (asked.format == Format::table || asked.format == Format::wide)
        around.out(fmt::format("hale {}\n", around.version));
    else
        print(asked, around, Json{{"version", around.version}},
              Table{.heads = {"version"}, .rows = {{around.version}}});
    return exits::ok;
}

int run_healthcheck(const Invocation& asked, Surroundings& around) {
    const auto sick = [&](std::string_view why) {
        around.err(fmt::format("hale: {}\n", tame(why)));
        return exits::failed;
    };
    const auto url = wire::parse_url(asked.target);
    if (!url) return sick(url.error().text);
    if (url->scheme != "http" && url->scheme != "https")
        return sick(fmt::format("{}: only http and https are supported by this version", redacted_url(asked.target)));
    auto place = parse_place(fmt::format("{}://{}:{}", url->scheme, url->host, url->effective_port()));
    if (!place) return sick(place.error().text);
    if (const auto believed = believe(*place, around); !believed) return sick(believed.error().text);
    const auto client = Client::create();
    if (!client) return sick(client.error().text);
    const Duration within = asked.timeout.value_or(usual_healthcheck);
    const auto reply = (*client)->ask(*place, {.target = url->origin_form(), .within = within, .first_byte = within});
    if (!reply) return sick(reply.error().text);
    if (reply->status / 100 != 2)
        return sick(fmt::format("GET {}: status {}", redacted_url(asked.target), reply->status));
    return exits::ok;
}

int run_stdio(const Invocation& asked, Surroundings& around) {
    const auto where = find_daemon(asked, around);
    if (!where) {
        around.err(fmt::format("hale: {}\n", where.error().text));
        return exits::usage;
    }
    std::string tried;
    for (const Place& place : where->places) {
        if (!place.address) continue;
        const auto ended = os::pipe_standard(*place.address);
        if (ended) return exits::ok;
        tried += (tried.empty() ? "" : "; ") + ended.error().text;
    }
    around.err(fmt::format("hale: no daemon answers here (tried {})\n", tried));
    return exits::unreachable;
}

}  // namespace hale::cli
