// `hale deploy`, `rollback`, `deployments …`: begun in the daemon, followed from here. The command may go away at any time:
// the deployment goes on.

#include <fmt/format.h>

#include <algorithm>
#include <expected>

#include "base/text.h"
#include "cli/ages.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/progress_tree.h"
#include "cli/verbs.h"
#include "config/compose.h"
#include "os/files.h"

namespace hale::cli {

namespace {

constexpr Duration poll = 20s;                // Of one long question.
constexpr Duration grace = 30s;               // Beyond the sum of its deadlines, for the daemon's own restarts.
constexpr Duration longest_followed = 24h;
constexpr Duration doing_every = 5s;  // Where lines are not redrawn.

Cell painted(const std::string& phase) {
    const bool bad = phase == "rolled_back" || phase == "failed";
    return {fmt::format("{} {}", mark_of(phase), phase), phase == "done" ? "green" : bad ? "red" : "yellow"};
}

std::string seconds_text(double s) { return fmt::format("{:.1f} s", s); }

// What it allows itself, before it begins.
std::string plan_text(const Json& plan) {
    std::string out;
    for (const auto& [phase, limit] : at(plan, "deadlines").items())
        if (limit.is_number() && limit.get<double>() > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", phase, age_text(limit.get<double>()));
    return fmt::format("at most {} in all ({})", age_text(number_at(plan, "longest").value_or(0)), out);
}

std::string instance_text(const Json& one) {
    std::string out = fmt::format("  {} {}", tame(text_at(one, "instance")), tame(text_at(one, "target")));
    if (flag_at(one, "kept")) out += " (stays as it is)";
    if (flag_at(one, "reused")) out += " (started again)";
    if (const std::string own = text_at(one, "container"); !own.empty()) out += fmt::format("  itself: {}", own);
    if (const std::string direct = text_at(one, "direct"); !direct.empty()) out += fmt::format("  directly: {}", direct);
    if (const std::string why = text_at(one, "unverified"); !why.empty()) out += fmt::format("  not verified: {}", tame(why));
    return out;
}

std::string asked_text(const Json& one, const std::string& address) {
    const std::string host = text_at(one, "host"), path = text_at(one, "path");
    return fmt::format("  {} was asked at {}{}{}\n", tame(text_at(one, "instance")), tame(address), path.empty() ? "" : " for " + tame(path), host.empty() ? "" : ", Host " + tame(host));
}

int exit_of(const Json& record) {
    const std::string phase = text_at(record, "phase");
    if (phase == "done") return exits::ok;
    // Nobody knows whether all of it is undone.
    if (phase == "failed") return exits::no_such;
    return flag_at(record, "over") ? exits::failed : exits::no_such;
}

// From the request to the moment that users were switched.
std::optional<double> reached_after(const Json& record) {
    const auto created = parse_rfc3339(text_at(record, "created"));
    const Json& phases = at(record, "phases");
    for (std::size_t i = 1; created && i < phases.size(); ++i)
        if (text_at(phases[i - 1], "phase") == "switching")
            if (const auto entered = parse_rfc3339(text_at(phases[i], "entered"))) return seconds(*entered - *created);
    return std::nullopt;
}

// The whole story of why it did not become what it was meant to be.
void say_end(Surroundings& around, const Json& record) {
    const std::string phase = text_at(record, "phase"), id = text_at(record, "id");
    if (const std::string met = text_at(record, "baked"); !met.empty()) around.err(fmt::format("  while it baked: {}\n", met));
    if (const std::string why = text_at(record, "accepted"); !why.empty()) around.err(fmt::format("▲ switched to although its check fails: {}\n", tame(why)));
    if (phase == "done") {
        const double all = number_at(record, "seconds").value_or(0);
        return around.err(fmt::format("{} deployment {} of {} is done: users reach it {} after it was asked for; {} in all\n", mark_of(phase), id, tame(text_at(record, "service")),
                                      seconds_text(reached_after(record).value_or(all)), seconds_text(all)));
    }
    const Json& fault = at(record, "fault");
    around.err(fmt::format("{} deployment {} of {}: {}, after {}\n", mark_of(phase), id, tame(text_at(record, "service")), phase, seconds_text(number_at(record, "seconds").value_or(0))));
    if (!fault.is_object()) return;
    around.err(fmt::format("  {}: {}\n", text_at(fault, "code"), tame(text_at(fault, "text"))));
    if (const auto elapsed = number_at(fault, "elapsed")) around.err(fmt::format("  in {}, after {} of the {} that it may take\n", text_at(fault, "phase"), seconds_text(*elapsed), seconds_text(number_at(fault, "budget").value_or(0))));
    for (const Json& one : at(record, "instances"))
        if (const std::string address = text_at(one, "address"); !address.empty()) around.err(asked_text(one, address));
    for (const Json& one : at(record, "instances"))
        for (const Json& seen : at(one, "observations")) around.err(fmt::format("    {}  {}\n", tame(text_at(one, "instance")), tame(seen.is_string() ? seen.get<std::string>() : "")));
    for (const Json& one : at(record, "instances"))
        for (const Json& line : at(one, "log")) around.err(fmt::format("    {} | {}\n", tame(text_at(one, "instance")), tame(line.is_string() ? line.get<std::string>() : "")));
    around.err(fmt::format("  {} {}\n", text_at(fault, "means"), flag_at(fault, "retryable") ? "The same may succeed later." : "The same will not succeed by itself."));
    if (const std::string hint = text_at(fault, "try"); !hint.empty()) around.err(fmt::format("  try: {}\n", hint));
    if (phase == "failed") around.err("  it could not be undone in time: look at `hale list` for what users reach now\n");
}

// Tells each phase as it comes, until it is over.
int follow(const Invocation& asked, Surroundings& around, Daemon& daemon, const std::string& id) {
    const std::string path = "/api/v1/deployments/" + percent_encoded(id);
    std::size_t told = 0;
    LiveLines live(around);
    const bool draws = draws_live(asked, around);
    std::string last, done;
    Instant tell_again{};
    const Instant began = daemon.client()->now();
    Duration most = longest_followed;
    for (std::string revision;;) {
        const auto record = daemon.ask({.target = revision.empty() ? path : fmt::format("{}?wait={}&revision={}", path, duration_text(draws ? redraw_every : poll), revision), .within = poll + answer_limit});
        if (!record) {
            live.wipe();
            return daemon.fail(record.error());
        }
        revision = fmt::format("{}", count_at(*record, "revision"));
        if (const auto longest = number_at(*record, "longest")) most = std::min<Duration>(longest_followed, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*longest)) + grace);
        const std::string now = record->dump();
        if (now != last && asked.format == Format::jsonl) around.out(now + "\n");
        last = now;
        const Json& phases = at(*record, "phases");
        if (draws && !flag_at(*record, "over")) {
            const auto window = around.window ? around.window() : Surroundings::Window{};
            live.draw(progress_lines(*record, daemon.client()->utc(), window.columns, window.rows, colourful(asked, around)));
        } else if (asked.format == Format::table || asked.format == Format::wide) {
            live.wipe();
            if (const std::string doing = text_at(*record, "doing"); doing != done && told == phases.size() && daemon.client()->now() >= tell_again) {
                around.err(fmt::format("  {}\n", tame(doing)));
                done = doing;
                tell_again = daemon.client()->now() + doing_every;
            }
            for (; told < phases.size(); ++told) {
                const std::string phase = text_at(phases[told], "phase");
                around.err(fmt::format("{} {}\n", mark_of(phase), phase));
                if (phase == "verifying")
                    for (const Json& one : at(*record, "instances")) around.err(instance_text(one) + "\n");
            }
        }
        if (flag_at(*record, "over")) {
            say_interrupted("");
            if (asked.format == Format::json || asked.format == Format::yaml) print(asked, around, *record, Table{.heads = {}, .rows = {}});
            say_end(around, *record);
            return exit_of(*record);
        }
        if (daemon.client()->now() - began > most) live.wipe();
        if (daemon.client()->now() - began > most) return daemon.fail(exits::timed_out, fmt::format("deployment {} is not over after {}; see hale deployments show {}", id, age_text(seconds(most)), id));
    }
}

int begun(const Invocation& asked, Surroundings& around, Daemon& daemon, const Json& answer) {
    const std::string id = text_at(answer, "deployment");
    around.err(fmt::format("deployment {} of {} (number {}): {}\n", id, tame(text_at(answer, "service")), count_at(answer, "number"), plan_text(at(answer, "plan"))));
    if (asked.detach) {
        print(asked, around, answer, Table{.heads = {"deployment"}, .rows = {{id}}});
        return exits::ok;
    }
    say_interrupted(fmt::format("\nhale: deployment {0} goes on without this command; follow it with `hale deployments follow {0}`, end it with `hale deployments abort {0}`\n", id));
    return follow(asked, around, daemon, id);
}

}  // namespace

namespace {

// The file's text, and what it asks for of the environment.
std::expected<Json, std::string> application_body(const Invocation& asked, Surroundings& around) {
    const auto text = os::read_file(asked.compose, config::max_compose_bytes);
    if (!text) return std::unexpected(fmt::format("{}: {}", tame(asked.compose), text.error().text));
    Json variables = Json::object();
    for (const auto& name : config::compose_variables(*text))
        if (const auto value = around.environment(name)) variables[name] = *value;
    for (const auto& one : asked.environment) {
        const auto equals = one.find('=');
        if (equals == 0 || equals == one.npos) return std::unexpected(fmt::format("--env {}: allowed: NAME=VALUE", tame(one)));
        variables[one.substr(0, equals)] = one.substr(equals + 1);
    }
    Json body = {{"compose", *text}, {"variables", std::move(variables)}};
    if (asked.timeout) body["timeout"] = duration_text(*asked.timeout);
    if (asked.force) body["force"] = true;
    if (asked.dry_run) body["dry_run"] = true;
    return body;
}

int planned_only(const Invocation& asked, Surroundings& around, const Json& answer) {
    Table table{.heads = {"PHASE", "AT MOST"}, .rows = {}};
    for (const auto& [phase, limit] : at(answer, "deadlines").items())
        if (limit.is_number() && limit.get<double>() > 0) table.rows.push_back({Cell(phase), Cell(age_text(limit.get<double>()))});
    table.rows.push_back({Cell("in all"), Cell(age_text(number_at(answer, "longest").value_or(0)))});
    for (const Json& one : at(answer, "instances")) around.err(instance_text(one) + "\n");
    for (const Json& name : at(answer, "from"))
        if (name.is_string()) around.err(fmt::format("  {} serves now\n", tame(name.get<std::string>())));
    print(asked, around, answer, table);
    return exits::ok;
}

}  // namespace

int run_deploy(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    if (!asked.compose.empty()) {
        if (!asked.targets.empty() || !asked.image.empty() || asked.replicas || !asked.host.empty() || asked.path != "/" || !asked.health_path.empty() || !asked.project.empty() || asked.strip || asked.tls)
            return daemon.fail(exits::usage, "--compose says all of its containers: beside it only --env, --timeout, --force, --dry-run and --detach");
        const auto body = application_body(asked, around);
        if (!body) return daemon.fail(exits::usage, body.error());
        const auto answer = daemon.post(fmt::format("/api/v1/applications/{}:deploy", percent_encoded(asked.target)), *body);
        if (!answer) return daemon.fail(answer.error());
        return asked.dry_run ? planned_only(asked, around, *answer) : begun(asked, around, daemon, *answer);
    }
    Json body = Json::object();
    if (!asked.targets.empty()) body["targets"] = asked.targets;
    Json containers = Json::object();
    if (!asked.image.empty()) containers["image"] = asked.image;
    if (asked.replicas) containers["replicas"] = *asked.replicas;
    for (const auto& one : asked.environment) {
        const auto equals = one.find('=');
        if (equals == 0 || equals == one.npos) return daemon.fail(exits::usage, fmt::format("--env {}: allowed: NAME=VALUE", tame(one)));
        containers["env"][one.substr(0, equals)] = one.substr(equals + 1);
    }
    if (!containers.empty()) body["deploy"] = containers;
    if (!asked.host.empty()) body["host"] = asked.host;
    if (asked.path != "/") body["path"] = asked.path;
    if (!asked.health_path.empty()) body["health_path"] = asked.health_path;
    if (!asked.project.empty()) body["project"] = asked.project;
    if (asked.strip) body["strip"] = true;
    if (asked.tls) body["tls"] = true;
    if (asked.timeout) body["timeout"] = duration_text(*asked.timeout);
    if (asked.dry_run) body["dry_run"] = true;
    const auto answer = daemon.post(fmt::format("/api/v1/services/{}:deploy", percent_encoded(asked.target)), body);
    if (!answer) return daemon.fail(answer.error());
    return asked.dry_run ? planned_only(asked, around, *answer) : begun(asked, around, daemon, *answer);
}

int run_scale(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.post(fmt::format("/api/v1/services/{}:scale", percent_encoded(asked.target)), Json{{"replicas", *asked.replicas}});
    if (!answer) return daemon.fail(answer.error());
    return begun(asked, around, daemon, *answer);
}

int run_rollback(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    Json body = Json::object();
    if (!asked.to.empty()) body["to"] = asked.to;
    const auto answer = daemon.post(fmt::format("/api/v1/services/{}:rollback", percent_encoded(asked.target)), body);
    if (!answer) return daemon.fail(answer.error());
    return begun(asked, around, daemon, *answer);
}

int run_deployments(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto all = daemon.get("/api/v1/deployments?limit=1000" + (asked.service.empty() ? "" : "&service=" + percent_encoded(asked.service)));
    if (!all) return daemon.fail(all.error());
    const Utc now = daemon.client()->utc();
    Table table{.heads = {"DEPLOYMENT", "SERVICE", "NUMBER", "PHASE", "BEGAN", "TOOK", "BY", "WHY"}, .rows = {}};
    for (const Json& one : at(*all, "items")) {
        const auto created = parse_rfc3339(text_at(one, "created"));
        const Json& fault = at(one, "fault");
        table.rows.push_back({Cell(text_at(one, "id")), Cell(tame(text_at(one, "service"))), Cell(fmt::format("{}", count_at(one, "number"))), painted(text_at(one, "phase")),
                              Cell(created ? age_text(seconds(now - *created)) + " ago" : "–"), Cell(flag_at(one, "over") ? seconds_text(number_at(one, "seconds").value_or(0)) : "–"),
                              Cell(tame(text_at(one, "actor"))), Cell(fault.is_object() ? text_at(fault, "code") : "")});
    }
    print(asked, around, *all, table);
    return exits::ok;
}

int run_deployments_show(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto one = daemon.get("/api/v1/deployments/" + percent_encoded(asked.target));
    if (!one) return daemon.fail(one.error());
    Table table{.heads = {"PHASE", "ENTERED", "DEADLINE", "WHY"}, .rows = {}};
    for (const Json& phase : at(*one, "phases")) {
        const std::string deadline = text_at(phase, "deadline");
        table.rows.push_back({painted(text_at(phase, "phase")), Cell(text_at(phase, "entered")), Cell(deadline.empty() ? "–" : deadline), Cell(tame(text_at(phase, "reason")))});
    }
    print(asked, around, *one, table);
    if (asked.format == Format::table || asked.format == Format::wide) {
        if (const std::string digest = text_at(*one, "digest"); !digest.empty()) around.err(fmt::format("  image {}\n", tame(digest)));
        for (const Json& instance : at(*one, "instances")) around.err(instance_text(instance) + "\n");
        if (flag_at(*one, "over")) say_end(around, *one);
    }
    return exits::ok;
}

int run_deployments_replay(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto one = daemon.get(fmt::format("/api/v1/deployments/{}/replay", percent_encoded(asked.target)));
    if (!one) return daemon.fail(one.error());
    Table table{.heads = {"AT", "SAW", "INSTANCE", "THEN", "TEXT"}, .rows = {}};
    for (const Json& step : at(*one, "steps"))
        table.rows.push_back({Cell(text_at(step, "at")), Cell(text_at(step, "event")), Cell(tame(text_at(step, "instance"))), painted(text_at(step, "phase")), Cell(tame(text_at(step, "text")))});
    print(asked, around, *one, table);
    const bool same = flag_at(*one, "same");
    const Json& end = at(*one, "end");
    if (!flag_at(*one, "whole")) around.err("more was seen than is kept: what follows is of the part that is\n");
    around.err(same ? fmt::format("● the same again: {}\n", text_at(end, "phase")) : fmt::format("▲ another end: {} {}: {}\n", text_at(end, "phase"), text_at(end, "fault"), tame(text_at(end, "text"))));
    return same ? exits::ok : exits::failed;
}

int run_deployments_follow(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto one = daemon.get("/api/v1/deployments/" + percent_encoded(asked.target));
    if (!one) return daemon.fail(one.error());
    return follow(asked, around, daemon, text_at(*one, "id"));
}

int run_deployments_abort(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.post(fmt::format("/api/v1/deployments/{}:abort", percent_encoded(asked.target)), Json::object());
    if (!answer) return daemon.fail(answer.error());
    return follow(asked, around, daemon, asked.target);
}

}  // namespace hale::cli
