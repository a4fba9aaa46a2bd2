#include "expect/pattern.h"

#include <re2/re2.h>

#include "expect/condition.h"

namespace hale::expect {
namespace {

std::expected<Pattern, PatternError> built(const std::string& text, bool ignore_case) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(max_regex_bytes);
    options.set_case_sensitive(!ignore_case);
    auto pattern = std::make_shared<const re2::RE2>(text, options);
    if (pattern->ok()) return pattern;
    const std::size_t at = pattern->error_arg().empty() ? std::string::npos : text.find(pattern->error_arg());
    return std::unexpected(PatternError{at == std::string::npos ? 0 : at, pattern->error()});
}

void append_literal(std::string& out, char c) { out += re2::RE2::QuoteMeta(re2::StringPiece(&c, 1)); }

}  // namespace

std::expected<Pattern, PatternError> regex(std::string_view text, bool ignore_case) {
    return built(std::string(text), ignore_case);
}

std::expected<Pattern, PatternError> glob(std::string_view text) {
    std::string out = "(?s)\\A";
    std::size_t i = 0;
    // A byte of a class or outside one, after an optional backslash; nothing when the glob ends there.
    const auto take = [&](std::string& into) {
        if (text[i] == '\\' && ++i == text.size()) return false;
        // Bytes of a longer UTF-8 sequence stay together as they are.
        if (static_cast<unsigned char>(text[i]) >= 0x80)
            into += text[i];
        else
            append_literal(into, text[i]);
        ++i;
        return true;
    };
    while (i < text.size()) {
        const std::size_t start = i;
        if (text[i] == '*') {
            while (i < text.size() && text[i] == '*') ++i;
            out += "\\C*";
        } else if (text[i] == '?') {
            ++i;
            out += '.';
        } else if (text[i] == '[') {
            out += '[';
            ++i;
            if (i < text.size() && text[i] == '^') out += text[i++];
            while (i < text.size() && text[i] != ']') {
                if (text[i] == '-')
                    out += text[i++];
                else if (!take(out))
                    break;
            }
            if (i >= text.size())
                return std::unexpected(PatternError{start, "the class is not closed; \\[ is a bracket"});
            ++i;
            out += ']';
        } else if (!take(out)) {
            return std::unexpected(PatternError{start, "nothing behind the backslash"});
        }
    }
    auto pattern = built(out + "\\z", false);
    if (!pattern) pattern.error().offset = 0;  // It counts in the translation, which nobody wrote.
    return pattern;
}

bool found(const re2::RE2& pattern, std::string_view text) {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

}  // namespace hale::expect
