// A certificate chain with its private key, read from PEM and tested: what a listener shows, and what a client of
// mutual TLS shows. Immutable and shared; a renewed one is another object.
//
// Refused, each with its own sentence: no certificate in the text, text cut off, a key that is encrypted, missing or
// another certificate's, a certificate that has expired or is not valid yet. Whether the names fit a route is the
// caller's question (covers()).

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hale::tls {

enum class KeyKind : std::uint8_t { ecdsa, rsa, other };

class Credentials {
public:
    struct Parts;  // OpenSSL's side of it, for this folder.

    // `what` names the source in errors: a file, "certificate of www.example".
    static Result<std::shared_ptr<const Credentials>> parse(std::string_view chain_pem, std::string_view key_pem, std::string_view what, Utc now);
    // Self-signed, for a host that is served before it has a certificate: issuer and subject say that it is made up.
    static Result<std::shared_ptr<const Credentials>> make_up(const std::string& name, Utc now);
    ~Credentials();
    Credentials(const Credentials&) = delete;
    Credentials& operator=(const Credentials&) = delete;

    // Names and addresses of the subject alternative name, in lower case: "www.example", "*.example", "10.0.0.7".
    const std::vector<std::string>& names() const { return names_; }
    // Exact, or by one level of wildcard (RFC 6125 §6.4.3).
    bool covers(std::string_view host) const;
    KeyKind key_kind() const { return kind_; }
    Utc not_before() const { return not_before_; }
    Utc not_after() const { return not_after_; }
    const std::string& issuer() const { return issuer_; }
    // SHA-256 of the certificate, in hex.
    const std::string& fingerprint() const { return fingerprint_; }
    bool made_up() const { return made_up_; }
    const Parts& parts() const { return *parts_; }

private:
    Credentials();

    std::unique_ptr<Parts> parts_;
    std::vector<std::string> names_;
    bool made_up_ = false;
    KeyKind kind_ = KeyKind::other;
    Utc not_before_{}, not_after_{};
    std::string issuer_, fingerprint_;
};

// Can it be shown? As Credentials::parse has it.
Result<> works(std::string_view chain_pem, std::string_view key_pem, const std::string& what, Utc now);
// Can it say whom to believe?
Result<> authorities_work(std::string_view ca_pem, const std::string& what);

// "*.example" covers "www.example", not "example" nor "a.b.example".
bool name_covers(std::string_view pattern, std::string_view host);

}  // namespace hale::tls
