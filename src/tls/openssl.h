// OpenSSL's objects with owners, and its errors as sentences. For the sources of this folder alone: no header that
// others include names an OpenSSL type.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/freed.h"
#include "base/result.h"

namespace hale::tls {

using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;

// What every context of ours has: TLS 1.2 at least, no renegotiation, no compression, buffers given back while idle.
void set_usual(SSL_CTX* context, bool tls12 = true);
// A list of protocols as ALPN sends it (RFC 7301 §3.1): a length before each.
std::string alpn_list(const std::vector<std::string>& protocols);
// Certificates in order. An end of the text within a block is an error, an end between blocks is none, and so is a text
// without any.
Result<std::vector<CertificatePtr>> certificates_in(std::string_view pem, std::string_view what);

// What OpenSSL says of the last failure on this thread, without numbers, file names and routine names:
// "certificate has expired". Empties its queue. `otherwise` when it says nothing.
std::string openssl_sentence(std::string_view otherwise);

}  // namespace hale::tls
