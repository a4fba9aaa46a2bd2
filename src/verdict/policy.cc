#include "verdict/policy.h"

#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace hale::verdict {

namespace {

std::optional<PolicyFault> out_of(std::string_view key, Duration value, Duration least) {
    if (value >= least && value <= longest_setting) return std::nullopt;
    return PolicyFault{key, fmt::format("{} to {}", duration_text(least), duration_text(longest_setting))};
}

}  // namespace

std::optional<PolicyFault> fault_in(const JudgePolicy& p) {
    const auto run = fmt::format("1 to {}", most_rise_or_fall);
    if (p.rise < 1 || p.rise > most_rise_or_fall) return PolicyFault{"rise", run};
    if (p.fall < 1 || p.fall > most_rise_or_fall) return PolicyFault{"fall", run};
    if (auto fault = out_of("interval", p.interval, least_interval)) return fault;
    if (auto fault = out_of("timeout", p.timeout, least_timeout)) return fault;
    if (auto fault = out_of("confirm_interval", p.confirm_interval, least_confirm_interval)) return fault;
    if (p.down_interval_max != Duration{0} &&
        (p.down_interval_max < p.interval || p.down_interval_max > longest_setting))
        return PolicyFault{"down_interval_max", "0, or at least the interval"};
    if (auto fault = out_of("start_period", p.start_period, Duration{0})) return fault;
    if (auto fault = out_of("start_interval", p.start_interval, least_interval)) return fault;
    if (p.m_of_n) {
        if (p.m_of_n->n < 1 || p.m_of_n->n > most_slots)
            return PolicyFault{"m_of_n.n", fmt::format("1 to {}", most_slots)};
        if (p.m_of_n->m < 1 || p.m_of_n->m > p.m_of_n->n) return PolicyFault{"m_of_n.m", "1 to n"};
    }
    return std::nullopt;
}

std::string_view to_text(Missing missing) {
    switch (missing) {
        case Missing::ignore:
            return "ignore";
        case Missing::breaching:
            return "breaching";
        case Missing::not_breaching:
            return "not_breaching";
        case Missing::missing:
            return "missing";
    }
    std::unreachable();
}

std::string_view to_text(Initial initial) {
    switch (initial) {
        case Initial::pending:
            return "pending";
        case Initial::up:
            return "up";
    }
    std::unreachable();
}

std::optional<Missing> parse_missing(std::string_view text) {
    for (const Missing m : {Missing::ignore, Missing::breaching, Missing::not_breaching, Missing::missing})
        if (to_text(m) == text) return m;
    return std::nullopt;
}

std::optional<Initial> parse_initial(std::string_view text) {
    for (const Initial i : {Initial::pending, Initial::up})
        if (to_text(i) == text) return i;
    return std::nullopt;
}

}  // namespace hale::verdict
