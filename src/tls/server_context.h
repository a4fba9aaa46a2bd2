// What a listener shows and accepts: certificates by name, ECDSA and RSA side by side, ALPN, session tickets, and for
// mutual TLS whose certificates clients must bring. Certificates may be replaced at any time: handshakes that begin
// afterwards see the new ones. Belongs to one loop's thread; each worker has its own over the same credentials.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/secure.h"
#include "tls/credentials.h"
#include "tls/stream.h"

namespace hale::tls {

using CredentialsPtr = std::shared_ptr<const Credentials>;

// Of one key: name, AES and HMAC secrets, as the ticket callback of OpenSSL wants them (RFC 5077 §4).
struct TicketKey {
    std::array<std::uint8_t, 16> name{};
    std::array<std::uint8_t, 32> cipher{};
    std::array<std::uint8_t, 32> mac{};
};
// What an authority's validator speaks and nobody else (RFC 8737).
inline constexpr std::string_view acme_alpn = "acme-tls/1";
inline constexpr std::size_t most_proofs = 256;

inline constexpr std::size_t most_ticket_keys = 3;  // The newest seals; the older ones still open.

enum class ClientCertificates : std::uint8_t { none, asked, required };

struct ServerOptions {
    std::vector<std::string> alpn = {"http/1.1"};  // Ours, best first.
    bool tls12 = true;                             // Else 1.3 alone.
    ClientCertificates clients = ClientCertificates::none;
    std::string client_ca_pem;  // Who signs them.
};

class ServerContext final : public io::ServerTls {
public:
    struct Inside;  // OpenSSL's side of it, for this folder.
    static Result<std::shared_ptr<ServerContext>> create(const ServerOptions& options);
    ~ServerContext() override;
    ServerContext(const ServerContext&) = delete;
    ServerContext& operator=(const ServerContext&) = delete;

    // For a name: the certificate of it, else of the wildcard above it, else the first of all. Several of one name: of
    // different keys, and the client's abilities choose, ECDSA before RSA.
    void set_credentials(std::vector<CredentialsPtr> credentials);
    void set_hosts(const io::TlsHosts* hosts) override;
    // Shown for that name to clients that speak acme_alpn alone, to nobody else; null takes it back. Of more than
    // most_proofs the first one goes.
    void set_proof(std::string_view host, CredentialsPtr proof);
    // Told of each name that a client asked for and that no certificate covers, within the handshake: to be quick about.
    void set_unknown(std::move_only_function<void(std::string_view host)> unknown);
    // Newest first. Without keys sessions are resumed by nobody.
    void set_ticket_keys(std::vector<TicketKey> keys);

    std::unique_ptr<io::SecureStream> accept(io::Loop& loop, std::unique_ptr<io::Stream> inner) override;

private:
    explicit ServerContext(std::shared_ptr<Inside> inside) : inside_(std::move(inside)) {}
    std::shared_ptr<Inside> inside_;  // Outlived by the streams made here.
};

}  // namespace hale::tls
