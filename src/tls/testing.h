// An authority of the tests' own, and certificates of it for any names and times.

#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <string>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "tls/openssl.h"

namespace hale::tls {

struct Issued {
    std::string chain, key;
};

inline KeyPtr new_key(bool rsa = false) { return KeyPtr(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")); }

inline std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(size)};
}

inline std::string pem_of(X509* certificate) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate);
    return text_of(out.get());
}

inline std::string pem_of(EVP_PKEY* key, const char* pass_phrase = nullptr) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(out.get(), key, pass_phrase != nullptr ? EVP_aes_256_cbc() : nullptr, nullptr, 0, nullptr, const_cast<char*>(pass_phrase));
    return text_of(out.get());
}

class Authority {
public:
    explicit Authority(Utc now, const std::string& name = "CN=Test Authority") : now_(now), key_(new_key()), certificate_(make(name.c_str(), *key_, now - 24h, now + 24h * 3650, {}, nullptr)) {}

    std::string pem() const { return pem_of(certificate_.get()); }

    struct Wanted {
        std::vector<std::string> names;  // "DNS:www.example", "IP:10.0.0.7"
        Duration from = -1h, until = 24h * 90;
        bool rsa = false;
    };
    Issued issue(const Wanted& wanted) {
        const KeyPtr key = new_key(wanted.rsa);
        const CertificatePtr made = make("CN=leaf", *key, now_ + wanted.from, now_ + wanted.until, wanted.names, certificate_.get());
        return {pem_of(made.get()), pem_of(key.get())};
    }

private:
    CertificatePtr make(const char* name, EVP_PKEY& key, Utc from, Utc until, const std::vector<std::string>& names, X509* above) {
        CertificatePtr made(X509_new());
        X509* x = made.get();
        X509_set_version(x, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial_);
        const auto seconds = [](Utc at) { return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count(); };
        ASN1_TIME_set(X509_getm_notBefore(x), seconds(from));
        ASN1_TIME_set(X509_getm_notAfter(x), seconds(until));
        X509_set_pubkey(x, &key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name + 3), -1, -1, 0);
        X509* issuer = above != nullptr ? above : x;
        X509_set_issuer_name(x, X509_get_subject_name(issuer));
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, issuer, x, nullptr, nullptr, 0);
        const auto extend = [&](int nid, const std::string& value) {
            X509_EXTENSION* one = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
            HALE_CHECK(one != nullptr);
            X509_add_ext(x, one, -1);
            X509_EXTENSION_free(one);
        };
        extend(NID_basic_constraints, above != nullptr ? "CA:FALSE" : "critical,CA:TRUE");
        std::string list;
        for (const auto& one : names) list += (list.empty() ? "" : ",") + one;
        if (!list.empty()) extend(NID_subject_alt_name, list);
        X509_sign(x, key_.get(), EVP_sha256());
        return made;
    }

    Utc now_;
    long serial_ = 0;
    KeyPtr key_;
    CertificatePtr certificate_;
};

}  // namespace hale::tls
