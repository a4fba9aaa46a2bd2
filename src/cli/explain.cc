// `hale explain`: the daemon writes the lines, so that every reader gets the same explanation.

#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

// A line that holds a state's shape is painted in that state's colour.
std::string_view paint_of(std::string_view line) {
    for (const std::string_view state : {"unhealthy", "degraded", "healthy", "maintenance"}) {
        if (line.find(shape_of(state)) != line.npos) return state_cell(state).paint;
    }
    return {};
}

}  // namespace

int run_explain(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.get("/api/v1/explain?target=" + percent_encoded(asked.target));
    if (!answer) return daemon.fail(answer.error());
    const Json& text = at(*answer, "text");
    if (asked.format != Format::table && asked.format != Format::wide) {
        print(asked, around, *answer, Table{});
        return exits::ok;
    }
    const bool colour = colourful(asked, around);
    std::string out;
    for (const Json& line : text) {
        if (!line.is_string()) continue;
        const std::string shown = tame(line.get<std::string>());
        out += painted(shown, paint_of(shown), colour) + "\n";
    }
    if (out.empty()) return daemon.fail(exits::failed, "the daemon explained nothing; -o json shows its whole answer");
    around.out(out);
    return exits::ok;
}

}  // namespace hale::cli
