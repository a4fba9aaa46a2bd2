// The compiled form of a condition, private to this folder: a tree of comparisons in one array, each
// comparison with something of the response on its left.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "expect/condition.h"
#include "expect/number.h"
#include "expect/pattern.h"
#include "verdict/state.h"
#include "wire/health_body.h"

namespace hale::expect {

enum class Source : std::uint8_t { status, body, header, response_time, phase, connected, ip, health, certificate, rcode };
enum class Wrap : std::uint8_t { none, len, has };

// How a placeholder's value may be compared. `dynamic` is text from the answer that may spell a number.
enum class Type : std::uint8_t { number, duration, boolean, address, health, dynamic };

enum class Comparator : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, matches };

// Where something stands in the condition's text, so that showing it keeps the author's spelling.
struct Span {
    std::uint16_t from = 0;
    std::uint16_t length = 0;
};

// One step of "[BODY].users[0]": a key or an index.
struct Step {
    std::string key;
    std::uint32_t index = 0;
    bool is_index = false;
};

struct Operand {
    Source source = Source::status;
    Wrap wrap = Wrap::none;
    verdict::Phase phase = verdict::Phase::none;
    bool secret = false;     // By its name; its value is never shown.
    std::string header;      // The name, for [HEADER].
    std::vector<Step> path;  // For [BODY].
    Span span;

    Type type() const;
};

struct Literal {
    enum class Kind : std::uint8_t { bare, quoted, pattern };
    Kind kind = Kind::bare;
    bool duration = false;          // `number` is a duration's milliseconds.
    std::uint8_t status_class = 0;  // 2 for "2xx".
    wire::Health health = wire::Health::unknown;
    std::string text;        // Without quotes.
    std::string as_written;  // With them: Gatus knows no quotes and compares them too.
    std::optional<Number> number;
    std::optional<Ip> ip;
    Pattern pattern;  // pat(…) or /…/
    Span span;
};

struct Comparison {
    Operand left;
    Comparator how = Comparator::equal;
    std::optional<Operand> right;  // Else one of `choices` (several: any()).
    std::vector<Literal> choices;  // Empty with no `right`: `left` alone, which must be true.
};

// Children hang on a chain: `first` is the first, each knows its `next`.
struct Node {
    enum class Kind : std::uint8_t { all, any, negation, comparison };
    static constexpr std::uint16_t none = 0xffff;
    Kind kind = Kind::comparison;
    std::uint16_t first = none;  // Of a comparison: its index.
    std::uint16_t next = none;
};

struct Program {
    std::string text;
    Severity severity = Severity::fail;
    bool mentions_status = false;
    bool mentions_rcode = false;
    bool needs_certificate = false;
    bool only_status = true;
    bool needs_body = false;
    bool needs_headers = false;
    std::uint16_t root = 0;
    std::vector<Node> nodes;
    std::vector<Comparison> comparisons;  // In the order of the text.
};

bool is_ordering(Comparator how);

// Completes `comparison` (sides in order, literals read as the left side's type) or says what doesn't fit.
// Columns in the error are those of the spans.
std::optional<CompileError> check_types(Comparison& comparison);

}  // namespace hale::expect
