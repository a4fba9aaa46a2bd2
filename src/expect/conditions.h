// The expectations of one check, and what an answer makes of them.
//
// A condition has three ends: it holds, it does not, or it cannot be told because something it names is
// absent (no such header, no JSON, an answer that was cut). Absence is never success: what cannot be told
// counts as not held, also under `!=` and `not`; `has()` is the way to ask for absence.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expect/condition.h"
#include "expect/response.h"
#include "verdict/reason.h"
#include "verdict/state.h"

namespace hale::expect {

struct Evaluation {
    verdict::Outcome outcome = verdict::Outcome::pass;  // pass, warn or fail; never error.
    verdict::Reason reason = verdict::Reason::ok;       // By the placeholder that decided.
    std::uint64_t held = 0;                             // Bit i: condition i held.
    std::size_t decided_by = 0;                         // Index of the deciding condition, unless pass.
    // The deciding condition with the values it saw: "[STATUS] (503) == 200". Escaped, secrets hidden, at
    // most 200 bytes a value; empty on pass.
    std::string resolved;
    std::string lint;  // Not a failure but somebody should know: the body and the status disagree.
};

// One condition as explain and `hale check` show it.
struct Resolved {
    Severity severity = Severity::fail;
    bool held = false;
    std::string text;
};

class Conditions {
public:
    static constexpr std::size_t max_conditions = 64;  // The bits of Evaluation::held.

    Conditions() = default;

    Result<> add(Condition condition);  // Fails beyond max_conditions.

    std::span<const Condition> list() const { return list_; }
    bool empty() const { return list_.empty(); }
    bool mentions_status() const { return mentions_status_; }
    bool mentions_rcode() const { return mentions_rcode_; }
    bool needs_certificate() const { return needs_certificate_; }
    bool needs_body() const { return needs_body_; }  // False: the answer may be judged at the end of its head.
    bool needs_headers() const { return needs_headers_; }

    // Without any condition: pass. Allocates nothing when everything holds and no body is needed. The body
    // is parsed at most once, and only when a condition asks for a path in it.
    Evaluation evaluate(const Response& response) const;

    // Every condition with the values it saw, held or not.
    std::vector<Resolved> resolve(const Response& response) const;

    // "[STATUS] == 200; warn: [RESPONSE_TIME] < 500".
    std::string text() const;

private:
    std::vector<Condition> list_;
    bool mentions_status_ = false;
    bool mentions_rcode_ = false;
    bool needs_certificate_ = false;
    bool needs_body_ = false;
    bool needs_headers_ = false;
};

// For the first contact with a target: a sentence when only the status is tested although the JSON body
// carries a status of its own that is not ok, else empty.
std::string lint(const Conditions& conditions, const Response& response);

}  // namespace hale::expect
