// How Hale connects over TLS: whom it believes, as whom it comes, what it speaks. For upstreams and probes alike, so
// that what is probed is what is routed. Immutable; belongs to no thread, its streams do.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/secure.h"
#include "tls/credentials.h"
#include "tls/stream.h"

namespace hale::tls {

struct ClientOptions {
    std::vector<std::string> alpn;  // Empty: none is offered.
    std::string ca_pem;             // Empty: those whom this machine believes.
    bool verify = true;             // Off: whatever is shown is taken; PeerCertificate still tells what it was.
    std::shared_ptr<const Credentials> own;  // For mutual TLS.
};

class ClientContext final : public io::ClientTls {
public:
    struct Inside;  // OpenSSL's side of it, for this folder.
    static Result<std::shared_ptr<const ClientContext>> create(const ClientOptions& options);
    ~ClientContext() override;
    ClientContext(const ClientContext&) = delete;
    ClientContext& operator=(const ClientContext&) = delete;

    std::unique_ptr<io::SecureStream> secure(io::Loop& loop, std::unique_ptr<io::Stream> inner, const std::string& name) const override;

private:
    explicit ClientContext(std::shared_ptr<Inside> inside) : inside_(std::move(inside)) {}
    std::shared_ptr<Inside> inside_;  // Outlived by the streams made here.
};

}  // namespace hale::tls
