#include "probe/destination.h"

#include <fmt/format.h>

#include <iterator>

namespace hale::probe {

namespace {
constexpr std::uint16_t usual_port = 80;
constexpr std::uint16_t usual_tls_port = 443;
}

SocketAddress Destination::address() const {
    if (is_unix()) return SocketAddress{.path = naming->name};
    return SocketAddress{.ip = ip, .port = port};
}

Destination Destination::for_check(const config::CheckSpec& spec) const {
    if (const auto* dns = std::get_if<config::DnsCheck>(&spec.what); dns != nullptr && dns->server)
        return destination_of(*dns->server, dns->server->literal, "", trusted);
    Destination out = *this;
    if (spec.port && !is_unix()) out.port = *spec.port;
    return out;
}

void Destination::append_host(std::string& out, const config::HttpCheck& check) const {
    if (!check.host.empty()) {
        out += check.host;
        return;
    }
    if (naming && !naming->host.empty()) {
        out += naming->host;
        return;
    }
    if (is_unix()) {
        out += "localhost";
        return;
    }
    if (is_name()) {
        out += naming->name;
    } else if (ip.is_v4()) {
        out += ip.text();
    } else {
        out += '[';
        out += ip.text();
        out += ']';
    }
    if (port != (tls ? usual_tls_port : usual_port) || !naming || !naming->usual_port_hidden)
        fmt::format_to(std::back_inserter(out), ":{}", port);
}

std::string Destination::text() const {
    if (is_name()) return fmt::format("{}:{}", naming->name, port);
    return address().text();
}

bool Destination::operator==(const Destination& other) const {
    const bool same_naming = naming == other.naming || (naming && other.naming && *naming == *other.naming);
    return ip == other.ip && port == other.port && tls == other.tls && trusted == other.trusted && same_naming;
}

Destination destination_of(const config::Target& target, const std::optional<SocketAddress>& routed,
                           std::string_view host, bool trusted) {
    Destination out;
    out.tls = target.tls;
    out.trusted = trusted;
    Naming naming;
    naming.host = host;
    const std::optional<SocketAddress>& fixed = routed ? routed : target.literal;
    if (fixed && fixed->is_unix()) {
        naming.name = fixed->path;
        naming.is_unix = true;
    } else if (fixed) {
        out.ip = fixed->ip;
        out.port = fixed->port;
        // A routed name is asked for by its name, at the address that is routed.
        if (naming.host.empty() && !target.literal && !target.host.empty()) naming.host = target.authority();
    } else {
        naming.name = target.host;
        out.port = target.port;
    }
    naming.usual_port_hidden = target.url;
    // Also where the check alone knows of TLS.
    naming.tls_name = target.host.view();
    if (naming != Naming{}) out.naming = std::make_shared<const Naming>(std::move(naming));
    return out;
}

Destination proxy_destination(const std::optional<SocketAddress>& listener, std::string_view host, bool tls) {
    Destination out;
    if (!listener) return out;
    out.tls = tls;
    Naming naming;
    naming.host = host;
    naming.tls_name = host.substr(0, host.starts_with('[') ? host.npos : host.find(':'));
    if (listener->is_unix()) naming.name = listener->path, naming.is_unix = true;
    else out.ip = listener->ip, out.port = listener->port;
    out.naming = std::make_shared<const Naming>(std::move(naming));
    return out;
}

}  // namespace hale::probe
