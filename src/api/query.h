// The query of a request target, decoded: a few pairs, in order. application/x-www-form-urlencoded.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hale::api {

inline constexpr std::size_t most_query_pairs = 64;

// %XX, and '+' as a blank when `plus`; nothing for a broken escape or one that hides a NUL.
std::optional<std::string> percent_decoded(std::string_view text, bool plus);
// What may stand in a path segment or query value stays, all else becomes %XX.
std::string percent_encoded(std::string_view text);

class Query {
public:
    Query() = default;
    // Nothing when it is malformed or holds more than the limit.
    static std::optional<Query> parse(std::string_view text);

    bool has(std::string_view key) const;
    std::string_view value(std::string_view key) const;  // Of the first one, or "".
    bool is_true(std::string_view key) const;            // Present and "", "1", "true" or "yes".
    const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace hale::api
