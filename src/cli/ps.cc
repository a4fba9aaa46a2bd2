// `hale ps`: the containers of Hale's services, and what is believed of each.

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

constexpr Duration list_limit = 60s;      // The engine is asked about each of them.
constexpr std::size_t short_digest = 12;  // Of its hexadecimal digits.

std::string brief_digest(const std::string& digest) {
    const auto colon = digest.rfind(':');
    return colon == digest.npos ? digest : digest.substr(colon + 1, short_digest);
}

std::vector<Cell> row_of(const Json& one, bool wide) {
    const std::string state = text_at(one, "state"), health = text_at(one, "health"), verdict = text_at(one, "verdict");
    const Json& stopped = at(one, "stopped");
    const std::string number = number_at(one, "number") ? fmt::format("{}", count_at(one, "number")) : text_at(one, "deployment");
    std::vector<Cell> row{Cell(tame(text_at(one, "name"))), Cell(tame(text_at(one, "service"))), Cell(number), Cell(tame(text_at(one, "image")))};
    if (wide) row.push_back(Cell(brief_digest(text_at(one, "digest").empty() ? text_at(one, "image_id") : text_at(one, "digest"))));
    row.push_back({state, state == "running" ? "" : "red"});
    row.push_back(Cell(health.empty() ? "–" : health));
    row.push_back(Cell(age_text(number_at(one, "uptime"))));
    row.push_back(Cell(fmt::format("{}", count_at(one, "restarts"))));
    row.push_back(verdict.empty() ? Cell("–") : state_cell(verdict));
    std::string why = tame(text_at(stopped, "text"));
    if (why.empty() && text_at(one, "lifecycle") == "draining") why = "drained";
    row.push_back(Cell(why));
    return row;
}

}  // namespace

int run_ps(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    std::string path = "/api/v1/containers";
    if (!asked.target.empty()) path += "?service=" + percent_encoded(asked.target);
    if (asked.all) path += asked.target.empty() ? "?all=true" : "&all=true";
    const auto answer = daemon.ask({.target = path, .within = list_limit});
    if (!answer) return daemon.fail(answer.error());
    const bool wide = asked.format == Format::wide || asked.format == Format::csv;
    Table table{.heads = {"CONTAINER", "SERVICE", "DEPLOYMENT", "IMAGE"}, .rows = {}};
    if (wide) table.heads.push_back("DIGEST");
    for (const char* head : {"STATE", "HEALTH", "UP", "RESTARTS", "VERDICT", "WHY"}) table.heads.push_back(head);
    for (const Json& one : at(*answer, "items")) table.rows.push_back(row_of(one, wide));
    print(asked, around, *answer, table);
    if (table.rows.empty()) around.err(fmt::format("no containers{}{}\n", asked.target.empty() ? "" : " of " + tame(asked.target), asked.all ? "" : " run; --all shows stopped ones too"));
    return exits::ok;
}

}  // namespace hale::cli
