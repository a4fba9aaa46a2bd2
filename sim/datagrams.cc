// Datagrams of the simulated network: each takes its own time, so they overtake each other; each may be lost, and a lost
// one never comes. The host of an address without a server says so, as an ICMP message would; no host, no word.

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/fabric.h"

namespace hale::sim {

namespace {

struct Client {
    io::DatagramHandler* handler;  // None once closed.
    Loop* loop;
    Host* host;
    SocketAddress peer;
    SocketAddress local;
};

// What one datagram's way costs now, and whether it arrives at all.
class Passage {
public:
    Passage(const std::shared_ptr<Fabric>& fabric, const Client& client) : fabric_(fabric), client_(client), faults_(fabric->faults(*client.host, client.peer)) {}

    Host* server() const { return fabric_->host_of(client_.peer.ip, *client_.host); }
    Duration delay(bool answering) const {
        Duration d = faults_.latency;
        if (faults_.jitter > Duration{0})
            d += Duration{static_cast<std::int64_t>(fabric_->world.random().below(static_cast<std::uint64_t>(faults_.jitter.count()) + 1))};
        if (answering && fabric_->chance(faults_.stall)) d += faults_.stall_for;
        return d;
    }
    bool lost(const Host& from, const Host& to) const { return fabric_->parted(from, to) || fabric_->chance(faults_.loss); }

private:
    const std::shared_ptr<Fabric>& fabric_;
    const Client& client_;
    const Faults faults_;
};

// At the client's loop, unless it left meanwhile.
void deliver(const std::shared_ptr<Fabric>& fabric, const std::shared_ptr<Client>& client, std::string bytes) {
    const Passage way(fabric, *client);
    Host* const server = way.server();
    if (server == nullptr || way.lost(*server, *client->host)) return;
    client->loop->post_at(fabric->world.wire().now() + way.delay(true), [client, bytes = std::move(bytes)] {
        if (client->handler != nullptr) client->handler->on_datagram(bytes);
    });
}

void refuse(const std::shared_ptr<Fabric>& fabric, const std::shared_ptr<Client>& client, int error) {
    client->loop->post_at(fabric->world.wire().now() + Passage(fabric, *client).delay(false), [client, error] {
        if (client->handler != nullptr) client->handler->on_refused(error);
    });
}

void arrive(const std::shared_ptr<Fabric>& fabric, const std::shared_ptr<Client>& client, std::string bytes) {
    Host* const host = Passage(fabric, *client).server();
    if (host == nullptr) return;
    const auto found = std::ranges::find_if(host->answering, [&](const auto& one) {
        return one->address.port == client->peer.port && (one->address.ip.is_unspecified() || one->address.ip == client->peer.ip);
    });
    if (found == host->answering.end()) return refuse(fabric, client, ECONNREFUSED);
    const std::shared_ptr<Answerer> server = *found;
    server->loop->post_at(fabric->world.wire().now(), [fabric, client, server, bytes = std::move(bytes)] {
        for (std::string& answer : server->answering(client->local, bytes)) deliver(fabric, client, std::move(answer));
    });
}

class SimDatagrams final : public io::Datagrams {
public:
    SimDatagrams(std::shared_ptr<Fabric> fabric, std::shared_ptr<Net::Seat> seat, std::shared_ptr<Client> client)
        : fabric_(std::move(fabric)), seat_(std::move(seat)), client_(std::move(client)) {
        ++seat_->host->descriptors;
    }
    ~SimDatagrams() override {
        HALE_CHECK(seat_->loop->here());
        client_->handler = nullptr;
        --seat_->host->descriptors;
    }
    int send(std::string_view bytes) override {
        if (const int error = seat_->count(Operation::write)) return error;
        const Passage way(fabric_, *client_);
        Host* const server = way.server();
        if (server == nullptr || way.lost(*client_->host, *server)) return 0;
        Loop& wire = fabric_->world.wire();
        wire.post_at(wire.now() + way.delay(false), [fabric = fabric_, client = client_, text = std::string(bytes)] { arrive(fabric, client, text); });
        return 0;
    }
    const SocketAddress& peer() const override { return client_->peer; }

private:
    const std::shared_ptr<Fabric> fabric_;
    const std::shared_ptr<Net::Seat> seat_;
    const std::shared_ptr<Client> client_;
};

class SimDatagramServer final : public Net::DatagramServer {
public:
    SimDatagramServer(std::shared_ptr<Fabric> fabric, Host& host, std::shared_ptr<Answerer> answerer)
        : fabric_(std::move(fabric)), host_(host), answerer_(std::move(answerer)) {
        host_.answering.push_back(answerer_);
        ++host_.descriptors;
    }
    ~SimDatagramServer() override {
        std::erase(host_.answering, answerer_);
        --host_.descriptors;
    }

private:
    const std::shared_ptr<Fabric> fabric_;  // Keeps the host.
    Host& host_;
    const std::shared_ptr<Answerer> answerer_;
};

}  // namespace

Result<std::unique_ptr<io::Datagrams>> Net::datagrams(const SocketAddress& with, io::DatagramHandler& handler) {
    HALE_CHECK(seat_->loop->here() && !with.is_unix());
    Host& host = *seat_->host;
    const auto refused = [&](int error) { return fail(Code::unavailable, fmt::format("can't send to {}: {}", with.text(), system_text(error)), error); };
    if (const int error = seat_->count(Operation::connect)) return refused(error);
    if (host.descriptors >= host.descriptor_limit) return refused(EMFILE);
    const bool own = with.ip.is_loopback();
    if (!own && !host.link) return refused(ENETUNREACH);
    SocketAddress local{.ip = own ? with.ip : host.addresses.empty() ? Ip{} : host.addresses.front(), .port = host.next_port};
    host.next_port = host.next_port == 60999 ? 32768 : static_cast<std::uint16_t>(host.next_port + 1);
    auto client = std::make_shared<Client>(Client{&handler, seat_->loop, &host, with, local});
    return std::make_unique<SimDatagrams>(fabric_, seat_, std::move(client));
}

std::unique_ptr<Net::DatagramServer> Net::serve_datagrams(const SocketAddress& at, Answering answering) {
    auto answerer = std::make_shared<Answerer>(Answerer{seat_->loop, at, std::move(answering)});
    return std::make_unique<SimDatagramServer>(fabric_, *seat_->host, std::move(answerer));
}

}  // namespace hale::sim
