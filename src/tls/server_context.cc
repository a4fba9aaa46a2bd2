#include "tls/server_context.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/text.h"
#include "tls/parts.h"
#include "tls/session.h"

namespace hale::tls {

struct ServerContext::Inside {
    SslContextPtr context;
    std::string alpn;  // In the wire's form: a length before each.
    std::vector<CredentialsPtr> all;
    const std::vector<CredentialsPtr>* usual = nullptr;  // Those of all.front()'s name.
    bool in_context = false;  // The context has them as its own.
    std::uint8_t kinds_in_context = 0;
    std::map<std::string, std::vector<CredentialsPtr>, std::less<>> by_name;
    std::vector<TicketKey> ticket_keys;
    const io::TlsHosts* hosts = nullptr;
    std::shared_ptr<Turnstile> turnstile;  // Of the loop that accepts.

    // By the text of the authorities, of which there are few.
    struct Clients {
        StorePtr store;
        std::array<unsigned char, 32> session_context{};
    };
    static constexpr std::size_t most_clients = 256;
    std::map<std::string, Clients, std::less<>> clients;

    // For hosts that are served before they have a certificate.
    static constexpr std::size_t most_placeholders = 1'000;
    std::map<std::string, CredentialsPtr, std::less<>> placeholders;

    io::Loop* now_of = nullptr;  // That accepts.
    Utc now() const { return now_of->utc(); }

    const Clients* clients_of(const std::string& pem);
    CredentialsPtr placeholder(const std::string& name, Utc now);

    // For ACME validators.
    std::map<std::string, CredentialsPtr, std::less<>> proofs;
    std::move_only_function<void(std::string_view)> unknown;

    const std::vector<CredentialsPtr>* find(std::string_view host) const {
        if (const auto exact = by_name.find(host); exact != by_name.end()) return &exact->second;
        const auto dot = host.find('.');
        if (dot == std::string_view::npos) return nullptr;
        const auto above = by_name.find(fmt::format("*{}", host.substr(dot)));
        return above == by_name.end() ? nullptr : &above->second;
    }
};

namespace {
Result<StorePtr> store_of(std::string_view pem) {
    HALE_ASSIGN(const auto authorities, certificates_in(pem, "authorities of clients"));
    StorePtr store(X509_STORE_new());
    for (const auto& one : authorities) X509_STORE_add_cert(store.get(), one.get());
    return store;
}
}  // namespace

const ServerContext::Inside::Clients* ServerContext::Inside::clients_of(const std::string& pem) {
    if (const auto known = clients.find(pem); known != clients.end()) return &known->second;
    auto store = store_of(pem);
    if (!store) return nullptr;
    if (clients.size() >= most_clients) clients.clear();  // Those of configurations long gone.
    Clients made{.store = std::move(*store)};
    SHA256(reinterpret_cast<const unsigned char*>(pem.data()), pem.size(), made.session_context.data());
    return &clients.emplace(pem, std::move(made)).first->second;
}

CredentialsPtr ServerContext::Inside::placeholder(const std::string& name, Utc now) {
    if (const auto known = placeholders.find(name); known != placeholders.end() && now < known->second->not_after()) return known->second;
    auto made = Credentials::make_up(name, now);
    if (!made) return nullptr;
    if (placeholders.size() >= most_placeholders) placeholders.clear();
    return placeholders[name] = std::move(*made);
}

namespace {

// Of a session: an authority's validator, as its hello said.
int proving_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}
bool is_proving(const SSL* ssl) { return SSL_get_ex_data(ssl, proving_index()) != nullptr; }

// The certificate is chosen before the protocol is, so who asks for the proof is read from the hello. A validator offers
// its protocol alone (RFC 8737 §3).
bool offers_proving_alone(SSL* ssl) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &size) != 1) return false;
    const std::string_view offered(reinterpret_cast<const char*>(bytes), size);
    // Length of the list, length of the name, the name.
    return offered.size() == acme_alpn.size() + 3 && offered.ends_with(acme_alpn);
}

// A session takes what the context has when it begins; the context may have got it only then, or something newer since.
bool has_from_context(const SSL* ssl, const ServerContext::Inside& inside) {
    const X509* own = SSL_get_certificate(ssl);
    if (own == nullptr) return false;
    if (inside.usual == nullptr) return inside.all.front()->parts().certificate.get() == own;
    return std::ranges::any_of(*inside.usual, [own](const CredentialsPtr& one) { return one->parts().certificate.get() == own; });
}

int choose_certificate(SSL* ssl, void* argument) {
    auto& inside = *static_cast<ServerContext::Inside*>(argument);
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const std::string name = asked != nullptr ? lower(asked) : std::string{};
    if (is_proving(ssl)) {
        const auto proof = inside.proofs.find(name);
        if (proof == inside.proofs.end()) return 0;
        SSL_certs_clear(ssl);
        return SSL_use_cert_and_key(ssl, proof->second->parts().certificate.get(), proof->second->parts().key.get(), nullptr, 1) == 1 ? 1 : 0;
    }
    const auto* found = inside.find(name);
    // The context has it already; so has it for a client that names nobody, or nobody of ours where nobody knows the hosts:
    // it can tell that the certificate is another's.
    const bool anybody = found == nullptr && !inside.all.empty() && (name.empty() || inside.hosts == nullptr);
    if (inside.in_context && (anybody || (found != nullptr && found == inside.usual)) && has_from_context(ssl, inside)) return 1;
    const auto use = [&](const CredentialsPtr& one) {
        const auto& parts = one->parts();
        if (SSL_use_cert_and_key(ssl, parts.certificate.get(), parts.key.get(), nullptr, 1) != 1) return false;
        for (const auto& above : parts.chain)
            if (SSL_add1_chain_cert(ssl, above.get()) != 1) return false;
        return true;
    };
    SSL_certs_clear(ssl);
    if (found != nullptr) return std::ranges::all_of(*found, use) ? 1 : 0;
    if (anybody) return use(inside.all.front()) ? 1 : 0;
    if (inside.hosts == nullptr) return 0;
    const auto made_up = inside.placeholder(name, inside.now());
    return made_up && use(made_up) ? 1 : 0;
}

int choose_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned offered_size, void* argument) {
    const auto& ours = static_cast<const ServerContext::Inside*>(argument)->alpn;
    if (is_proving(ssl)) {
        *out = offered + 1;
        *out_size = static_cast<unsigned char>(acme_alpn.size());
        return SSL_TLSEXT_ERR_OK;
    }
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()), static_cast<unsigned>(ours.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 §3.2.
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// Looked up once: by its name it would be for every ticket.
const EVP_CIPHER* ticket_cipher() {
    static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
    return cipher;
}

// RFC 5077: seals with the newest key, opens with any, and says when a session should get a newer ticket.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
    const auto& keys = static_cast<const ServerContext::Inside*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->ticket_keys;
    const auto ready = [&](const TicketKey& key) {
        std::array<OSSL_PARAM, 3> params{OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(key.mac.data()), key.mac.size()),
                                         OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("SHA256"), 0), OSSL_PARAM_construct_end()};
        return EVP_MAC_CTX_set_params(mac, params.data()) == 1 &&
               (sealing == 1 ? EVP_EncryptInit_ex2(cipher, ticket_cipher(), key.cipher.data(), iv, nullptr)
                             : EVP_DecryptInit_ex2(cipher, ticket_cipher(), key.cipher.data(), iv, nullptr)) == 1;
    };
    if (sealing == 1) {
        if (keys.empty() || RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) != 1) return 0;
        std::memcpy(name, keys.front().name.data(), keys.front().name.size());
        return ready(keys.front()) ? 1 : -1;
    }
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (std::memcmp(name, keys[i].name.data(), keys[i].name.size()) == 0) {
            // A ticket of TLS 1.3 is used once (RFC 8446 §C.4): who came with one leaves with another.
            const bool another = i != 0 || SSL_version(ssl) == TLS1_3_VERSION;
            return ready(keys[i]) ? (another ? 2 : 1) : -1;
        }
    return 0;  // A full handshake.
}

// The host that a ClientHello names (RFC 6066 §3), in lower case; empty: none, or it can't be read.
std::string named_host(SSL* ssl) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1) return {};
    constexpr std::size_t before_name = 5;  // Length of the list, the entry's type, length of the name.
    if (size <= before_name || bytes[2] != TLSEXT_NAMETYPE_host_name) return {};
    const std::size_t length = static_cast<std::size_t>(bytes[3]) << 8 | bytes[4];
    if (length == 0 || length > size - before_name || length > TLSEXT_MAXLEN_host_name) return {};
    return lower(std::string_view(reinterpret_cast<const char*>(bytes) + before_name, length));
}

// Before anything is decided, resumption included: is the host ours, and whom does it ask for a certificate?
int meet(SSL* ssl, int* alert, void* argument) {
    auto& inside = *static_cast<ServerContext::Inside*>(argument);
    if (!inside.proofs.empty() && offers_proving_alone(ssl)) {
        SSL_set_ex_data(ssl, proving_index(), argument);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    if (inside.hosts == nullptr && !inside.unknown) return SSL_CLIENT_HELLO_SUCCESS;
    const std::string name = named_host(ssl);
    if (inside.unknown && !name.empty() && inside.find(name) == nullptr) inside.unknown(name);
    if (inside.hosts == nullptr) return SSL_CLIENT_HELLO_SUCCESS;
    const io::TlsHosts::Host host = inside.hosts->host(name);
    if (!name.empty() && !host.served && inside.find(name) == nullptr) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (host.client_ca_pem == nullptr) return SSL_CLIENT_HELLO_SUCCESS;
    const auto* clients = inside.clients_of(*host.client_ca_pem);
    // A session is resumed only where the same authority was asked for: the certificate of one host opens no other.
    if (clients == nullptr || SSL_set_session_id_context(ssl, clients->session_context.data(), static_cast<unsigned>(clients->session_context.size())) != 1 ||
        SSL_set1_verify_cert_store(ssl, clients->store.get()) != 1) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    // Who shows none is told so in the answer to the request.
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    return SSL_CLIENT_HELLO_SUCCESS;
}

}  // namespace

Result<std::shared_ptr<ServerContext>> ServerContext::create(const ServerOptions& options) {
    auto inside = std::make_shared<Inside>();
    inside->context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* context = inside->context.get();
    if (context == nullptr) return fail(Code::exhausted, openssl_sentence("no TLS context"));
    inside->alpn = alpn_list(options.alpn);
    set_usual(context, options.tls12);
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_app_data(context, inside.get());
    SSL_CTX_set_client_hello_cb(context, meet, inside.get());
    SSL_CTX_set_cert_cb(context, choose_certificate, inside.get());
    if (!inside->alpn.empty()) SSL_CTX_set_alpn_select_cb(context, choose_alpn, inside.get());
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    if (options.clients != ClientCertificates::none) {
        HALE_ASSIGN(const auto store, store_of(options.client_ca_pem));
        SSL_CTX_set1_verify_cert_store(context, store.get());
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
    inside_->placeholders.clear();
    // The first is the context's own, so that handshakes for it begin without any copying.
    SSL_CTX* context = inside_->context.get();
    inside_->usual = nullptr;
    inside_->in_context = false;
    if (inside_->all.empty()) return;
    const auto& names = inside_->all.front()->names();
    const std::vector<CredentialsPtr> alone{inside_->all.front()};
    if (!names.empty()) inside_->usual = inside_->find(names.front());
    // What a context once took it keeps: where it has a key of a kind that is no longer ours, it is of no use.
    std::uint8_t kinds = 0;
    for (const auto& one : inside_->usual != nullptr ? *inside_->usual : alone) kinds |= static_cast<std::uint8_t>(1u << std::to_underlying(one->key_kind()));
    inside_->in_context = (inside_->kinds_in_context & ~kinds) == 0;
    if (!inside_->in_context) return;
    inside_->kinds_in_context = kinds;
    for (const auto& one : inside_->usual != nullptr ? *inside_->usual : alone) {
        const auto& parts = one->parts();
        SSL_CTX_use_cert_and_key(context, parts.certificate.get(), parts.key.get(), nullptr, 1);
        SSL_CTX_clear_chain_certs(context);
        for (const auto& above : parts.chain) SSL_CTX_add1_chain_cert(context, above.get());
    }
    ERR_clear_error();
}

void ServerContext::set_hosts(const io::TlsHosts* hosts) { inside_->hosts = hosts; }

void ServerContext::set_proof(std::string_view host, CredentialsPtr proof) {
    auto& proofs = inside_->proofs;
    if (proof == nullptr) {
        if (const auto found = proofs.find(host); found != proofs.end()) proofs.erase(found);
    } else {
        if (proofs.size() >= most_proofs && !proofs.contains(host)) proofs.erase(proofs.begin());
        proofs.insert_or_assign(std::string(host), std::move(proof));
    }
}

void ServerContext::set_unknown(std::move_only_function<void(std::string_view host)> unknown) { inside_->unknown = std::move(unknown); }

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
    if (!inside_->turnstile) inside_->turnstile = std::make_shared<Turnstile>(loop);
    inside_->now_of = &loop;
    return std::make_unique<Stream>(loop, std::move(inner), std::make_unique<Stream::Session>(std::move(ssl), inside_), inside_->turnstile);
}

}  // namespace hale::tls
