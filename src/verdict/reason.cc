#include "verdict/reason.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace hale::verdict {

namespace {
using enum Reason;
// In the order of the enumeration: facts() indexes it, and a test holds the two together.
constexpr std::array table{
    ReasonFacts{ok, "ok", "Everything that was asked for was there.", true},
    ReasonFacts{connect_refused, "connect_refused", "Nothing listens on that address and port.", true},
    ReasonFacts{connect_timeout, "connect_timeout", "The connection was not accepted in time.", true},
    ReasonFacts{connect_reset, "connect_reset", "The peer reset the connection.", true},
    ReasonFacts{connect_failed, "connect_failed", "The network could not reach the target.", true},
    ReasonFacts{dns_failure, "dns_failure", "The name did not resolve.", true},
    ReasonFacts{tls_failure, "tls_failure", "The TLS handshake failed.", false},
    ReasonFacts{tls_timeout, "tls_timeout", "The TLS handshake did not finish in time.", true},
    ReasonFacts{first_byte_timeout, "first_byte_timeout", "Connected, but no answer began in time.", true},
    ReasonFacts{total_timeout, "total_timeout", "The answer began, but did not finish in time.", true},
    ReasonFacts{status_mismatch, "status_mismatch", "The status code is not one that was asked for.", true},
    ReasonFacts{header_mismatch, "header_mismatch", "A header is not as asked for.", true},
    ReasonFacts{body_mismatch, "body_mismatch", "The body is not as asked for.", true},
    ReasonFacts{latency_exceeded, "latency_exceeded", "The answer was right but too slow.", true},
    ReasonFacts{condition_failed, "condition_failed", "Another condition of the check did not hold.", true},
    ReasonFacts{redirect_refused, "redirect_refused", "The answer is a redirect, which the check's policy does not take.",
                false},
    ReasonFacts{protocol_error, "protocol_error", "The answer is not valid in its protocol.", false},
    ReasonFacts{connection_closed, "connection_closed", "The peer closed the connection before the answer was whole.",
                true},
    ReasonFacts{endpoint_missing, "endpoint_missing", "404 or 405 on first contact: the path is probably wrong.", false},
    ReasonFacts{bytes_mismatch, "bytes_mismatch", "The bytes received are not those expected.", true},
    ReasonFacts{exec_failed, "exec_failed", "The command ended with a failing exit code.", true},
    ReasonFacts{exec_timeout, "exec_timeout", "The command did not end in time and was killed.", true},
    ReasonFacts{heartbeat_missed, "heartbeat_missed", "No heartbeat came within its period and grace.", true},
    ReasonFacts{heartbeat_reported, "heartbeat_reported", "The heartbeat itself reported a problem.", true},
    ReasonFacts{dependency_failed, "dependency_failed", "Too few members of the composite are healthy.", true},
    ReasonFacts{dependency_unknown, "dependency_unknown", "Members of the composite have no verdict yet.", true},
    ReasonFacts{not_evaluated, "not_evaluated", "The composite's deadline passed before this member answered.", true},
    ReasonFacts{check_error, "check_error", "The check itself could not be run here: our fault, not the target's.", true},
    ReasonFacts{target_refused, "target_refused", "The resolved address is one that checks may not reach.", false},
    ReasonFacts{passive_errors, "passive_errors", "Live traffic met errors.", true},
    ReasonFacts{assumed, "assumed", "Assumed by `initial: up`; nothing has looked yet.", true},
    ReasonFacts{unchecked, "unchecked", "Declared `check: none`, with a reason.", false},
    ReasonFacts{never_checked, "never_checked", "No probe has finished yet.", true},
    ReasonFacts{stale, "stale", "The last evidence is too old.", true},
    ReasonFacts{no_instances, "no_instances", "There is nothing to judge.", false},
    ReasonFacts{operator_, "operator", "An operator's override is in force.", false},
    ReasonFacts{container_unhealthy, "container_unhealthy", "The container's own health check fails.", true},
    ReasonFacts{container_exited, "container_exited", "The container is not running.", true},
    ReasonFacts{container_oom, "container_oom", "The container ran out of memory.", false},
    ReasonFacts{image_pull_failed, "image_pull_failed", "The image could not be pulled.", true},
    ReasonFacts{route_missing, "route_missing", "Fine directly, 404 through the proxy.", false},
    ReasonFacts{certificate_expiring, "certificate_expiring", "All was right, but the certificate shown ends soon or has ended.", false},
    ReasonFacts{crash_loop, "crash_loop", "The container ended again and again.", true},
};
}  // namespace

const ReasonFacts& facts(Reason reason) {
    const auto index = static_cast<std::size_t>(std::to_underlying(reason));
    HALE_CHECK(index < table.size());
    return table[index];
}

std::span<const ReasonFacts> all_reasons() { return table; }

std::optional<Reason> parse_reason(std::string_view code) {
    const auto found = std::ranges::find(table, code, &ReasonFacts::code);
    if (found == table.end()) return std::nullopt;
    return found->reason;
}

}  // namespace hale::verdict
