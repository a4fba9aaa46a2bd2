// From text to program: recursive descent over the grammar at the top of condition.h. The first thing that
// is wrong ends it; its column travels as an exception would, in `error_`, with every step returning false.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "base/text.h"
#include "expect/program.h"
#include "expect/scanner.h"

namespace hale::expect {
namespace {

enum class Suffix : std::uint8_t { none, path, name, phase };

struct Placeholder {
    std::string_view name;
    Suffix suffix;
    std::optional<Source> source;  // Nothing: the part of Hale that would know it is not built.
};

// A part that gets built is switched on here.
constexpr std::array<Placeholder, 12> placeholders{{
    {"STATUS", Suffix::none, Source::status},
    {"BODY", Suffix::path, Source::body},
    {"HEADER", Suffix::name, Source::header},
    {"RESPONSE_TIME", Suffix::none, Source::response_time},
    {"PHASE", Suffix::phase, Source::phase},
    {"CONNECTED", Suffix::none, Source::connected},
    {"IP", Suffix::none, Source::ip},
    {"HEALTH", Suffix::none, Source::health},
    {"CERTIFICATE_EXPIRATION", Suffix::none, Source::certificate},
    {"DOMAIN_EXPIRATION", Suffix::none, std::nullopt},
    {"DNS_RCODE", Suffix::none, Source::rcode},
    {"CONTEXT", Suffix::path, std::nullopt},
}};

std::string known_placeholders() {
    std::string out;
    for (const auto& p : placeholders) {
        if (!p.source) continue;
        constexpr std::array<std::string_view, 4> suffixes{"", ".path", ".name", ".connect"};
        out += fmt::format("{}[{}]{}", out.empty() ? "" : ", ", p.name, suffixes[static_cast<std::size_t>(p.suffix)]);
    }
    return out;
}

Comparator comparator_of(std::string_view token) {
    if (token == "==") return Comparator::equal;
    if (token == "!=") return Comparator::not_equal;
    if (token == "<") return Comparator::less;
    if (token == "<=") return Comparator::less_equal;
    return token == ">" ? Comparator::greater : Comparator::greater_equal;
}

// The same question with its sides exchanged.
Comparator turned(Comparator how) {
    switch (how) {
        case Comparator::less:
            return Comparator::greater;
        case Comparator::less_equal:
            return Comparator::greater_equal;
        case Comparator::greater:
            return Comparator::less;
        case Comparator::greater_equal:
            return Comparator::less_equal;
        default:
            return how;
    }
}

class Compiler {
public:
    Compiler(std::string_view text, Severity severity) : in_(text) {
        program_.text = std::string(text);
        program_.severity = severity;
    }

    std::expected<Condition, CompileError> run() {
        in_.skip_blanks();
        if (in_.done())
            refuse(in_.at(), "the condition is empty", "for example [STATUS] == 200");
        else if (any(program_.root) && !in_.done())
            leftover();
        if (error_) return std::unexpected(std::move(*error_));
        program_.nodes.shrink_to_fit();
        program_.comparisons.shrink_to_fit();
        return Condition(std::make_shared<const Program>(std::move(program_)));
    }

private:
    // One side of a comparison: something of the response, or literals.
    struct Side {
        std::optional<Operand> operand;
        std::vector<Literal> literals;
        Span span;
    };

    bool refuse(std::size_t at, std::string what, std::string allowed = {}) {
        if (!error_) error_ = CompileError{at + 1, std::move(what), std::move(allowed)};
        return false;
    }

    void leftover() {
        if (in_.peek() == ')')
            refuse(in_.at(), "this parenthesis was never opened");
        else if (!in_.comparator().empty())
            refuse(in_.at(), "a comparison can't be compared again", "and, or");
        else
            refuse(in_.at(), "unexpected text behind a complete condition", "and, or; a value with blanks in quotes");
    }

    std::uint16_t add(Node node) {
        program_.nodes.push_back(node);
        return static_cast<std::uint16_t>(program_.nodes.size() - 1);
    }

    // term { word term }, as one node with all its children.
    template <class Part>
    bool chain(std::string_view word, Node::Kind kind, Part part, std::uint16_t& out) {
        if (!part(out)) return false;
        std::uint16_t last = out;
        bool first = true;
        for (in_.skip_blanks(); in_.take_word(word); in_.skip_blanks()) {
            std::uint16_t next = 0;
            if (!part(next)) return false;
            if (first) out = add({.kind = kind, .first = out}), first = false;
            program_.nodes[last].next = next;
            last = next;
        }
        return true;
    }

    bool any(std::uint16_t& out) {
        return chain("or", Node::Kind::any, [this](std::uint16_t& part) { return all(part); }, out);
    }

    bool all(std::uint16_t& out) {
        return chain("and", Node::Kind::all, [this](std::uint16_t& part) { return term(part); }, out);
    }

    bool term(std::uint16_t& out) {
        in_.skip_blanks();
        const std::size_t start = in_.at();
        const bool negated = in_.take_word("not");
        if (!negated && in_.peek() != '(') return comparison(out);
        if (depth_ == max_nesting)
            return refuse(start, "nested too deeply", fmt::format("at most {} levels", max_nesting));
        ++depth_;
        if (negated) {
            std::uint16_t inner = 0;
            if (!term(inner)) return false;
            out = add({.kind = Node::Kind::negation, .first = inner});
        } else {
            in_.take();
            if (!any(out)) return false;
            in_.skip_blanks();
            if (in_.done()) return refuse(start, "this parenthesis is never closed");
            if (in_.peek() != ')') return leftover(), false;
            in_.take();
        }
        --depth_;
        return true;
    }

    bool comparison(std::uint16_t& out) {
        Side left;
        if (!side(left)) return false;
        in_.skip_blanks();
        Comparison made;
        if (in_.word("matches")) {
            if (!left.operand) return refuse(left.span.from, "a regular expression is matched with a constant");
            in_.take_word("matches");
            made.left = std::move(*left.operand);
            made.how = Comparator::matches;
            if (!expression(made.choices)) return false;
        } else if (const auto token = in_.comparator(); !token.empty()) {
            in_.take(token);
            Side right;
            if (!side(right)) return false;
            if (!left.operand && !right.operand)
                return refuse(left.span.from, "nothing of the answer is compared", known_placeholders());
            made.how = comparator_of(token);
            if (!left.operand) {
                std::swap(left, right);
                made.how = turned(made.how);
            }
            made.left = std::move(*left.operand);
            made.right = std::move(right.operand);
            made.choices = std::move(right.literals);
        } else if (left.operand) {
            if (!in_.done() && in_.peek() != ')' && !in_.word("and") && !in_.word("or"))
                return refuse(in_.at(), "a comparator is missing", "== != < <= > >= matches");
            made.left = std::move(*left.operand);
        } else {
            return refuse(left.span.from, "a constant alone says nothing of the answer", known_placeholders());
        }
        if (auto error = check_types(made)) {
            if (!error_) error_ = std::move(error);
            return false;
        }
        note(made.left);
        if (made.right) note(*made.right);
        program_.comparisons.push_back(std::move(made));
        out =
            add({.kind = Node::Kind::comparison, .first = static_cast<std::uint16_t>(program_.comparisons.size() - 1)});
        return true;
    }

    void note(const Operand& operand) {
        const bool body = operand.source == Source::body || operand.source == Source::health;
        const bool status = operand.source == Source::status;
        program_.mentions_status = program_.mentions_status || status;
        program_.mentions_rcode = program_.mentions_rcode || operand.source == Source::rcode;
        program_.needs_certificate = program_.needs_certificate || operand.source == Source::certificate;
        program_.only_status = program_.only_status && status;
        program_.needs_body = program_.needs_body || body;
        program_.needs_headers = program_.needs_headers || operand.source == Source::header;
    }

    Span span_from(std::size_t start) const {
        return {static_cast<std::uint16_t>(start), static_cast<std::uint16_t>(in_.at() - start)};
    }

    bool side(Side& out) {
        in_.skip_blanks();
        const std::size_t start = in_.at();
        if (in_.peek() == '[' && is_letter(in_.peek(1))) {
            if (!placeholder(out.operand.emplace())) return false;
        } else if (const auto name = in_.function(); name == "len" || name == "has") {
            if (!wrapped(name == "len" ? Wrap::len : Wrap::has, out.operand.emplace())) return false;
        } else if (name == "any") {
            if (!choices(out.literals)) return false;
        } else if (!literal(false, out.literals.emplace_back())) {
            return false;
        }
        out.span = span_from(start);
        if (out.operand) out.operand->span = out.span;
        return true;
    }

    bool wrapped(Wrap wrap, Operand& out) {
        const std::size_t start = in_.at();
        in_.to(start + 4);  // Both names have three letters.
        in_.skip_blanks();
        const std::size_t inner = in_.at();
        if (in_.peek() != '[') return refuse(inner, "a placeholder is missing here", "[BODY].path, [HEADER].name");
        if (!placeholder(out)) return false;
        if (out.source != Source::body && out.source != Source::header)
            return refuse(inner,
                          fmt::format("{} can't be taken of this placeholder", wrap == Wrap::len ? "len()" : "has()"),
                          "[BODY].path, [HEADER].name");
        in_.skip_blanks();
        if (!in_.take(")"))
            return refuse(in_.done() ? start : in_.at(), "the parenthesis is not closed behind the placeholder");
        out.wrap = wrap;
        return true;
    }

    bool choices(std::vector<Literal>& out) {
        const std::size_t start = in_.at();
        in_.to(start + 4);
        for (;;) {
            in_.skip_blanks();
            if (out.size() == max_choices)
                return refuse(in_.at(), "too many values in any()", fmt::format("at most {}", max_choices));
            if (in_.peek() == '[' && is_letter(in_.peek(1)))
                return refuse(in_.at(), "a placeholder can't stand in any()", "values and pat()");
            if (!literal(true, out.emplace_back())) return false;
            in_.skip_blanks();
            if (in_.take(")")) return true;
            if (in_.done()) return refuse(start, "this parenthesis is never closed");
            if (!in_.take(",")) return refuse(in_.at(), "a comma is missing between two values of any()");
        }
    }

    bool literal(bool in_list, Literal& out) {
        const std::size_t start = in_.at();
        if (const auto name = in_.function(); name == "pat") {
            if (!pattern(out)) return false;
        } else if (!name.empty()) {
            return refuse(start, fmt::format("unknown function {}()", escaped(name, 40)),
                          "len(), has(), any(), pat(); a value with parentheses in quotes");
        } else if (in_.peek() == '"' || in_.peek() == '\'') {
            if (!quoted(out)) return false;
        } else {
            std::string_view bare;
            if (!in_.take_bare(in_list, bare))
                return refuse(start, "a parenthesis in this value is never closed", "quotes");
            if (bare.empty()) return refuse(start, "a value is missing here");
            out.text = std::string(bare);
            out.as_written = out.text;
            out.span = {static_cast<std::uint16_t>(start), static_cast<std::uint16_t>(bare.size())};
            return true;
        }
        out.span = span_from(start);
        out.as_written = std::string(in_.from(start));
        return true;
    }

    bool quoted(Literal& out) {
        const std::size_t start = in_.at();
        const char quote = in_.take();
        while (!in_.done()) {
            char c = in_.take();
            if (c == quote) {
                out.kind = Literal::Kind::quoted;
                return true;
            }
            if (c == '\\' && (in_.peek() == quote || in_.peek() == '\\')) c = in_.take();
            out.text += c;
        }
        return refuse(start, "this quote is never closed");
    }

    // As in Gatus, quotes mean themselves in a glob; a parenthesis without its partner needs a backslash.
    bool pattern(Literal& out) {
        const std::size_t start = in_.at();
        in_.to(start + 4);
        const std::size_t inner = in_.at();
        for (std::size_t open = 1; !in_.done();) {
            const char c = in_.take();
            if (c == '\\' && !in_.done()) in_.take();
            if (c == '(') ++open;
            if (c != ')' || --open != 0) continue;
            const std::string_view text = trim(in_.from(inner).substr(0, in_.at() - inner - 1));
            auto made = glob(text);
            if (!made) return refuse(inner + made.error().offset, fmt::format("bad pattern: {}", made.error().what));
            out.kind = Literal::Kind::pattern;
            out.pattern = std::move(*made);
            return true;
        }
        return refuse(start, "this parenthesis is never closed", "\\( and \\) inside pat()");
    }

    bool expression(std::vector<Literal>& out) {
        in_.skip_blanks();
        const std::size_t start = in_.at();
        if (!in_.take("/")) return refuse(start, "a regular expression is missing here", "/re2/, /re2/i");
        std::string text;
        for (;;) {
            if (in_.done()) return refuse(start, "this regular expression is never closed", "\\/ inside it");
            const char c = in_.take();
            if (c == '/') break;
            if (c == '\\' && in_.peek() == '/') {
                text += in_.take();
                continue;
            }
            text += c;
            if (c == '\\' && !in_.done()) text += in_.take();  // "\\" before the closing slash is two characters.
        }
        const bool ignore_case = in_.take("i");
        if (is_letter(in_.peek())) return refuse(in_.at(), "unknown flag of a regular expression", "i");
        auto made = regex(text, ignore_case);
        if (!made)
            return refuse(std::min(start + 1 + made.error().offset, program_.text.size()),
                          fmt::format("bad regular expression: {}", made.error().what), "RE2 syntax");
        auto& literal = out.emplace_back();
        literal.kind = Literal::Kind::pattern;
        literal.pattern = std::move(*made);
        literal.span = span_from(start);
        literal.as_written = std::string(in_.from(start));
        return true;
    }

    bool placeholder(Operand& out) {
        const std::size_t start = in_.at();
        in_.take();
        const std::size_t name_at = in_.at();
        while (is_letter(in_.peek())) in_.take();
        const std::string_view name = in_.from(name_at);
        if (!in_.take("]"))
            return refuse(start, "this bracket is not closed behind the name",
                          known_placeholders() + "; other values in quotes");
        const auto found =
            std::ranges::find_if(placeholders, [&](const Placeholder& p) { return equal_ignoring_case(p.name, name); });
        if (found == placeholders.end())
            return refuse(start, fmt::format("unknown placeholder [{}]", escaped(name, 60)), known_placeholders());
        if (!found->source) return refuse(start, fmt::format("[{}] is not supported by this version", found->name));
        out.source = *found->source;
        switch (found->suffix) {
            case Suffix::none:
                break;
            case Suffix::path:
                if (!path(out)) return false;
                break;
            case Suffix::name:
                if (!header(out)) return false;
                break;
            case Suffix::phase:
                if (!phase(out)) return false;
                break;
        }
        if (in_.done() || is_blank(in_.peek()) || in_.peek() == ')' || !in_.comparator().empty()) return true;
        return refuse(in_.at(), fmt::format("unexpected text behind [{}]", found->name));
    }

    // A key or a name: up to a blank, a bracket, a parenthesis or a comparator.
    std::string_view key(std::string_view also) {
        const std::size_t start = in_.at();
        while (!in_.done() && !is_blank(in_.peek()) && in_.comparator().empty() && !also.contains(in_.peek()))
            in_.take();
        return in_.from(start);
    }

    bool path(Operand& out) {
        for (;;) {
            const std::size_t start = in_.at();
            if (out.path.size() == max_path_steps && (in_.peek() == '.' || in_.peek() == '['))
                return refuse(start, "the path is too long", fmt::format("at most {} steps", max_path_steps));
            const bool dot = in_.take(".");
            if (in_.peek() == '[') {
                if (!bracket(out)) return false;
            } else if (dot) {
                const std::string_view name = key(".[)");
                if (name.empty())
                    return refuse(in_.at(), "a key is missing behind the dot",
                                  "[BODY].name, [BODY][0], [BODY][\"a.b\"]");
                out.secret = out.secret || looks_secret(name);
                out.path.push_back({.key = std::string(name)});
            } else {
                return true;
            }
        }
    }

    bool bracket(Operand& out) {
        const std::size_t start = in_.at();
        in_.take();
        Step step;
        if (in_.peek() == '*') return refuse(start, "[*] is not supported by this version", "an index");
        if (in_.peek() == '"' || in_.peek() == '\'') {
            Literal name;
            if (!quoted(name)) return false;
            step.key = std::move(name.text);
            out.secret = out.secret || looks_secret(step.key);
        } else {
            const std::size_t digits = in_.at();
            while (in_.peek() >= '0' && in_.peek() <= '9') in_.take();
            const auto index = parse_unsigned(in_.from(digits));
            if (!index || *index > std::numeric_limits<std::uint32_t>::max())
                return refuse(digits, "this is no index", "[BODY][0], [BODY][\"a.b\"]");
            step.index = static_cast<std::uint32_t>(*index);
            step.is_index = true;
        }
        if (!in_.take("]")) return refuse(start, "this bracket is not closed");
        out.path.push_back(std::move(step));
        return true;
    }

    bool header(Operand& out) {
        if (!in_.take(".")) return refuse(in_.at(), "the name of a header is missing", "[HEADER].content-type");
        const std::string_view name = key("[]()");
        if (name.empty()) return refuse(in_.at(), "the name of a header is missing", "[HEADER].content-type");
        out.header = lower(name);
        out.secret = looks_secret(out.header);
        return true;
    }

    bool phase(Operand& out) {
        using verdict::Phase;
        static constexpr std::array<Phase, 5> phases{Phase::dns, Phase::connect, Phase::tls, Phase::first_byte,
                                                     Phase::total};
        constexpr std::string_view allowed = "[PHASE].dns, .connect, .tls, .first_byte, .total";
        if (!in_.take(".")) return refuse(in_.at(), "the name of a phase is missing", std::string(allowed));
        const std::size_t start = in_.at();
        const std::string_view name = key(".[)");
        for (const Phase phase : phases)
            if (verdict::to_text(phase) == name) out.phase = phase;
        if (out.phase == Phase::none)
            return refuse(start, fmt::format("unknown phase {}", escaped(name, 40)), std::string(allowed));
        return true;
    }

    Scanner in_;
    Program program_;
    std::size_t depth_ = 0;
    std::optional<CompileError> error_;
};

}  // namespace

std::expected<Condition, CompileError> compile(std::string_view text, Severity severity) {
    if (text.size() > max_condition_bytes)
        return std::unexpected(CompileError{max_condition_bytes + 1, "the condition is too long",
                                            fmt::format("at most {}", size_text(max_condition_bytes))});
    return Compiler(text, severity).run();
}

std::string CompileError::text() const {
    return fmt::format("column {}: {}{}{}", column, what, allowed.empty() ? "" : "; allowed: ", allowed);
}

Condition::Condition(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Severity Condition::severity() const { return program_->severity; }
std::string_view Condition::text() const { return program_->text; }
bool Condition::mentions_status() const { return program_->mentions_status; }
bool Condition::mentions_rcode() const { return program_->mentions_rcode; }
bool Condition::needs_certificate() const { return program_->needs_certificate; }
bool Condition::needs_body() const { return program_->needs_body; }
bool Condition::needs_headers() const { return program_->needs_headers; }

const Condition& default_status_condition() {
    static const Condition condition = [] {
        auto compiled = compile("[STATUS] == 2xx");
        HALE_CHECK(compiled.has_value());
        return *compiled;
    }();
    return condition;
}

}  // namespace hale::expect
