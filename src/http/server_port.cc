#include "http/server_port.h"

#include <utility>
#include <vector>

#include "base/reached.h"

namespace hale::http {

Result<SocketAddress> ServerPort::open(io::Net& net, const io::ListenOptions& options, io::ServerTls* tls) {
    tls_ = tls;
    HALE_ASSIGN(listener_, net.listen(options, *this));
    return listener_->local();
}

void ServerPort::on_accept(std::unique_ptr<io::Stream> stream) noexcept {
    if (connections_.size() >= most_connections) {
        HALE_REACHED("http server: too many connections");
        stream->reset();
        return;
    }
    if (tls_ != nullptr) stream = tls_->accept(loop_, std::move(stream));
    if (stream == nullptr) return;
    auto connection = std::make_shared<ServerConnection>(loop_, std::move(stream), limits_, handle_, refusal_,
                                                         [this](ServerConnection& closed) { connections_.erase(&closed); });
    connections_.emplace(connection.get(), connection);
    connection->start();
}

void ServerPort::close_soon() {
    listener_.reset();
    std::vector<std::shared_ptr<ServerConnection>> all;
    for (const auto& [key, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->close_soon();
}

void ServerPort::finish_soon(Duration grace) {
    listener_.reset();
    std::vector<std::shared_ptr<ServerConnection>> all;
    for (const auto& [key, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->finish_soon(grace);
}

void ServerPort::close() {
    listener_.reset();
    while (!connections_.empty()) connections_.begin()->second->close();
}

}  // namespace hale::http
