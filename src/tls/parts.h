// OpenSSL's side of credentials and of what is said of certificates. For the sources of this folder alone.

#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "tls/credentials.h"
#include "tls/openssl.h"
#include "tls/stream.h"

namespace hale::tls {

struct Credentials::Parts {
    CertificatePtr certificate;
    std::vector<CertificatePtr> chain;  // The rest, as given.
    KeyPtr key;
};

std::vector<std::string> names_of(X509* certificate);
std::string issuer_of(X509* certificate);
std::string fingerprint_of(X509* certificate);
std::string subject_of(X509* certificate);
std::string key_pin_of(X509* certificate);
io::PeerCertificate facts_of(X509* certificate);
Utc time_of(const ASN1_TIME* time);

}  // namespace hale::tls
