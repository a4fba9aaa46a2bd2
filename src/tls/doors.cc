#include "tls/doors.h"

#include <algorithm>

namespace hale::tls {

Result<std::shared_ptr<const io::ClientTls>> Doors::client(const std::shared_ptr<const io::TlsSpec>& spec) {
    if (!spec) {
        if (!usual_) {
            HALE_ASSIGN(usual_, ClientContext::create({}));
        }
        return usual_;
    }
    if (made_.size() >= prune_at_) {
        std::erase_if(made_, [](const auto& one) { return one.second.spec.expired(); });
        prune_at_ = std::max<std::size_t>(64, made_.size() * 2);
    }
    Made& made = made_[spec.get()];
    if (made.client && made.spec.lock() == spec) return made.client;
    ClientOptions options{.alpn = spec->alpn, .ca_pem = spec->ca_pem, .verify = spec->verify, .own = nullptr};
    if (!spec->certificate_pem.empty()) {
        HALE_ASSIGN(options.own, Credentials::parse(spec->certificate_pem, spec->key_pem, "the client certificate", loop_.utc()));
    }
    HALE_ASSIGN(auto client, ClientContext::create(options));
    made = {spec, std::move(client)};
    return made.client;
}

}  // namespace hale::tls
