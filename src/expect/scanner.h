// Reading the text of a condition piece by piece. Where a bare literal ends is the one hard question of
// this grammar, and it is answered here only.

#pragma once

#include <cstddef>
#include <string_view>

namespace hale::expect {

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::size_t at() const { return at_; }
    void to(std::size_t at) { at_ = at; }
    bool done() const { return at_ == text_.size(); }
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    char take() { return text_[at_++]; }
    bool take(std::string_view token);
    std::string_view from(std::size_t start) const { return text_.substr(start, at_ - start); }
    std::string_view rest() const { return text_.substr(at_); }

    void skip_blanks();

    // A word of the language: lower-case letters that end at a blank, a bracket or the end.
    bool word(std::string_view expected) const;
    bool take_word(std::string_view expected);

    // "len(", "foo(": the name before a parenthesis, or nothing.
    std::string_view function() const;

    // "==" and the like; empty when something else is here.
    std::string_view comparator() const;

    // A bare literal: up to an unopened ")", a blank before a comparator, `and`, `or`, `matches` or the
    // end, and in a list up to a comma. False when a parenthesis opened in it is still open.
    bool take_bare(bool in_list, std::string_view& literal);

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

bool is_blank(char c);
bool is_letter(char c);

}  // namespace hale::expect
