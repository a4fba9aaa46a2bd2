// Why: route → service → instances → deciding observations, rule, thresholds, next probe, override. Made once
// as facts, and rendered from them as the lines people read and as JSON.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/target.h"
#include "api/words.h"
#include "catalog/view.h"

namespace hale::api {

inline constexpr std::size_t most_explained = 50;  // Instances; those in trouble first.

// How the router would answer now.
struct Serving {
    bool routed = false;
    bool yes = false;
    int status = 0;           // When not.
    std::string_view reason;  // "no_eligible_instance"
};
Serving serving(const catalog::View& view, const catalog::ServiceView& service);
std::string_view eligibility_rule(int rule);

struct Explanation {
    std::vector<std::string> text;
    std::string json;
};
Explanation explain(const catalog::View& view, const Resolved& target, std::string_view asked, const Telling& telling);

}  // namespace hale::api
