#include "app/takeover_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace hale::app {

namespace {
constexpr std::string_view protocol = "hale-takeover ";
}

std::string_view TakeoverWord::first() const { return lines.empty() || lines.front().empty() ? std::string_view{} : lines.front().front(); }

std::string takeover_text(const TakeoverWord& word) {
    std::string text = fmt::format("{}{} {}", protocol, takeover_version, word.word);
    for (const auto& line : word.lines) {
        char before = '\n';
        for (const auto& part : line) {
            text += before;
            before = '\t';
            // A reason may have several lines; here it is one.
            for (const char c : part) text += c == '\n' || c == '\t' ? ' ' : c;
        }
    }
    return text;
}

Result<TakeoverWord> parse_takeover(std::string_view text) {
    const auto end = text.find('\n');
    std::string_view head = text.substr(0, end);
    if (!head.starts_with(protocol)) return fail(Code::invalid, fmt::format("\"{}\" is no word of a takeover", escaped(text, 40)));
    head.remove_prefix(protocol.size());
    const auto blank = head.find(' ');
    const auto version = parse_unsigned(head.substr(0, blank));
    if (!version || blank == std::string_view::npos) return fail(Code::invalid, fmt::format("\"{}\" is no word of a takeover", escaped(text, 40)));
    if (*version != takeover_version)
        return fail(Code::invalid, fmt::format("the other process hands over by protocol {}, this one by {}: stop the old and start the new instead", *version,
                                               takeover_version));
    TakeoverWord word{.word = std::string(head.substr(blank + 1)), .lines = {}};
    if (word.word.empty() || !std::ranges::all_of(word.word, [](char c) { return c >= 'a' && c <= 'z'; }))
        return fail(Code::invalid, fmt::format("\"{}\" is no word of a takeover", escaped(text, 40)));
    if (end == std::string_view::npos) return word;
    for (const auto line : split(text.substr(end + 1), '\n')) {
        if (word.lines.size() == most_takeover_lines) return fail(Code::invalid, fmt::format("a takeover's \"{}\" has more than {} lines", word.word, most_takeover_lines));
        auto& parts = word.lines.emplace_back();
        for (const auto part : split(line, '\t')) parts.emplace_back(part);
    }
    return word;
}

}  // namespace hale::app
