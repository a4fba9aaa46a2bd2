// Goal: what is signed verifies, by OpenSSL itself reading it back: letters, requests, proofs. Method: the signed thing is
// taken apart independently of the code that made it.

#include "acme/keys.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <nlohmann/json.hpp>

#include "acme/encoding.h"
#include "tls/credentials.h"

namespace hale::acme {
namespace {

using Json = nlohmann::json;
const Utc now{1'795'270'000s};

AccountKey key() { return *AccountKey::generate(); }

bool verifies(const AccountKey& by, const std::string& text, std::string_view signature) {
    const auto raw = from_base64url(signature);
    if (!raw || raw->size() != 64) return false;
    ECDSA_SIG* made = ECDSA_SIG_new();
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw->data());
    ECDSA_SIG_set0(made, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(made, &der);
    const std::string pem = by.pem();
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    EVP_PKEY* public_key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(digest, nullptr, EVP_sha256(), nullptr, public_key);
    const bool good = EVP_DigestVerify(digest, der, static_cast<std::size_t>(size), reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(public_key);
    BIO_free(bio);
    OPENSSL_free(der);
    ECDSA_SIG_free(made);
    return good;
}

TEST(AccountKey, SurvivesItsPem) {
    const AccountKey one = key();
    const auto again = AccountKey::parse(one.pem());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->jwk(), one.jwk());
    EXPECT_EQ(again->thumbprint(), one.thumbprint());
    EXPECT_NE(key().thumbprint(), one.thumbprint());
    EXPECT_FALSE(AccountKey::parse("nothing"));
    EXPECT_FALSE(AccountKey::parse(one.pem().substr(0, 60)));
}

TEST(AccountKey, SignsLettersThatVerify) {
    const AccountKey one = key();
    for (int i = 0; i < 50; ++i) {  // Numbers with leading zeros come by themselves.
        for (const bool registered : {false, true}) {
            const auto letter = Json::parse(signed_letter(one, {.url = "https://ca.example/order", .nonce = "n-1", .account = registered ? "https://ca.example/a/1" : "", .payload = "{}"}));
            const std::string signed_text = letter["protected"].get<std::string>() + "." + letter["payload"].get<std::string>();
            ASSERT_TRUE(verifies(one, signed_text, letter["signature"].get<std::string>()));
            ASSERT_FALSE(verifies(one, signed_text + "x", letter["signature"].get<std::string>()));
            const auto header = Json::parse(*from_base64url(letter["protected"].get<std::string>()));
            EXPECT_EQ(header["alg"], "ES256");
            EXPECT_EQ(header["nonce"], "n-1");
            EXPECT_EQ(header["url"], "https://ca.example/order");
            EXPECT_EQ(header.contains("kid"), registered);
            EXPECT_EQ(header.contains("jwk"), !registered);
        }
    }
}

TEST(AccountKey, BindsToAnAccountElsewhere) {
    const AccountKey one = key();
    const auto binding = Json::parse(external_binding(one, "https://ca.example/new", "kid-1", "secret"));
    EXPECT_EQ(*from_base64url(binding["payload"].get<std::string>()), one.jwk());
    const auto header = Json::parse(*from_base64url(binding["protected"].get<std::string>()));
    EXPECT_EQ(header["alg"], "HS256");
    EXPECT_EQ(header["kid"], "kid-1");
    EXPECT_FALSE(header.contains("nonce"));
    EXPECT_EQ(from_base64url(binding["signature"].get<std::string>())->size(), 32u);
}

TEST(Requests, NameEveryHostAndAreSignedByTheirOwnKey) {
    const std::vector<std::string> names{"www.example", "*.example"};
    const auto made = request_certificate(names);
    ASSERT_TRUE(made);
    const auto* at = reinterpret_cast<const unsigned char*>(made->der.data());
    X509_REQ* request = d2i_X509_REQ(nullptr, &at, static_cast<long>(made->der.size()));
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
    auto* list = static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr));
    ASSERT_EQ(sk_GENERAL_NAME_num(list), 2);
    for (int i = 0; i < 2; ++i) {
        const ASN1_IA5STRING* name = sk_GENERAL_NAME_value(list, i)->d.dNSName;
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)), static_cast<std::size_t>(ASN1_STRING_length(name))), names[static_cast<std::size_t>(i)]);
    }
    GENERAL_NAMES_free(list);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
    EXPECT_NE(request_certificate(names)->key_pem, made->key_pem);  // A key for each certificate.
}

TEST(Requests, RefuseNamesThatWouldSayMore) {
    for (const std::string bad : {"a,DNS:b.example", "a\nb", "", "A.example", "a b", "*", "*.*.a"}) EXPECT_FALSE(request_certificate(std::vector{bad})) << bad;
}

TEST(Proofs, CarryTheDigestCriticallyAndTheHostAlone) {
    const auto made = self_signed("www.example", now, "token.thumb");
    ASSERT_TRUE(made);
    const auto read = tls::Credentials::parse(made->certificate_pem, made->key_pem, "proof", now);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ((*read)->names(), std::vector<std::string>{"www.example"});
    BIO* bio = BIO_new_mem_buf(made->certificate_pem.data(), static_cast<int>(made->certificate_pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    ASN1_OBJECT* identifier = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    const int where = X509_get_ext_by_OBJ(certificate, identifier, -1);
    ASSERT_GE(where, 0);
    X509_EXTENSION* proof = X509_get_ext(certificate, where);
    EXPECT_EQ(X509_EXTENSION_get_critical(proof), 1);
    const ASN1_OCTET_STRING* octets = X509_EXTENSION_get_data(proof);
    const std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(octets)), static_cast<std::size_t>(ASN1_STRING_length(octets)));
    ASSERT_EQ(value.size(), 34u);
    EXPECT_EQ(value.substr(0, 2), "\x04\x20");
    EXPECT_EQ(base64url(value.substr(2)), dns_value("token.thumb"));
    ASN1_OBJECT_free(identifier);
    X509_free(certificate);
    BIO_free(bio);
}

TEST(Certificates, TellTheirLifetime) {
    const auto made = self_signed("www.example", now);
    const auto life = lifetime(made->certificate_pem);
    ASSERT_TRUE(life);
    EXPECT_LT(life->first, now);
    EXPECT_GT(life->second, now);
    EXPECT_FALSE(lifetime("no certificate"));
    EXPECT_EQ(renewal_id(made->certificate_pem), "");  // Without an authority's key there is none to ask.
}

// The example of RFC 9773 §4.1.
TEST(Certificates, AreKnownToRenewalInfoByAuthorityKeyAndSerial) {
    constexpr std::string_view example =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
        "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
        "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
        "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
        "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
        "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
        "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
        "-----END CERTIFICATE-----\n";
    EXPECT_EQ(renewal_id(example), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
}

}  // namespace
}  // namespace hale::acme
