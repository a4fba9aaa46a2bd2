#include "sim/fabric.h"

#include <algorithm>

#include "base/check.h"

namespace hale::sim {

int Net::Seat::count(Operation operation) {
    if (++operations == fail_at) return fail_at_with;
    const auto found = failing.find(operation);
    if (found == failing.end() || found->second.first == 0) return 0;
    --found->second.first;
    return found->second.second;
}

Host& Fabric::host(std::string_view name) {
    const auto found = hosts.find(name);
    HALE_CHECK(found != hosts.end());
    return *found->second;
}

Host* Fabric::host_of(const Ip& ip, Host& from) {
    if (ip.is_loopback()) return &from;
    for (const auto& [name, host] : hosts)
        if (std::ranges::find(host->addresses, ip) != host->addresses.end()) return host.get();
    return nullptr;
}

Faults Fabric::faults(const Host& from, const SocketAddress& to) const {
    const bool own = to.is_unix() || to.ip.is_loopback();
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
        const Way& way = rule->first;
        if (own && way == Way{}) continue;
        if (!way.from.empty() && way.from != from.name) continue;
        if (way.ip && (to.is_unix() || *way.ip != to.ip)) continue;
        if (way.port != 0 && (to.is_unix() || way.port != to.port)) continue;
        return rule->second;
    }
    return own ? Faults{.latency = Duration{0}, .jitter = Duration{0}} : Faults{};
}

bool Fabric::parted(const Host& from, const Host& to) const {
    return !from.power || !to.power || (&from != &to && (!from.link || !to.link || cuts.contains({&from, &to})));
}

bool Fabric::chance(double probability) { return probability > 0 && world.random().unit() < probability; }

void Fabric::keep(const std::shared_ptr<Connection>& connection) {
    // Amortised: the dead are swept when the list would have to grow.
    if (connections.size() == connections.capacity())
        std::erase_if(connections, [](const auto& c) { return c.expired(); });
    connections.push_back(connection);
}

NetPath::NetPath(std::shared_ptr<Fabric> fabric, std::shared_ptr<Net::Seat> from, Host* to_host, SocketAddress to)
    : fabric_(std::move(fabric)), seats_{std::move(from), nullptr}, to_host_(to_host), to_(std::move(to)) {
    const Faults& f = faults();
    const auto drawn_byte = [&] { return fabric_->world.random().below(f.within); };
    if (fabric_->chance(f.reset)) break_at_[fabric_->world.random().below(2)] = drawn_byte();
    if (fabric_->chance(f.vanish)) vanish_at_ = drawn_byte();
    one_byte_reads_ = fabric_->chance(f.one_byte_reads);
}

const Faults& NetPath::faults() {
    if (faults_version_ != fabric_->rules_version) {
        faults_ = fabric_->faults(*seats_[0]->host, to_);
        faults_version_ = fabric_->rules_version;
    }
    return faults_;
}

bool NetPath::parted() const {
    return to_host_ == nullptr || fabric_->parted(*seats_[0]->host, *to_host_) ||
           fabric_->parted(*to_host_, *seats_[0]->host);
}

Duration NetPath::delay(Side from) {
    const Faults& f = faults();
    Duration d = f.latency;
    if (f.jitter > Duration{0})
        d += Duration{
            static_cast<std::int64_t>(fabric_->world.random().below(static_cast<std::uint64_t>(f.jitter.count()) + 1))};
    if (from == Side::server && fabric_->chance(f.stall)) d += f.stall_for;
    return d;
}

bool NetPath::lost(Side from) {
    if (vanished_ || to_host_ == nullptr) return true;
    const Host& client = *seats_[0]->host;
    if (from == Side::client ? fabric_->parted(client, *to_host_) : fabric_->parted(*to_host_, client)) return true;
    return fabric_->chance(faults().loss);
}

Permit NetPath::permit(Side side, Operation operation, double shortened) {
    const auto& seat = seats_[static_cast<std::size_t>(side)];
    Permit result{.error = seat->count(operation)};
    if (operation == Operation::read && one_byte_reads_)
        result.most = 1;
    else if (fabric_->chance(shortened))
        result.most = 1 + fabric_->world.random().below(16);
    return result;
}

Permit NetPath::permit_read(Side side) { return permit(side, Operation::read, faults().short_read); }
Permit NetPath::permit_write(Side side) { return permit(side, Operation::write, faults().short_write); }

std::uint64_t NetPath::break_at(Side from) {
    const Faults& f = faults();
    const auto exact = from == Side::client ? f.reset_request_at : f.reset_answer_at;
    return std::min(break_at_[static_cast<std::size_t>(from)], exact.value_or(no_limit));
}

void NetPath::closed(Side side) {
    const auto& seat = seats_[static_cast<std::size_t>(side)];
    --seat->host->descriptors;
    if (side == Side::server) return;
    const auto open = seat->host->outgoing.find(to_);
    if (--open->second == 0) seat->host->outgoing.erase(open);
}

}  // namespace hale::sim
