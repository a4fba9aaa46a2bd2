#include "tls/client_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/address.h"
#include "tls/parts.h"
#include "tls/session.h"

namespace hale::tls {

struct ClientContext::Inside {
    SslContextPtr context;
    std::shared_ptr<const Credentials> own;
    bool verify = true;
};

Result<std::shared_ptr<const ClientContext>> ClientContext::create(const ClientOptions& options) {
    auto inside = std::make_shared<Inside>();
    inside->context.reset(SSL_CTX_new(TLS_client_method()));
    inside->own = options.own;
    inside->verify = options.verify;
    SSL_CTX* context = inside->context.get();
    if (context == nullptr) return fail(Code::exhausted, openssl_sentence("no TLS context"));
    set_usual(context);
    if (options.ca_pem.empty()) {
        SSL_CTX_set_default_verify_paths(context);
    } else {
        HALE_ASSIGN(const auto authorities, certificates_in(options.ca_pem, "authorities that are believed"));
        for (const auto& one : authorities) X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get());
    }
    ERR_clear_error();
    SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    const std::string wire = alpn_list(options.alpn);
    if (!wire.empty()) SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()), static_cast<unsigned>(wire.size()));
    if (options.own) {
        const auto& parts = options.own->parts();
        bool taken = SSL_CTX_use_certificate(context, parts.certificate.get()) == 1 && SSL_CTX_use_PrivateKey(context, parts.key.get()) == 1;
        for (const auto& above : parts.chain) taken = taken && SSL_CTX_add1_chain_cert(context, above.get()) == 1;
        if (!taken) return fail(Code::invalid, openssl_sentence("the client certificate can't be used"));
    }
    return std::shared_ptr<const ClientContext>(new ClientContext(std::move(inside)));
}

ClientContext::~ClientContext() = default;

std::unique_ptr<io::SecureStream> ClientContext::secure(io::Loop& loop, std::unique_ptr<io::Stream> inner, const std::string& name) const {
    SslPtr ssl(SSL_new(inside_->context.get()));
    if (!ssl) return nullptr;
    SSL_set_connect_state(ssl.get());
    // By the loop's clock, as everything is.
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()), std::chrono::duration_cast<std::chrono::seconds>(loop.utc().time_since_epoch()).count());
    if (const auto ip = Ip::parse(name)) {
        if (inside_->verify) X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), ip->text().c_str());
    } else {
        SSL_set_tlsext_host_name(ssl.get(), name.c_str());
        if (inside_->verify) {
            SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
            SSL_set1_host(ssl.get(), name.c_str());
        }
    }
    return std::make_unique<Stream>(loop, std::move(inner), std::make_unique<Stream::Session>(std::move(ssl), inside_));
}

}  // namespace hale::tls
