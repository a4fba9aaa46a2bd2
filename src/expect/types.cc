// Which comparisons mean anything. Everything that could only fail at run time for a reason that was
// visible in the text is refused here.

#include <fmt/format.h>

#include "base/text.h"
#include "expect/program.h"

namespace hale::expect {
namespace {

CompileError error_at(Span span, std::string what, std::string allowed = {}) {
    return {span.from + std::size_t{1}, std::move(what), std::move(allowed)};
}

std::string_view name(Type type) {
    switch (type) {
        case Type::number:
            return "a number";
        case Type::duration:
            return "a duration";
        case Type::boolean:
            return "true or false";
        case Type::address:
            return "an IP address";
        case Type::health:
            return "a health status";
        case Type::dynamic:
            return "text";
    }
    return "";
}

std::string_view literals_of(const Operand& operand) {
    switch (operand.type()) {
        case Type::number:
            return operand.source == Source::status && operand.wrap == Wrap::none
                       ? "a number, 2xx, any(200, 401), pat(2*)"
                       : "a number, any(1, 2)";
        case Type::duration:
            return "milliseconds as a number, 500ms, 5s, 1m30s";
        case Type::boolean:
            return "true, false";
        case Type::address:
            return "10.0.0.1, ::1, any(…), pat(10.*)";
        case Type::health:
            return "pass, warn, fail and their other spellings (ok, up, healthy, degraded, error, down, unhealthy, "
                   "out_of_service)";
        case Type::dynamic:
            return "a number or duration with < <= > >=, anything with == and !=";
    }
    return "";
}

// "2xx"
std::uint8_t status_class(std::string_view text) {
    const bool is = text.size() == 3 && text[0] >= '1' && text[0] <= '5' && equal_ignoring_case(text.substr(1), "xx");
    return is ? static_cast<std::uint8_t>(text[0] - '0') : std::uint8_t{0};
}

// Reads the literal as what it is compared with.
std::optional<CompileError> read_literal(const Operand& left, Comparator how, Literal& literal) {
    const auto refuse = [&](std::string_view what) {
        return error_at(
            literal.span,
            fmt::format("{} is compared with {}, which {}", left.wrap == Wrap::len ? "a length" : name(left.type()),
                        escaped(literal.as_written, 60), what),
            std::string(literals_of(left)));
    };
    const bool is_status = left.source == Source::status && left.wrap == Wrap::none;
    if (literal.kind == Literal::Kind::pattern) {
        if (is_ordering(how)) return refuse("has no order");
        if (left.type() == Type::dynamic || left.type() == Type::address || is_status) return std::nullopt;
        return refuse("is a pattern");
    }
    if (literal.kind == Literal::Kind::bare) {
        literal.number = parse_number(literal.text);
        if (!literal.number)
            if (const auto duration = parse_duration(literal.text))
                literal.number = Number::milliseconds(*duration), literal.duration = true;
    }
    switch (left.type()) {
        case Type::number:
            if (is_status && !is_ordering(how)) literal.status_class = status_class(literal.text);
            if (literal.status_class != 0) return std::nullopt;
            if (!literal.number || literal.duration) return refuse("is none");
            return std::nullopt;
        case Type::duration:
            if (!literal.number) return refuse("is none");
            return std::nullopt;
        case Type::boolean:
            if (literal.text != "true" && literal.text != "false") return refuse("is neither");
            return std::nullopt;
        case Type::address:
            literal.ip = Ip::parse(literal.text);
            if (!literal.ip) return refuse("is none");
            return std::nullopt;
        case Type::health:
            literal.health = wire::health_of_word(literal.text);
            if (literal.health == wire::Health::unknown) return refuse("is none");
            return std::nullopt;
        case Type::dynamic:
            if (is_ordering(how) && !literal.number) return refuse("has no order");
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

Type Operand::type() const {
    if (wrap == Wrap::len) return Type::number;
    if (wrap == Wrap::has) return Type::boolean;
    switch (source) {
        case Source::status:
            return Type::number;
        case Source::body:
        case Source::header:
        case Source::rcode:
            return Type::dynamic;
        case Source::response_time:
        case Source::phase:
        case Source::certificate:
            return Type::duration;
        case Source::connected:
            return Type::boolean;
        case Source::ip:
            return Type::address;
        case Source::health:
            return Type::health;
    }
    return Type::dynamic;
}

bool is_ordering(Comparator how) {
    return how == Comparator::less || how == Comparator::less_equal || how == Comparator::greater ||
           how == Comparator::greater_equal;
}

std::optional<CompileError> check_types(Comparison& comparison) {
    const Operand& left = comparison.left;
    const Type type = left.type();
    const Comparator how = comparison.how;
    if (!comparison.right && comparison.choices.empty()) {
        if (type == Type::boolean) return std::nullopt;
        return error_at(left.span, fmt::format("nothing is asked of this value, which is {}", name(type)),
                        "a comparison, or [CONNECTED] and has() alone");
    }
    const bool ordered = type == Type::number || type == Type::duration || type == Type::dynamic;
    if (is_ordering(how) && !ordered) return error_at(left.span, fmt::format("{} has no order", name(type)), "==, !=");
    if (comparison.right) {
        const Operand& right = *comparison.right;
        const Type other = right.type();
        if (is_ordering(how) && other != Type::number && other != Type::duration && other != Type::dynamic)
            return error_at(right.span, fmt::format("{} has no order", name(other)), "==, !=");
        if (type != other && type != Type::dynamic && other != Type::dynamic)
            return error_at(right.span, fmt::format("{} is compared with {}", name(type), name(other)));
        return std::nullopt;
    }
    if (how == Comparator::matches) {
        const bool readable = type == Type::dynamic || type == Type::address ||
                              (left.source == Source::status && left.wrap == Wrap::none);
        if (readable) return std::nullopt;
        return error_at(left.span, fmt::format("a regular expression reads text, and this is {}", name(type)),
                        "[BODY], [HEADER].name, [IP], [STATUS], [DNS_RCODE]");
    }
    if (is_ordering(how) && comparison.choices.size() > 1)
        return error_at(comparison.choices[1].span, "any() has no order", "==, !=");
    for (auto& literal : comparison.choices)
        if (auto error = read_literal(left, how, literal)) return error;
    return std::nullopt;
}

}  // namespace hale::expect
