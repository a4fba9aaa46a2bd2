// OpenSSL's objects with owners, and its errors as sentences. For the sources of this folder alone: no header that
// others include names an OpenSSL type.

#pragma once

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace hale::tls {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};

using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;

// What OpenSSL says of the last failure on this thread, without numbers, file names and routine names:
// "certificate has expired". Empties its queue. `otherwise` when it says nothing.
std::string openssl_sentence(std::string_view otherwise);

}  // namespace hale::tls
