// `hale check`: one probe now. A URL is probed from this very process with the daemon's engine; a service or an
// instance is probed by whoever looks after it, and the daemon tells what came of it.

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <iterator>

#include "base/text.h"
#include "cli/ages.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/probe_here.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr std::array phases{"dns", "connect", "tls", "first_byte", "total"};

int outcome_exit(std::string_view outcome) {
    if (outcome == "pass") return exits::ok;
    if (outcome == "warn") return exits::warning;
    return outcome == "fail" ? exits::critical : exits::unknown;
}

Cell outcome_cell(std::string_view outcome) {
    constexpr std::array<std::string_view, 4> state{"healthy", "degraded", "unhealthy", "unknown"};
    Cell cell = state_cell(state[static_cast<std::size_t>(outcome_exit(outcome))]);
    cell.text = fmt::format("{} {}", shape_of(state[static_cast<std::size_t>(outcome_exit(outcome))]), outcome);
    return cell;
}

std::string phases_text(const Json& seen) {
    std::string out;
    for (const char* phase : phases) {
        const auto seconds = number_at(at(seen, "seconds"), phase);
        if (seconds)
            fmt::format_to(std::back_inserter(out), "{}{} {}", out.empty() ? "" : " · ", phase,
                           human(std::chrono::round<Duration>(std::chrono::duration<double>(*seconds))));
    }
    return out;
}

std::string performance(const Json& seen, const std::string& prefix) {
    std::string out;
    for (const char* phase : phases) {
        if (const auto seconds = number_at(at(seen, "seconds"), phase)) {
            fmt::format_to(std::back_inserter(out), "{}'{}{}'={:.6f}s;;;0", out.empty() ? "" : " ", prefix, phase,
                           *seconds);
        }
    }
    return out;
}

// One probe as a paragraph: what came of it, in which phases, from where.
void describe(const Json& seen, const Invocation& asked, Surroundings& around) {
    const bool colour = colourful(asked, around);
    const Cell outcome = outcome_cell(text_at(seen, "outcome"));
    std::string name = tame(text_at(seen, "instance"));
    const std::string check = tame(text_at(seen, "check"));
    if (!name.empty()) name += check.empty() ? "  " : "/" + check + "  ";
    std::string out = fmt::format("{}  {}{}: {}\n", painted(outcome.text, outcome.paint, colour), name,
                                  tame(text_at(seen, "code")), tame(text_at(seen, "text")));
    const std::string timing = phases_text(seen), phase = text_at(seen, "phase"), evidence = text_at(seen, "evidence");
    if (!timing.empty())
        out += fmt::format(
            "  phases    {}{}\n", timing,
            phase.empty() || text_at(seen, "outcome") == "pass" ? "" : fmt::format(" (decided in {})", phase));
    if (!evidence.empty()) out += fmt::format("  evidence  {}\n", tame(evidence));
    for (const Json& condition : at(seen, "conditions")) {
        if (condition.is_string()) out += fmt::format("  expected  {}\n", tame(condition.get<std::string>()));
    }
    out += fmt::format("  from      {}{}{}\n", tame(text_at(seen, "from")),
                       text_at(seen, "connection").empty() || text_at(seen, "connection") == "none"
                           ? ""
                           : fmt::format(", {} connection", text_at(seen, "connection")),
                       at(seen, "counted").is_boolean() && !flag_at(seen, "counted") ? ", not counted" : "");
    around.out(out);
}

Table as_table(const Json& probes) {
    Table out{.heads = {"instance", "check", "outcome", "code", "phase", "status", "total", "from", "text"},
              .rows = {}};
    for (const Json& one : probes) {
        const auto total = number_at(at(one, "seconds"), "total");
        out.rows.push_back({text_at(one, "instance"), text_at(one, "check"), text_at(one, "outcome"),
                            text_at(one, "code"), text_at(one, "phase"),
                            count_at(one, "status") == 0 ? "" : fmt::format("{}", count_at(one, "status")),
                            total ? fmt::format("{:.6f}", *total) : "", text_at(one, "from"), text_at(one, "text")});
    }
    return out;
}

int report(const Json& whole, const Json& probes, const Invocation& asked, Surroundings& around) {
    int worst = exits::ok;
    const Json* decisive = nullptr;
    for (const Json& one : probes) {
        const int exit = outcome_exit(text_at(one, "outcome"));
        if (decisive == nullptr || exits::worse(worst, exit) != worst) decisive = &one, worst = exit;
    }
    if (decisive == nullptr) {
        if (asked.format == Format::nagios) around.out(nagios_line(exits::unknown, "no checks matched", {}));
        around.err("hale: no checks matched: there was nothing to probe\n");
        return exits::unknown;
    }
    if (asked.format == Format::nagios) {
        std::string numbers;
        for (const Json& one : probes) {
            const std::string name = text_at(one, "instance");
            const std::string more = performance(one, name.empty() || probes.size() == 1 ? "" : name + "_");
            if (!more.empty()) numbers += numbers.empty() ? more : " " + more;
        }
        around.out(nagios_line(worst, text_at(*decisive, "text"), numbers));
    } else if (asked.format == Format::table || asked.format == Format::wide) {
        for (const Json& one : probes) describe(one, asked, around);
    } else {
        print(asked, around, whole, as_table(probes));
    }
    return worst;
}

// What the daemon tells, {"results":[{"instance","check","observation":{…}}]}, as probe_here() tells it.
Json probes_of(const Json& answer) {
    Json out = Json::array();
    for (const Json& result : at(answer, "results")) {
        Json one = at(result, "observation");
        if (!one.is_object()) continue;
        one["instance"] = text_at(result, "instance");
        one["check"] = text_at(result, "check");
        out.push_back(std::move(one));
    }
    return out;
}

int check_here(const Invocation& asked, Surroundings& around) {
    const auto seen = probe_here(asked, around);
    if (!seen) {
        if (asked.format == Format::nagios) around.out(nagios_line(exits::unknown, seen.error().text, {}));
        around.err(fmt::format("hale: {}\n", tame(seen.error().text)));
        return exits::unknown;
    }
    const Json one = parse_json(*seen);
    return report(one, Json::array({one}), asked, around);
}

}  // namespace

int run_check(const Invocation& asked, Surroundings& around) {
    if (is_target_url(asked.target)) return check_here(asked, around);
    Daemon daemon(asked, around);
    const auto answer = [&](const Failure& failure) {
        if (asked.format == Format::nagios)
            around.out(nagios_line(exits::unknown, failure.text.substr(0, failure.text.find('\n')), {}));
        return daemon.fail(failure);
    };
    if (!asked.expect.empty()) {
        return answer({exits::usage, "--expect is for URLs: services and instances are judged by their own checks"});
    }
    if (asked.timeout) {
        return answer({exits::usage, "--timeout is for URLs: services and instances are probed with their checks' own timeouts"});
    }
    if (!asked.password.empty() || !asked.tls_ca.empty()) {
        return answer({exits::usage, "--password and --tls-ca are for URLs: services and instances are probed as they are configured"});
    }
    auto what = daemon.resolve(asked.target);
    if (!what) return answer(what.error());
    const bool instance = text_at(*what, "kind") == "instance";
    const std::string name = text_at(*what, instance ? "instance" : "service");
    auto whole = daemon.ask(
        {.method = "POST",
         .target = fmt::format("/api/v1/{}/{}:check", instance ? "instances" : "services", percent_encoded(name)),
         .within = 60s});
    if (!whole) return answer(whole.error());
    return report(*whole, probes_of(*whole), asked, around);
}

}  // namespace hale::cli
