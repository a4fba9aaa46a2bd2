#include "expect/conditions.h"

#include <fmt/format.h>

#include "base/text.h"
#include "expect/answer.h"

namespace hale::expect {

Result<> Conditions::add(Condition condition) {
    if (list_.size() == max_conditions)
        return fail(Code::exhausted,
                    fmt::format("a check has at most {} conditions; join some with `and`", max_conditions));
    mentions_status_ = mentions_status_ || condition.mentions_status();
    mentions_rcode_ = mentions_rcode_ || condition.mentions_rcode();
    needs_certificate_ = needs_certificate_ || condition.needs_certificate();
    needs_body_ = needs_body_ || condition.needs_body();
    needs_headers_ = needs_headers_ || condition.needs_headers();
    list_.push_back(std::move(condition));
    return {};
}

Evaluation Conditions::evaluate(const Response& response) const {
    using verdict::Outcome;
    Evaluation result;
    Answer answer(response);
    for (std::size_t i = 0; i < list_.size(); ++i) {
        const Condition& condition = list_[i];
        if (answer.truth(condition.program()) == Truth::yes) {
            result.held |= std::uint64_t{1} << i;
            continue;
        }
        const Outcome outcome = condition.severity() == Severity::fail ? Outcome::fail : Outcome::warn;
        // The first of the worst severity decides.
        if (result.outcome == Outcome::pass || (result.outcome == Outcome::warn && outcome == Outcome::fail)) {
            result.outcome = outcome;
            result.decided_by = i;
        }
    }
    if (result.outcome != Outcome::pass) {
        const Program& program = list_[result.decided_by].program();
        result.reason = answer.blame(program);
        result.resolved = answer.resolved(program);
    }
    result.lint = answer.lint();
    return result;
}

std::vector<Resolved> Conditions::resolve(const Response& response) const {
    std::vector<Resolved> out;
    out.reserve(list_.size());
    Answer answer(response);
    for (const Condition& condition : list_)
        out.push_back({condition.severity(), answer.truth(condition.program()) == Truth::yes,
                       answer.resolved(condition.program())});
    return out;
}

std::string Conditions::text() const {
    std::string out;
    for (const Condition& condition : list_)
        out += fmt::format("{}{}{}", out.empty() ? "" : "; ", condition.severity() == Severity::warn ? "warn: " : "",
                           condition.text());
    return out;
}

std::string lint(const Conditions& conditions, const Response& response) {
    for (const Condition& condition : conditions.list())
        if (!condition.program().only_status) return {};
    if (conditions.empty() || response.body_truncated || response.body.empty()) return {};
    const auto body = wire::read_health_body(response.body);
    if (!body || (body->overall != wire::Health::warn && body->overall != wire::Health::fail)) return {};
    return fmt::format(
        "only the status is tested ({}), but the body says \"status\": \"{}\"; add [HEALTH] == pass or [BODY].status "
        "== …",
        response.status, escaped(body->status, 60));
}

}  // namespace hale::expect
