// `hale config …`: what is written, what it means, and what the daemon runs.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/configured.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "config/load.h"
#include "config/schema.h"

namespace hale::cli {

namespace {

using Effective = std::vector<config::EffectiveValue>;

// The file meant: named as FILE, else as everywhere.
Result<std::string> meant(const Invocation& asked, const Surroundings& around) {
    std::string path = asked.target.empty() ? config_path(asked, around) : asked.target;
    if (path.empty()) return fail(Code::invalid, "which configuration? give FILE or --config, or set HALE_CONFIG");
    return path;
}

void complain(const config::Problems& problems, Surroundings& around) {
    for (const auto& problem : problems) around.err(tame(problem.text()) + "\n");
}

Json problems_json(const config::Problems& problems) {
    Json out = Json::array();
    for (const auto& one : problems) {
        out.push_back({{"pointer", one.pointer},
                       {"detail", one.what},
                       {"allowed", one.allowed},
                       {"file", one.mark.file},
                       {"line", one.mark.line},
                       {"column", one.mark.column}});
    }
    return out;
}

struct Detected {
    Json items = Json::array();
    Table table{.heads = {"SERVICE", "INSTANCE", "CHECK", "KIND", "REFUSED WITHIN", "SILENT WITHIN"}, .rows = {}};

    void add(const std::string& service, const std::string& instance, const config::CheckSpec& check) {
        const bool probed = check.probes();
        Json one{{"service", service},
                 {"instance", instance.empty() ? Json(nullptr) : Json(instance)},
                 {"check", check.name},
                 {"kind", check.kind()}};
        std::string refused = "–", silent = "–";
        if (probed) {
            const config::Detection worst = config::detection(check.timing);
            // With some m_of_n a silent target swallows the very slots that should convict it.
            const bool never = worst.silent == Duration::max();
            one["refused"] = seconds(worst.refused), one["silent"] = never ? Json(nullptr) : Json(seconds(worst.silent));
            refused = human(worst.refused), silent = never ? "never" : human(worst.silent);
        } else if (const auto* beat = std::get_if<config::HeartbeatCheck>(&check.what)) {
            one["silent"] = seconds(beat->every + beat->grace);
            silent = human(beat->every + beat->grace);
        }
        items.push_back(one);
        table.rows.push_back({Cell(service), instance, check.name.str(), std::string(check.kind()), refused, silent});
    }
};

// One row per check; instances only where they have their own timing.
Detected detection_of(const config::Document& document) {
    Detected out;
    for (const auto& service : document.services) {
        for (const auto& check : *service.checks) out.add(service.name, "", *check);
        for (const auto& instance : service.instances) {
            if (!instance.checks) continue;
            for (const auto& own : *instance.checks) {
                const auto same = std::ranges::find_if(*service.checks, [&](const auto& one) {
                    return one->name == own->name && one->timing == own->timing;
                });
                if (same == service.checks->end()) out.add(service.name, instance.name.str(), *own);
            }
        }
    }
    return out;
}

Effective effective_of(const Json& items) {
    Effective out;
    for (const Json& one : items) out.push_back({text_at(one, "key"), text_at(one, "value"), text_at(one, "origin")});
    return out;
}

// What runs; the daemon tells every value with its origin.
Asked<Effective> running(Daemon& daemon) {
    const auto answer = daemon.get("/api/v1/config");
    if (!answer) return std::unexpected(answer.error());
    Effective values = effective_of(at(*answer, "effective"));
    if (values.empty())
        return std::unexpected(Failure{exits::failed, "the daemon does not say what it runs value by value"});
    return values;
}

int show(const Effective& values, const Invocation& asked, Surroundings& around) {
    Json items = Json::array();
    Table table{.heads = {"KEY", "VALUE", "ORIGIN"}, .rows = {}};
    for (const auto& value : values) {
        if (!asked.effective && value.origin == "default") continue;
        items.push_back({{"key", value.key}, {"value", value.value}, {"origin", value.origin}});
        table.rows.push_back(
            {Cell(tame(value.key)), tame(value.value), Cell(value.origin, value.origin == "default" ? "grey" : "")});
    }
    print(asked, around, Json{{"items", items}}, table);
    return exits::ok;
}

}  // namespace

int run_config_check(const Invocation& asked, Surroundings& around) {
    const auto path = meant(asked, around);
    if (!path) {
        around.err(fmt::format("hale: {}\n", path.error().text));
        return exits::usage;
    }
    const auto document = load_configuration(*path);
    const bool people = asked.format == Format::table || asked.format == Format::wide;
    if (!document) {
        complain(document.error(), around);
        if (!people)
            print(asked, around,
                  Json{{"ok", false}, {"problems", problems_json(document.error())}, {"items", Json::array()}},
                  Table{});
        return exits::usage;
    }
    for (const std::string& warning : document->warnings) around.err(fmt::format("warning: {}\n", tame(warning)));
    std::size_t instances = 0;
    for (const auto& service : document->services) instances += service.instances.size();
    const Detected detected = detection_of(*document);
    if (!people || !detected.table.rows.empty()) {
        print(asked, around,
              Json{{"ok", true},
                   {"services", document->services.size()},
                   {"instances", instances},
                   {"routes", document->routes.size()},
                   {"warnings", document->warnings},
                   {"items", detected.items}},
              detected.table);
    }
    around.err(fmt::format("{}: good: {} services, {} instances, {} routes\n", *path, document->services.size(),
                           instances, document->routes.size()));
    return exits::ok;
}

int run_config_schema(const Invocation& asked, Surroundings& around) {
    around.out(asked.reference ? config::reference_page() : config::json_schema());
    return exits::ok;
}

int run_config_show(const Invocation& asked, Surroundings& around) {
    if (asked.target.empty()) {
        Daemon daemon(asked, around);
        const auto values = running(daemon);
        return values ? show(*values, asked, around) : daemon.fail(values.error());
    }
    const auto document = load_configuration(asked.target, true);
    if (document) return show(document->effective, asked, around);
    complain(document.error(), around);
    return exits::usage;
}

int run_config_diff(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto path = meant(asked, around);
    if (!path) return daemon.fail(exits::usage, path.error().text);
    const auto document = load_configuration(*path, true);
    if (!document) {
        complain(document.error(), around);
        return exits::usage;
    }
    const auto before = running(daemon);
    if (!before) return daemon.fail(before.error());
    std::map<std::string, std::pair<const config::EffectiveValue*, const config::EffectiveValue*>> both;
    for (const auto& value : *before) {
        if (value.origin != "api") both[value.key].first = &value;  // Not the file's, so it can't differ from it.
    }
    for (const auto& value : document->effective) both[value.key].second = &value;
    Json items = Json::array();
    Table table{.heads = {"", "KEY", "RUNNING", "FILE", "WHERE"}, .rows = {}};
    for (const auto& [key, sides] : both) {
        const auto& [now, then] = sides;
        if (now != nullptr && then != nullptr && now->value == then->value) continue;
        items.push_back({{"key", key},
                         {"running", now ? Json(now->value) : Json(nullptr)},
                         {"file", then ? Json(then->value) : Json(nullptr)},
                         {"origin", then ? Json(then->origin) : Json(nullptr)}});
        table.rows.push_back({Cell(now == nullptr    ? "+"
                                   : then == nullptr ? "-"
                                                     : "~",
                                   now == nullptr    ? "green"
                                   : then == nullptr ? "red"
                                                     : "yellow"),
                              tame(key), now ? tame(now->value) : "", then ? tame(then->value) : "",
                              then ? then->origin : ""});
    }
    const bool people = asked.format == Format::table || asked.format == Format::wide;
    if (people && table.rows.empty())
        around.err(fmt::format("{} is what runs\n", *path));
    else
        print(asked, around, Json{{"items", items}}, table);
    return exits::ok;
}

int run_config_reload(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.ask({.method = "POST", .target = "/api/v1/config:reload", .within = 60s});
    if (!answer) return daemon.fail(answer.error());
    for (const Json& warning : at(*answer, "warnings")) {
        if (warning.is_string()) around.err(fmt::format("warning: {}\n", tame(warning.get<std::string>())));
    }
    if (asked.format == Format::table || asked.format == Format::wide) {
        around.err(fmt::format("{} is in force since revision {}\n", text_at(*answer, "source"),
                               count_at(*answer, "revision")));
    } else {
        print(asked, around, *answer,
              Table{.heads = {"revision"}, .rows = {{fmt::format("{}", count_at(*answer, "revision"))}}});
    }
    return exits::ok;
}

}  // namespace hale::cli
