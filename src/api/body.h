// The JSON body of a small request, read member by member. The parser stays in the source behind it. What is
// wrong is collected with its pointer, so that one answer names all of it.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/desk.h"
#include "base/time.h"

namespace hale::api {

// Longer than any duration that is meant, and short enough to be added to the time of day.
inline constexpr Duration longest_duration = 24h * 3660;
inline constexpr std::string_view longest_duration_text = "10 years (3660d)";

class Body {
public:
    // An empty body reads as {}. Unknown members are faults when `known` (names, blank-separated) lacks them.
    Body(std::string_view json, std::string_view known);
    ~Body();

    std::string text(std::string_view key, bool needed = false);
    // "1h" or seconds, at most longest_duration.
    std::optional<Duration> duration(std::string_view key, bool needed = false);
    std::optional<std::uint64_t> number(std::string_view key, bool needed = false);
    bool boolean(std::string_view key);
    std::vector<std::string> texts(std::string_view key, bool needed = false);  // A list, or one string.
    std::map<std::string, std::string> texts_by_name(std::string_view key);
    bool has(std::string_view key) const;
    std::string without(std::string_view key) const;  // The object again, less one member.
    std::string json(std::string_view key) const;     // One member as it is; "" when it is absent.

    void fault(std::string_view key, std::string detail);
    // It could be read, but is beyond a limit: 422 when nothing else is wrong.
    void beyond(std::string_view key, std::string detail);
    bool ok() const { return faults_.empty(); }
    Problem problem() const;

private:
    struct Document;
    std::unique_ptr<Document> document_;
    std::vector<ProblemPart> faults_;
    bool unreadable_ = false;  // Some fault is more than a limit passed.
};

// A JSON string literal.
std::string json_quoted(std::string_view text);

}  // namespace hale::api
