// TLS as those see it who speak over it: a stream that also says how it was secured, and the doors that make one over
// another stream. No type of any TLS library; `tls` implements them, `app` hands them in.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/stream.h"

namespace hale::io {

// Of the other side's certificate, whether or not it was believed.
struct PeerCertificate {
    std::vector<std::string> names;  // Subject alternative names, in lower case: "www.example", "*.example", "10.0.0.7".
    std::string subject, issuer;
    std::string fingerprint;  // SHA-256 of the certificate, in hex.
    std::string key_pin;      // SHA-256 of its public key (RFC 7469), in hex.
    Utc not_before{}, not_after{};
};

// As stream.h has it for a connect, the first notice says writable, and then connect_error() is 0 or not: here, after
// the handshake. It is EPROTO where TLS failed, else the connection's own errno.
class SecureStream : public Stream {
public:
    // Over a stream that was connected before, which brings no notice of that any more: the handshake begins in the next turn.
    virtual void begin() = 0;
    virtual bool established() const = 0;
    // In words: "certificate verify failed: certificate has expired". Empty while nothing failed.
    virtual const std::string& failure() const = 0;
    // After the handshake.
    virtual std::string_view alpn() const = 0;
    virtual std::string_view version() const = 0;      // "TLSv1.3"
    virtual std::string_view server_name() const = 0;  // What the client asked for.
    virtual bool resumed() const = 0;
    virtual std::optional<PeerCertificate> peer_certificate() const = 0;
    // Its last moment alone, which is cheap to ask for.
    virtual std::optional<Utc> peer_valid_until() const = 0;
    // It was shown, and signed by whom we believe.
    virtual bool peer_verified() const = 0;
    // After a failed handshake: the other side spoke plain HTTP. Then the stream below may be had, to say so there; this one
    // is over.
    virtual bool met_plain_http() const = 0;
    virtual std::unique_ptr<Stream> take_inner() = 0;
};

// How to connect: whom to believe, as whom to come, what to speak.
class ClientTls {
public:
    virtual ~ClientTls() = default;
    // `name`: sent as SNI unless it is an address, and what the certificate must be for. Null when memory is out.
    virtual std::unique_ptr<SecureStream> secure(Loop& loop, std::unique_ptr<Stream> inner, const std::string& name) const = 0;
};

inline constexpr Duration usual_expiry_warning = 24h * 14;

// What a check or a service says of connecting over TLS. A value; files have been read.
struct TlsSpec {
    bool verify = true;
    std::string ca_pem;             // Whom to believe; empty: those whom this machine believes.
    std::string name;               // Asked for and looked for in the certificate; empty: the target's own.
    std::vector<std::string> alpn;  // Empty: none is offered.
    std::string certificate_pem, key_pem;  // As whom to come; empty: as nobody.
    std::string key_pin;            // The certificate's key must have this SHA-256 (hex); empty: any.
    Duration expiry_warning = usual_expiry_warning;  // A probe warns when the certificate ends sooner.
    bool operator==(const TlsSpec&) const = default;
};

// Makes doors and keeps those in use. Belongs to one thread.
class TlsDoors {
public:
    virtual ~TlsDoors() = default;
    // Null: verified against what this machine believes. Fails when what the spec names can't be used.
    virtual Result<std::shared_ptr<const ClientTls>> client(const std::shared_ptr<const TlsSpec>& spec) = 0;
};

// What a listener knows of the hosts that clients name. Asked during handshakes, on the listener's loop.
class TlsHosts {
public:
    virtual ~TlsHosts() = default;
    struct Host {
        bool served = false;
        const std::string* client_ca_pem = nullptr;  // Who signs its clients' certificates; null: they are not asked for.
    };
    // `name` in lower case; what is pointed at stays for the call.
    virtual Host host(std::string_view name) const = 0;
};

// How to be connected to.
class ServerTls {
public:
    virtual ~ServerTls() = default;
    // With hosts: one that is served without a certificate gets a made-up one, others without are refused. Outlives the
    // streams made afterwards; null: whoever is asked for, the first certificate answers for it.
    virtual void set_hosts(const TlsHosts* hosts) = 0;
    // Null when memory is out.
    virtual std::unique_ptr<SecureStream> accept(Loop& loop, std::unique_ptr<Stream> inner) = 0;
};

}  // namespace hale::io
