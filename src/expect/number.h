// Numbers as conditions know them: what JSON, headers and literals spell, integers exactly.

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace hale::expect {

struct Number {
    double real = 0;
    std::int64_t integer = 0;
    bool exact = false;  // `integer` is the value; else only `real` is.

    static Number of(std::int64_t value) { return {static_cast<double>(value), value, true}; }
    static Number of(double value) { return {value, 0, false}; }
    static Number milliseconds(Duration d);
};

std::partial_ordering compare(const Number& a, const Number& b);

// "12", "-1.5", "1e3", and as Gatus reads them "0x1F", "0o17", "0b11". Nothing for anything else.
std::optional<Number> parse_number(std::string_view text);

}  // namespace hale::expect
