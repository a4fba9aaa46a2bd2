#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "config/check_spec.h"
#include "config/service_spec.h"
#include "config/target.h"

namespace hale::config {

namespace {

// Letters, digits, hyphens, underscores and dots: what resolvers take. Underscores occur in container names.
bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 253 && text.front() != '-' && text.front() != '.' &&
           std::ranges::all_of(text, [](char c) {
               const char l = lower(c);
               return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_' || l == '.';
           });
}

struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};

std::optional<HostPort> host_port(std::string_view text) {
    HostPort out;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.host = text.substr(1, end - 1);
        const auto ip = Ip::parse(out.host);
        if (!ip || !out.host.contains(':')) return std::nullopt;
        rest = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        out.host = lower(text.substr(0, colon));
        if (!is_name(out.host)) return std::nullopt;
        rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    }
    if (rest.empty()) return out;
    const auto port = rest[0] == ':' ? parse_unsigned(rest.substr(1)) : std::nullopt;
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    out.port = static_cast<std::uint16_t>(*port);
    return out;
}

}  // namespace

Result<Target> Target::parse(std::string_view text) {
    Target target;
    target.declared = text;
    const auto refuse = [&](std::string_view what) {
        return fail(Code::invalid, fmt::format("address \"{}\": {}; allowed: ip:port, [v6]:port, name:port, "
                                               "http(s)://name[:port], unix:/path",
                                               escaped(text), what));
    };
    if (text.starts_with("unix:")) {
        const auto address = SocketAddress::parse(text);
        if (!address || !address->path.starts_with("/")) return refuse("a socket path is absolute and at most 107 bytes");
        target.literal = *address;
        return target;
    }
    std::string_view authority = text;
    std::optional<std::uint16_t> default_port;
    if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
        const std::string name = lower(text.substr(0, scheme));
        if (name != "http" && name != "https") return refuse("the scheme is not one that can be checked");
        target.url = true;
        target.tls = name == "https";
        default_port = static_cast<std::uint16_t>(target.tls ? 443 : 80);
        authority = text.substr(scheme + 3);
        if (authority.ends_with('/')) authority.remove_suffix(1);
        if (authority.contains('/') || authority.contains('?') || authority.contains('#'))
            return refuse("an address has no path; the path belongs to the check");
        if (authority.contains('@')) return refuse("credentials belong into the check's headers");
    }
    const auto parsed = host_port(authority);
    if (!parsed) return refuse("not a host with a port from 1 to 65535");
    if (!parsed->port && !default_port) return refuse("the port is missing");
    target.port = parsed->port ? *parsed->port : *default_port;
    if (const auto ip = Ip::parse(parsed->host)) target.literal = SocketAddress{*ip, target.port, {}};
    else target.host = parsed->host;
    return target;
}

Result<Target> dns_server(std::string_view text) {
    constexpr std::uint16_t usual_port = 53;
    auto target = Target::parse(text);
    if (!target) {
        auto at_usual_port = Target::parse(fmt::format("{}:{}", text, usual_port));
        if (!at_usual_port) return target;
        target = std::move(at_usual_port);
        target->declared = text;
    }
    if (target->url || (target->literal && target->literal->is_unix()))
        return fail(Code::invalid, fmt::format("address \"{}\": not where a DNS server is", escaped(text)));
    return target;
}

std::string Target::authority() const {
    if (literal && literal->is_unix()) return "localhost";
    std::string name = literal ? literal->ip.text() : host.str();
    if (name.contains(':')) name = fmt::format("[{}]", name);
    const bool usual = url && port == (tls ? 443 : 80);
    return usual ? name : fmt::format("{}:{}", name, port);
}

std::string_view to_text(Owner owner) {
    switch (owner) {
        case Owner::file: return "file";
        case Owner::api: return "api";
        case Owner::labels: return "labels";
    }
    return "";
}

std::string_view to_text(HealPolicy policy) {
    switch (policy) {
        case HealPolicy::none: return "none";
        case HealPolicy::restart: return "restart";
        case HealPolicy::replace: return "replace";
    }
    return "";
}

std::string Mark::text() const {
    if (line == 0) return file.str();
    return fmt::format("{}:{}:{}", file, line, column);
}

std::string_view CheckSpec::kind() const {
    struct Name {
        std::string_view operator()(const HttpCheck&) const { return "http"; }
        std::string_view operator()(const TcpCheck&) const { return "tcp"; }
        std::string_view operator()(const ExecCheck&) const { return "exec"; }
        std::string_view operator()(const HeartbeatCheck&) const { return "heartbeat"; }
        std::string_view operator()(const CompositeCheck&) const { return "composite"; }
        std::string_view operator()(const Unchecked&) const { return "none"; }
        std::string_view operator()(const TlsCheck&) const { return "tls"; }
        std::string_view operator()(const RedisCheck&) const { return "redis"; }
        std::string_view operator()(const PostgresCheck&) const { return "postgres"; }
        std::string_view operator()(const SmtpCheck&) const { return "smtp"; }
        std::string_view operator()(const DnsCheck&) const { return "dns"; }
        std::string_view operator()(const ContainerCheck&) const { return "docker"; }
    };
    return std::visit(Name{}, what);
}

bool CheckSpec::probes() const {
    return !std::holds_alternative<HeartbeatCheck>(what) && !std::holds_alternative<CompositeCheck>(what) && !std::holds_alternative<Unchecked>(what) &&
           !std::holds_alternative<ContainerCheck>(what);
}

bool CheckSpec::connects() const {
    const auto* dns = std::get_if<DnsCheck>(&what);
    return probes() && !std::holds_alternative<ExecCheck>(what) && !(dns != nullptr && dns->server);
}

bool CheckSpec::through_proxy() const {
    const auto* http = std::get_if<HttpCheck>(&what);
    return http != nullptr && http->via == Via::proxy;
}

std::string CheckSpec::question() const {
    // Lengths before texts, so that no two different questions spell the same.
    std::string out{kind()};
    const auto add = [&out](std::string_view text) { out += fmt::format("|{}:{}", text.size(), text); };
    if (port) add(fmt::format("port {}", *port));
    if (const auto* http = std::get_if<HttpCheck>(&what)) {
        add(http->method), add(http->path), add(http->host), add(http->body);
        for (const auto& [header, value] : http->headers) add(lower(header)), add(value);
        add(fmt::format("{} {} {} {}", std::to_underlying(http->redirect), http->max_redirects,
                        std::to_underlying(http->read), http->body_limit));
        if (http->via == Via::proxy) add("via proxy");
    } else if (const auto* tcp = std::get_if<TcpCheck>(&what)) {
        add(tcp->send), add(tcp->expect_bytes);
    } else if (const auto* redis = std::get_if<RedisCheck>(&what)) {
        add(redis->username), add(redis->password);
        add(fmt::format("{} {}", std::to_underlying(redis->role), redis->over_tls));
    } else if (const auto* postgres = std::get_if<PostgresCheck>(&what)) {
        add(postgres->user), add(postgres->password), add(postgres->database), add(postgres->query);
        add(fmt::format("{} {}", std::to_underlying(postgres->tls), std::to_underlying(postgres->role)));
    } else if (const auto* smtp = std::get_if<SmtpCheck>(&what)) {
        add(fmt::format("{} {}", std::to_underlying(smtp->starttls), smtp->over_tls));
    } else if (const auto* dns = std::get_if<DnsCheck>(&what)) {
        add(dns->name);
        if (dns->server) add(fmt::format("at {}", dns->server->declared.view()));
        for (const auto& answer : dns->answer) add(answer);
        add(fmt::format("{} {} {}", std::to_underlying(dns->record), dns->rcode, std::to_underlying(dns->transport)));
    } else if (const auto* exec = std::get_if<ExecCheck>(&what)) {
        for (const auto& argument : exec->arguments) add(argument);
        add(exec->user);
    } else if (const auto* heartbeat = std::get_if<HeartbeatCheck>(&what)) {
        add("heartbeat");
        (void)heartbeat;  // Its period is timing, not question.
    } else if (const auto* composite = std::get_if<CompositeCheck>(&what)) {
        for (const auto& member : composite->of) add(member);
        add("advisory");
        for (const auto& member : composite->advisory) add(member);
        add(fmt::format("{} {}", std::to_underlying(composite->need), composite->quorum));
    }
    if (tls) {
        add(fmt::format("tls {}", tls->verify));
        for (const auto& text : {tls->ca_pem, tls->name, tls->certificate_pem, tls->key_pin}) add(text);
        for (const auto& protocol : tls->alpn) add(protocol);
    }
    for (const auto& text : expect_text) add(text);
    return out;
}

bool same(const CheckSpec& a, const CheckSpec& b) {
    return a.name == b.name && a.what == b.what && a.timing == b.timing && a.connection == b.connection &&
           a.port == b.port && a.critical == b.critical && a.scope == b.scope && a.expect_text == b.expect_text &&
           same_behind(a.tls, b.tls) && same_behind(a.tls_behind, b.tls_behind);
}

bool same(const CheckList& a, const CheckList& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x == y || same(*x, *y); });
}

}  // namespace hale::config
