// Regular expressions and Gatus globs, both as RE2: patterns come from users, bodies from strangers, and
// the time stays linear whatever they say to each other.

#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace hale::expect {

using Pattern = std::shared_ptr<const re2::RE2>;

struct PatternError {
    std::size_t offset = 0;  // Into the pattern's text.
    std::string what;
};

// Found anywhere in the text.
std::expected<Pattern, PatternError> regex(std::string_view text, bool ignore_case);

// Matches the whole text: `*` any bytes, `?` one character, `[a-z]` a class, `\` takes the next literally.
std::expected<Pattern, PatternError> glob(std::string_view text);

bool found(const re2::RE2& pattern, std::string_view text);

}  // namespace hale::expect
