// What a check asks, how often, and what counts as an answer. Immutable once loaded and shared by all
// instances of a service, so a hundred thousand instances cost one of these.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/shared_text.h"
#include "base/time.h"
#include "config/target.h"
#include "io/secure.h"
#include "verdict/policy.h"
#include "wire/dns.h"

namespace hale::expect {
class Conditions;
}

namespace hale::config {

enum class RedirectPolicy : std::uint8_t { fail, accept, follow };
enum class ReadMode : std::uint8_t { headers, body };  // headers: an answer is judged at the end of its head.
enum class ConnectionMode : std::uint8_t { pooled, fresh, both };
enum class CheckScope : std::uint8_t { instance, service };
enum class Via : std::uint8_t { direct, proxy };  // proxy: through Hale's own listeners, the way users come.
enum class Need : std::uint8_t { all, any, quorum };
enum class MemberOrder : std::uint8_t { parallel, sequence };

struct HttpCheck {
    std::string path = "/";  // With query, as sent.
    std::string method = "GET";
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<std::string> secret_headers;  // Names whose values came from a reference: never shown.
    std::string host;  // Empty: the first route's host, else the target's authority.
    std::string body;
    RedirectPolicy redirect = RedirectPolicy::fail;
    std::uint8_t max_redirects = 3;
    ReadMode read = ReadMode::body;
    Via via = Via::direct;
    std::uint32_t body_limit = 64 * 1024;
    bool operator==(const HttpCheck&) const = default;
};

struct TcpCheck {
    std::string send;
    std::string expect_bytes;
    bool operator==(const TcpCheck&) const = default;
};

// A handshake and the certificate shown in it.
struct TlsCheck {
    bool operator==(const TlsCheck&) const = default;
};

enum class RedisRole : std::uint8_t { any, master, replica };

struct RedisCheck {
    RedisRole role = RedisRole::any;
    std::string username;  // Empty: the default user.
    std::string password;  // Empty: nothing is said. Never shown.
    bool over_tls = false;
    bool operator==(const RedisCheck&) const = default;
};

enum class PostgresRole : std::uint8_t { any, primary, standby };
enum class PostgresTls : std::uint8_t { off, prefer, require };

struct PostgresCheck {
    std::string user;      // Empty: postgres.
    std::string password;  // Never shown.
    std::string database;  // Empty: named like the user.
    std::string query = "SELECT 1";
    PostgresTls tls = PostgresTls::off;
    PostgresRole role = PostgresRole::any;
    bool operator==(const PostgresCheck&) const = default;
};

enum class StartTls : std::uint8_t { none, required };

struct SmtpCheck {
    StartTls starttls = StartTls::none;
    bool over_tls = false;  // From the first byte on.
    bool operator==(const SmtpCheck&) const = default;
};

enum class DnsTransport : std::uint8_t { udp, tcp };

struct DnsCheck {
    std::string name;
    wire::DnsType record = wire::DnsType::a;
    std::uint8_t rcode = 0;              // NOERROR; a condition on [DNS_RCODE] stands in its place.
    std::vector<std::string> answer;     // One of them must be among the records; empty: any answer is as good.
    DnsTransport transport = DnsTransport::udp;
    std::optional<Target> server;        // Whom to ask; without it the instance itself.
    bool operator==(const DnsCheck&) const = default;
};

// Nagios exit codes: 0 pass, 1 warn, 2 fail, others error.
struct ExecCheck {
    std::vector<std::string> arguments;
    std::string user;  // Empty: `nobody` when the daemon is root, else its own.
    bool operator==(const ExecCheck&) const = default;
};

// Pushed: fails when nothing came for every + grace.
struct HeartbeatCheck {
    Duration every{};
    Duration grace{};
    std::string token_hash;  // SHA-256 in hex of the check's own token; empty: none.
    bool operator==(const HeartbeatCheck&) const = default;
};

struct CompositeCheck {
    std::vector<std::string> of;        // "service" or "service/check"; critical members.
    std::vector<std::string> advisory;  // Only degrade.
    Need need = Need::all;
    std::uint32_t quorum = 0;
    MemberOrder run = MemberOrder::parallel;
    std::optional<Duration> caller_timeout;  // Whoever asks waits this long; a longer worst case is refused.
    bool operator==(const CompositeCheck&) const = default;
};

// `check: none` with its reason: eligible without evidence, and says so.
struct Unchecked {
    std::string reason;
    bool operator==(const Unchecked&) const = default;
};

// Pushed: what the engine says of the container that an instance is. Nobody declares it; an instance has it as long as
// the engine told of its container.
struct ContainerCheck {
    bool operator==(const ContainerCheck&) const = default;
};

using CheckKind = std::variant<HttpCheck, TcpCheck, ExecCheck, HeartbeatCheck, CompositeCheck, Unchecked, TlsCheck, RedisCheck, PostgresCheck,
                               SmtpCheck, DnsCheck, ContainerCheck>;

struct CheckSpec {
    SharedText name = "main";
    CheckKind what;
    verdict::JudgePolicy timing;
    ConnectionMode connection = ConnectionMode::pooled;
    std::optional<std::uint16_t> port;  // Default: the routed port, computed in one place (probe_address).
    bool critical = true;
    CheckScope scope = CheckScope::instance;
    std::shared_ptr<const io::TlsSpec> tls;  // Of targets over TLS; null: verified against what this machine believes.
    // With via: proxy, of the instances behind it: `tls` is then of Hale's own listener.
    std::shared_ptr<const io::TlsSpec> tls_behind;
    // Compiled; never null for http (2xx when nothing else was said), may be null for other kinds.
    std::shared_ptr<const expect::Conditions> expect;
    std::vector<std::string> expect_text;  // As declared, for showing and comparing: "warn: [RESPONSE_TIME] < 500".

    // Everything whose change makes earlier answers answers to another question: kind, target, expectations.
    // Timing, thresholds, critical and weights are not part of it.
    std::string question() const;
    std::string_view kind() const;  // "http", "tcp", "exec", "heartbeat", "composite", "none", "tls", "redis" …
    bool probes() const;    // Somebody is asked: all but heartbeat, composite, none and docker.
    bool connects() const;  // At the instance's address: all that probe but exec, and dns with a server of its own.
    bool through_proxy() const;
};

using CheckList = std::vector<std::shared_ptr<const CheckSpec>>;

// The same pointer, both null, or equal values.
template <class T>
bool same_behind(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
    return a == b || (a && b && *a == *b);
}

// Two specs with the same effect: same question, timing and flags.
bool same(const CheckSpec& a, const CheckSpec& b);
bool same(const CheckList& a, const CheckList& b);

}  // namespace hale::config
