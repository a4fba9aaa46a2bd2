// The simulated network: named hosts with addresses, ways between them with faults, and for each loop of a
// host an io::Net. What can be changed can be changed at any time, and holds from the next packet on.
//
//   Network network(world);
//   network.add_host("proxy", {"10.0.0.1"});
//   network.add_host("web", {"10.0.0.5"});
//   auto& net = network.net("proxy", loop);
//   network.set_faults({.from = "proxy", .ip = Ip::parse("10.0.0.5")}, {.latency = 2ms, .loss = 0.01});
//   network.cut_for("proxy", "web", 30s);
//
// An address of no host never answers. A host without listener refuses. Loopback (127/8, ::1) is the host
// itself, and unix sockets are too; neither has latency or faults by default rules (name them in a Way).

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "io/stream.h"
#include "sim/connection.h"
#include "sim/faults.h"
#include "sim/loop.h"

namespace hale::sim {

class World;
struct Fabric;
struct Host;

enum class Operation : std::uint8_t { connect, listen, accept, read, write };  // connect: datagrams() too.

// io::Net of one host on one loop. Own faults (V9) are set here; those of the way at Network.
class Net final : public io::Net {
public:
    struct Seat;  // What streams and listeners share with it.
    Net(std::shared_ptr<Fabric> fabric, Host& host, Loop& loop);
    ~Net() override;

    Result<std::unique_ptr<io::Stream>> connect(const SocketAddress& to) override;
    Result<std::unique_ptr<io::Listener>> listen(const io::ListenOptions& options, io::AcceptHandler& handler) override;
    Result<std::unique_ptr<io::Datagrams>> datagrams(const SocketAddress& with, io::DatagramHandler& handler) override;
    bool has_default_route(const Ip& to) override;

    // A server of datagrams at that address until the returned handle dies. Asked for each one that arrives, with who
    // sent it; what it returns goes back, each as a datagram that may be delayed or lost.
    using Answering = std::move_only_function<std::vector<std::string>(const SocketAddress& from, std::string_view bytes)>;
    class DatagramServer {
    public:
        virtual ~DatagramServer() = default;
    };
    [[nodiscard]] std::unique_ptr<DatagramServer> serve_datagrams(const SocketAddress& at, Answering answering);

    // The next `count` operations of that kind fail with this errno: EMFILE, EADDRNOTAVAIL, ENOBUFS ...
    void fail_next(Operation operation, int error, std::uint64_t count = 1);
    // The nth operation of any kind from now on (1 is the next) fails: for loops over 1, 2 ... n.
    void fail_nth(std::uint64_t n, int error);
    std::uint64_t operations() const;
    // Without one "network unreachable" is our own trouble. A host without its link has none either.
    void set_default_route(bool there);
    // Who this process is to the other end of a unix socket.
    void set_credentials(io::PeerCredentials credentials);
    bool sits_at(const Host& host, const Loop& loop) const;

private:
    const std::shared_ptr<Fabric> fabric_;
    const std::shared_ptr<Seat> seat_;
};

class Network {
public:
    explicit Network(World& world);
    ~Network();

    // Addresses as text; they must be valid and new.
    void add_host(std::string_view name, const std::vector<std::string_view>& addresses);
    // The host's io::Net on that loop, made when first asked for.
    Net& net(std::string_view host, Loop& loop);

    // Replaces what was set for exactly this way; of several ways that match, the one set last counts.
    void set_faults(const Way& way, const Faults& faults);
    void set_faults(const Faults& faults) { set_faults(Way{}, faults); }
    void clear_faults();

    // Packets between these hosts are lost, connections survive if it does not last (retransmission).
    void cut(std::string_view a, std::string_view b);
    void cut_one_way(std::string_view from, std::string_view to);
    void heal(std::string_view a, std::string_view b);
    void heal();  // All cuts.
    void cut_for(std::string_view a, std::string_view b, Duration d);

    // Without power a host neither sends nor receives, and nobody is told; with power again it goes on.
    void set_power(std::string_view host, bool on);
    // Without its link a host's own connects fail with ENETUNREACH.
    void set_link(std::string_view host, bool up);
    // Streams and listeners at once; then connect and listen fail with EMFILE, and accept waits.
    void limit_descriptors(std::string_view host, std::uint64_t limit);
    // Outgoing connections at once to one address; then connect fails with EADDRNOTAVAIL.
    void limit_local_ports(std::string_view host, std::uint64_t limit);

    const Totals& totals() const;
    std::uint64_t open_streams() const { return totals().streams_open; }
    std::uint64_t bytes_held() const;  // In flight or unread, counted one by one.
    std::uint64_t listeners() const;
    // Empty when nothing is open, nothing is held and every byte is accounted for; else what is not.
    std::string leaks() const;

private:
    const std::shared_ptr<Fabric> fabric_;
    std::vector<std::unique_ptr<Net>> nets_;
};

}  // namespace hale::sim
