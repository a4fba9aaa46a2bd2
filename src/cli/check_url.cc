#include "cli/check_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "wire/dns.h"
#include "wire/url.h"

namespace hale::cli {

namespace {

constexpr std::string_view schemes = "http, https, tcp, tls, redis, rediss, postgres, smtp, smtps, dns, unix";

// The one place that knows where each of them usually listens.
constexpr std::pair<std::string_view, std::uint16_t> usual_ports[]{
    {"tls", 443}, {"redis", 6379}, {"rediss", 6379}, {"postgres", 5432}, {"postgresql", 5432}, {"smtp", 25}, {"smtps", 465}, {"dns", 53},
};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Of one part of a URL; these texts go into protocols whose texts end at a NUL.
Result<std::string> decoded(std::string_view text, std::string_view what) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1, low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return fail(Code::invalid, fmt::format("{}: \"{}\" is badly percent-encoded", what, escaped(text, 60)));
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

// What stands behind the question mark, each name once and known.
class Parameters {
public:
    static Result<Parameters> read(const wire::Url& url, std::initializer_list<std::string_view> allowed) {
        Parameters made;
        for (const std::string_view part : split(url.query.value_or(""), '&')) {
            if (part.empty()) continue;
            const auto equals = part.find('=');
            const std::string name(part.substr(0, equals));
            if (std::ranges::find(allowed, name) == allowed.end())
                return fail(Code::invalid, fmt::format("{}: unknown parameter \"{}\"; allowed: {}", url.scheme, escaped(name, 40),
                                                       allowed.size() == 0 ? "none" : fmt::format("{}", fmt::join(allowed, ", "))));
            HALE_ASSIGN(auto value, decoded(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1), name));
            if (!made.values_.emplace(name, std::move(value)).second) return fail(Code::invalid, fmt::format("{}: {} is said twice", url.scheme, name));
        }
        return made;
    }

    // The value of a word, or `usual` when it isn't said.
    template <class T>
    Result<T> word(const std::string& name, T usual, std::initializer_list<std::pair<std::string_view, T>> words) const {
        const auto found = values_.find(name);
        if (found == values_.end()) return usual;
        std::string allowed;
        for (const auto& [word, value] : words) {
            if (found->second == word) return value;
            allowed += (allowed.empty() ? "" : ", ") + std::string(word);
        }
        return fail(Code::invalid, fmt::format("{}={}: allowed: {}", name, escaped(found->second, 40), allowed));
    }
    std::string text(const std::string& name, std::string usual) const {
        const auto found = values_.find(name);
        return found == values_.end() ? std::move(usual) : found->second;
    }

private:
    std::map<std::string, std::string> values_;
};

Result<> no_path(const wire::Url& url) {
    if (url.path.empty() || url.path == "/") return {};
    return fail(Code::invalid, fmt::format("{}: a path has no meaning here: {}", url.scheme, escaped(url.path, 60)));
}

Result<config::CheckKind> redis_of(const wire::Url& url) {
    using config::RedisRole;
    HALE_TRY(no_path(url));
    HALE_ASSIGN(const auto said, Parameters::read(url, {"role"}));
    config::RedisCheck check{.over_tls = url.scheme == "rediss"};
    HALE_ASSIGN(check.username, decoded(url.userinfo, "the user"));
    HALE_ASSIGN(check.role, said.word<RedisRole>("role", RedisRole::any, {{"any", RedisRole::any}, {"master", RedisRole::master}, {"replica", RedisRole::replica}}));
    return check;
}

Result<config::CheckKind> postgres_of(const wire::Url& url) {
    using config::PostgresRole, config::PostgresTls;
    HALE_ASSIGN(const auto said, Parameters::read(url, {"tls_mode", "role", "query"}));
    config::PostgresCheck check;
    HALE_ASSIGN(check.user, decoded(url.userinfo, "the user"));
    HALE_ASSIGN(check.database, decoded(url.path.empty() ? std::string_view{} : std::string_view(url.path).substr(1), "the database"));
    HALE_ASSIGN(check.tls, said.word<PostgresTls>("tls_mode", PostgresTls::off, {{"off", PostgresTls::off}, {"prefer", PostgresTls::prefer}, {"require", PostgresTls::require}}));
    HALE_ASSIGN(check.role, said.word<PostgresRole>("role", PostgresRole::any, {{"any", PostgresRole::any}, {"primary", PostgresRole::primary}, {"standby", PostgresRole::standby}}));
    check.query = said.text("query", check.query);
    if (trim(check.query).empty()) return fail(Code::invalid, "query: no statement");
    return check;
}

Result<config::CheckKind> smtp_of(const wire::Url& url) {
    using config::StartTls;
    HALE_TRY(no_path(url));
    const bool over_tls = url.scheme == "smtps";
    config::SmtpCheck check{.over_tls = over_tls};
    HALE_ASSIGN(const auto said, over_tls ? Parameters::read(url, {}) : Parameters::read(url, {"starttls"}));
    HALE_ASSIGN(check.starttls, said.word<StartTls>("starttls", StartTls::none, {{"none", StartTls::none}, {"required", StartTls::required}}));
    return check;
}

Result<config::CheckKind> dns_of(const wire::Url& url) {
    using config::DnsTransport;
    constexpr unsigned most_rcode = 5;  // REFUSED, as in the configuration.
    HALE_ASSIGN(const auto said, Parameters::read(url, {"type", "rcode", "transport"}));
    config::DnsCheck check;
    check.name = url.path.empty() ? "" : url.path.substr(1);
    if (!wire::is_dns_name(check.name))
        return fail(Code::invalid, fmt::format("dns: \"{}\" is no name that DNS can carry; write dns://SERVER/NAME", escaped(check.name, 60)));
    const std::string type = said.text("type", "A"), rcode = said.text("rcode", "NOERROR");
    const auto record = wire::parse_dns_type(type);
    if (!record) return fail(Code::invalid, fmt::format("type={}: not a type of records known here; allowed: A, AAAA, CNAME, MX, TXT, NS, SRV, PTR, SOA", escaped(type, 40)));
    const auto code = wire::parse_dns_rcode(rcode);
    if (!code || *code > most_rcode)
        return fail(Code::invalid, fmt::format("rcode={}: not a code that a query is answered with; allowed: NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED", escaped(rcode, 40)));
    check.record = *record;
    check.rcode = static_cast<std::uint8_t>(*code);
    HALE_ASSIGN(check.transport, said.word<DnsTransport>("transport", DnsTransport::udp, {{"udp", DnsTransport::udp}, {"tcp", DnsTransport::tcp}}));
    return check;
}

Result<config::CheckKind> kind_of(const wire::Url& url) {
    if (url.scheme.starts_with("redis")) return redis_of(url);
    if (url.scheme.starts_with("postgres")) return postgres_of(url);
    if (url.scheme.starts_with("smtp")) return smtp_of(url);
    if (url.scheme == "dns") return dns_of(url);
    HALE_TRY(no_path(url));
    HALE_TRY(Parameters::read(url, {}));
    return config::TlsCheck{};
}

bool has_users(std::string_view scheme) { return scheme.starts_with("redis") || scheme.starts_with("postgres"); }

}  // namespace

bool Subject::takes_password() const { return std::holds_alternative<config::RedisCheck>(what) || std::holds_alternative<config::PostgresCheck>(what); }

bool Subject::speaks_tls() const {
    if (const auto* redis = std::get_if<config::RedisCheck>(&what)) return redis->over_tls;
    if (const auto* postgres = std::get_if<config::PostgresCheck>(&what)) return postgres->tls != config::PostgresTls::off;
    if (const auto* smtp = std::get_if<config::SmtpCheck>(&what)) return smtp->over_tls || smtp->starttls == config::StartTls::required;
    return std::holds_alternative<config::TlsCheck>(what) || (std::holds_alternative<config::HttpCheck>(what) && target.tls);
}

void set_password(Subject& subject, std::string password) {
    if (auto* redis = std::get_if<config::RedisCheck>(&subject.what)) redis->password = std::move(password);
    else if (auto* postgres = std::get_if<config::PostgresCheck>(&subject.what)) postgres->password = std::move(password);
}

Result<Subject> subject_of(std::string_view text) {
    if (text.starts_with("tcp://")) {
        HALE_ASSIGN(auto target, config::Target::parse(text.substr(6)));
        return Subject{std::move(target), config::TcpCheck{}};
    }
    if (text.starts_with("unix:")) {
        HALE_ASSIGN(auto target, config::Target::parse(text));
        return Subject{std::move(target), config::HttpCheck{}};
    }
    HALE_ASSIGN(const wire::Url url, wire::parse_url(text.contains("://") ? std::string(text) : fmt::format("http://{}", text)));
    const auto usual = std::ranges::find(usual_ports, url.scheme, &std::pair<std::string_view, std::uint16_t>::first);
    const bool http = url.scheme == "http" || url.scheme == "https";
    if (!http && usual == std::end(usual_ports)) return fail(Code::invalid, fmt::format("{}: no such kind of target; allowed: {}", redacted_url(text), schemes));
    if (has_users(url.scheme) && url.userinfo.contains(':'))
        return fail(Code::invalid, "a password in a URL is seen by everybody who lists processes; write USER@ alone, and --password file:PATH or env:NAME");
    if (!has_users(url.scheme) && !url.userinfo.empty())
        return fail(Code::invalid, fmt::format("user and password in a URL of {} are not supported by this version", url.scheme));
    if (http) {
        HALE_ASSIGN(auto target, config::Target::parse(fmt::format("{}://{}", url.scheme, url.authority())));
        return Subject{std::move(target), config::HttpCheck{.path = url.origin_form()}};
    }
    HALE_ASSIGN(auto target, config::Target::parse(fmt::format("{}:{}", url.host, url.port.value_or(usual->second))));
    HALE_ASSIGN(auto what, kind_of(url));
    return Subject{std::move(target), std::move(what)};
}

}  // namespace hale::cli
