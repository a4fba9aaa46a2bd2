// What the network of a world is made of, shared by nets, streams and listeners. Only sim/*.cc include this.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/connection.h"
#include "sim/faults.h"
#include "sim/net.h"
#include "sim/world.h"

namespace hale::sim {

// One listening socket.
struct Listening {
    Host* host;
    std::shared_ptr<Net::Seat> seat;
    Loop* loop;
    io::AcceptHandler* handler;  // None once closed.
    SocketAddress address;
    bool reuse_port;
    std::size_t backlog;
    std::deque<std::pair<std::shared_ptr<Connection>, Connection::Identity>> queue;
    std::size_t coming = 0;  // Handshakes under way that were promised a place.
    bool scheduled = false;
    bool said_out_of_descriptors = false;
};

// One socket that answers datagrams.
struct Answerer {
    Loop* loop;
    SocketAddress address;
    Net::Answering answering;
};

struct Host {
    std::string name;
    std::vector<Ip> addresses;
    std::vector<std::shared_ptr<Listening>> listening;
    std::vector<std::shared_ptr<Answerer>> answering;
    std::map<SocketAddress, std::uint64_t> outgoing;  // Open connections by destination.
    std::uint64_t descriptors = 0;
    std::uint64_t descriptor_limit = no_limit;
    std::uint64_t local_port_limit = no_limit;
    std::uint16_t next_port = 32768;
    bool power = true;
    bool link = true;
};

struct Net::Seat {
    Host* host;
    Loop* loop;
    io::PeerCredentials credentials;
    std::map<Operation, std::pair<std::uint64_t, int>> failing;  // How many more, with what.
    std::uint64_t operations = 0;
    std::uint64_t fail_at = 0;
    int fail_at_with = 0;
    bool default_route = true;

    // Counts the operation; the errno with which it must fail, or 0.
    int count(Operation operation);
};

struct Fabric {
    explicit Fabric(World& the_world) : world(the_world) {}

    World& world;
    std::map<std::string, std::unique_ptr<Host>, std::less<>> hosts;
    std::vector<std::pair<Way, Faults>> rules;
    std::uint64_t rules_version = 1;
    std::set<std::pair<const Host*, const Host*>> cuts;  // From, to.
    std::shared_ptr<Totals> totals = std::make_shared<Totals>();
    std::vector<std::weak_ptr<Connection>> connections;

    Host& host(std::string_view name);
    Host* host_of(const Ip& ip, Host& from);
    Faults faults(const Host& from, const SocketAddress& to) const;
    bool parted(const Host& from, const Host& to) const;
    bool chance(double probability);
    void keep(const std::shared_ptr<Connection>& connection);
};

// The way under one connection.
class NetPath final : public Path {
public:
    NetPath(std::shared_ptr<Fabric> fabric, std::shared_ptr<Net::Seat> from, Host* to_host, SocketAddress to);

    const Faults& faults();
    Host* to_host() const { return to_host_; }
    const SocketAddress& to() const { return to_; }
    void accepted_by(std::shared_ptr<Net::Seat> seat) { seats_[1] = std::move(seat); }
    bool parted() const;

    std::uint64_t window() override { return faults().window; }
    Duration delay(Side from) override;
    bool lost(Side from) override;
    Permit permit_read(Side side) override;
    Permit permit_write(Side side) override;
    bool spurious_notice() override { return fabric_->chance(faults().spurious_notice); }
    std::uint64_t break_at(Side from) override;
    std::uint64_t vanish_at(Side from) override { return from == Side::server ? vanish_at_ : no_limit; }
    void vanished() override { vanished_ = true; }
    void closed(Side side) override;

private:
    Permit permit(Side side, Operation operation, double shortened);

    const std::shared_ptr<Fabric> fabric_;
    std::array<std::shared_ptr<Net::Seat>, 2> seats_;
    Host* const to_host_;
    const SocketAddress to_;
    Faults faults_;
    std::uint64_t faults_version_ = 0;
    std::array<std::uint64_t, 2> break_at_{no_limit, no_limit};
    std::uint64_t vanish_at_ = no_limit;
    bool one_byte_reads_ = false;
    bool vanished_ = false;
};

}  // namespace hale::sim
