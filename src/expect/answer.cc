#include "expect/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace hale::expect {
namespace {

using Kind = Value::Kind;

Value absent(std::string_view why) { return {.kind = Kind::absent, .text = why}; }
Value number(Number n) { return {.kind = Kind::number, .number = n}; }
Value boolean(bool b) { return {.kind = Kind::boolean, .boolean = b}; }

Truth truth_of(bool holds) { return holds ? Truth::yes : Truth::no; }
Truth negated(Truth t) { return t == Truth::absent ? t : truth_of(t == Truth::no); }

bool holds(Comparator how, std::partial_ordering order) {
    switch (how) {
        case Comparator::less:
            return order < 0;
        case Comparator::less_equal:
            return order <= 0;
        case Comparator::greater:
            return order > 0;
        case Comparator::greater_equal:
            return order >= 0;
        default:
            return false;
    }
}

// As a number of equal rank with others: text that spells one counts, as in Gatus.
std::optional<Number> numeric(const Value& value) {
    if (value.kind == Kind::number) return value.number;
    if (value.kind == Kind::duration) return Number::milliseconds(value.duration);
    if (value.kind == Kind::text && !value.cut) return parse_number(value.text);
    return std::nullopt;
}

// For < and >, where a text may also spell a duration, which means its milliseconds.
std::optional<Number> orderable(const Value& value) {
    if (const auto n = numeric(value)) return n;
    if (value.kind != Kind::text || value.cut) return std::nullopt;
    if (const auto d = parse_duration(value.text)) return Number::milliseconds(*d);
    return std::nullopt;
}

}  // namespace

std::string_view Answer::keep(std::string text) { return kept_.emplace_front(std::move(text)); }

const JsonBody& Answer::json() {
    if (!json_) json_.emplace(response_.body);
    return *json_;
}

Value Answer::value(const Operand& operand) {
    switch (operand.wrap) {
        case Wrap::len:
            return length(operand);
        case Wrap::has:
            return presence(operand);
        case Wrap::none:
            break;
    }
    return plain(operand);
}

Value Answer::plain(const Operand& operand) {
    const auto timed = [](Duration d) {
        return d < Duration{0} ? absent("not reached") : Value{.kind = Kind::duration, .duration = d};
    };
    const auto& t = response_.timings;
    switch (operand.source) {
        case Source::status:
            return response_.status == 0 ? absent("no answer") : number(Number::of(std::int64_t{response_.status}));
        case Source::body:
            return body(operand);
        case Source::header:
            return header(operand);
        case Source::response_time:
            return timed(t.total);
        case Source::phase:
            switch (operand.phase) {
                case verdict::Phase::dns:
                    return timed(t.dns);
                case verdict::Phase::connect:
                    return timed(t.connect);
                case verdict::Phase::tls:
                    return timed(t.tls);
                case verdict::Phase::first_byte:
                    return timed(t.first_byte);
                default:
                    return timed(t.total);
            }
        case Source::connected:
            return boolean(response_.connected);
        case Source::ip:
            if (response_.ip.is_unspecified()) return absent("no address");
            return {.kind = Kind::text, .text = keep(response_.ip.text())};
        case Source::health:
            return health();
        case Source::certificate:
            return response_.certificate_left ? Value{.kind = Kind::duration, .duration = *response_.certificate_left} : absent("no certificate");
        case Source::rcode:
            return response_.rcode.empty() ? absent("no DNS answer") : Value{.kind = Kind::text, .text = response_.rcode};
    }
    return absent("");
}

Value Answer::body(const Operand& operand) {
    if (operand.path.empty()) return {.kind = Kind::text, .cut = response_.body_truncated, .text = response_.body};
    if (response_.body_truncated) return absent("the body is longer than what was read of it");
    const auto field = json().at(operand.path);
    using Json = JsonBody::Field::Kind;
    switch (field.kind) {
        case Json::missing:
            return absent(json().error().empty() ? "no such field" : json().error());
        case Json::null:
            return {.kind = Kind::null};
        case Json::boolean:
            return boolean(field.boolean);
        case Json::number:
            return number(field.number);
        case Json::text:
            return {.kind = Kind::text, .text = field.text};
        case Json::array:
        case Json::object:
            return {.kind = Kind::text, .text = keep(field.packed)};
    }
    return absent("");
}

Value Answer::header(const Operand& operand) {
    const auto found = std::ranges::find_if(
        response_.headers, [&](const Header& h) { return equal_ignoring_case(h.name, operand.header); });
    if (found == response_.headers.end()) return absent(response_.status == 0 ? "no answer" : "no such header");
    return {.kind = Kind::text, .text = found->value};
}

Value Answer::health() {
    if (!health_) health_ = read_health();
    return *health_;
}

// The worse of what the body says and what the status says.
Value Answer::read_health() {
    if (response_.body_truncated) return absent("the body is longer than what was read of it");
    if (response_.body.empty()) return absent("the body is empty");
    const auto body = wire::read_health_body(response_.body);
    if (!body) return absent("not a health body");
    if (body->overall == wire::Health::unknown) return absent("the body says nothing of health");
    const bool good_status = response_.status >= 200 && response_.status < 400;
    if (good_status == (body->overall != wire::Health::fail)) return {.kind = Kind::health, .health = body->overall};
    lint_ = fmt::format("the body says {} but the status is {}: the worse counts; let the endpoint answer {}",
                        escaped(body->status, 60), response_.status,
                        good_status ? "503 when it fails" : "200 when it does not");
    return {.kind = Kind::health, .health = wire::Health::fail};
}

Value Answer::length(const Operand& operand) {
    const bool whole_body = operand.source == Source::body && operand.path.empty();
    if (operand.source == Source::body && response_.body_truncated)
        return absent("the body is longer than what was read of it");
    const bool looks_array = whole_body && response_.body.starts_with('[') && response_.body.ends_with(']');
    if (operand.source == Source::body && (!whole_body || looks_array)) {
        const auto field = json().at(operand.path);
        if (field.kind == JsonBody::Field::Kind::array)
            return number(Number::of(static_cast<std::int64_t>(field.count)));
        if (looks_array) return absent(json().error());
    }
    const Value value = plain(operand);
    if (value.kind == Kind::absent) return value;
    if (value.kind == Kind::null) return absent("null");
    return number(Number::of(static_cast<std::int64_t>(spelled(value).size())));
}

// Absence can be asked for only where it can be seen: not in what is no JSON, not behind a cut.
Value Answer::presence(const Operand& operand) {
    if (operand.source == Source::body && operand.path.empty()) return boolean(!response_.body.empty());
    if (operand.source == Source::header && response_.status == 0) return absent("no answer");
    const Value value = plain(operand);
    if (operand.source == Source::body && (response_.body_truncated || !json().error().empty())) return value;
    return boolean(value.kind != Kind::absent && value.kind != Kind::null);
}

std::string_view Answer::spelled(const Value& value) {
    switch (value.kind) {
        case Kind::absent:
        case Kind::text:
            return value.text;
        case Kind::null:
            return "null";
        case Kind::boolean:
            return value.boolean ? "true" : "false";
        case Kind::health:
            return wire::health_name(value.health);
        case Kind::duration:
            return keep(human(value.duration));
        case Kind::number:
            return keep(value.number.exact ? fmt::format("{}", value.number.integer)
                                           : fmt::format("{}", value.number.real));
    }
    return "";
}

Truth Answer::truth(const Program& program, std::uint16_t index) {
    const Node& node = program.nodes[index];
    switch (node.kind) {
        case Node::Kind::comparison:
            return truth(program.comparisons[node.first]);
        case Node::Kind::negation:
            return negated(truth(program, node.first));
        case Node::Kind::all:
        case Node::Kind::any: {
            const Truth decides = node.kind == Node::Kind::all ? Truth::no : Truth::yes;
            Truth result = negated(decides);
            for (std::uint16_t child = node.first; child != Node::none; child = program.nodes[child].next) {
                const Truth one = truth(program, child);
                if (one == decides) return decides;
                if (one == Truth::absent) result = Truth::absent;
            }
            return result;
        }
    }
    return Truth::absent;
}

Truth Answer::truth(const Comparison& comparison) {
    const Value left = value(comparison.left);
    if (left.kind == Kind::absent) return Truth::absent;
    if (comparison.right) {
        const Value right = value(*comparison.right);
        if (right.kind == Kind::absent) return Truth::absent;
        if (is_ordering(comparison.how)) return ordered(comparison.how, left, right);
        const Truth same = equal(left, right);
        return comparison.how == Comparator::not_equal ? negated(same) : same;
    }
    if (comparison.choices.empty()) return truth_of(left.boolean);
    if (is_ordering(comparison.how)) return ordered(comparison.how, left, comparison.choices.front());
    Truth result = Truth::no;
    for (const Literal& literal : comparison.choices) {
        const Truth one = equal(left, literal);
        if (one != Truth::no) result = one;
        if (one == Truth::yes) break;
    }
    return comparison.how == Comparator::not_equal ? negated(result) : result;
}

Truth Answer::equal(const Value& value, const Literal& literal) {
    if (value.kind == Kind::null) {
        const bool asked = literal.kind == Literal::Kind::bare && literal.text == "null";
        return asked ? Truth::yes : Truth::absent;
    }
    if (literal.pattern) {
        // A beginning that matches will do; one that doesn't says nothing of the rest.
        if (found(*literal.pattern, spelled(value))) return Truth::yes;
        return value.cut ? Truth::absent : Truth::no;
    }
    if (literal.status_class != 0) return truth_of(value.number.integer / 100 == literal.status_class);
    if (value.kind == Kind::health) return truth_of(value.health == literal.health);
    if (literal.ip) return truth_of(value.text == literal.text || Ip::parse(value.text) == literal.ip);
    if (value.cut) return Truth::absent;
    // A duration is a number only to a duration: "5m" in a body is a text.
    if (literal.number && (!literal.duration || value.kind == Kind::duration))
        if (const auto n = numeric(value)) return truth_of(compare(*n, *literal.number) == 0);
    const std::string_view text = spelled(value);
    return truth_of(text == literal.text || (literal.kind == Literal::Kind::quoted && text == literal.as_written));
}

Truth Answer::equal(const Value& a, const Value& b) {
    if (a.kind == Kind::null || b.kind == Kind::null) return a.kind == b.kind ? Truth::yes : Truth::absent;
    if (a.cut || b.cut) return Truth::absent;
    if (a.kind == Kind::health || b.kind == Kind::health) {
        const auto word = [](const Value& v) {
            return v.kind == Kind::health ? v.health : wire::health_of_word(v.text);
        };
        if (word(a) == wire::Health::unknown || word(b) == wire::Health::unknown) return Truth::absent;
        return truth_of(word(a) == word(b));
    }
    const auto x = numeric(a);
    const auto y = numeric(b);
    if (x && y) return truth_of(compare(*x, *y) == 0);
    return truth_of(spelled(a) == spelled(b));
}

Truth Answer::ordered(Comparator how, const Value& value, const Literal& literal) {
    const auto n = orderable(value);
    return n ? truth_of(holds(how, compare(*n, *literal.number))) : Truth::absent;
}

Truth Answer::ordered(Comparator how, const Value& a, const Value& b) {
    const auto x = orderable(a);
    const auto y = orderable(b);
    return x && y ? truth_of(holds(how, compare(*x, *y))) : Truth::absent;
}

const Comparison& Answer::decisive(const Program& program, std::uint16_t index) {
    const Node* node = &program.nodes[index];
    while (node->kind != Node::Kind::comparison) {
        std::uint16_t child = node->first;
        // Of an `and`, the first part that doesn't hold; of an `or` none held, and the first was meant most.
        if (node->kind == Node::Kind::all)
            while (program.nodes[child].next != Node::none && truth(program, child) == Truth::yes)
                child = program.nodes[child].next;
        node = &program.nodes[child];
    }
    return program.comparisons[node->first];
}

verdict::Reason Answer::blame(const Program& program) {
    const Operand& operand = decisive(program, program.root).left;
    switch (operand.source) {
        case Source::status:
            return verdict::Reason::status_mismatch;
        case Source::header:
            return verdict::Reason::header_mismatch;
        case Source::body:
        case Source::health:
            return verdict::Reason::body_mismatch;
        case Source::response_time:
        case Source::phase:
            return value(operand).kind == Kind::absent ? verdict::Reason::condition_failed
                                                       : verdict::Reason::latency_exceeded;
        case Source::rcode:
            return verdict::Reason::status_mismatch;
        case Source::connected:
        case Source::ip:
        case Source::certificate:
            return verdict::Reason::condition_failed;
    }
    return verdict::Reason::condition_failed;
}

std::string Answer::shown(const Operand& operand) {
    const Value seen = value(operand);
    if (seen.kind == Kind::absent) return std::string(seen.text);
    if (operand.secret && operand.wrap == Wrap::none) return "***";
    return escaped(spelled(seen)) + (seen.cut ? " (cut)" : "");
}

std::string Answer::resolved(const Program& program) {
    struct Edit {
        std::size_t from;
        std::size_t length;
        std::string text;
    };
    std::vector<Edit> edits;
    const auto annotate = [&](const Operand& operand) {
        edits.push_back(
            {std::size_t{operand.span.from} + operand.span.length, 0, fmt::format(" ({})", shown(operand))});
    };
    for (const Comparison& comparison : program.comparisons) {
        annotate(comparison.left);
        if (comparison.right) annotate(*comparison.right);
        // What a secret is compared with is as secret.
        if (!comparison.left.secret || comparison.left.wrap != Wrap::none) continue;
        for (const Literal& literal : comparison.choices)
            edits.push_back({literal.span.from, literal.span.length, "***"});
    }
    std::ranges::sort(edits, {}, &Edit::from);  // No two at one place.
    std::string out;
    std::size_t at = 0;
    const auto copy = [&](std::size_t until) {
        for (; at < until; ++at) out += static_cast<unsigned char>(program.text[at]) < 0x20 ? ' ' : program.text[at];
    };
    for (const Edit& edit : edits) {
        copy(edit.from);
        out += edit.text;
        at += edit.length;
    }
    copy(program.text.size());
    return out;
}

}  // namespace hale::expect
