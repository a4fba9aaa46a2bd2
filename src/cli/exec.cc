// `hale exec`: a command inside a container, through the daemon. Its exit code is ours, as with ssh and docker exec.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {
constexpr Duration usual_command_limit = 60s;
}  // namespace

int run_exec(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    if (asked.command.empty()) return daemon.fail(exits::usage, "what is to be run stands behind --, as in hale exec web-12-1 -- ls /tmp");
    const Duration limit = asked.timeout.value_or(usual_command_limit);
    Json body{{"command", asked.command}, {"timeout", duration_text(limit)}};
    if (!asked.user.empty()) body["user"] = asked.user;
    if (!asked.folder.empty()) body["folder"] = asked.folder;
    const auto done = daemon.ask({.method = "POST", .target = fmt::format("/api/v1/containers/{}:exec", percent_encoded(asked.target)), .body = dumped(body), .within = limit + answer_limit});
    if (!done) return daemon.fail(done.error());
    if (asked.format == Format::table || asked.format == Format::wide) {
        around.out(text_at(*done, "output"));
        around.err(text_at(*done, "errors"));
    } else {
        print(asked, around, *done, Table{.heads = {"exit_code", "output", "errors"}, .rows = {{fmt::format("{}", count_at(*done, "exit_code")), text_at(*done, "output"), text_at(*done, "errors")}}});
    }
    if (flag_at(*done, "truncated")) around.err("hale: it wrote more than 64 KiB: the rest is not shown\n");
    return static_cast<int>(count_at(*done, "exit_code"));
}

}  // namespace hale::cli
