// What is not as it should be: read off the view, each with what to try.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/desk.h"

namespace hale::api {

struct Finding {
    std::string_view severity;  // "error", "warning", "note"
    std::string_view code;
    std::string object;
    std::string text;
};
inline constexpr std::size_t most_findings = 1'000;

std::vector<Finding> examine(const Desk& desk);

}  // namespace hale::api
