#include "tls/credentials.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <span>

#include "base/address.h"
#include "base/hex.h"
#include "base/text.h"
#include "tls/parts.h"

namespace hale::tls {

namespace {

// Nobody is asked for a pass phrase.
int no_pass_phrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

BioPtr reader(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Result<KeyPtr> private_key(std::string_view pem, std::string_view what) {
    ERR_clear_error();
    bool encrypted = false;
    const BioPtr bio = reader(pem);
    KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, &encrypted));
    if (key) return key;
    const unsigned long error = ERR_peek_last_error();
    const bool none = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    const std::string why = openssl_sentence("no PEM");
    if (encrypted)
        return fail(Code::invalid, fmt::format("{}: the private key is encrypted; Hale starts without anybody to ask: decrypt it (openssl pkey) and keep "
                                               "the file readable for Hale alone",
                                               what));
    if (none || pem.find("-----BEGIN") == std::string_view::npos)
        return fail(Code::invalid, fmt::format("{}: there is no private key in it (PEM, -----BEGIN PRIVATE KEY-----)", what));
    return fail(Code::invalid, fmt::format("{}: the private key can't be read: {}; is the file complete?", what, why));
}

KeyKind kind_of(const EVP_PKEY* key) {
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_EC: return KeyKind::ecdsa;
        case EVP_PKEY_RSA: return KeyKind::rsa;
        default: return KeyKind::other;
    }
}

std::string ip_text(const unsigned char* bytes, int size) {
    Ip ip;
    if (size == 4) ip = Ip::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
    else if (size == 16) std::copy(bytes, bytes + 16, ip.bytes.begin());
    else return {};
    return ip.text();
}

}  // namespace

std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> names;
    auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, i);
        if (name->type == GEN_DNS) {
            const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
            if (text.find('\0') == std::string_view::npos) names.push_back(lower(text));
        } else if (name->type == GEN_IPADD) {
            if (auto text = ip_text(ASN1_STRING_get0_data(name->d.iPAddress), ASN1_STRING_length(name->d.iPAddress)); !text.empty())
                names.push_back(std::move(text));
        }
    }
    GENERAL_NAMES_free(list);
    return names;
}

namespace {
std::string name_text(const X509_NAME* name) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return escaped(std::string_view(text, static_cast<std::size_t>(std::max(size, 0L))));
}

}  // namespace

std::string issuer_of(X509* certificate) { return name_text(X509_get_issuer_name(certificate)); }
std::string subject_of(X509* certificate) { return name_text(X509_get_subject_name(certificate)); }

std::string fingerprint_of(X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
    return hex(std::span(digest).first(size));
}

std::string key_pin_of(X509* certificate) {
    unsigned char* encoded = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
    if (length <= 0) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(encoded, static_cast<std::size_t>(length), digest.data(), &size, EVP_sha256(), nullptr);
    OPENSSL_free(encoded);
    return hex(std::span(digest).first(size));
}

io::PeerCertificate facts_of(X509* certificate) {
    return {.names = names_of(certificate),
            .subject = subject_of(certificate),
            .issuer = issuer_of(certificate),
            .fingerprint = fingerprint_of(certificate),
            .key_pin = key_pin_of(certificate),
            .not_before = time_of(X509_get0_notBefore(certificate)),
            .not_after = time_of(X509_get0_notAfter(certificate))};
}

Utc time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return Utc{std::chrono::seconds(timegm(&parts))};
}

bool name_covers(std::string_view pattern, std::string_view host) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const auto dot = host.find('.');
    return dot != std::string_view::npos && dot != 0 && host.substr(dot) == pattern.substr(1);
}

Credentials::Credentials() : parts_(std::make_unique<Parts>()) {}
Credentials::~Credentials() = default;

bool Credentials::covers(std::string_view host) const {
    return std::ranges::any_of(names_, [&](const std::string& name) { return name_covers(name, host); });
}

Result<std::shared_ptr<const Credentials>> Credentials::parse(std::string_view chain_pem, std::string_view key_pem, std::string_view what, Utc now) {
    HALE_ASSIGN(auto chain, certificates_in(chain_pem, what));
    HALE_ASSIGN(auto key, private_key(key_pem, what));
    std::shared_ptr<Credentials> made(new Credentials());
    X509* own = chain.front().get();
    if (X509_check_private_key(own, key.get()) != 1) {
        ERR_clear_error();
        return fail(Code::invalid, fmt::format("{}: the private key is not this certificate's", what));
    }
    made->not_before_ = time_of(X509_get0_notBefore(own));
    made->not_after_ = time_of(X509_get0_notAfter(own));
    if (now > made->not_after_)
        return fail(Code::invalid, fmt::format("{}: the certificate expired at {}", what, rfc3339(made->not_after_)));
    if (now < made->not_before_)
        return fail(Code::invalid, fmt::format("{}: the certificate is not valid before {}; is this machine's clock right?", what,
                                               rfc3339(made->not_before_)));
    made->names_ = names_of(own);
    made->issuer_ = issuer_of(own);
    made->fingerprint_ = fingerprint_of(own);
    made->kind_ = kind_of(key.get());
    made->parts_->key = std::move(key);
    made->parts_->certificate = std::move(chain.front());
    for (std::size_t i = 1; i < chain.size(); ++i) made->parts_->chain.push_back(std::move(chain[i]));
    return made;
}

Result<std::shared_ptr<const Credentials>> Credentials::make_up(const std::string& name, Utc now) {
    constexpr std::chrono::hours lasts{24 * 7};
    KeyPtr key(EVP_EC_gen("P-256"));
    CertificatePtr certificate(X509_new());
    if (!key || !certificate) return fail(Code::exhausted, openssl_sentence("no memory for a certificate"));
    X509* x = certificate.get();
    X509_set_version(x, X509_VERSION_3);
    std::uint64_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1);
    const auto seconds = [](Utc at) { return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count(); };
    ASN1_TIME_set(X509_getm_notBefore(x), seconds(now - 1h));
    ASN1_TIME_set(X509_getm_notAfter(x), seconds(now + lasts));
    X509_set_pubkey(x, key.get());
    const std::string says = "Hale placeholder: no certificate yet";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(says.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    if (!name.empty()) {
        // By OpenSSL's own types, since a name from the network goes into no text that is parsed.
        GENERAL_NAMES* names = GENERAL_NAMES_new();
        GENERAL_NAME* one = GENERAL_NAME_new();
        ASN1_IA5STRING* text = ASN1_IA5STRING_new();
        ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
        GENERAL_NAME_set0_value(one, GEN_DNS, text);
        sk_GENERAL_NAME_push(names, one);
        X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
        GENERAL_NAMES_free(names);
    }
    if (X509_sign(x, key.get(), EVP_sha256()) == 0) return fail(Code::internal, openssl_sentence("the certificate could not be signed"));
    std::shared_ptr<Credentials> made(new Credentials());
    made->made_up_ = true;
    made->not_before_ = time_of(X509_get0_notBefore(x));
    made->not_after_ = time_of(X509_get0_notAfter(x));
    made->names_ = names_of(x);
    made->issuer_ = issuer_of(x);
    made->fingerprint_ = fingerprint_of(x);
    made->kind_ = KeyKind::ecdsa;
    made->parts_->key = std::move(key);
    made->parts_->certificate = std::move(certificate);
    return made;
}

Result<> works(std::string_view chain_pem, std::string_view key_pem, const std::string& what, Utc now) {
    HALE_TRY(Credentials::parse(chain_pem, key_pem, what, now));
    return {};
}

Result<> authorities_work(std::string_view ca_pem, const std::string& what) {
    HALE_TRY(certificates_in(ca_pem, what));
    return {};
}

}  // namespace hale::tls
