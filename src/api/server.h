// The admin API of one daemon: REST, events, metrics and health over TCP and a unix socket. Lives on the api
// thread, answers reads from its folded View, and hands everything else to the Backend. Works in slices of at
// most 2 ms, so that health is answered whatever else is being streamed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/backend.h"
#include "base/address.h"
#include "base/result.h"
#include "catalog/facts.h"
#include "catalog/own_health.h"
#include "config/journal.h"
#include "io/loop.h"
#include "io/stream.h"

namespace hale::api {

struct ServerOptions {
    std::string node;                      // Host name, for `from` and CloudEvents' source.
    std::string version;
    bool insecure = false;                 // A TCP admin listener off loopback is allowed without TLS.
    std::uint32_t daemon_uid = 0;          // May administer over the unix socket, as uid 0 may.
    std::uint32_t operators_gid = ~0u;     // Group `hale`: role operate. ~0: there is none.
    std::uint64_t seed = 1;
    // Fills with randomness fit for secrets (os::secret_bytes). Not set: no tokens can be made.
    std::function<std::string(std::size_t)> secret_bytes;
};

class Server {
public:
    Server(io::Loop& loop, io::Net& net, Backend& backend, const catalog::OwnHealth& own, ServerOptions options);
    ~Server();

    // Folded deltas, in order. Before the first listen() they only fill the view.
    void tell(std::vector<catalog::Delta> deltas);
    // All tokens in force (hashes), at start; later changes come back through successful mutations.
    void set_tokens(std::vector<config::StoredToken> tokens);

    // Opens the admin listener. Refuses an address off loopback without `insecure`.
    Result<SocketAddress> listen_admin(const SocketAddress& address, io::ServerTls* tls = nullptr);
    Result<> listen_socket(const std::string& path, int mode);
    // Health only, without credentials.
    Result<SocketAddress> listen_health(const SocketAddress& address);

    // Another process answers for this daemon now: nothing is accepted any more, and who is connected is told so, but
    // for health, which is answered as before.
    void leave();
    // Ends event streams and connections; nothing is accepted afterwards.
    void stop();

private:
    class Core;
    std::unique_ptr<Core> core_;
};

}  // namespace hale::api
