// The argument table: every verb, its options, its help with an example. The parser stays in the source behind it.

#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cli/invocation.h"

namespace hale::cli {

// What is printed instead of running a verb: help and completion scripts (out, 0), or why not (err, an exit code).
struct Said {
    int exit = 0;
    std::string out;
    std::string err;
};

std::expected<Invocation, Said> parse_arguments(std::vector<std::string> arguments);

// Every verb with its own help text, "route add" among them: for tests and the reference page.
struct VerbHelp {
    std::string verb;
    std::string help;
};
std::vector<VerbHelp> all_help();

}  // namespace hale::cli
