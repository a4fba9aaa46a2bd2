#include "expect/number.h"

#include <charconv>
#include <system_error>

namespace hale::expect {

Number Number::milliseconds(Duration d) {
    constexpr std::int64_t ns_per_ms = 1'000'000;
    if (d.count() % ns_per_ms == 0) return of(static_cast<std::int64_t>(d.count() / ns_per_ms));
    return of(static_cast<double>(d.count()) / static_cast<double>(ns_per_ms));
}

std::partial_ordering compare(const Number& a, const Number& b) {
    if (a.exact && b.exact) return a.integer <=> b.integer;
    return a.real <=> b.real;
}

std::optional<Number> parse_number(std::string_view text) {
    const bool negative = text.starts_with('-');
    std::string_view digits = text.substr(negative ? 1 : 0);
    // from_chars alone would also take "inf", "nan" and a second sign.
    if (digits.empty() || !((digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.')) return std::nullopt;
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0') {
        const char mark = digits[1];
        base = mark == 'x' || mark == 'X' ? 16 : mark == 'o' || mark == 'O' ? 8 : mark == 'b' || mark == 'B' ? 2 : 10;
        if (base != 10) digits.remove_prefix(2);
        if (digits[0] == '-') return std::nullopt;
    }
    const char* const end = digits.data() + digits.size();
    std::int64_t integer = 0;
    if (const auto read = std::from_chars(digits.data(), end, integer, base); read.ec == std::errc{} && read.ptr == end)
        return Number::of(negative ? -integer : integer);
    if (base != 10) return std::nullopt;
    double real = 0;
    if (const auto read = std::from_chars(digits.data(), end, real); read.ec != std::errc{} || read.ptr != end)
        return std::nullopt;
    return Number::of(negative ? -real : real);
}

}  // namespace hale::expect
