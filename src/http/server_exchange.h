// One request on a server connection, and its answer. Whoever handles the request keeps the exchange until it
// answered; when the client goes away meanwhile, answering does nothing. Belongs to the connection's loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "io/loop.h"
#include "io/stream.h"
#include "wire/http1.h"

namespace hale::http {

class ServerConnection;

// The views of `head` point into `bytes`.
struct ServerRequest {
    std::string bytes;
    wire::RequestHead head;
    std::string body;
    SocketAddress peer;
    std::optional<io::PeerCredentials> credentials;  // Of a unix socket's other end.
};

using ServerFields = std::vector<std::pair<std::string, std::string>>;

// A body that is made while it is sent, a piece at a time, so that a long one costs neither memory nor a long
// turn. Called again whenever the last piece has left, in a later turn.
class BodyProducer {
public:
    enum class More : std::uint8_t {
        more,  // Ask again when this was sent.
        wait,  // Nothing now: wake() the exchange when there is.
        done,
    };
    virtual ~BodyProducer() = default;
    // Appends about `most` bytes or less to `out`, within a slice of a turn.
    virtual More produce(std::string& out, std::size_t most) = 0;
};

class ServerExchange : public std::enable_shared_from_this<ServerExchange> {
public:
    ServerExchange() = default;
    ServerExchange(const ServerExchange&) = delete;
    ServerExchange& operator=(const ServerExchange&) = delete;

    ServerRequest request;

    // Exactly one of these, once. Field values that would break the head make it a 500 without them.
    void answer(int status, const ServerFields& fields, std::string body);
    void stream(int status, const ServerFields& fields, std::unique_ptr<BodyProducer> producer);

    bool answered() const { return answered_; }
    bool gone() const { return connection_ == nullptr; }
    // A producer that said `wait` has something to say.
    void wake();
    // Runs once when the connection ends before the answer did.
    void when_gone(io::Task task) { when_gone_ = std::move(task); }

private:
    friend class ServerConnection;
    ServerConnection* connection_ = nullptr;
    io::Task when_gone_;
    bool answered_ = false;
};

}  // namespace hale::http
