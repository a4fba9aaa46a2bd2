// Keys and what is signed with them: an account's requests (JWS, RFC 7515), certificate requests (PKCS #10), and the
// certificate that proves a host by TLS-ALPN-01. All ECDSA on P-256. No type of OpenSSL's outside the source.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"

namespace hale::acme {

// The key by which an authority knows an account. A value that can be copied; its secret leaves it by pem() alone.
class AccountKey {
public:
    struct Inside;
    static Result<AccountKey> generate();
    static Result<AccountKey> parse(std::string_view pem);

    std::string pem() const;
    std::string jwk() const;         // Public, in the form that thumbprints are taken of (RFC 7638).
    std::string thumbprint() const;  // Base 64 for URLs.
    // Signature in JWS's form (r and s), base 64 for URLs. Empty when OpenSSL fails.
    std::string sign(std::string_view text) const;

private:
    explicit AccountKey(std::shared_ptr<const Inside> inside) : inside_(std::move(inside)) {}
    std::shared_ptr<const Inside> inside_;
};

// One signed request body. Empty when signing failed.
struct Letter {
    std::string url, nonce;
    std::string account;  // URL of the account; empty: the key itself is in the letter.
    std::string payload;  // JSON; empty for POST-as-GET.
};
std::string signed_letter(const AccountKey& key, const Letter& letter);

// The account an authority's customer has elsewhere (RFC 8555 §7.3.4): HMAC with the key they were given (raw bytes).
std::string external_binding(const AccountKey& key, std::string_view url, std::string_view key_id, std::string_view secret);

std::string key_authorization(const AccountKey& key, std::string_view token);
// Base 64 for URLs of SHA-256: the TXT record of dns-01.
std::string dns_value(std::string_view key_authorization);

// A new key and a request for a certificate of these names.
struct CertificateRequest {
    std::string key_pem;
    std::string der;
};
Result<CertificateRequest> request_certificate(std::span<const std::string> names);

// Self-signed, with its key. With a key authorization: the proof of RFC 8737. Without: what is shown while there is
// nothing better.
struct SelfSigned {
    std::string certificate_pem, key_pem;
};
Result<SelfSigned> self_signed(const std::string& host, Utc now, std::string_view key_authorization = {});

// From when until when the first certificate of the text is valid; nothing when it can't be read.
std::optional<std::pair<Utc, Utc>> lifetime(std::string_view chain_pem);

// By which a certificate is known to renewalInfo (RFC 9773 §4.1); empty when it can't be told.
std::string renewal_id(std::string_view chain_pem);

}  // namespace hale::acme
