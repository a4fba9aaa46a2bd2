// The doors to TLS that checks and services ask for, made once for each and kept while somebody holds it.

#pragma once

#include <memory>
#include <unordered_map>

#include "io/secure.h"
#include "tls/client_context.h"

namespace hale::tls {

class Doors final : public io::TlsDoors {
public:
    // `loop`: whose clock says whether a client certificate is valid yet.
    explicit Doors(io::Loop& loop) : loop_(loop) {}

    Result<std::shared_ptr<const io::ClientTls>> client(const std::shared_ptr<const io::TlsSpec>& spec) override;

private:
    // A spec is known by its address, which stays taken while it lives.
    struct Made {
        std::weak_ptr<const io::TlsSpec> spec;
        std::shared_ptr<const io::ClientTls> client;
    };

    io::Loop& loop_;
    std::shared_ptr<const io::ClientTls> usual_;
    std::unordered_map<const io::TlsSpec*, Made> made_;
    std::size_t prune_at_ = 64;
};

}  // namespace hale::tls
