#include "expect/scanner.h"

#include <array>

namespace hale::expect {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool Scanner::take(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    at_ += token.size();
    return true;
}

void Scanner::skip_blanks() {
    while (!done() && is_blank(peek())) ++at_;
}

bool Scanner::word(std::string_view expected) const {
    if (!rest().starts_with(expected)) return false;
    const char behind = peek(expected.size());
    return at_ + expected.size() == text_.size() || is_blank(behind) || behind == '(' || behind == ')' ||
           behind == '[' || behind == '/';
}

bool Scanner::take_word(std::string_view expected) {
    if (!word(expected)) return false;
    at_ += expected.size();
    return true;
}

std::string_view Scanner::function() const {
    std::size_t length = 0;
    while (is_letter(peek(length))) ++length;
    return length > 0 && peek(length) == '(' ? rest().substr(0, length) : std::string_view{};
}

std::string_view Scanner::comparator() const {
    static constexpr std::array<std::string_view, 6> all{"==", "!=", "<=", ">=", "<", ">"};
    for (const auto token : all)
        if (rest().starts_with(token)) return token;
    return {};
}

bool Scanner::take_bare(bool in_list, std::string_view& literal) {
    const std::size_t start = at_;
    std::size_t end = start;  // Behind the last byte that is not a blank.
    std::size_t open = 0;
    while (!done()) {
        if (is_blank(peek())) {
            skip_blanks();
            if (open > 0) continue;
            if (done() || !comparator().empty() || word("and") || word("or") || word("matches")) break;
            continue;
        }
        if (open == 0 && (peek() == ')' || (in_list && peek() == ','))) break;
        if (peek() == '(') ++open;
        if (peek() == ')') --open;
        ++at_;
        end = at_;
    }
    literal = text_.substr(start, end - start);
    return open == 0;
}

}  // namespace hale::expect
