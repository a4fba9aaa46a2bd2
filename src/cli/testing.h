// Runs the command line inside the test, with an environment of its own. For this folder's tests only.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/scripted_daemon.h"

namespace hale::cli {

// One run of the command line.
struct Ran {
    int exit = -1;
    std::string out, err;
};

using Environment = std::map<std::string, std::string>;

inline Ran run_with(std::vector<std::string> arguments, const Environment& environment, bool terminal = false) {
    Ran out;
    Surroundings around;
    around.environment = [&](const std::string& name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    around.out = [&](std::string_view text) { out.out += text; };
    around.err = [&](std::string_view text) { out.err += text; };
    around.terminal = terminal;
    around.version = "9.9.9";
    around.serve = [&](const std::string& config, const std::optional<std::string>& restore, const std::optional<std::string>& takeover) {
        out.out += "serve " + config + " " + restore.value_or("-") + (takeover ? " " + *takeover : "");
        return 7;
    };
    out.exit = run(std::move(arguments), around);
    return out;
}

// Against a scripted daemon, with a token.
inline Ran run_at(const ScriptedDaemon& daemon, std::vector<std::string> arguments) {
    return run_with(std::move(arguments), {{"HALE_SERVER", daemon.url()}, {"HALE_TOKEN", "t0k"}});
}

}  // namespace hale::cli
