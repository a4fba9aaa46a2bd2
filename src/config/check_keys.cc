// The keys of checks. A draft's kind is settled before any of its keys is read, so std::get is safe in readers
// of keys that belong to one kind; read_layer (checks.cc) sees to it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "config/digest.h"
#include "config/keys.h"

namespace hale::config {

bool is_clean(std::string_view value) {
    return std::ranges::none_of(value, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string_view reserved_header(std::string_view name) {
    for (const std::string_view ours : {"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive"})
        if (equal_ignoring_case(name, ours)) return "is written by Hale itself";
    return equal_ignoring_case(name, "host") ? "has a key of its own: host" : "";
}

namespace {

constexpr std::size_t max_headers = 64;
constexpr std::size_t max_header_bytes = 8 * 1024;
constexpr std::size_t max_path_bytes = 8 * 1024;
constexpr std::size_t max_body_bytes = 64 * 1024;
constexpr std::size_t max_arguments = 256;
constexpr std::size_t max_password_bytes = 1024;
constexpr std::size_t max_query_bytes = 16 * 1024;
constexpr std::size_t most_dns_answers = 64;
constexpr Duration longest_period = 24h * 366;
constexpr std::uint64_t most_in_a_row = 1000;

HttpCheck& http(CheckDraft& draft) { return std::get<HttpCheck>(draft.spec.what); }
TcpCheck& tcp(CheckDraft& draft) { return std::get<TcpCheck>(draft.spec.what); }
ExecCheck& exec(CheckDraft& draft) { return std::get<ExecCheck>(draft.spec.what); }
RedisCheck& redis(CheckDraft& draft) { return std::get<RedisCheck>(draft.spec.what); }
PostgresCheck& postgres(CheckDraft& draft) { return std::get<PostgresCheck>(draft.spec.what); }
DnsCheck& dns(CheckDraft& draft) { return std::get<DnsCheck>(draft.spec.what); }
bool is_redis(const CheckDraft& draft) { return std::holds_alternative<RedisCheck>(draft.spec.what); }

void read_path(Reading& reading, const Node& node, std::string& into) {
    std::string path;
    if (!reading.text(node, path, max_path_bytes)) return;
    if (lower(path).starts_with("https://")) return reading.problem(node, "an address where a path is wanted", "a path; the address belongs to the instance");
    const bool clean = std::ranges::all_of(path, [](char c) { return c > ' ' && c < 127; });
    if (!path.starts_with('/') || !clean || path.contains('#'))
        return reading.refuse(node, fmt::format("\"{}\" is no path", escaped(path, 60)));
    into = std::move(path);
}

void read_headers(Reading& reading, const Node& node, HttpCheck& check) {
    if (!reading.map(node)) return;
    if (node.entries.size() > max_headers) return reading.problem(node, fmt::format("more than {} headers", max_headers));
    check.headers.clear();
    check.secret_headers.clear();
    for (const Entry& entry : node.entries) {
        const Reading::Step step(reading, entry.key);
        if (!is_token(entry.key)) {
            reading.problem(entry.place, fmt::format("\"{}\" is no header name", escaped(entry.key, 60)));
            continue;
        }
        if (const auto why = reserved_header(entry.key); !why.empty()) {
            reading.problem(entry.place, fmt::format("header {} {}", entry.key, why));
            continue;
        }
        std::string value;
        if (reading.secret(entry.value, value, max_header_bytes) || entry.value.secret) check.secret_headers.push_back(entry.key);
        if (!is_clean(value)) {
            reading.problem(entry.value, "a header value holds a line break or NUL");
            continue;
        }
        check.headers.emplace_back(entry.key, std::move(value));
    }
}

void read_port(Reading& reading, const Node& node, CheckDraft& draft) {
    draft.port = &node;
    if (node.is_scalar() && node.text == "auto") return draft.spec.port.reset();
    std::uint16_t port = 0;
    reading.number(node, port, 1, 65535);
    if (port != 0) draft.spec.port = port;
}

// ":5432", or "" for the routed port.
void read_place(Reading& reading, const Node& node, CheckDraft& draft) {
    draft.placed = &node;
    if (!node.is_scalar()) return reading.refuse(node, "not a port");
    if (node.text.empty()) return;
    const std::string_view said = node.text;
    const auto port = said.starts_with(':') ? parse_unsigned(said.substr(1)) : std::nullopt;
    if (!port) return reading.refuse(node, fmt::format("\"{}\" is not a port with a colon before it", escaped(said, 60)));
    if (*port == 0 || *port > 65535) return reading.refuse(node, fmt::format("port {} is out of range", *port));
    draft.spec.port = static_cast<std::uint16_t>(*port);
}

// A text that goes into a protocol whose texts end at a NUL (Reading::text refuses those), hidden when it is a secret.
void read_password(Reading& reading, const Node& node, std::string& into) {
    std::string said;
    reading.secret(node, said, max_password_bytes);
    if (said.contains('\0')) return reading.problem(node, "holds a NUL");
    into = std::move(said);
}

void read_role(Reading& reading, const Node& node, CheckDraft& draft) {
    if (is_redis(draft))
        return reading.one_of(node, {std::pair{std::string_view("any"), RedisRole::any}, std::pair{std::string_view("master"), RedisRole::master},
                                     std::pair{std::string_view("replica"), RedisRole::replica}}, redis(draft).role);
    reading.one_of(node, {std::pair{std::string_view("any"), PostgresRole::any}, std::pair{std::string_view("primary"), PostgresRole::primary},
                          std::pair{std::string_view("standby"), PostgresRole::standby}}, postgres(draft).role);
}

void read_dns_name(Reading& reading, const Node& node, DnsCheck& check) {
    std::string name;
    if (!reading.text(node, name, wire::max_dns_name + 1)) return;
    if (!wire::is_dns_name(name)) return reading.refuse(node, fmt::format("\"{}\" is no name that DNS can carry", escaped(name, 60)));
    check.name = std::move(name);
}

constexpr std::string_view record_words = "A, AAAA, CNAME, MX, TXT, NS, SRV, PTR, SOA";
constexpr std::string_view rcode_words = "NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED";

void read_record(Reading& reading, const Node& node, DnsCheck& check) {
    const auto type = node.is_scalar() ? wire::parse_dns_type(node.text) : std::nullopt;
    if (!type) return reading.refuse(node, "not a type of records known here");
    check.record = *type;
}

void read_rcode(Reading& reading, const Node& node, DnsCheck& check) {
    constexpr unsigned most = 5;  // REFUSED: the others answer to updates.
    const auto code = node.is_scalar() ? wire::parse_dns_rcode(node.text) : std::nullopt;
    if (!code || *code > most) return reading.refuse(node, "not a code that a query is answered with");
    check.rcode = static_cast<std::uint8_t>(*code);
}

void read_dns_server(Reading& reading, const Node& node, CheckDraft& draft) {
    if (node.is_scalar() && node.text.empty()) return dns(draft).server.reset();
    auto server = node.is_scalar() ? dns_server(node.text) : fail(Code::invalid, "");
    if (!server) return reading.refuse(node, fmt::format("\"{}\" is not where a DNS server is", escaped(node.text, 80)));
    draft.server = &node;
    dns(draft).server = std::move(*server);
}

void read_answers(Reading& reading, const Node& node, DnsCheck& check) { reading.texts(node, check.answer, most_dns_answers); }

void read_exec(Reading& reading, const Node& node, CheckDraft& draft) {
    if (reading.api) return reading.problem(node, "exec checks are for the configuration file alone");
    reading.texts(node, exec(draft).arguments, max_arguments);
    const auto& arguments = exec(draft).arguments;
    if (!node.is_list()) return;
    if (arguments.empty()) reading.refuse(node, "no command");
    else if (!arguments.front().starts_with('/')) reading.refuse(node, fmt::format("\"{}\" is not an absolute path", escaped(arguments.front(), 60)));
}

void read_expect(Reading& reading, const Node& node, CheckDraft& draft) {
    if (reading.list(node)) draft.expect = &node;
}

void read_members(Reading& reading, const Node& node, std::vector<std::string>& into) {
    reading.texts(node, into, max_members_per_composite);
    for (std::size_t i = 0; i < into.size() && i < node.items.size(); ++i) {
        const Reading::Step step(reading, i);
        const auto slash = into[i].find('/');
        if (!is_service_name(into[i].substr(0, slash)) || (slash != std::string::npos && !is_service_name(into[i].substr(slash + 1))))
            reading.problem(node.items[i], fmt::format("\"{}\" names no service or check", escaped(into[i], 80)), "service, service/check");
    }
}

constexpr std::string_view pace_range = "100ms to 366d";
constexpr std::string_view run_range = "1 to 1000";

constexpr std::array keys_of_check{
    Key{"http", Type::text, "", "a path that begins with /", "Kind: one HTTP/1.1 request with this path and query.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_path(r, n, http(d).path); }), Section::none, for_http, false, true},
    Key{"tcp", Type::text, "", "\":PORT\", or \"\" for the instance's own port", "Kind: a connection that is accepted.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_place(r, n, d); }), Section::none, for_tcp, false, true},
    Key{"exec", Type::texts, "", "a list: an absolute path and its arguments", "Kind: a command with the exit codes of a Nagios plugin.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_exec(r, n, d); }), Section::none, for_exec, false, true},
    Key{"tls", Type::text, "", "\":PORT\", or \"\" for the instance's own port", "Kind: a TLS handshake, and the certificate shown in it.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_place(r, n, d); }), Section::none, for_tls, false, true},
    Key{"redis", Type::text, "", "\":PORT\", or \"\" for the instance's own port", "Kind: PING to Redis, after AUTH where a password is given.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_place(r, n, d); }), Section::none, for_redis, false, true},
    Key{"postgres", Type::text, "", "\":PORT\", or \"\" for the instance's own port", "Kind: a PostgreSQL session and one query.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_place(r, n, d); }), Section::none, for_postgres, false, true},
    Key{"smtp", Type::text, "", "\":PORT\", or \"\" for the instance's own port", "Kind: a mail server's greeting and its answer to EHLO.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_place(r, n, d); }), Section::none, for_smtp, false, true},
    Key{"dns", Type::text, "", "a name", "Kind: the instance, a DNS server, is asked for this name.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_dns_name(r, n, dns(d)); }), Section::none, for_dns, false, true},
    Key{"heartbeat", Type::section, "", "a map", "Kind: somebody else says that all is well, and fails by silence.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_section(r, Section::heartbeat, &n, &d); }),
        Section::heartbeat, for_heartbeat, false, true, true},
    Key{"composite", Type::section, "", "a map", "Kind: what follows from other services and checks.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_section(r, Section::composite, &n, &d); }),
        Section::composite, for_composite, false, true, true},
    Key{"none", Type::text, "", "a sentence: the reason", "Kind: no check at all, said with its reason.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            std::string& reason = std::get<Unchecked>(d.spec.what).reason;
            if (r.text(n, reason, 1024) && trim(reason).empty()) r.refuse(n, "no reason");
        }),
        Section::none, for_none, false, true},
    Key{"interval", Type::duration, "5s", pace_range, "From one scheduled probe to the next, at a fixed rate.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.spec.timing.interval, verdict::least_interval, longest_period); }),
        Section::none, for_probes | for_composite},
    Key{"timeout", Type::duration, "2s", "1ms to 1h", "How long one probe may take in all.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.spec.timing.timeout, 1ms, 1h); }), Section::none, for_probes},
    Key{"confirm_interval", Type::duration, "500ms", pace_range, "Pause between probes while what is seen contradicts what is believed.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.spec.timing.confirm_interval, verdict::least_interval, longest_period); }),
        Section::none, for_probes},
    Key{"down_interval_max", Type::duration, "0", "0, or interval to 366d", "While unhealthy the interval doubles up to this; 0 keeps it.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            d.down_interval_max = &n;
            r.duration(n, d.spec.timing.down_interval_max, 0s, longest_period);
        }),
        Section::none, for_probes},
    Key{"start_period", Type::duration, "0", "0 to 1h", "Failures before the first success prove nothing for so long.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.spec.timing.start_period, 0s, 1h); }),
        Section::none, for_probes | for_heartbeat},
    Key{"start_interval", Type::duration, "500ms", pace_range, "Pause between probes within start_period.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.spec.timing.start_interval, verdict::least_interval, longest_period); }),
        Section::none, for_probes},
    Key{"rise", Type::integer, "2", run_range, "Answers in a row that make it healthy; 1 for heartbeat and composite.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.number(n, d.spec.timing.rise, 1, most_in_a_row); }), Section::none, for_judged},
    Key{"fall", Type::integer, "3", run_range, "Failures in a row that make it unhealthy; 1 for heartbeat and composite.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.number(n, d.spec.timing.fall, 1, most_in_a_row); }), Section::none, for_judged},
    Key{"initial", Type::word, "pending", "pending, up", "What is believed of something never judged.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("pending"), verdict::Initial::pending}, std::pair{std::string_view("up"), verdict::Initial::up}}, d.spec.timing.initial);
        }),
        Section::none, for_judged},
    Key{"m_of_n", Type::section_or_word, "none", "none, or a map", "Instead of fall: unhealthy when m of the last n scheduled probes failed.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            if (n.is_scalar() && n.text == "none") return d.spec.timing.m_of_n.reset();
            if (!n.is_map()) return r.refuse(n, "neither none nor a map");
            verdict::MofN rule;
            const bool kept = std::exchange(r.effective, false);
            read_section(r, Section::m_of_n, &n, &rule);
            r.effective = kept;
            if (rule.m > rule.n) r.problem(n, fmt::format("{} of {} can never be", rule.m, rule.n), "m at most n");
            d.spec.timing.m_of_n = rule;
        }),
        Section::m_of_n, for_probes},
    Key{"critical", Type::boolean, "true", "true, false", "False: can only degrade, never make unhealthy.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.boolean(n, d.spec.critical); }), Section::none, for_judged},
    Key{"scope", Type::word, "instance", "instance, service", "Service: judged once for the service; never takes instances out of traffic.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            d.scope = &n;
            r.one_of(n, {std::pair{std::string_view("instance"), CheckScope::instance}, std::pair{std::string_view("service"), CheckScope::service}}, d.spec.scope);
        }),
        Section::none, for_judged},
    Key{"port", Type::integer, "auto", "auto, or 1 to 65535", "Another port of the instance; auto is the routed one.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_port(r, n, d); }), Section::none, for_connecting},
    Key{"method", Type::word, "GET", "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS", "Method of the request.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            constexpr std::array<std::string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
            std::size_t at = 0;
            if (r.choice(n, methods, at)) http(d).method = methods[at];
        }),
        Section::none, for_http},
    Key{"headers", Type::map, "{}", "a map from names to texts, file:PATH or env:NAME", "Headers of the request.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_headers(r, n, http(d)); }), Section::none, for_http},
    Key{"host", Type::text, "\"\"", "a host, with port if need be", "Host of the request; empty is the first route's, else the target's.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            std::string host;
            if (!r.text(n, host, 255)) return;
            const bool clean = std::ranges::all_of(host, [](char c) { return c > ' ' && c < 127 && !std::string_view("/?#@\\").contains(c); });
            if (!clean) return r.refuse(n, fmt::format("\"{}\" is no host", escaped(host, 60)));
            http(d).host = std::move(host);
        }),
        Section::none, for_http},
    Key{"body", Type::text, "\"\"", "a text of at most 64KiB", "Body of the request.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.text(n, http(d).body, max_body_bytes); }), Section::none, for_http},
    Key{"redirect", Type::word, "fail", "fail, accept, follow", "What a redirect is: a failure, an answer, or a way to go.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("fail"), RedirectPolicy::fail}, std::pair{std::string_view("accept"), RedirectPolicy::accept},
                         std::pair{std::string_view("follow"), RedirectPolicy::follow}}, http(d).redirect);
        }),
        Section::none, for_http},
    Key{"max_redirects", Type::integer, "3", "1 to 10", "Redirects that are followed.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.number(n, http(d).max_redirects, 1, 10); }), Section::none, for_http},
    Key{"read", Type::word, "body", "headers, body", "How much of the answer is waited for.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("headers"), ReadMode::headers}, std::pair{std::string_view("body"), ReadMode::body}}, http(d).read);
        }),
        Section::none, for_http},
    Key{"body_limit", Type::size, "64KiB", "1B to 16MiB", "How much of a body is kept for expectations.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.size(n, http(d).body_limit, 1, 16 << 20); }), Section::none, for_http},
    Key{"via", Type::word, "direct", "direct, proxy", "Proxy: asked through Hale's own listener, the way users come; judged once for the service.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            d.via = &n;
            r.one_of(n, {std::pair{std::string_view("direct"), Via::direct}, std::pair{std::string_view("proxy"), Via::proxy}}, http(d).via);
        }),
        Section::none, for_http},
    Key{"connection", Type::word, "pooled", "pooled, fresh, both", "Whether scheduled probes use a kept connection.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("pooled"), ConnectionMode::pooled}, std::pair{std::string_view("fresh"), ConnectionMode::fresh},
                         std::pair{std::string_view("both"), ConnectionMode::both}}, d.spec.connection);
        }),
        Section::none, for_http},
    Key{"expect", Type::conditions, "[]", "a list of conditions, {warn: condition} or {fail: condition}",
        "What a good answer is; without a [STATUS] condition an http check gets [STATUS] == 2xx.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_expect(r, n, d); }), Section::none, for_connecting, false, false, true},
    Key{"tls_verify", Type::boolean, "true", "true, false", "False: whatever certificate is shown is taken; its expiry is still told.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_tls_verify(r, n, d.tls.tls); }), Section::none, for_secured},
    Key{"tls_ca", Type::text, "\"\"", "an absolute path of a PEM file, or the PEM itself", "Whose certificates are believed; empty: those this machine believes.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_authorities(r, n, d.tls.tls.ca_pem); }), Section::none, for_secured},
    Key{"tls_name", Type::text, "\"\"", "a host name", "Asked for by SNI and looked for in the certificate; empty is the target's own.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_tls_name(r, n, d.tls.tls.name); }), Section::none, for_secured},
    Key{"tls_alpn", Type::texts, "[]", "a list of protocol names", "Offered by ALPN; empty: none is.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_alpn(r, n, d.tls.tls.alpn); }), Section::none, for_secured},
    Key{"tls_pin", Type::text, "\"\"", "64 hexadecimal digits", "SHA-256 of the public key that must be shown.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_pin(r, n, d.tls.tls.key_pin); }), Section::none, for_secured},
    Key{"tls_warn_before", Type::duration, "14d", "0 to 366d", "Warns when the certificate that is shown ends sooner, whether it is verified or not.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, d.tls.tls.expiry_warning, 0s, longest_period); }), Section::none, for_secured},
    Key{"tls_certificate", Type::text, "\"\"", "an absolute path of a PEM file", "Shown when a client certificate is asked for; with tls_key.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_own_certificate(r, n, d.tls); }), Section::none, for_secured},
    Key{"tls_key", Type::text, "\"\"", "an absolute path of a PEM file", "The private key of tls_certificate, readable by its owner alone.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_own_key(r, n, d.tls); }), Section::none, for_secured},
    Key{"send", Type::text, "\"\"", "a text of at most 64KiB", "Sent after connecting.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.text(n, tcp(d).send, max_body_bytes); }), Section::none, for_tcp},
    Key{"expect_bytes", Type::text, "\"\"", "a text of at most 64KiB", "Must occur in what comes back.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.text(n, tcp(d).expect_bytes, max_body_bytes); }), Section::none, for_tcp},
    Key{"user", Type::text, "\"\"", "a user name", "exec: runs this command instead of exec.user. postgres: who logs in; empty is postgres.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.text(n, std::holds_alternative<PostgresCheck>(d.spec.what) ? postgres(d).user : exec(d).user, 64);
        }),
        Section::none, for_exec | for_postgres},
    Key{"username", Type::text, "\"\"", "a user name", "Who logs in; empty is Redis' default user.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.text(n, redis(d).username, 256); }), Section::none, for_redis},
    Key{"password", Type::secret, "\"\"", "a text, file:PATH or env:NAME", "Its password; empty is none. Never shown.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_password(r, n, is_redis(d) ? redis(d).password : postgres(d).password); }),
        Section::none, for_redis | for_postgres},
    Key{"role", Type::word, "any", "any, master, replica, primary, standby", "What the server must be. redis: any, master, replica. postgres: any, primary, standby.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_role(r, n, d); }), Section::none, for_redis | for_postgres},
    Key{"over_tls", Type::boolean, "false", "true, false", "TLS from the first byte on.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.boolean(n, is_redis(d) ? redis(d).over_tls : std::get<SmtpCheck>(d.spec.what).over_tls);
        }),
        Section::none, for_redis | for_smtp},
    Key{"database", Type::text, "\"\"", "a name", "The database; empty is the one named like the user.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.text(n, postgres(d).database, 64); }), Section::none, for_postgres},
    Key{"query", Type::text, "SELECT 1", "a text of at most 16KiB", "The one statement that is run; [BODY] is its first row.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            std::string query;
            if (r.text(n, query, max_query_bytes) && trim(query).empty()) return r.refuse(n, "no statement");
            postgres(d).query = std::move(query);
        }),
        Section::none, for_postgres},
    Key{"tls_mode", Type::word, "off", "off, prefer, require", "Whether TLS is asked for before logging in, and whether a server without it is a failure.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("off"), PostgresTls::off}, std::pair{std::string_view("prefer"), PostgresTls::prefer},
                         std::pair{std::string_view("require"), PostgresTls::require}}, postgres(d).tls);
        }),
        Section::none, for_postgres},
    Key{"starttls", Type::word, "none", "none, required", "Whether the mail server must offer STARTTLS, and hold what it offers.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("none"), StartTls::none}, std::pair{std::string_view("required"), StartTls::required}},
                     std::get<SmtpCheck>(d.spec.what).starttls);
        }),
        Section::none, for_smtp},
    Key{"record", Type::word, "A", record_words, "What is asked for.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_record(r, n, dns(d)); }), Section::none, for_dns},
    Key{"rcode", Type::word, "NOERROR", rcode_words, "The code that the answer must have; a condition on [DNS_RCODE] stands in the place of NOERROR.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_rcode(r, n, dns(d)); }), Section::none, for_dns},
    Key{"answer", Type::texts, "[]", "a list of texts", "One of them must be among the records: \"10.0.0.7\", \"10 mail.example\".",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_answers(r, n, dns(d)); }), Section::none, for_dns},
    Key{"transport", Type::word, "udp", "udp, tcp", "How the server is asked; what is too long for udp is asked again over tcp.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("udp"), DnsTransport::udp}, std::pair{std::string_view("tcp"), DnsTransport::tcp}}, dns(d).transport);
        }),
        Section::none, for_dns},
    Key{"server", Type::address, "\"\"", "ip, name, ip:port, [v6]:port or name:port", "Whom to ask instead of an instance; without a port it is 53.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_dns_server(r, n, d); }), Section::none, for_dns},
    unsupported("grpc", "Kind: grpc.health.v1."),
    unsupported("docker", "Kind: a container's own health."),
    unsupported("icmp", "Kind: an echo."),
    unsupported("ssh", "Kind: a banner."),
    unsupported("websocket", "Kind: an upgrade."),
    unsupported("nats", "Kind: a server's INFO."),
    unsupported("types", "Conditions by type of service."),
    unsupported("semantics", "Another system's rules."),
};

constexpr std::array heartbeat_keys{
    Key{"every", Type::duration, "", "1s to 366d", "How often it comes; needed.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            d.every = &n;
            r.duration(n, std::get<HeartbeatCheck>(d.spec.what).every, 1s, longest_period);
        })},
    Key{"grace", Type::duration, "0", "0 to 366d", "How late it may be.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { r.duration(n, std::get<HeartbeatCheck>(d.spec.what).grace, 0s, longest_period); })},
    Key{"token", Type::secret, "\"\"", "at least 16 bytes, file:PATH or env:NAME", "With this token the heartbeat may be sent without any other right.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            constexpr std::size_t least = 16;
            std::string token;
            r.secret(n, token, 4096);
            if (n.is_scalar() && n.text.empty()) return;
            if (!token.empty() && token.size() < least) return r.refuse(n, fmt::format("shorter than {} bytes", least));
            if (!token.empty()) std::get<HeartbeatCheck>(d.spec.what).token_hash = sha256_hex(token);
        })},
};

constexpr std::array composite_keys{
    Key{"of", Type::texts, "", "a list of service or service/check", "Members it stands and falls with.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_members(r, n, std::get<CompositeCheck>(d.spec.what).of); })},
    Key{"advisory", Type::texts, "[]", "a list of service or service/check", "Members that can only degrade it.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) { read_members(r, n, std::get<CompositeCheck>(d.spec.what).advisory); })},
    Key{"need", Type::word, "all", "all, any, quorum", "How many of the members must be well.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("all"), Need::all}, std::pair{std::string_view("any"), Need::any}, std::pair{std::string_view("quorum"), Need::quorum}},
                     std::get<CompositeCheck>(d.spec.what).need);
        })},
    Key{"quorum", Type::integer, "0", "0, or 1 to the number of members", "So many, with need: quorum.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            d.quorum = &n;
            r.number(n, std::get<CompositeCheck>(d.spec.what).quorum, 0, max_members_per_composite);
        })},
    Key{"run", Type::word, "parallel", "parallel, sequence", "Whether the members' timeouts are waited for together or one after the other.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            r.one_of(n, {std::pair{std::string_view("parallel"), MemberOrder::parallel}, std::pair{std::string_view("sequence"), MemberOrder::sequence}},
                     std::get<CompositeCheck>(d.spec.what).run);
        })},
    Key{"caller_timeout", Type::duration, "none", "none, or 1ms to 366d", "How long whoever asks waits; a longer worst case is refused.",
        into<CheckDraft>([](Reading& r, const Node& n, CheckDraft& d) {
            auto& limit = std::get<CompositeCheck>(d.spec.what).caller_timeout;
            if (n.is_scalar() && n.text == "none") return limit.reset();
            Duration said{};
            if (r.duration(n, said, 1ms, longest_period)) limit = said;
        })},
};

constexpr std::array m_of_n_keys{
    Key{"m", Type::integer, "3", "1 to 64", "So many failures,",
        into<verdict::MofN>([](Reading& r, const Node& n, verdict::MofN& rule) { r.number(n, rule.m, 1, verdict::most_slots); })},
    Key{"n", Type::integer, "5", "1 to 64", "among so many scheduled probes.",
        into<verdict::MofN>([](Reading& r, const Node& n, verdict::MofN& rule) { r.number(n, rule.n, 1, verdict::most_slots); })},
    Key{"missing", Type::word, "ignore", "ignore, breaching, not_breaching, missing", "What a slot without evidence counts as.",
        into<verdict::MofN>([](Reading& r, const Node& n, verdict::MofN& rule) {
            using verdict::Missing;
            r.one_of(n, {std::pair{std::string_view("ignore"), Missing::ignore}, std::pair{std::string_view("breaching"), Missing::breaching},
                         std::pair{std::string_view("not_breaching"), Missing::not_breaching}, std::pair{std::string_view("missing"), Missing::missing}},
                     rule.missing);
        })},
};

constexpr std::array defaults_keys{
    Key{"check", Type::section, "", "a map of keys that all checks share which ask somebody", "For every check, as far as its kind has the key; rise and fall of heartbeat and composite stay apart.", elsewhere(), Section::check},
    Key{"http", Type::section, "", "a map of keys of http checks, without the kind", "For every http check.", elsewhere(), Section::check},
    Key{"tcp", Type::section, "", "a map of keys of tcp checks, without the kind", "For every tcp check.", elsewhere(), Section::check},
    Key{"exec", Type::section, "", "a map of keys of exec checks, without the kind", "For every exec check.", elsewhere(), Section::check},
    Key{"tls", Type::section, "", "a map of keys of tls checks, without the kind", "For every tls check.", elsewhere(), Section::check},
    Key{"redis", Type::section, "", "a map of keys of redis checks, without the kind", "For every redis check.", elsewhere(), Section::check},
    Key{"postgres", Type::section, "", "a map of keys of postgres checks, without the kind", "For every postgres check.", elsewhere(), Section::check},
    Key{"smtp", Type::section, "", "a map of keys of smtp checks, without the kind", "For every smtp check.", elsewhere(), Section::check},
    Key{"dns", Type::section, "", "a map of keys of dns checks, without the kind", "For every dns check.", elsewhere(), Section::check},
    Key{"heartbeat", Type::section, "", "a map of keys of heartbeat checks, without the kind", "For every heartbeat check.", elsewhere(), Section::check},
    Key{"composite", Type::section, "", "a map of keys of composite checks, without the kind", "For every composite check.", elsewhere(), Section::check},
};

}  // namespace

std::span<const Key> check_keys(Section section) {
    switch (section) {
        case Section::check: return keys_of_check;
        case Section::heartbeat: return heartbeat_keys;
        case Section::composite: return composite_keys;
        case Section::m_of_n: return m_of_n_keys;
        case Section::defaults: return defaults_keys;
        default: return {};
    }
}

}  // namespace hale::config
