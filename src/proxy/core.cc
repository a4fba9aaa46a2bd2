#include "proxy/core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "wire/url.h"

namespace hale::proxy {

namespace {
constexpr Duration tick_interval = 1s;
constexpr std::size_t most_spare = 1'024;  // Objects kept for the next connections, of each kind.

template <class T>
std::unique_ptr<T> take_spare(std::vector<std::unique_ptr<T>>& spare, Core& core) {
    if (spare.empty()) return std::make_unique<T>(core);
    auto object = std::move(spare.back());
    spare.pop_back();
    return object;
}

template <class T>
void keep_spare(std::vector<std::unique_ptr<T>>& ended, std::vector<std::unique_ptr<T>>& spare) {
    for (auto& object : ended)
        if (spare.size() < most_spare) spare.push_back(std::move(object));
    ended.clear();
}
}  // namespace

Core::Core(io::Loop& loop, io::Net& net, WorkerOptions options, WorkerDoors doors)
    : loop_(loop),
      net_(net),
      options_(std::move(options)),
      doors_(std::move(doors)),
      random_(options_.seed + 0x9e3779b97f4a7c15u * options_.index),
      log_(doors_.log),
      scratch_(std::make_unique_for_overwrite<char[]>(options_.read_bytes)),
      tick_(loop, io::member_fire<&Core::tick>, this),
      passive_timer_(loop, io::member_fire<&Core::send_passive>, this),
      drain_timer_(loop, io::member_fire<&Core::drain_ended>, this) {
    stats_.worker = options_.index;
}

Core::~Core() {
    if (HALE_BUG_IF(!stopped_)) stop();
}

// --- What the worker is told -----------------------------------------------------------------------------

void Core::set_proof(std::string token, std::string proof) {
    if (proof.empty()) {
        proofs_.erase(token);
        return;
    }
    if (proofs_.size() >= Worker::max_proofs && !proofs_.contains(token)) proofs_.erase(proofs_.begin());
    proofs_.insert_or_assign(std::move(token), std::move(proof));
}

const std::string* Core::find_proof(std::string_view path) const {
    constexpr std::string_view place = "/.well-known/acme-challenge/";
    if (!path.starts_with(place)) return nullptr;
    const auto found = proofs_.find(path.substr(place.size()));
    return found == proofs_.end() ? nullptr : &found->second;
}

catalog::Snapshot Core::adopt(catalog::Snapshot snapshot) {
    Turn turn(*this);
    auto before = std::exchange(snapshot_, std::move(snapshot));
    ++adoptions_;
    routes_.clear();
    // Services that the new snapshot does not route move over last, so that none is rebuilt twice.
    auto left = std::exchange(services_, {});
    if (snapshot_ != nullptr) {
        stats_.revision = snapshot_->revision;
        routes_.reserve(snapshot_->table.all().size());
        for (const auto& route : snapshot_->table.all()) {
            const auto& routed = *route.service;
            auto& service = services_[routed.index];
            if (service == nullptr) {
                if (const auto known = left.find(routed.index); known != left.end() && known->second->name() == routed.name)
                    service = std::move(known->second);
                else service = std::make_unique<Service>(*this, routed);
                service->adopt(routed);
            }
            routes_.push_back(service.get());
        }
    }
    for (auto& [index, service] : left) {
        if (service == nullptr) continue;
        service->retire();
        retired_.push_back(std::move(service));
    }
    // Each connect is tested by what was resolved, and what stands is tested again when the policy moved.
    const auto policy_of = [](const catalog::Snapshot& one) { return one != nullptr ? one->targets : nullptr; };
    if (policy_of(before) != policy_of(snapshot_))
        for (auto& [index, service] : services_) service->test_targets();
    if (!stopped_ && !tick_.armed()) tick_.arm(now() + tick_interval);
    // Whoever waits for a paused service looks again: it may go on, wait anew, or be gone.
    for (std::size_t waiting = parked_.size(); waiting > 0; --waiting) parked_.front()->unpause();
    return before;
}

Result<SocketAddress> Core::listen(const SocketAddress& address) { return listen_for(*this, address); }

Result<SocketAddress> Core::listen_secure(const SocketAddress& address) {
    if (doors_.server_tls == nullptr) return fail(Code::unavailable, "there is no TLS here");
    doors_.server_tls->set_hosts(this);
    HALE_ASSIGN(const auto where, listen_for(secure_door_, address));
    https_port_ = where.port;
    return where;
}

Result<SocketAddress> Core::listen_for(io::AcceptHandler& door, const SocketAddress& address) {
    HALE_ASSIGN(auto listener, net_.listen({.address = address, .reuse_port = !address.is_unix(), .unix_mode = 0666}, door));
    stopped_ = false;
    if (!tick_.armed()) tick_.arm(now() + tick_interval);
    auto local = listener->local();
    listeners_.push_back(std::move(listener));
    return local;
}

void Core::drain(Duration at_most, io::Task drained) {
    Turn turn(*this);
    draining_ = true;
    drained_ = std::move(drained);
    listeners_.clear();
    for (Client* client = clients_.front(); client != nullptr; client = decltype(clients_)::after(*client)) client->drain();
    drain_timer_.arm(now() + at_most);
}

void Core::drain_ended() noexcept {
    Turn turn(*this);
    while (Client* const client = clients_.front()) client->abort();
}

void Core::finish_if_drained() {
    if (!draining_ || !drained_ || !clients_.empty()) return;
    auto drained = std::exchange(drained_, nullptr);
    stop();
    loop_.post(std::move(drained));
}

void Core::stop() {
    if (stopped_) return;
    stopped_ = true;
    listeners_.clear();
    {
        Turn turn(*this);
        while (Client* const client = clients_.front()) client->abort();
        while (Upstream* const upstream = upstreams_.front()) close_upstream(*upstream);
    }
    tick_.disarm();
    drain_timer_.disarm();
    if (passive_timer_.armed()) {
        passive_timer_.disarm();
        send_passive();
    }
    if (log_.on()) log_.flush();
    if (drained_) loop_.post(std::exchange(drained_, nullptr));
}

WorkerStats Core::stats() const {
    WorkerStats all = stats_;
    all.clients = clients_.size();
    all.exchanges = exchanges_;
    all.parked = parked_.size();
    all.tunnels = tunnels_;
    all.upstream_connections = upstreams_.size();
    all.upstream_idle = idle_;
    all.log_lines = log_.lines();
    all.log_dropped = log_.dropped();
    all.services.push_back(unrouted_);
    for (const auto& [index, service] : services_) all.services.push_back(service->stats);
    return all;
}

std::vector<InstanceTally> Core::tallies(std::string_view service) const {
    for (const auto& [index, one] : services_)
        if (one->name() == service) return one->tallies();
    return {};
}

// --- Turns -----------------------------------------------------------------------------------------------

// Runs with depth_ still 1, so that nothing in here starts another end.
void Core::end_turn() {
    while (Client* const client = ready_.pop_front()) client->resume();
    finish_if_drained();
    recycle();
}

void Core::recycle() {
    if (!ended_clients_.empty()) {
        for (auto& client : ended_clients_) client->recycle();
        keep_spare(ended_clients_, spare_clients_);
    }
    if (!ended_upstreams_.empty()) keep_spare(ended_upstreams_, spare_upstreams_);
}

void Core::tick() noexcept {
    Turn turn(*this);
    for (auto& [index, service] : services_) {
        // Also without requests: who is no longer eligible keeps no idle connection.
        service->refresh();
        service->sweep(now() - options_.upstream_idle);
    }
    for (auto& service : retired_) service->sweep(now());
    std::erase_if(retired_, [](const auto& service) { return !service->in_use(); });
    if (log_.on()) log_.flush();
    tick_.arm(now() + tick_interval);
}

std::string_view Core::date() {
    const auto utc = loop_.utc();
    const auto second = std::chrono::floor<std::chrono::seconds>(utc.time_since_epoch()).count();
    if (second != date_second_) {
        date_second_ = second;
        date_ = http_date(utc);
    }
    return date_;
}

// --- Clients ---------------------------------------------------------------------------------------------

// Null: as many as may be are here.
Client* Core::room_for_one() {
    if (clients_.size() >= options_.max_clients) {
        ++stats_.refused_clients;
        return nullptr;
    }
    ++stats_.accepted;
    Client* const client = take_spare(spare_clients_, *this).release();
    clients_.push_back(*client);
    return client;
}

void Core::on_accept(std::unique_ptr<io::Stream> stream) noexcept {
    Turn turn(*this);
    if (Client* const client = room_for_one()) client->start(std::move(stream));
}

void Core::SecureDoor::on_accept(std::unique_ptr<io::Stream> stream) noexcept {
    Turn turn(core_);
    auto secure = core_.doors_.server_tls->accept(core_.loop_, std::move(stream));
    if (secure == nullptr) return;
    if (Client* const client = core_.room_for_one()) client->start_secure(std::move(secure));
}

void Core::count_handshake(bool done, bool resumed) {
    if (!done) ++stats_.handshakes_failed;
    else if (resumed) ++stats_.handshakes_resumed;
    else ++stats_.handshakes;
}

// By the routes in force: a host can be served over TLS from the mutation on that routes it.
io::TlsHosts::Host Core::host(std::string_view name) const {
    Host found;
    if (snapshot_ == nullptr) return found;
    wire::HostScratch scratch;
    const auto normal = wire::normal_host(name, scratch);
    if (!normal) return found;
    snapshot_->table.any_of_host(*normal, [&](const catalog::Route& route) {
        const auto& tls = route.tls;
        if (tls == nullptr) return false;
        found.served = true;
        if (tls->client_required) found.client_ca_pem = &tls->client_ca_pem;
        return tls->client_required;
    });
    return found;
}

void Core::ended(Client& client) {
    clients_.erase(client);
    ready_.erase(client);
    ended_clients_.emplace_back(&client);
}

bool Core::park(Client& client) {
    if (parked_.size() >= options_.max_parked) return false;
    parked_.push_back(client);
    return true;
}

Service* Core::service_of(const catalog::Route& route) {
    return routes_[static_cast<std::size_t>(&route - snapshot_->table.all().data())];
}

// --- Upstreams -------------------------------------------------------------------------------------------

std::optional<std::string> Core::refusal(const Backend& backend) const {
    static const catalog::TargetPolicy none_said;
    const auto& policy = snapshot_ != nullptr && snapshot_->targets ? *snapshot_->targets : none_said;
    return policy.refusal(backend.address, backend.trusted);
}

void Core::complain(const Backend& backend, std::string_view why) {
    if (now() < next_complaint_) return;
    next_complaint_ = now() + 1s;
    hale::log(LogLevel::error, "connecting to " + backend.address_text + " for service " + backend.service.name() + std::string(why));
}

Upstream* Core::acquire(Backend& backend, Client& client, bool fresh) {
    if (backend.refused) {
        ++stats_.refused_targets;
        complain(backend, " is refused: " + refusal(backend).value_or("the policy changed"));
        return nullptr;
    }
    if (!fresh && !backend.idle.empty()) {
        Upstream* const upstream = backend.idle.back();
        backend.idle.pop_back();
        --idle_;
        upstream->reused = true;
        upstream->client = &client;
        ++stats_.upstream_reuses;
        return upstream;
    }
    auto stream = net_.connect(backend.address);
    if (!stream) {
        complain(backend, " could not begin: " + stream.error().text);
        return nullptr;
    }
    if (backend.tls) {
        const auto& spec = backend.service.upstream_tls;
        const auto client_tls = doors_.client_tls != nullptr ? doors_.client_tls->client(spec)
                                                             : Result<std::shared_ptr<const io::ClientTls>>(fail(Code::unavailable, "there is no TLS here"));
        if (!client_tls) {
            complain(backend, " could not begin: " + client_tls.error().text);
            return nullptr;
        }
        stream = (*client_tls)->secure(loop_, std::move(*stream), spec && !spec->name.empty() ? spec->name : backend.tls_name);
        if (*stream == nullptr) return nullptr;
    }
    Upstream* const upstream = take_spare(spare_upstreams_, *this).release();
    ++backend.connections;
    ++stats_.upstream_connects;
    upstreams_.push_back(*upstream);
    upstream->client = &client;
    upstream->start(backend, std::move(*stream), true);
    return upstream;
}

void Core::give_back(Upstream& upstream) {
    Backend& backend = *upstream.backend;
    // `wanted` is of the last list: the epoch may have moved, and the next refresh closes what must not stay.
    if (!backend.wanted || backend.refused || stopped_ || backend.idle.size() >= options_.max_idle_per_instance) {
        close_upstream(upstream);
        return;
    }
    upstream.in.clear();
    upstream.idle_since = now();
    backend.idle.push_back(&upstream);
    ++idle_;
}

void Core::close_upstream(Upstream& upstream, bool by_reset) {
    if (!upstream.open()) return;
    Backend& backend = *upstream.backend;
    if (upstream.client == nullptr)
        if (const auto at = std::ranges::find(backend.idle, &upstream); at != backend.idle.end()) {
            backend.idle.erase(at);
            --idle_;
        }
    --backend.connections;
    upstreams_.erase(upstream);
    upstream.end(by_reset);
    upstream.client = nullptr;
    upstream.backend = nullptr;
    ended_upstreams_.emplace_back(&upstream);
}

void Core::close_idle(Backend& backend) {
    while (!backend.idle.empty()) close_upstream(*backend.idle.back());
}

void Core::close_idle_since(Backend& backend, Instant before) {
    while (!backend.idle.empty() && backend.idle.front()->idle_since <= before) close_upstream(*backend.idle.front());
}

// --- What traffic says about instances -------------------------------------------------------------------

void Core::passive(const Backend& backend, verdict::Reason reason) {
    if (!doors_.passive) return;
    if (passive_.size() >= Worker::max_passive_batch) {
        ++stats_.passive_dropped;  // The checker probes an instance once per confirmation round anyway.
        return;
    }
    passive_.push_back({backend.row_id, backend.generation, reason});
    ++stats_.passive_signals;
    if (!passive_timer_.armed()) passive_timer_.arm(now());
}

void Core::send_passive() noexcept {
    if (!passive_.empty()) doors_.passive(std::exchange(passive_, {}));
}

}  // namespace hale::proxy
