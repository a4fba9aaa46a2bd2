// The inside of a Worker: the tables, free lists and scratch buffers that its connections share. Nothing of it
// is visible outside the folder.
//
// Every entry from the loop holds a Turn. What was ended during it is recycled, and clients that have more to
// do are continued, when the outermost Turn closes: so no function finds its own object reused beneath it,
// and no two readings share the scratch buffer.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "proxy/chain.h"
#include "proxy/client.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "wire/http1.h"

namespace hale::proxy {

class Core final : public io::AcceptHandler, private io::TlsHosts {
public:
    Core(io::Loop& loop, io::Net& net, WorkerOptions options, WorkerDoors doors);
    ~Core() override;

    class Turn {
    public:
        explicit Turn(Core& core) : core_(core) { ++core_.depth_; }
        ~Turn() {
            if (core_.depth_ == 1) core_.end_turn();
            --core_.depth_;
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

    private:
        Core& core_;
    };

    // Worker's functions.
    catalog::Snapshot adopt(catalog::Snapshot snapshot);
    Result<SocketAddress> listen(const SocketAddress& address);
    Result<SocketAddress> listen_secure(const SocketAddress& address);
    void drain(Duration at_most, io::Task drained);
    void stop();
    bool stopped() const { return stopped_; }
    WorkerStats stats() const;
    std::vector<InstanceTally> tallies(std::string_view service) const;
    AccessLog& log() { return log_; }

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override;

    std::uint16_t https_port() const { return https_port_; }  // 0: there is no listener with TLS.
    void count_handshake(bool done, bool resumed);

    // For clients.
    Instant now() const { return loop_.now(); }
    io::Loop& loop() { return loop_; }
    const WorkerOptions& options() const { return options_; }
    const catalog::RoutingSnapshot* snapshot() const { return snapshot_.get(); }
    std::uint64_t adoptions() const { return adoptions_; }
    std::span<const Cidr> trusted_proxies() const {
        return snapshot_ != nullptr ? std::span(snapshot_->trusted_proxies) : std::span<const Cidr>{};
    }
    std::optional<std::uint64_t> max_body() const { return snapshot_ != nullptr ? snapshot_->max_body : std::nullopt; }
    void set_proof(std::string token, std::string proof);
    // Of an authority's path, else null; nearly always there is none at all.
    const std::string* proof(std::string_view path) const { return proofs_.empty() ? nullptr : find_proof(path); }
    const catalog::OwnHealth* health() const { return doors_.health; }
    bool draining() const { return draining_; }
    Random& random() { return random_; }
    std::string_view date();
    Service* service_of(const catalog::Route& route);
    ServiceStats& unrouted() { return unrouted_; }

    void schedule(Client& client) { ready_.push_back(client); }
    bool park(Client& client);  // False: too many wait already.
    void unpark(Client& client) { parked_.erase(client); }
    void ended(Client& client);
    void count_exchange(int change) { exchanges_ += static_cast<std::uint64_t>(change); }
    void count_tunnel(int change) { tunnels_ += static_cast<std::uint64_t>(change); }

    // Why the policy on targets lets nobody connect there; nothing: it does.
    std::optional<std::string> refusal(const Backend& backend) const;
    // An idle connection, unless a fresh one is asked for; else a new one. Null: it may not or could not even begin.
    Upstream* acquire(Backend& backend, Client& client, bool fresh);
    void give_back(Upstream& upstream);
    void close_upstream(Upstream& upstream, bool by_reset = false);
    void close_idle(Backend& backend);
    void close_idle_since(Backend& backend, Instant before);
    void count_unsolicited() { ++stats_.unsolicited_closes; }

    void passive(const Backend& backend, verdict::Reason reason);

    // Shared by all connections: valid within one function that reads, never across a return to the loop.
    std::span<char> scratch() { return {scratch_.get(), options_.read_bytes}; }
    wire::RequestHead request_head;
    wire::ResponseHead response_head;
    std::string out;           // Bytes about to be written.
    std::string match_path;    // Scratch of path_for_match.

private:
    friend class Turn;

    // Clients that come over TLS.
    class SecureDoor final : public io::AcceptHandler {
    public:
        explicit SecureDoor(Core& core) : core_(core) {}
        void on_accept(std::unique_ptr<io::Stream> stream) noexcept override;

    private:
        Core& core_;
    };

    Result<SocketAddress> listen_for(io::AcceptHandler& door, const SocketAddress& address);
    Client* room_for_one();
    Host host(std::string_view name) const override;
    void end_turn();
    const std::string* find_proof(std::string_view path) const;
    void tick() noexcept;
    void send_passive() noexcept;
    void drain_ended() noexcept;
    void complain(const Backend& backend, std::string_view why);
    void finish_if_drained();
    void recycle();

    io::Loop& loop_;
    io::Net& net_;
    const WorkerOptions options_;
    WorkerDoors doors_;
    Random random_;
    AccessLog log_;

    catalog::Snapshot snapshot_;
    std::uint64_t adoptions_ = 0;
    std::vector<Service*> routes_;  // As snapshot_->table.all().
    std::unordered_map<std::uint32_t, std::unique_ptr<Service>> services_;  // By RoutedService::index.
    std::vector<std::unique_ptr<Service>> retired_;

    SecureDoor secure_door_{*this};
    std::uint16_t https_port_ = 0;
    std::vector<std::unique_ptr<io::Listener>> listeners_;
    Chain<Client, &Client::in_all> clients_;
    Chain<Client, &Client::in_ready> ready_;
    Chain<Client, &Client::in_parked> parked_;
    Chain<Upstream, &Upstream::all> upstreams_;
    // Ended in this turn, and ready for use. Those in use are owned by the chains above.
    std::vector<std::unique_ptr<Client>> ended_clients_, spare_clients_;
    std::vector<std::unique_ptr<Upstream>> ended_upstreams_, spare_upstreams_;

    std::map<std::string, std::string, std::less<>> proofs_;  // By token.
    std::vector<catalog::Passive> passive_;
    WorkerStats stats_;
    ServiceStats unrouted_;
    std::uint64_t exchanges_ = 0;
    std::uint64_t tunnels_ = 0;
    std::uint64_t idle_ = 0;

    std::unique_ptr<char[]> scratch_;
    Instant next_complaint_{};  // About connections that could not begin: one a second is enough.
    std::string date_;
    std::int64_t date_second_ = -1;
    int depth_ = 0;
    bool draining_ = false;
    bool stopped_ = true;
    io::Task drained_;
    io::Timer tick_;
    io::Timer passive_timer_;
    io::Timer drain_timer_;
};

}  // namespace hale::proxy
