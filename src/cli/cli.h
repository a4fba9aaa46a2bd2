// The command line of Hale. Everything but `serve` and what works without a daemon goes through the admin API.

#pragma once

#include <string>
#include <vector>

#include "cli/surroundings.h"

namespace hale::cli {

// `arguments` without the program's name. Returns the exit code.
int run(std::vector<std::string> arguments, Surroundings& around);

// The surroundings of a real process; SIGINT and SIGTERM end it with 130.
// Needs: called on the main thread before any other thread exists.
Surroundings process_surroundings();

}  // namespace hale::cli
