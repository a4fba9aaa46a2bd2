// One answer during one evaluation: the values that conditions name, each read when first asked for, and
// the truth of a program about them. Private to this folder.

#pragma once

#include <array>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "expect/json_body.h"
#include "expect/program.h"
#include "expect/response.h"
#include "verdict/reason.h"

namespace hale::expect {

// Kleene's three: `absent` is neither, and stays neither under `not`.
enum class Truth : std::uint8_t { no, yes, absent };

struct Value {
    enum class Kind : std::uint8_t { absent, null, number, duration, boolean, text, health };
    Kind kind = Kind::absent;
    bool boolean = false;
    bool cut = false;  // The text is only a beginning.
    wire::Health health = wire::Health::unknown;
    Number number;
    Duration duration{};
    std::string_view text;  // For absent: why.
};

class Answer {
public:
    explicit Answer(const Response& response) : response_(response) {}

    Truth truth(const Program& program) { return truth(program, program.root); }

    // The reason that a program which does not hold gives: by the placeholder that decided.
    verdict::Reason blame(const Program& program);

    // The condition's text with each placeholder's value behind it.
    std::string resolved(const Program& program);

    // Set when [HEALTH] was read and the body and the status disagree.
    const std::string& lint() const { return lint_; }

    Value value(const Operand& operand);

private:
    Truth truth(const Program& program, std::uint16_t node);
    Truth truth(const Comparison& comparison);
    Truth equal(const Value& value, const Literal& literal);
    Truth equal(const Value& a, const Value& b);
    Truth ordered(Comparator how, const Value& value, const Literal& literal);
    Truth ordered(Comparator how, const Value& a, const Value& b);
    const Comparison& decisive(const Program& program, std::uint16_t node);

    Value plain(const Operand& operand);
    Value body(const Operand& operand);
    Value header(const Operand& operand);
    Value health();
    Value read_health();
    Value length(const Operand& operand);
    Value presence(const Operand& operand);
    const JsonBody& json();

    std::string_view spelled(const Value& value);
    std::string shown(const Operand& operand);
    std::string_view keep(std::string text);

    const Response& response_;
    std::optional<JsonBody> json_;
    std::optional<Value> health_;
    std::forward_list<std::string> kept_;  // What values point to; empty on the plain path.
    std::string lint_;
};

}  // namespace hale::expect
