// `hale list`: every service and, under it, its instances, with state, age and reason.

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <vector>

#include "cli/ages.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

std::string layer_of(const Json& object) { return text_at(at(object, "override"), "state"); }

std::string with_flags(const Json& object) {
    std::string out;
    for (const Json& flag : at(object, "flags")) {
        if (!flag.is_string() || flag == "overridden") continue;
        out += out.empty() ? "[" : " ";
        out += flag.get<std::string>();
    }
    return out.empty() ? out : out + "] ";
}

std::string reason_of(const Json& object) {
    const Json& layer = at(object, "override");
    const std::string code = text_at(at(object, "reason"), "code"), text = text_at(at(object, "reason"), "text");
    std::string out = with_flags(object);
    if (code != "ok" && !code.empty()) out += text.empty() ? code : fmt::format("{}: {}", code, text);
    if (layer.is_object()) {
        if (!out.empty() && !out.ends_with(' ')) out += "; ";
        fmt::format_to(std::back_inserter(out), "set {} by {}: {}", text_at(layer, "state"), text_at(layer, "author"),
                       text_at(layer, "reason"));
    }
    return tame(out);
}

std::string lifecycle_note(const Json& instance) {
    const std::string lifecycle = text_at(instance, "lifecycle");
    return lifecycle.empty() || lifecycle == "serving" ? "" : fmt::format(" ({})", lifecycle);
}

std::vector<Cell> service_row(const Json& service, Utc now, bool wide) {
    const Json& counts = at(service, "instances");
    std::string traffic = fmt::format("{} of {} eligible", count_at(counts, "eligible"), count_at(counts, "total"));
    if (flag_at(service, "draining")) traffic += ", draining";
    if (at(service, "paused_until").is_string()) traffic += ", paused";
    if (flag_at(service, "panic")) traffic += ", PANIC";
    std::vector<Cell> row{Cell(tame(text_at(service, "service")), "bold"),
                          state_cell(text_at(service, "state"), layer_of(service)), ago(service, "since", now), "",
                          traffic};
    if (wide) row.insert(row.end(), {"", "", fmt::format("v{}", count_at(service, "version"))});
    row.emplace_back(reason_of(service));
    return row;
}

std::vector<Cell> instance_row(const Json& instance, bool last, Utc now, bool wide) {
    std::vector<Cell> row{Cell(fmt::format("{} {}", last ? "└" : "├", tame(text_at(instance, "instance")))),
                          state_cell(text_at(instance, "state"), layer_of(instance)), ago(instance, "since", now),
                          age_text(number_at(instance, "age")),
                          tame(text_at(instance, "address")) + lifecycle_note(instance)};
    if (wide) {
        row.insert(row.end(), {text_at(instance, "resolved"), flag_at(instance, "eligible") ? "yes" : "no",
                               fmt::format("v{}", count_at(instance, "version"))});
    }
    row.emplace_back(reason_of(instance));
    return row;
}

// For programs: one row per instance, nothing shortened.
Table flat(const Json& instances) {
    Table out{.heads = {"service", "instance", "id", "address", "resolved", "state", "lifecycle", "eligible",
                        "override", "version", "since", "observed_at", "age", "reason", "text"},
              .rows = {}};
    for (const Json& one : instances) {
        const auto age = number_at(one, "age");
        out.rows.push_back({text_at(one, "service"), text_at(one, "instance"), text_at(one, "id"),
                            text_at(one, "address"), text_at(one, "resolved"), text_at(one, "state"),
                            text_at(one, "lifecycle"), flag_at(one, "eligible") ? "true" : "false", layer_of(one),
                            fmt::format("{}", count_at(one, "version")), text_at(one, "since"),
                            text_at(one, "observed_at"), age ? fmt::format("{:.3f}", *age) : "",
                            text_at(at(one, "reason"), "code"), text_at(at(one, "reason"), "text")});
    }
    return out;
}

Table tree(const Json& services, const Json& instances, const Invocation& asked, Utc now) {
    const bool wide = asked.format == Format::wide;
    std::map<std::string, std::vector<const Json*>> of;
    for (const Json& instance : instances) of[text_at(instance, "service")].push_back(&instance);
    Table out;
    out.heads = wide ? std::vector<std::string>{"SERVICE",  "STATE",    "SINCE",   "AGE",   "ADDRESS",
                                                "RESOLVED", "ELIGIBLE", "VERSION", "REASON"}
                     : std::vector<std::string>{"SERVICE", "STATE", "SINCE", "AGE", "ADDRESS", "REASON"};
    for (const Json& service : services) {
        const auto& members = of[text_at(service, "service")];
        const bool well = text_at(service, "state") == "healthy" && members.empty();
        if (asked.unhealthy && well) continue;
        out.rows.push_back(service_row(service, now, wide));
        for (std::size_t i = 0; i < members.size(); ++i) {
            out.rows.push_back(instance_row(*members[i], i + 1 == members.size(), now, wide));
        }
    }
    return out;
}

struct Worst {
    int exit = exits::ok;
    std::size_t seen = 0;
    std::string first;  // The name of the first that is as bad as the worst.
    std::map<std::string, std::size_t> counts;

    void add(const Json& object, const std::string& name) {
        const int one = nagios_exit(text_at(object, "state"), layer_of(object));
        const std::string code = text_at(at(object, "reason"), "code");
        if (++seen == 1 || exits::worse(exit, one) != exit)
            first = code.empty() ? name : fmt::format("{} ({})", name, code);
        exit = seen == 1 ? one : exits::worse(exit, one);
    }
};

Worst worst_of(const Json& services, const Json& instances) {
    Worst out;
    for (const Json& one : instances) {
        out.add(one, text_at(one, "instance"));
        ++out.counts[text_at(one, "state")];
    }
    // A service may be worse than all its instances: it has none, or a check of its own.
    for (const Json& one : services) out.add(one, text_at(one, "service"));
    return out;
}

int print_nagios(const Worst& worst, std::size_t instances, Surroundings& around) {
    constexpr std::string_view states[] = {"healthy", "degraded", "unhealthy", "pending", "unknown"};
    std::string performance, text;
    for (const std::string_view state : states) {
        const auto found = worst.counts.find(std::string(state));
        const std::size_t count = found == worst.counts.end() ? 0 : found->second;
        fmt::format_to(std::back_inserter(performance), "{}{}={}", performance.empty() ? "" : " ", state, count);
        if (count != 0) fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", count, state);
    }
    if (text.empty()) text = "no instances";
    if (worst.exit != exits::ok) text += ": " + worst.first;
    around.out(nagios_line(worst.exit, fmt::format("{} instances: {}", instances, text), performance));
    return worst.exit;
}

Json only_unwell(const Json& all) {
    Json out = Json::array();
    for (const Json& one : all) {
        if (text_at(one, "state") != "healthy" || at(one, "override").is_object()) out.push_back(one);
    }
    return out;
}

Json only_with(const Json& services, const Json& instances) {
    Json out = Json::array();
    for (const Json& service : services) {
        const bool unwell = text_at(service, "state") != "healthy" || at(service, "override").is_object();
        bool has = false;
        for (const Json& one : instances) has = has || text_at(one, "service") == text_at(service, "service");
        if (unwell || has) out.push_back(service);
    }
    return out;
}

}  // namespace

int run_list(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const std::string filter = asked.selector.empty() ? "" : "&selector=" + percent_encoded(asked.selector);
    const auto answer = [&](const Failure& failure) {
        if (asked.format == Format::nagios)
            around.out(nagios_line(exits::unknown, failure.text.substr(0, failure.text.find('\n')), {}));
        return daemon.fail(failure);
    };
    auto verdicts = daemon.all("/api/v1/verdicts?limit=1000" + filter);
    if (!verdicts) return answer(verdicts.error());
    auto services = daemon.all("/api/v1/services?limit=1000" + filter);
    if (!services) return answer(services.error());
    const Json& instances = at(*verdicts, "items");
    const Json& groups = at(*services, "items");

    const bool judged = asked.unhealthy || asked.format == Format::nagios;
    if (instances.empty() && groups.empty()) {
        const bool nothing_declared = asked.selector.empty() && !judged;
        const std::string text = asked.selector.empty()
                                     ? "no checks matched: there are no services"
                                     : fmt::format("no checks matched --selector {}", asked.selector);
        if (asked.format == Format::nagios)
            around.out(nagios_line(exits::unknown, text, {}));
        else if (asked.format != Format::table && asked.format != Format::wide)
            print(asked, around, *verdicts, flat(instances));
        if (!nothing_declared) return daemon.fail(exits::no_such, text);
        around.err("no services yet: declare them in hale.yml, or try `hale route add --host H --target HOST:PORT`\n");
        return exits::ok;
    }
    const Worst worst = worst_of(groups, instances);
    if (asked.format == Format::nagios) return print_nagios(worst, instances.size(), around);

    const Json shown = asked.unhealthy ? only_unwell(instances) : instances;
    const Json shown_groups = asked.unhealthy ? only_with(groups, shown) : groups;
    const bool people = asked.format == Format::table || asked.format == Format::wide;
    if (asked.unhealthy) (*verdicts)["items"] = shown;
    if (people && shown.empty() && shown_groups.empty()) {
        around.err(fmt::format("all {} instances are healthy\n", instances.size()));
    } else {
        print(asked, around, *verdicts,
              people ? tree(shown_groups, shown, asked, daemon.client()->utc()) : flat(shown));
    }
    return asked.unhealthy ? worst.exit : exits::ok;
}

}  // namespace hale::cli
