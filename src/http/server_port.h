// A listening address and the connections that came through it. Belongs to one loop.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "http/server_connection.h"
#include "io/loop.h"
#include "io/secure.h"
#include "io/stream.h"

namespace hale::http {

class ServerPort final : public io::AcceptHandler {
public:
    static constexpr std::size_t most_connections = 4'096;  // More are closed at once.

    ServerPort(io::Loop& loop, ServerLimits limits, ServerConnection::Handle handle, RefusalBody refusal)
        : loop_(loop), limits_(limits), handle_(std::move(handle)), refusal_(std::move(refusal)) {}
    ~ServerPort() override { close(); }

    // `tls`: connections speak over it. Outlives the port.
    Result<SocketAddress> open(io::Net& net, const io::ListenOptions& options, io::ServerTls* tls = nullptr);
    // Accepts nothing more; connections end after the answer under way.
    void close_soon();
    // The same, but who is connected may still ask once, within `grace`.
    void finish_soon(Duration grace);
    void close();

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override;
    std::size_t connections() const { return connections_.size(); }

private:
    io::Loop& loop_;
    const ServerLimits limits_;
    const ServerConnection::Handle handle_;
    const RefusalBody refusal_;
    io::ServerTls* tls_ = nullptr;
    std::unique_ptr<io::Listener> listener_;
    std::unordered_map<ServerConnection*, std::shared_ptr<ServerConnection>> connections_;
};

}  // namespace hale::http
