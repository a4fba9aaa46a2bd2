#include "acme/keys.h"

#include <fmt/format.h>
#include <openssl/asn1t.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "acme/encoding.h"
#include "base/freed.h"
#include "base/text.h"

namespace hale::acme {

namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, Freed<ASN1_OCTET_STRING_free>>;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, Freed<ASN1_OBJECT_free>>;

constexpr int coordinate_bytes = 32;  // Of P-256.
constexpr Duration self_signed_before = 24h, self_signed_for = 24h * 365;
constexpr const char* acme_identifier = "1.3.6.1.5.5.7.1.31";  // RFC 8737 §6.1.

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
std::string_view view_of(const unsigned char* bytes, std::size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

std::unexpected<Error> cannot(std::string_view what) {
    const unsigned long error = ERR_peek_error();
    const char* reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
    auto failed = fail(Code::internal, fmt::format("can't {}: {}", what, reason != nullptr ? reason : "OpenSSL gives no reason"));
    ERR_clear_error();
    return failed;
}

std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(EVP_PKEY* key) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(out.get());
}

KeyPtr new_key() { return KeyPtr(EVP_EC_gen("P-256")); }

std::string sha256(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    return std::string(view_of(digest.data(), size));
}

std::string coordinate(const EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
    std::array<unsigned char, coordinate_bytes> bytes{};
    BN_bn2binpad(number, bytes.data(), coordinate_bytes);
    BN_free(number);
    return base64url(view_of(bytes.data(), bytes.size()));
}

// One extension from OpenSSL's own notation.
ExtensionPtr extension(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    return ExtensionPtr(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
}

std::string alternative_names(std::span<const std::string> names) {
    std::string text;
    for (const std::string& name : names) text += fmt::format("{}DNS:{}", text.empty() ? "" : ",", name);
    return text;
}

// What goes into OpenSSL's notation of extensions must not be able to say more than a name.
bool plain_name(std::string_view name) {
    if (name.starts_with("*.")) name.remove_prefix(2);
    if (name.empty() || name.size() > 253) return false;
    for (const char c : name)
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_') return false;
    return true;
}

}  // namespace

struct AccountKey::Inside {
    KeyPtr key;
};

Result<AccountKey> AccountKey::generate() {
    auto inside = std::make_shared<Inside>();
    inside->key = new_key();
    if (!inside->key) return cannot("make an account key");
    return AccountKey(std::move(inside));
}

Result<AccountKey> AccountKey::parse(std::string_view pem) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    auto inside = std::make_shared<Inside>();
    // Nobody is asked for a pass phrase.
    inside->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
    if (!inside->key) return cannot("read an account key");
    std::array<char, 32> group{};
    if (EVP_PKEY_get_group_name(inside->key.get(), group.data(), group.size(), nullptr) != 1 || std::string_view(group.data()) != "prime256v1") {
        ERR_clear_error();
        return fail(Code::corrupt, "an account key is not one of P-256");
    }
    return AccountKey(std::move(inside));
}

std::string AccountKey::pem() const { return pem_of(inside_->key.get()); }

std::string AccountKey::jwk() const {
    return fmt::format(R"({{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}})", coordinate(inside_->key.get(), OSSL_PKEY_PARAM_EC_PUB_X),
                       coordinate(inside_->key.get(), OSSL_PKEY_PARAM_EC_PUB_Y));
}

std::string AccountKey::thumbprint() const { return base64url(sha256(jwk())); }

std::string AccountKey::sign(std::string_view text) const {
    const DigestPtr digest(EVP_MD_CTX_new());
    std::array<unsigned char, 128> der{};
    std::size_t size = der.size();
    if (EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, inside_->key.get()) != 1 ||
        EVP_DigestSign(digest.get(), der.data(), &size, bytes_of(text), text.size()) != 1) {
        ERR_clear_error();
        return {};
    }
    const unsigned char* at = der.data();
    const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    if (!signature) return {};
    std::array<unsigned char, std::size_t{2} * coordinate_bytes> raw{};
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), coordinate_bytes);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + coordinate_bytes, coordinate_bytes);
    return base64url(view_of(raw.data(), raw.size()));
}

namespace {
std::string flattened(const std::string& header, std::string_view payload, auto&& sign) {
    const std::string first = base64url(header), second = base64url(payload);
    const std::string signature = sign(fmt::format("{}.{}", first, second));
    if (signature.empty()) return {};
    return fmt::format(R"({{"protected":"{}","payload":"{}","signature":"{}"}})", first, second, signature);
}
}  // namespace

std::string signed_letter(const AccountKey& key, const Letter& letter) {
    nlohmann::json header{{"alg", "ES256"}, {"nonce", letter.nonce}, {"url", letter.url}};
    if (letter.account.empty()) header["jwk"] = nlohmann::json::parse(key.jwk());
    else header["kid"] = letter.account;
    return flattened(header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), letter.payload,
                     [&](const std::string& text) { return key.sign(text); });
}

std::string external_binding(const AccountKey& key, std::string_view url, std::string_view key_id, std::string_view secret) {
    const nlohmann::json header{{"alg", "HS256"}, {"kid", key_id}, {"url", url}};
    return flattened(header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), key.jwk(), [&](const std::string& text) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
        unsigned size = 0;
        if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(text), text.size(), mac.data(), &size) == nullptr) return std::string{};
        return base64url(view_of(mac.data(), size));
    });
}

std::string key_authorization(const AccountKey& key, std::string_view token) { return fmt::format("{}.{}", token, key.thumbprint()); }

std::string dns_value(std::string_view key_authorization) { return base64url(sha256(key_authorization)); }

Result<CertificateRequest> request_certificate(std::span<const std::string> names) {
    for (const std::string& name : names)
        if (!plain_name(name)) return fail(Code::invalid, fmt::format("\"{}\" can't stand in a certificate request", escaped(name, 80)));
    const KeyPtr key = new_key();
    const RequestPtr request(X509_REQ_new());
    if (!key || !request || names.empty()) return cannot("make a certificate request");
    X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
    X509_REQ_set_pubkey(request.get(), key.get());
    const ExtensionPtr alternative = extension(nullptr, NID_subject_alt_name, alternative_names(names));
    if (!alternative) return cannot("name hosts in a certificate request");
    STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(extensions, alternative.get());
    const int added = X509_REQ_add_extensions(request.get(), extensions);
    sk_X509_EXTENSION_free(extensions);
    if (added != 1 || X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0) return cannot("sign a certificate request");
    unsigned char* der = nullptr;
    const int size = i2d_X509_REQ(request.get(), &der);
    if (size <= 0) return cannot("write a certificate request");
    CertificateRequest made{.key_pem = pem_of(key.get()), .der = std::string(view_of(der, static_cast<std::size_t>(size)))};
    OPENSSL_free(der);
    return made;
}

Result<SelfSigned> self_signed(const std::string& host, Utc now, std::string_view key_authorization) {
    if (!plain_name(host)) return fail(Code::invalid, fmt::format("\"{}\" can't stand in a certificate", escaped(host, 80)));
    const KeyPtr key = new_key();
    const CertificatePtr made(X509_new());
    if (!key || !made) return cannot("make a certificate");
    X509* x = made.get();
    std::array<unsigned char, 16> serial{};
    RAND_bytes(serial.data(), serial.size());
    serial[0] = static_cast<unsigned char>((serial[0] & 0x3f) | 0x40);  // Positive, and of one length.
    BIGNUM* number = BN_bin2bn(serial.data(), serial.size(), nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    const auto time = [](Utc at) { return static_cast<time_t>(std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count()); };
    X509_set_version(x, X509_VERSION_3);
    ASN1_TIME_set(X509_getm_notBefore(x), time(now - self_signed_before));
    ASN1_TIME_set(X509_getm_notAfter(x), time(now + self_signed_for));
    X509_set_pubkey(x, key.get());
    const std::string name = key_authorization.empty() ? "Hale, for the time being" : "ACME proof";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, bytes_of(name), static_cast<int>(name.size()), -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    const std::array<std::string, 1> names{host};
    const ExtensionPtr alternative = extension(x, NID_subject_alt_name, alternative_names(names));
    if (!alternative || X509_add_ext(x, alternative.get(), -1) != 1) return cannot("name a host in a certificate");
    if (!key_authorization.empty()) {
        // RFC 8737 §3: an OCTET STRING of the digest, inside the extension's own.
        const std::string digest = sha256(key_authorization);
        std::string der{'\x04', static_cast<char>(digest.size())};
        der += digest;
        const OctetsPtr octets(ASN1_OCTET_STRING_new());
        ASN1_OCTET_STRING_set(octets.get(), bytes_of(der), static_cast<int>(der.size()));
        const ObjectPtr oid(OBJ_txt2obj(acme_identifier, 1));
        const ExtensionPtr proof(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 1, octets.get()));
        if (!proof || X509_add_ext(x, proof.get(), -1) != 1) return cannot("put the proof into a certificate");
    }
    if (X509_sign(x, key.get(), EVP_sha256()) <= 0) return cannot("sign a certificate");
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), x);
    return SelfSigned{.certificate_pem = text_of(out.get()), .key_pem = pem_of(key.get())};
}

namespace {
CertificatePtr first_certificate(std::string_view pem) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    return certificate;
}

std::optional<Utc> time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    return Utc{std::chrono::seconds(timegm(&parts))};
}
}  // namespace

std::optional<std::pair<Utc, Utc>> lifetime(std::string_view chain_pem) {
    const CertificatePtr certificate = first_certificate(chain_pem);
    if (!certificate) return std::nullopt;
    const auto from = time_of(X509_get0_notBefore(certificate.get())), until = time_of(X509_get0_notAfter(certificate.get()));
    if (!from || !until || *until < *from) return std::nullopt;
    return std::pair(*from, *until);
}

std::string renewal_id(std::string_view chain_pem) {
    const CertificatePtr certificate = first_certificate(chain_pem);
    if (!certificate) return {};
    const ASN1_OCTET_STRING* authority = X509_get0_authority_key_id(certificate.get());
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
    if (authority == nullptr || serial == nullptr) return {};
    // The number's DER content: big-endian, with a leading zero where it would look negative.
    std::string number(view_of(ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))));
    if (number.empty() || (static_cast<unsigned char>(number.front()) & 0x80) != 0) number.insert(number.begin(), '\0');
    return fmt::format("{}.{}", base64url(view_of(ASN1_STRING_get0_data(authority), static_cast<std::size_t>(ASN1_STRING_length(authority)))),
                       base64url(number));
}

}  // namespace hale::acme
