#include "sim/net.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/reached.h"
#include "sim/fabric.h"

namespace hale::sim {

namespace {

constexpr std::size_t accepts_a_turn = 64;
constexpr Duration out_of_descriptors_pause = 100ms;
// Linux repeats a SYN six times, 1 s, 2 s, 4 s ... later, and gives up after 127 s.
constexpr Duration syn_first = 1s;
constexpr int syn_limit = 6;

std::unexpected<Error> own_failure(std::string_view what, const SocketAddress& address, int error) {
    return fail(Code::unavailable, fmt::format("{} {}: {}", what, address.text(), system_text(error)), error);
}

void accept_some(const std::shared_ptr<Listening>& listening);

void schedule_accept(const std::shared_ptr<Listening>& listening, Duration wait = Duration{0}) {
    if (std::exchange(listening->scheduled, true)) return;
    Loop& loop = *listening->loop;
    loop.post_at(loop.now() + wait, [listening] {
        listening->scheduled = false;
        accept_some(listening);
    });
}

void accept_some(const std::shared_ptr<Listening>& listening) {
    for (std::size_t n = 0; n < accepts_a_turn && listening->handler && !listening->queue.empty(); ++n) {
        Host& host = *listening->host;
        const bool full = host.descriptors >= host.descriptor_limit;
        if (listening->seat->count(Operation::accept) != 0 || full) {
            HALE_REACHED("sim: accept without a descriptor");
            if (!std::exchange(listening->said_out_of_descriptors, true))
                log(LogLevel::warning, fmt::format("accept on {}: out of descriptors", listening->address.text()));
            return schedule_accept(listening, out_of_descriptors_pause);
        }
        listening->said_out_of_descriptors = false;
        auto [connection, identity] = std::move(listening->queue.front());
        listening->queue.pop_front();
        ++host.descriptors;
        auto stream = connection->open(Side::server, std::move(identity));
        connection->establish(Side::server);
        listening->handler->on_accept(std::move(stream));
    }
    if (listening->handler && !listening->queue.empty()) schedule_accept(listening);
}

class SimListener final : public io::Listener {
public:
    SimListener(std::shared_ptr<Fabric> fabric, std::shared_ptr<Listening> listening)
        : fabric_(std::move(fabric)), listening_(std::move(listening)) {}
    ~SimListener() override {
        HALE_CHECK(listening_->loop->here());
        listening_->handler = nullptr;
        std::erase(listening_->host->listening, listening_);
        --listening_->host->descriptors;
        for (auto& [connection, identity] : listening_->queue) connection->refuse_opened();
        listening_->queue.clear();
    }
    SocketAddress local() const override { return listening_->address; }

private:
    const std::shared_ptr<Fabric> fabric_;  // Keeps the host.
    const std::shared_ptr<Listening> listening_;
};

bool same_socket(const SocketAddress& listening, const SocketAddress& to) {
    if (listening.is_unix() || to.is_unix()) return listening.path == to.path;
    return listening.port == to.port && (listening.ip.is_unspecified() || listening.ip == to.ip);
}

std::shared_ptr<Listening> find_listener(Fabric& fabric, Host& host, const SocketAddress& to) {
    // Several sockets on one port share it at random, as SO_REUSEPORT does.
    std::shared_ptr<Listening> chosen;
    std::uint64_t candidates = 0;
    for (const auto& listening : host.listening)
        if (same_socket(listening->address, to) && (++candidates == 1 || fabric.world.random().one_in(candidates)))
            chosen = listening;
    return chosen;
}

// One connect under way. Each step is an event of the wire.
struct Handshake : std::enable_shared_from_this<Handshake> {
    // A promised place is given back however the handshake ends: opened, given up, or dropped with its packet.
    ~Handshake() {
        if (promised) --promised->coming;
    }

    std::shared_ptr<Fabric> fabric;
    std::shared_ptr<Connection> connection;
    std::shared_ptr<Net::Seat> seat;
    NetPath* path;
    SocketAddress local, to;
    int refusal = 0;  // Drawn: the errno that somebody answers.
    bool silent = false;
    int attempt = 0;

    void after(Duration d, void (Handshake::*step)()) {
        Loop& wire = fabric->world.wire();
        wire.post_at(wire.now() + d, [self = shared_from_this(), step] { ((*self).*step)(); });
    }
    void send() { after(path->delay(Side::client) + path->faults().connect_delay, &Handshake::arrive); }
    void arrive() {
        if (connection->client_gone()) return;
        Host* const host = path->to_host();
        if (refusal != 0) return after(path->delay(Side::server), &Handshake::refused);
        if (silent || path->parted() || path->lost(Side::client) || path->lost(Side::server)) return repeat();
        const auto listening = find_listener(*fabric, *host, to);
        if (listening == nullptr) {
            refusal = to.is_unix() ? ENOENT : ECONNREFUSED;
            return after(path->delay(Side::server), &Handshake::refused);
        }
        if (listening->queue.size() + listening->coming >= listening->backlog) {
            HALE_REACHED("sim: backlog full");
            return repeat();
        }
        ++listening->coming;
        promised = listening;
        after(path->delay(Side::server), &Handshake::answered);
    }
    void repeat() {
        if (attempt == syn_limit) {
            refusal = ETIMEDOUT;
            return after(syn_first * (std::int64_t{1} << attempt), &Handshake::refused);
        }
        after(syn_first * (std::int64_t{1} << attempt++), &Handshake::send);
    }
    void refused() { connection->fail_connect(refusal); }
    void answered() {
        if (connection->client_gone()) return;
        connection->place(Side::server, *promised->loop);
        path->accepted_by(promised->seat);
        connection->establish(Side::client);
        connection->send_open([self = shared_from_this()] { self->opened(); });
    }
    void opened() {
        if (promised->handler == nullptr) return connection->refuse_opened();
        std::optional<io::PeerCredentials> credentials;
        if (to.is_unix()) credentials = seat->credentials;
        promised->queue.emplace_back(connection,
                                     Connection::Identity{.local = to, .peer = local, .credentials = credentials});
        schedule_accept(promised);
    }

    std::shared_ptr<Listening> promised;
};

}  // namespace

Net::Net(std::shared_ptr<Fabric> fabric, Host& host, Loop& loop)
    : fabric_(std::move(fabric)), seat_(std::make_shared<Seat>(Seat{.host = &host, .loop = &loop})) {}

Net::~Net() = default;

bool Net::has_default_route(const Ip&) { return seat_->default_route && seat_->host->link; }

void Net::set_default_route(bool there) { seat_->default_route = there; }

Result<std::unique_ptr<io::Stream>> Net::connect(const SocketAddress& to) {
    HALE_CHECK(seat_->loop->here());
    Host& host = *seat_->host;
    if (const int error = seat_->count(Operation::connect)) return own_failure("connect to", to, error);
    if (host.descriptors >= host.descriptor_limit) return own_failure("connect to", to, EMFILE);
    const bool own = to.is_unix() || to.ip.is_loopback();
    if (!own && !host.link) return own_failure("connect to", to, ENETUNREACH);
    const auto outgoing = host.outgoing.find(to);
    if (!to.is_unix() && (outgoing == host.outgoing.end() ? 0 : outgoing->second) >= host.local_port_limit)
        return own_failure("connect to", to, EADDRNOTAVAIL);
    ++host.outgoing[to];
    ++host.descriptors;

    SocketAddress local;
    if (!to.is_unix()) {
        local.port = host.next_port;
        host.next_port = host.next_port == 60999 ? 32768 : static_cast<std::uint16_t>(host.next_port + 1);
        const auto family = std::ranges::find(host.addresses, to.ip.is_v4(), &Ip::is_v4);
        local.ip = own ? to.ip : family != host.addresses.end() ? *family : Ip{};
    }

    auto path = std::make_unique<NetPath>(fabric_, seat_, own ? &host : fabric_->host_of(to.ip, host), to);
    auto handshake = std::make_shared<Handshake>();
    handshake->path = path.get();
    handshake->fabric = fabric_;
    handshake->seat = seat_;
    handshake->connection = std::make_shared<Connection>(fabric_->world.wire(), std::move(path), fabric_->totals);
    handshake->local = local;
    handshake->to = to;
    const Faults& f = handshake->path->faults();
    if (fabric_->chance(f.refuse))
        handshake->refusal = ECONNREFUSED;
    else if (fabric_->chance(f.unreachable))
        handshake->refusal = EHOSTUNREACH;
    handshake->silent = fabric_->chance(f.silent);
    handshake->connection->place(Side::client, *seat_->loop);
    fabric_->keep(handshake->connection);
    auto stream = handshake->connection->open(Side::client, {.local = local, .peer = to});
    handshake->send();
    return stream;
}

Result<std::unique_ptr<io::Listener>> Net::listen(const io::ListenOptions& options, io::AcceptHandler& handler) {
    HALE_CHECK(seat_->loop->here());
    Host& host = *seat_->host;
    SocketAddress address = options.address;
    if (const int error = seat_->count(Operation::listen)) return own_failure("listen on", address, error);
    if (host.descriptors >= host.descriptor_limit) return own_failure("listen on", address, EMFILE);
    const auto overlaps = [&](const SocketAddress& a, const SocketAddress& b) {
        return same_socket(a, b) || same_socket(b, a);
    };
    if (!address.is_unix()) {
        if (!address.ip.is_unspecified() && !address.ip.is_loopback() &&
            std::ranges::find(host.addresses, address.ip) == host.addresses.end())
            return own_failure("listen on", address, EADDRNOTAVAIL);
        if (address.port == 0) {
            do address.port = static_cast<std::uint16_t>(20000 + fabric_->world.random().below(10000));
            while (std::ranges::any_of(host.listening, [&](const auto& l) { return overlaps(l->address, address); }));
        }
    }
    for (const auto& other : host.listening)
        if (overlaps(other->address, address) && !(other->reuse_port && options.reuse_port))
            return own_failure("listen on", address, EADDRINUSE);
    auto listening =
        std::make_shared<Listening>(Listening{.host = &host,
                                              .seat = seat_,
                                              .loop = seat_->loop,
                                              .handler = &handler,
                                              .address = address,
                                              .reuse_port = options.reuse_port,
                                              .backlog = static_cast<std::size_t>(std::max(1, options.backlog))});
    host.listening.push_back(listening);
    ++host.descriptors;
    return std::make_unique<SimListener>(fabric_, std::move(listening));
}

void Net::fail_next(Operation operation, int error, std::uint64_t count) { seat_->failing[operation] = {count, error}; }
void Net::fail_nth(std::uint64_t n, int error) {
    seat_->fail_at = seat_->operations + n;
    seat_->fail_at_with = error;
}
std::uint64_t Net::operations() const { return seat_->operations; }
void Net::set_credentials(io::PeerCredentials credentials) { seat_->credentials = std::move(credentials); }

Network::Network(World& world) : fabric_(std::make_shared<Fabric>(world)) {}
Network::~Network() = default;

void Network::add_host(std::string_view name, const std::vector<std::string_view>& addresses) {
    auto host = std::make_unique<Host>();
    host->name = name;
    for (const std::string_view text : addresses) {
        const auto ip = Ip::parse(text);
        HALE_CHECK(ip.has_value());
        HALE_CHECK(fabric_->host_of(*ip, *host) == nullptr);
        host->addresses.push_back(*ip);
    }
    const bool added = fabric_->hosts.emplace(name, std::move(host)).second;
    HALE_CHECK(added);
}

Net& Network::net(std::string_view name, Loop& loop) {
    Host& host = fabric_->host(name);
    for (const auto& net : nets_)
        if (net->sits_at(host, loop)) return *net;
    nets_.push_back(std::make_unique<Net>(fabric_, host, loop));
    return *nets_.back();
}

bool Net::sits_at(const Host& host, const Loop& loop) const { return seat_->host == &host && seat_->loop == &loop; }

void Network::set_faults(const Way& way, const Faults& faults) {
    std::erase_if(fabric_->rules, [&](const auto& rule) { return rule.first == way; });
    fabric_->rules.emplace_back(way, faults);
    ++fabric_->rules_version;
}
void Network::clear_faults() {
    fabric_->rules.clear();
    ++fabric_->rules_version;
}

void Network::cut(std::string_view a, std::string_view b) {
    cut_one_way(a, b);
    cut_one_way(b, a);
}
void Network::cut_one_way(std::string_view from, std::string_view to) {
    fabric_->cuts.emplace(&fabric_->host(from), &fabric_->host(to));
}
void Network::heal(std::string_view a, std::string_view b) {
    fabric_->cuts.erase({&fabric_->host(a), &fabric_->host(b)});
    fabric_->cuts.erase({&fabric_->host(b), &fabric_->host(a)});
}
void Network::heal() { fabric_->cuts.clear(); }
void Network::cut_for(std::string_view a, std::string_view b, Duration d) {
    cut(a, b);
    Loop& wire = fabric_->world.wire();
    wire.post_at(wire.now() + d, [fabric = fabric_, x = &fabric_->host(a), y = &fabric_->host(b)] {
        fabric->cuts.erase({x, y});
        fabric->cuts.erase({y, x});
    });
}

void Network::set_power(std::string_view host, bool on) { fabric_->host(host).power = on; }
void Network::set_link(std::string_view host, bool up) { fabric_->host(host).link = up; }
void Network::limit_descriptors(std::string_view host, std::uint64_t limit) {
    fabric_->host(host).descriptor_limit = limit;
}
void Network::limit_local_ports(std::string_view host, std::uint64_t limit) {
    fabric_->host(host).local_port_limit = limit;
}

const Totals& Network::totals() const { return *fabric_->totals; }

std::uint64_t Network::bytes_held() const {
    std::uint64_t bytes = 0;
    for (const auto& weak : fabric_->connections)
        if (const auto connection = weak.lock()) bytes += connection->bytes_held();
    return bytes;
}

std::uint64_t Network::listeners() const {
    std::uint64_t count = 0;
    for (const auto& [name, host] : fabric_->hosts) count += host->listening.size();
    return count;
}

std::string Network::leaks() const {
    std::string found;
    const Totals& t = totals();
    if (t.streams_open > 0) found += fmt::format("{} streams open; ", t.streams_open);
    if (listeners() > 0) found += fmt::format("{} listeners open; ", listeners());
    if (bytes_held() > 0) found += fmt::format("{} bytes held; ", bytes_held());
    if (t.written != t.read + t.dropped() + bytes_held())
        found += fmt::format("of {} bytes written {} were read, {} dropped and {} are held; ", t.written, t.read,
                             t.dropped(), bytes_held());
    for (const auto& [name, host] : fabric_->hosts)
        if (host->descriptors > 0) found += fmt::format("{} descriptors of {}; ", host->descriptors, name);
    return found;
}

}  // namespace hale::sim
