#include "tls/server_context.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/text.h"
#include "tls/parts.h"
#include "tls/session.h"

namespace hale::tls {

struct ServerContext::Inside {
    SslContextPtr context;
    std::string alpn;  // In the wire's form: a length before each.
    std::vector<CredentialsPtr> all;
    std::map<std::string, std::vector<CredentialsPtr>, std::less<>> by_name;
    std::vector<TicketKey> ticket_keys;

    const std::vector<CredentialsPtr>* find(std::string_view host) const {
        if (const auto exact = by_name.find(host); exact != by_name.end()) return &exact->second;
        const auto dot = host.find('.');
        if (dot == std::string_view::npos) return nullptr;
        const auto above = by_name.find(fmt::format("*{}", host.substr(dot)));
        return above == by_name.end() ? nullptr : &above->second;
    }
};

namespace {

int choose_certificate(SSL* ssl, void* argument) {
    const auto& inside = *static_cast<const ServerContext::Inside*>(argument);
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const auto* found = asked != nullptr ? inside.find(lower(asked)) : nullptr;
    // A client that asks for nobody of ours gets a certificate that it can tell is another's.
    const auto use = [&](const CredentialsPtr& one) {
        const auto& parts = one->parts();
        if (SSL_use_cert_and_key(ssl, parts.certificate.get(), parts.key.get(), nullptr, 1) != 1) return false;
        for (const auto& above : parts.chain)
            if (SSL_add1_chain_cert(ssl, above.get()) != 1) return false;
        return true;
    };
    if (found != nullptr) return std::ranges::all_of(*found, use) ? 1 : 0;
    return !inside.all.empty() && use(inside.all.front()) ? 1 : 0;
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned offered_size, void* argument) {
    const auto& ours = static_cast<const ServerContext::Inside*>(argument)->alpn;
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()), static_cast<unsigned>(ours.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 §3.2.
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// RFC 5077: seals with the newest key, opens with any, and says when a session should get a newer ticket.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
    const auto& keys = static_cast<const ServerContext::Inside*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->ticket_keys;
    const auto ready = [&](const TicketKey& key) {
        std::array<OSSL_PARAM, 3> params{OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(key.mac.data()), key.mac.size()),
                                         OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("SHA256"), 0), OSSL_PARAM_construct_end()};
        return EVP_MAC_CTX_set_params(mac, params.data()) == 1 &&
               (sealing == 1 ? EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher.data(), iv, nullptr)
                             : EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher.data(), iv, nullptr)) == 1;
    };
    if (sealing == 1) {
        if (keys.empty() || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return 0;
        std::memcpy(name, keys.front().name.data(), keys.front().name.size());
        return ready(keys.front()) ? 1 : -1;
    }
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (std::memcmp(name, keys[i].name.data(), keys[i].name.size()) == 0) return ready(keys[i]) ? (i == 0 ? 1 : 2) : -1;
    return 0;  // A full handshake.
}

Result<> trust(SSL_CTX* context, const std::string& pem) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    int count = 0;
    for (;; ++count) {
        const CertificatePtr one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!one) break;
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get());
        SSL_CTX_add_client_CA(context, one.get());
    }
    ERR_clear_error();
    if (count == 0) return fail(Code::invalid, "there is no certificate of an authority for clients (PEM)");
    return {};
}

}  // namespace

Result<std::shared_ptr<ServerContext>> ServerContext::create(const ServerOptions& options) {
    auto inside = std::make_shared<Inside>();
    inside->context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* context = inside->context.get();
    if (context == nullptr) return fail(Code::exhausted, openssl_sentence("no TLS context"));
    for (const std::string& protocol : options.alpn) {
        inside->alpn += static_cast<char>(protocol.size());
        inside->alpn += protocol;
    }
    SSL_CTX_set_min_proto_version(context, options.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_app_data(context, inside.get());
    SSL_CTX_set_cert_cb(context, choose_certificate, inside.get());
    if (!inside->alpn.empty()) SSL_CTX_set_alpn_select_cb(context, choose_alpn, inside.get());
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    if (options.clients != ClientCertificates::none) {
        HALE_TRY(trust(context, options.client_ca_pem));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (options.clients == ClientCertificates::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
        // Sessions of another context are none of ours.
        SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("hale"), 4);
    }
    return std::shared_ptr<ServerContext>(new ServerContext(std::move(inside)));
}

ServerContext::~ServerContext() = default;

void ServerContext::set_credentials(std::vector<CredentialsPtr> credentials) {
    inside_->by_name.clear();
    for (const auto& one : credentials)
        for (const auto& name : one->names()) {
            auto& list = inside_->by_name[name];
            // One of each kind: two of the same would only be the first.
            if (std::ranges::none_of(list, [&](const auto& other) { return other->key_kind() == one->key_kind(); })) list.push_back(one);
        }
    inside_->all = std::move(credentials);
}

void ServerContext::set_ticket_keys(std::vector<TicketKey> keys) {
    if (keys.size() > most_ticket_keys) keys.resize(most_ticket_keys);
    if (keys.empty()) SSL_CTX_set_options(inside_->context.get(), SSL_OP_NO_TICKET);
    else SSL_CTX_clear_options(inside_->context.get(), SSL_OP_NO_TICKET);
    inside_->ticket_keys = std::move(keys);
}

std::unique_ptr<io::SecureStream> ServerContext::accept(io::Loop& loop, std::unique_ptr<io::Stream> inner) {
    SslPtr ssl(SSL_new(inside_->context.get()));
    if (!ssl) return nullptr;
    SSL_set_accept_state(ssl.get());
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()), std::chrono::duration_cast<std::chrono::seconds>(loop.utc().time_since_epoch()).count());
    return std::make_unique<Stream>(loop, std::move(inner), std::make_unique<Stream::Session>(std::move(ssl), inside_));
}

}  // namespace hale::tls
