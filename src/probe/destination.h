// Where a probe goes and whom it asks for there: the one place where a check's address is computed from what
// is routed. Kept small, for every watched instance has one.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "config/check_spec.h"
#include "config/target.h"

namespace hale::probe {

// What an address alone doesn't say. Shared by all instances that say the same.
struct Naming {
    std::string name;  // To be resolved on each fresh connection, or the path of a unix socket; empty: a literal.
    std::string host;  // What Host says unless the check says its own; empty: name or address with the port.
    std::string tls_name;  // Over TLS: who is asked for, and whom the certificate must name; empty: the address.
    bool is_unix = false;
    bool usual_port_hidden = false;  // Declared as a URL: Host leaves its scheme's port out.
    bool operator==(const Naming&) const = default;
};

struct Destination {
    Ip ip{};  // Of a literal.
    std::uint16_t port = 0;
    bool tls = false;
    bool trusted = true;                   // Declared in the file.
    std::shared_ptr<const Naming> naming;  // Null for a plain ip:port.

    bool is_name() const { return naming && !naming->name.empty() && !naming->is_unix; }
    bool is_unix() const { return naming && naming->is_unix; }
    // Needs: !is_name().
    SocketAddress address() const;
    bool nowhere() const { return port == 0 && !is_unix(); }

    // The same place as seen by this check, which may have a port of its own.
    Destination for_check(const config::CheckSpec& spec) const;
    // Whom to ask for over TLS.
    std::string tls_name() const { return naming && !naming->tls_name.empty() ? naming->tls_name : ip.text(); }
    // What goes into Host, appended to `out`.
    void append_host(std::string& out, const config::HttpCheck& check) const;
    // "10.0.0.4:3000", "web:3000", "unix:/path": for sentences.
    std::string text() const;

    bool operator==(const Destination& other) const;
};

// `routed`: the very address that is routed; without it a name stays a name. `host`: of the first route.
Destination destination_of(const config::Target& target, const std::optional<SocketAddress>& routed,
                           std::string_view host, bool trusted);

// Hale's own listener, asked for `host`, whose certificate it must show. Without a listener: nowhere, port 0.
Destination proxy_destination(const std::optional<SocketAddress>& listener, std::string_view host, bool tls);

}  // namespace hale::probe
