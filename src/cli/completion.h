// Completion scripts, made from the argument table, so that they know what it knows.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hale::cli {

struct CompletionOption {
    std::string name;  // "--server"
    std::string says;
};
struct CompletionTree {
    std::string name;
    std::string says;
    std::vector<CompletionOption> options;
    std::vector<CompletionTree> verbs;
};

// `shell`: bash, zsh or fish; else Code::invalid.
Result<std::string> completion_script(std::string_view shell, const CompletionTree& root);

}  // namespace hale::cli
