// The JSON body of a small request, read member by member. The parser stays in the source behind it. What is
// wrong is collected with its pointer, so that one answer names all of it.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/desk.h"
#include "base/time.h"

namespace hale::api {

class Body {
public:
    // An empty body reads as {}. Unknown members are faults when `known` (names, blank-separated) lacks them.
    Body(std::string_view json, std::string_view known);
    ~Body();

    std::string text(std::string_view key, bool needed = false);
    std::optional<Duration> duration(std::string_view key, bool needed = false);  // "1h" or seconds.
    std::optional<std::uint64_t> number(std::string_view key, bool needed = false);
    bool boolean(std::string_view key);
    std::vector<std::string> texts(std::string_view key, bool needed = false);  // A list, or one string.
    bool has(std::string_view key) const;
    std::string without(std::string_view key) const;  // The object again, less one member.

    void fault(std::string_view key, std::string detail);
    bool ok() const { return faults_.empty(); }
    Problem problem() const;

private:
    struct Document;
    std::unique_ptr<Document> document_;
    std::vector<ProblemPart> faults_;
};

// A JSON string literal.
std::string json_quoted(std::string_view text);

}  // namespace hale::api
