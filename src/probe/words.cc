#include "probe/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "verdict/error_rule.h"

namespace hale::probe {

namespace {

bool name_character(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_' || l == '.';
}

// Copies `text`, replacing what follows a secret-looking name and `=`, `:` or `":"` by ***, up to the next
// delimiter.
std::string without_secrets(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    std::size_t at = 0;
    while (at < text.size()) {
        if (!name_character(text[at])) {
            out += text[at++];
            continue;
        }
        const std::size_t begin = at;
        while (at < text.size() && name_character(text[at])) ++at;
        const std::string_view name = text.substr(begin, at - begin);
        out += name;
        std::size_t after = at;
        if (after < text.size() && (text[after] == '"' || text[after] == '\'')) ++after;
        while (after < text.size() && text[after] == ' ') ++after;
        if (after >= text.size() || (text[after] != '=' && text[after] != ':') || !looks_secret(name)) continue;
        ++after;
        while (after < text.size() && text[after] == ' ') ++after;
        const bool quoted = after < text.size() && (text[after] == '"' || text[after] == '\'');
        const char quote = quoted ? text[after++] : '\0';
        out += text.substr(at, after - at);
        out += "***";
        while (after < text.size()) {
            const char c = text[after];
            // "Authorization: Bearer x" is a secret to the end of its line.
            if (quoted ? c == quote : c == '&' || c == ',' || c == ';' || c == '\r' || c == '\n' || c == '}') break;
            ++after;
        }
        at = after;
    }
    return out;
}

}  // namespace

std::string asked(const Plan& plan, const Destination& to, const SocketAddress& met) {
    if (const auto* exec = plan.exec()) return fmt::format("exec {}", shown_command(exec->arguments));
    if (const auto* heartbeat = plan.heartbeat())
        return fmt::format("heartbeat every {} (grace {})", human(heartbeat->every), human(heartbeat->grace));
    if (plan.composite()) return fmt::format("composite {}", plan.spec->name);
    if (plan.container()) return "container";
    std::string place = to.text();
    if (to.is_name() && met.ip != Ip{}) place = fmt::format("{} ({})", place, met.ip.text());
    if (const auto* http = plan.http()) {
        if (to.is_name() && met.ip != Ip{})
            return fmt::format("{} http{}://{}{} at {}", http->method, to.tls ? "s" : "", to.text(), plan.shown_path,
                               met.ip.text());
        const auto through = http->via == config::Via::proxy && to.naming && !to.naming->host.empty()
                                 ? fmt::format(" for {} through the proxy", to.naming->host) : std::string{};
        return fmt::format("{} http{}://{}{}{}", http->method, to.tls ? "s" : "", place, plan.shown_path, through);
    }
    if (const auto* dns = plan.dns()) return fmt::format("dns {} {} at {}", dns->name, wire::dns_type_name(dns->record), place);
    return fmt::format("{} {}", plan.spec->kind(), place);
}

namespace {

// What a pass of that kind means, beside the time it took.
std::string passed(const Plan& plan) {
    if (plan.exec()) return "passed";
    if (const auto* redis = plan.redis()) {
        if (redis->role == config::RedisRole::any) return "PONG";
        return redis->role == config::RedisRole::master ? "PONG of a master" : "PONG of a replica";
    }
    if (const auto* postgres = plan.postgres()) {
        constexpr std::size_t most_shown = 40;
        const std::string query = postgres->query.size() <= most_shown ? escaped(postgres->query) : "the query";
        if (postgres->role == config::PostgresRole::any) return fmt::format("{} answered", query);
        return fmt::format("{} answered by a {}", query, postgres->role == config::PostgresRole::primary ? "primary" : "standby");
    }
    if (const auto* smtp = plan.smtp()) return smtp->starttls == config::StartTls::required ? "EHLO answered over TLS" : "EHLO answered";
    return "connected";
}

}  // namespace

std::string told(const Plan& plan, const Destination& to, const verdict::Observation& seen) {
    if (!seen.text.empty() || seen.outcome != verdict::Outcome::pass) return seen.text;
    const std::string question = asked(plan, to, seen.address);
    if (seen.status != 0) return fmt::format("{}: status {} in {}", question, seen.status, human(seen.timings.total));
    if (seen.timings.total < Duration{0}) return fmt::format("{}: as it should be", question);
    return fmt::format("{}: {} in {}", question, passed(plan), human(seen.timings.total));
}

std::string evidence(std::string_view text) {
    // A secret may begin before the cut and end behind it: hide first, cut then.
    std::string out = escaped(without_secrets(text.substr(0, evidence_limit * 4)), evidence_limit);
    if (out.size() <= evidence_limit) return out;
    constexpr std::string_view more = "…";
    std::size_t cut = evidence_limit - more.size();
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80) --cut;  // Not inside a character.
    out.resize(cut);
    out += more;
    return out;
}

std::string shown_command(const std::vector<std::string>& arguments) {
    std::string out;
    for (const std::string& argument : arguments) {
        if (!out.empty()) out += ' ';
        out += escaped(argument);
        if (argument == "--") {
            out += " ***";
            break;
        }
    }
    return out;
}

ConnectFault connect_fault(int error, bool has_default_route) {
    using verdict::Reason;
    if (verdict::our_fault(error, has_default_route)) return {Reason::check_error, true};
    switch (error) {
        case ECONNREFUSED:
        case ENOENT:
            return {Reason::connect_refused, false};  // ENOENT: nobody made the unix socket.
        case ETIMEDOUT:
            return {Reason::connect_timeout, false};
        case ECONNRESET:
        case EPIPE:
            return {Reason::connect_reset, false};
        default:
            return {Reason::connect_failed, false};
    }
}

}  // namespace hale::probe
