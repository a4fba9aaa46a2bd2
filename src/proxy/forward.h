// How a head is passed on: what is dropped, what is replaced, what is added. Pure: a parsed head in, bytes
// appended to a buffer.
//
// Fields that pass unchanged are copied as they lie, in whole runs of lines: the parser refused everything
// that two readers could understand differently. Neither Via nor Server is added (backends change their
// answers when they see a Via, and RFC 9110 allows a gateway to stay silent towards clients); a response
// without Date gets one.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/time.h"
#include "wire/http1.h"

namespace hale::proxy {

// Who asks, as far as the connection proves it.
struct Peer {
    Ip ip{};
    std::string text;         // "10.0.0.1", "2001:db8::1"; "unknown" at a unix socket.
    std::string forwarded;    // As in Forwarded's for=: `10.0.0.1`, `"[2001:db8::1]"`, `unknown`.
    bool tls = false;         // The connection is over TLS.
    bool trusted = false;     // One of trusted_proxies: what it says about others is believed.

    static Peer of(const SocketAddress& address, std::span<const Cidr> trusted_proxies);
};

// The client's address: the peer's, or what trusted peers say, read from the right until somebody who is not
// trusted. `spelled` points into the head or at the peer's text.
struct ClientAddress {
    Ip ip{};
    std::string_view spelled;
};
ClientAddress client_address(const wire::RequestHead& head, const Peer& peer, std::span<const Cidr> trusted_proxies);

inline constexpr std::size_t most_request_id_bytes = 128;
// Letters, digits, '-', '_', '.', at most 128: what may be copied into logs and headers without a thought.
bool valid_request_id(std::string_view id);

struct RequestChanges {
    std::string_view target;  // What to ask the upstream for.
    std::string_view host;    // Host to send; X-Forwarded-Host says the client's.
    std::string_view request_id;
    std::string_view without = {};  // The name of a field that was meant for us.
};
// Appends the whole head, empty line included. Says where the Host value lies, so that a second try at an
// instance with a name of its own can replace it.
struct HostPlace {
    std::size_t at = 0;
    std::size_t size = 0;
};
HostPlace append_request(std::string& out, const wire::RequestHead& head, const Peer& peer, const RequestChanges& changes);

enum class ClientBody : std::uint8_t {
    none,
    as_is,    // The bytes pass with the framing they came in.
    chunked,  // Length unknown to a client that understands chunks.
    bare,     // Chunks taken off: ends with the connection, for HTTP/1.0.
};

struct ResponseChanges {
    ClientBody body = ClientBody::none;
    bool keep_alive = true;
    std::uint8_t client_minor = 1;
    std::string_view panic;  // Hale-Panic, when not empty.
    std::string_view date;   // For a response that has none.
    std::uint32_t hsts = 0;  // Seconds of Strict-Transport-Security, for a response that has none; 0: it is not sent.
};
void append_response(std::string& out, const wire::ResponseHead& head, const ResponseChanges& changes);
void append_hsts(std::string& out, std::uint32_t seconds);
// 1xx: status line and end-to-end fields; 101 keeps Upgrade.
void append_interim(std::string& out, const wire::ResponseHead& head);

// The request target without the first `prefix` characters of its path as matched. The original bytes stay.
void append_stripped(std::string& out, std::string_view target, std::size_t prefix);

}  // namespace hale::proxy
