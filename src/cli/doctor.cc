// `hale doctor`: everything that can be looked at from here, and what the daemon says of itself when it runs.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/configured.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "config/load.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"

namespace hale::cli {

namespace {

constexpr rlim_t few_descriptors = 4096;

struct Findings {
    Json items = Json::array();
    int worst = exits::ok;

    // status: ok, note, warn, fail
    void add(std::string_view status, std::string_view what, std::string detail) {
        items.push_back({{"status", status}, {"what", what}, {"detail", std::move(detail)}});
        if (status == "fail") worst = exits::failed;
    }
};

struct Closed final : io::AcceptHandler {
    void on_accept(std::unique_ptr<io::Stream>) noexcept override {}
};

// Asked only while nobody serves: then a port that is taken is taken by somebody else.
void look_at_port(Findings& out, std::string_view what, const std::optional<SocketAddress>& address) {
    if (!address) return;
    auto loop = os::EpollLoop::create();
    if (!loop) return out.add("fail", what, loop.error().text);
    os::EpollNet net(**loop);
    Closed nobody;
    const auto listener = net.listen({.address = *address}, nobody);
    if (listener)
        out.add("ok", what, fmt::format("{} is free", address->text()));
    else
        out.add("fail", what, listener.error().text);
}

void look_at_state(Findings& out, const std::string& state) {
    struct stat found{};
    if (stat(state.c_str(), &found) != 0) {
        return out.add("warn", "state directory",
                       fmt::format("{}: {}; the daemon makes it when it may", state, system_text(errno)));
    }
    if (!S_ISDIR(found.st_mode)) return out.add("fail", "state directory", fmt::format("{} is no directory", state));
    if ((found.st_mode & 077) != 0) {
        return out.add(
            "fail", "state directory",
            fmt::format("{} is open to others (mode {:o}); try chmod 700 {}", state, found.st_mode & 0777, state));
    }
    if (access(state.c_str(), R_OK | W_OK | X_OK) != 0) {
        return out.add("warn", "state directory",
                       fmt::format("{} is not ours (uid {}): its daemon is another user's", state, found.st_uid));
    }
    const bool token = access((state + "/admin.token").c_str(), R_OK) == 0;
    out.add("ok", "state directory",
            fmt::format("{}{}", state, token ? "" : " (no admin.token yet: no daemon has run on it)"));
}

void look_at_descriptors(Findings& out) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const bool few = limit.rlim_max < few_descriptors;
    out.add(few ? "warn" : "ok", "descriptors",
            fmt::format("limit {} (at most {}){}", limit.rlim_cur, limit.rlim_max,
                        few ? "; each probe and request needs one: raise LimitNOFILE" : ""));
}

config::Settings look_at_config(Findings& out, const std::string& path) {
    if (path.empty()) {
        out.add("warn", "configuration", "none named: --config, HALE_CONFIG, /etc/hale/hale.yml");
        return {};
    }
    const auto document = load_configuration(path);
    if (!document) {
        for (const auto& problem : document.error()) out.add("fail", "configuration", problem.text());
        return config::load_place(path).settings;
    }
    for (const std::string& warning : document->warnings) out.add("warn", "configuration", warning);
    out.add("ok", "configuration",
            fmt::format("{}: {} services, {} routes", path, document->services.size(), document->routes.size()));
    return document->settings;
}

// The daemon's own list: {"findings":[{"severity","code","object","text"}]}; severity error, warning or note.
void look_at_daemon(Findings& out, const Json& answer) {
    for (const Json& one : at(answer, "findings")) {
        const std::string severity = text_at(one, "severity"), object = text_at(one, "object");
        const std::string_view status = severity == "error" ? "fail" : severity == "note" ? "note" : "warn";
        out.add(status, text_at(one, "code"),
                object.empty() ? text_at(one, "text") : fmt::format("{}: {}", object, text_at(one, "text")));
    }
}

Cell status_cell(std::string_view status) {
    if (status == "ok") return {"● ok", "green"};
    if (status == "warn") return {"◆ warn", "yellow"};
    if (status == "note") return {"○ note", "grey"};
    return {"▲ fail", "red"};
}

}  // namespace

int run_doctor(const Invocation& asked, Surroundings& around) {
    Findings found;
    const config::Settings settings = look_at_config(found, config_path(asked, around));
    look_at_state(found, settings.state);
    look_at_descriptors(found);

    Daemon daemon(asked, around);
    const auto answer = daemon.get("/api/v1/doctor");
    if (answer) {
        found.add("ok", "daemon", "answers");
        look_at_daemon(found, *answer);
    } else {
        for (const std::string_view line : split(answer.error().text, '\n'))
            found.add("fail", "daemon", std::string(line));
        if (answer.error().exit == exits::unreachable) {
            look_at_port(found, "port http", settings.http);
            look_at_port(found, "port admin", settings.admin);
            look_at_port(found, "port health", settings.health);
        }
    }
    Table table;
    for (const Json& one : found.items)
        table.rows.push_back(
            {status_cell(text_at(one, "status")), tame(text_at(one, "what")), tame(text_at(one, "detail"))});
    if (asked.format == Format::csv) table.heads = {"status", "what", "detail"};
    print(asked, around, Json{{"items", found.items}}, table);
    return found.worst;
}

}  // namespace hale::cli
