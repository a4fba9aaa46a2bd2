// `hale route …`: what hosts and paths lead to which service.

#include <fmt/format.h>

#include <iterator>

#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

std::string spelled(const Json& route) {
    return text_at(route, "host") + (text_at(route, "path") == "/" ? "" : text_at(route, "path"));
}

// "a.example", "a.example/api", or the route's id.
bool means(const std::string& target, const Json& route) {
    if (target == text_at(route, "id") || target == spelled(route)) return true;
    return target == text_at(route, "host") + text_at(route, "path");
}

}  // namespace

int run_route_add(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    Json body{{"host", asked.host}, {"targets", asked.targets}, {"path", asked.path}};
    if (!asked.service.empty()) body["service"] = asked.service;
    if (!asked.health_path.empty()) body["health_path"] = asked.health_path;
    if (!asked.project.empty()) body["project"] = asked.project;
    if (asked.strip) body["strip"] = true;
    if (asked.tls) body["tls"] = true;
    const auto answer = daemon.post("/api/v1/routes:add", body);
    if (!answer) return daemon.fail(answer.error());
    const std::string service = tame(text_at(*answer, "service"));
    if (asked.format == Format::table || asked.format == Format::wide) {
        around.out(fmt::format("{}\n", text_at(*answer, "route")));
        around.err(fmt::format("{}{} leads to service {} (in force since revision {}); try `hale verify {}`\n",
                               asked.host, asked.path == "/" ? "" : asked.path, service, count_at(*answer, "revision"),
                               service));
    } else {
        print(asked, around, *answer,
              Table{.heads = {"route", "revision"},
                    .rows = {{text_at(*answer, "route"), fmt::format("{}", count_at(*answer, "revision"))}}});
    }
    return exits::ok;
}

int run_route_remove(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto routes = daemon.all("/api/v1/routes?limit=1000");
    if (!routes) return daemon.fail(routes.error());
    const Json* found = nullptr;
    for (const Json& route : at(*routes, "items")) {
        if (!means(asked.target, route)) continue;
        // An id says which; a host with several paths does not reach here twice, since the path is a part of it.
        found = &route;
        break;
    }
    if (found == nullptr)
        return daemon.fail(
            exits::no_such,
            fmt::format("no route {}; `hale route list` shows them (HOST, HOST/PATH or ID)", tame(asked.target)));
    const auto answer =
        daemon.ask({.method = "DELETE", .target = "/api/v1/routes/" + percent_encoded(text_at(*found, "id"))});
    if (!answer) return daemon.fail(answer.error());
    around.err(fmt::format("route {} is gone (since revision {})\n", spelled(*found), count_at(*answer, "revision")));
    return exits::ok;
}

int run_route_list(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto routes = daemon.all("/api/v1/routes?limit=1000");
    if (!routes) return daemon.fail(routes.error());
    Table table{.heads = {"HOST", "PATH", "SERVICE", "OWNER", "PROJECT", "ID"}, .rows = {}};
    for (const Json& route : at(*routes, "items")) {
        table.rows.push_back({Cell(tame(text_at(route, "host"))),
                              tame(text_at(route, "path")) + (flag_at(route, "strip") ? " (stripped)" : ""),
                              tame(text_at(route, "service")), text_at(route, "owner"), tame(text_at(route, "project")),
                              text_at(route, "id")});
    }
    print(asked, around, *routes, table);
    return exits::ok;
}

}  // namespace hale::cli
