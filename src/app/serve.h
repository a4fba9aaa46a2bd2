// `hale serve`: the daemon from its first breath to its last.

#pragma once

#include <optional>
#include <string>

namespace hale::app {

struct ServeOptions {
    std::string config;                  // File or directory.
    std::optional<std::string> restore;  // A backup of state.db to start from.
    std::optional<std::string> takeover;  // The socket of a daemon that hands over: `hale upgrade` says it.
    std::string program;                 // argv[0]: where an upgrade finds the next version.
};

inline constexpr char version[] = "0.1.0";

// Needs: called on the main thread before any other thread exists. Returns the process's exit code: 0 after a
// stop that was asked for, 1 when it could not start or run, 2 for a configuration with problems.
int serve(const ServeOptions& options);

}  // namespace hale::app
