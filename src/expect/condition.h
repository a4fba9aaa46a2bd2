// One expectation, compiled: Gatus conditions as they are ("[STATUS] == any(200, 401)"), and and/or/not,
// parentheses, `matches /re2/`, [PHASE].connect and [HEALTH].
//
// Compiled once when a configuration is loaded and type-checked there, so that nothing about a condition
// can be wrong later except the answer. Immutable: any number of threads may share one.
//
//   condition  = conjunction { "or" conjunction }
//   conjunction = term { "and" term }
//   term       = "not" term | "(" condition ")" | operand [ comparator operand | "matches" /re2/ ]
//   operand    = placeholder | len(placeholder) | has(placeholder) | any(literal, …) | pat(glob) | literal
//   comparator = "==" "!=" "<" "<=" ">" ">="
//
// A literal is bare as in Gatus and ends before a comparator, `and`, `or`, `matches` or a closing
// parenthesis; "quoted" or 'quoted' it may hold anything.
// `[STATUS] == 2xx` is a class, `[BODY].x == null` asks for a null.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace hale::expect {

struct Program;  // The compiled form, private to this folder.

enum class Severity : std::uint8_t { fail, warn };  // What a condition that does not hold makes of the probe.

inline constexpr std::size_t max_condition_bytes = 4 * 1024;
inline constexpr std::size_t max_nesting = 32;            // Of parentheses and `not`.
inline constexpr std::size_t max_path_steps = 32;         // "[BODY].a[0].b" has three.
inline constexpr std::size_t max_choices = 256;           // Of one any().
inline constexpr std::int64_t max_regex_bytes = 1 << 20;  // RE2's memory for one pattern, program and automaton.

// `column` counts bytes from 1 and lies in the text or one behind its end.
struct CompileError {
    std::size_t column = 1;
    std::string what;     // "unknown placeholder [STATU]"
    std::string allowed;  // "[STATUS], [BODY], …"; empty where nothing can be listed.

    std::string text() const;  // "column 3: unknown placeholder [STATU]; allowed: …"
};

class Condition {
public:
    explicit Condition(std::shared_ptr<const Program> program);

    Severity severity() const;
    std::string_view text() const;  // As written.

    bool mentions_status() const;  // [STATUS] appears, so the 2xx default is not wanted.
    bool mentions_rcode() const;   // [DNS_RCODE] appears, so NOERROR is not wanted.
    bool needs_certificate() const;  // [CERTIFICATE_EXPIRATION] appears.
    bool needs_body() const;       // [BODY] or [HEALTH] appears.
    bool needs_headers() const;

    const Program& program() const { return *program_; }

private:
    std::shared_ptr<const Program> program_;
};

std::expected<Condition, CompileError> compile(std::string_view text, Severity severity = Severity::fail);

// "[STATUS] == 2xx": what an http check without any [STATUS] condition gets.
const Condition& default_status_condition();

}  // namespace hale::expect
