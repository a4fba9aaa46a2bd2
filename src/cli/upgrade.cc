// `hale upgrade`: the daemon hands over to the program that lies at its path now.

#include <fmt/format.h>

#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {
constexpr Duration most = 120s;  // Two steps of 30 s each, what they wait for, and a daemon that is busy.
}

int run_upgrade(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.ask({.method = "POST", .target = "/api/v1/upgrade", .within = most});
    if (!answer) return daemon.fail(answer.error());
    const auto version = tame(text_at(*answer, "version"));
    const auto process = count_at(*answer, "pid");
    if (asked.format == Format::table || asked.format == Format::wide)
        around.err(fmt::format("hale {} has taken over as process {}; the old one finishes its requests\n", version, process));
    else
        print(asked, around, *answer, Table{.heads = {"pid", "version"}, .rows = {{fmt::format("{}", process), version}}});
    return exits::ok;
}

}  // namespace hale::cli
