// Reason codes: the closed list of why a probe had its outcome and a verdict its state. They are spelled
// the same in JSON, logs, metrics, explain and the documentation, which is generated from this table.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hale::verdict {

enum class Reason : std::uint8_t {
    ok,
    connect_refused,
    connect_timeout,
    connect_reset,
    connect_failed,
    dns_failure,
    tls_failure,
    tls_timeout,
    first_byte_timeout,
    total_timeout,
    status_mismatch,
    header_mismatch,
    body_mismatch,
    latency_exceeded,
    condition_failed,
    redirect_refused,
    protocol_error,
    connection_closed,
    endpoint_missing,
    bytes_mismatch,
    exec_failed,
    exec_timeout,
    heartbeat_missed,
    heartbeat_reported,
    dependency_failed,
    dependency_unknown,
    not_evaluated,
    check_error,
    target_refused,
    passive_errors,
    assumed,
    unchecked,
    never_checked,
    stale,
    no_instances,
    operator_,
    container_unhealthy,
    container_exited,
    container_oom,
    image_pull_failed,
    route_missing,
    certificate_expiring,
    crash_loop,
};

struct ReasonFacts {
    Reason reason;
    std::string_view code;      // "connect_refused"
    std::string_view sentence;  // What it means, for the reference page.
    bool retryable;             // May the same thing succeed later with nobody changing anything?
};

const ReasonFacts& facts(Reason reason);
std::span<const ReasonFacts> all_reasons();
inline std::string_view code(Reason reason) { return facts(reason).code; }
std::optional<Reason> parse_reason(std::string_view code);

}  // namespace hale::verdict
