#include "tls/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace hale::tls {

std::string openssl_sentence(std::string_view otherwise) {
    // The first in the queue is what went wrong; the later ones say who noticed.
    const unsigned long first = ERR_peek_error();
    const char* reason = first != 0 ? ERR_reason_error_string(first) : nullptr;
    std::string sentence(reason != nullptr ? std::string_view(reason) : otherwise);
    ERR_clear_error();
    return sentence;
}

void set_usual(SSL_CTX* context, bool tls12) {
    SSL_CTX_set_min_proto_version(context, tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
}

std::string alpn_list(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& protocol : protocols) {
        wire += static_cast<char>(protocol.size());
        wire += protocol;
    }
    return wire;
}

Result<std::vector<CertificatePtr>> certificates_in(std::string_view pem, std::string_view what) {
    std::vector<CertificatePtr> found;
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    for (;;) {
        ERR_clear_error();
        CertificatePtr one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (one) {
            found.push_back(std::move(one));
            continue;
        }
        const unsigned long error = ERR_peek_last_error();
        const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
        if (at_end && !found.empty()) {
            ERR_clear_error();
            return found;
        }
        if (at_end) {
            ERR_clear_error();
            return fail(Code::invalid, fmt::format("{}: there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)", what));
        }
        return fail(Code::invalid, fmt::format("{}: certificate {} can't be read: {}; is the file complete?", what, found.size() + 1,
                                               openssl_sentence("no PEM")));
    }
}

}  // namespace hale::tls
