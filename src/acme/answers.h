// What an authority says, read from its documents (RFC 8555 §7.1, RFC 9773, RFC 9457). Text in, values out; an unusable
// document is a sentence for the operator. Unknown members are passed over, as the RFC asks.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/doors.h"
#include "base/result.h"
#include "base/time.h"

namespace hale::acme {

inline constexpr std::size_t most_answer_bytes = 1 << 20;
inline constexpr std::size_t most_authorizations = 100;
inline constexpr std::size_t most_challenges = 32;
inline constexpr std::size_t most_url_bytes = 2048;

// One answer over HTTP, as far as the machines look at it.
struct Answer {
    int status = 0;
    std::string location;
    std::string nonce;
    std::optional<Duration> retry_after;
    std::string body;
    bool ok() const { return status >= 200 && status < 300; }
};

struct Directory {
    std::string new_nonce, new_account, new_order;
    std::string renewal_info;  // Empty: not offered.
    std::string terms;
    bool external_account_required = false;
};
Result<Directory> read_directory(std::string_view body);

enum class OrderStatus : std::uint8_t { pending, ready, processing, valid, invalid };
struct Problem {
    std::string type;    // Without "urn:ietf:params:acme:error:"; empty when there is none.
    std::string detail;  // The authority's own sentence, made safe to show.
    std::string text() const;
};
struct OrderDocument {
    OrderStatus status = OrderStatus::pending;
    std::vector<std::string> authorizations;
    std::string finalize, certificate;
    std::optional<Problem> error;
};
Result<OrderDocument> read_order(std::string_view body);

enum class AuthorizationStatus : std::uint8_t { pending, valid, invalid, over };  // over: deactivated, expired, revoked
struct OfferedChallenge {
    std::string type, url, token;
    std::string status;
    std::optional<Problem> error;
};
struct Authorization {
    AuthorizationStatus status = AuthorizationStatus::pending;
    std::string host;
    bool wildcard = false;
    std::vector<OfferedChallenge> challenges;
};
Result<Authorization> read_authorization(std::string_view body);

// Of an answer that is not ok: never fails, for want of anything better it tells the status.
Problem read_problem(const Answer& answer);

struct RenewalWindow {
    Utc start{}, end{};
    std::string explanation;  // A URL.
};
Result<RenewalWindow> read_renewal_info(std::string_view body);

// Seconds or an IMF-fixdate (RFC 9110 §10.2.3); nothing for what is neither. A date in the past is zero.
std::optional<Duration> read_retry_after(std::string_view text, Utc now);

// The chain as PEM: certificates alone, at least one.
Result<> check_chain(std::string_view pem);

}  // namespace hale::acme
