// `hale instance stop|start|restart`: one instance, drained before its container stops, with traffic again once it is ready.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/ages.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr Duration usual_act_limit = 2min;

int act(const Invocation& asked, Surroundings& around, std::string_view verb) {
    Daemon daemon(asked, around);
    const Duration limit = asked.timeout.value_or(usual_act_limit);
    Json body{{"timeout", duration_text(limit)}};
    if (asked.force) body["force"] = true;
    around.err(fmt::format("{} of {}: at most {}\n", verb, tame(asked.target), age_text(seconds(limit))));
    daemon.progress_of = limit;
    const auto done = daemon.ask({.method = "POST", .target = fmt::format("/api/v1/instances/{}:{}", percent_encoded(asked.target), verb), .body = dumped(body), .within = limit + answer_limit});
    if (!done) return daemon.fail(done.error());
    const bool stopped = at(*done, "address").is_null();
    Table table{.heads = {"INSTANCE", "CONTAINER", "ADDRESS", "TRAFFIC", "TOOK"}, .rows = {}};
    table.rows.push_back({Cell(tame(text_at(*done, "instance"))), Cell(stopped ? fmt::format("{} ({})", text_at(*done, "container"), count_at(*done, "exit_code")) : text_at(*done, "container")),
                          Cell(stopped ? "–" : text_at(*done, "address") + (flag_at(*done, "moved") ? " (new)" : "")),
                          stopped ? Cell("drained") : flag_at(*done, "eligible") ? Cell("eligible", "green") : Cell("not eligible", "yellow"),
                          Cell(fmt::format("{:.1f} s", number_at(*done, "seconds").value_or(0)))});
    print(asked, around, *done, table);
    return exits::ok;
}

}  // namespace

int run_instance_stop(const Invocation& asked, Surroundings& around) { return act(asked, around, "stop"); }
int run_instance_start(const Invocation& asked, Surroundings& around) { return act(asked, around, "start"); }
int run_instance_restart(const Invocation& asked, Surroundings& around) { return act(asked, around, "restart"); }

}  // namespace hale::cli
