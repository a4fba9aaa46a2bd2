#include "probe/pool.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/reached.h"

namespace hale::probe {

Connection::Connection(Pool& pool, std::unique_ptr<io::Stream> stream, Instant opened)
    : pool_(pool), stream_(std::move(stream)), opened_(opened) {
    ++pool_.open_;
    stream_->set_handler(this);
}

Connection::~Connection() {
    --pool_.open_;
    if (stream_) stream_->reset();
}

bool Connection::secure(io::Loop& loop, const io::ClientTls& tls, const std::string& name) {
    stream_->set_handler(nullptr);
    auto secured = tls.secure(loop, std::move(stream_), name);
    if (!secured) return false;
    secured_ = secured.get();
    stream_ = std::move(secured);
    stream_->set_handler(this);
    secured_->begin();
    return true;
}

void Connection::on_ready(io::Stream&, io::Readiness ready) noexcept {
    if (user_ != nullptr) {
        user_->on_ready(ready);
    } else {
        pool_.on_idle(*this);
    }
}

Pool::Pool(io::Loop& loop, const PoolLimits& limits)
    : loop_(loop), limits_(limits), sweeper_(loop, io::member_fire<&Pool::sweep>, this) {}

Pool::~Pool() { close_all(); }

std::size_t Pool::KeyHash::operator()(const Key& key) const {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, key.ip.bytes.data(), sizeof high);
    std::memcpy(&low, key.ip.bytes.data() + sizeof high, sizeof low);
    std::uint64_t mixed = (high ^ key.port) * 0x9e3779b97f4a7c15u ^ low * 0xc2b2ae3d27d4eb4fu;
    mixed ^= mixed >> 29;
    return key.name.empty() ? mixed : mixed ^ std::hash<std::string_view>{}(key.name);
}

Pool::Key Pool::key_of(const Destination& to) {
    Key key{to.ip, to.port, {}};
    if (to.is_name() || to.is_unix()) key.name = to.naming->name;
    if (to.tls) key.name += "#tls";  // '#' is in no name and no path of ours.
    return key;
}

Lane& Pool::lane(const Destination& to) { return lanes_[key_of(to)]; }

void Pool::forget_if_empty(const Destination& to, const Lane& lane) {
    if (lane.empty()) lanes_.erase(key_of(to));
}

void Pool::close_idle(const Destination& to) {
    const auto found = lanes_.find(key_of(to));
    if (found == lanes_.end()) return;
    kept_ -= found->second.idle.size();
    found->second.idle.clear();  // An empty lane is swept later.
}

bool Pool::too_old(const Connection& connection) const {
    return connection.requests_ >= limits_.most_requests || loop_.now() - connection.opened_ >= limits_.most_age;
}

std::unique_ptr<Connection> Pool::take(Lane& lane, ConnectionUser& user) {
    while (!lane.idle.empty()) {
        auto connection = std::move(lane.idle.back());
        lane.idle.pop_back();
        --kept_;
        connection->lane_ = nullptr;
        if (too_old(*connection)) continue;
        connection->user_ = &user;
        return connection;
    }
    return nullptr;
}

std::unique_ptr<Connection> Pool::adopt(std::unique_ptr<io::Stream> stream, ConnectionUser& user) {
    auto connection = std::make_unique<Connection>(*this, std::move(stream), loop_.now());
    connection->user_ = &user;
    return connection;
}

void Pool::give_back(std::unique_ptr<Connection> connection, Lane& lane) {
    connection->user_ = nullptr;
    if (!room() || too_old(*connection) || lane.idle.size() >= limits_.in_flight_per_address) return;
    connection->lane_ = &lane;
    lane.idle.push_back(std::move(connection));
    ++kept_;
    if (!sweeper_.armed()) sweeper_.arm(loop_.now() + sweep_interval);
}

void Pool::on_idle(Connection& connection) {
    std::array<char, 256> bytes;
    const io::IoResult result = connection.stream_->read(bytes);
    if (result.status == io::IoStatus::would_block) return;
    if (result.status == io::IoStatus::ok) {
        HALE_REACHED("pool: an idle connection spoke");
        ++spoke_while_idle_;
    } else {
        ++closed_while_idle_;
    }
    auto& idle = connection.lane_->idle;
    const auto at = std::ranges::find_if(idle, [&](const auto& one) { return one.get() == &connection; });
    if (HALE_BUG_IF(at == idle.end())) return;
    --kept_;
    idle.erase(at);  // An empty lane is swept later.
}

// A part of the table at a time: a hundred thousand lanes must not be one turn's work.
void Pool::sweep() noexcept {
    const std::size_t buckets = lanes_.bucket_count();
    std::size_t left = buckets / sweep_share + 1;
    std::vector<Key> empty;
    for (; left > 0; --left) {
        cursor_ = cursor_ + 1 < buckets ? cursor_ + 1 : 0;
        for (auto at = lanes_.begin(cursor_); at != lanes_.end(cursor_); ++at) {
            Lane& lane = at->second;
            kept_ -= std::erase_if(lane.idle, [&](const auto& one) { return too_old(*one); });
            if (lane.empty()) empty.push_back(at->first);
        }
    }
    for (const Key& key : empty) lanes_.erase(key);
    if (!lanes_.empty()) sweeper_.arm(loop_.now() + sweep_interval);
}

void Pool::close_all() {
    for (auto& [key, lane] : lanes_) {
        kept_ -= lane.idle.size();
        lane.idle.clear();
    }
    std::erase_if(lanes_, [](const auto& one) { return one.second.empty(); });
    sweeper_.disarm();
}

}  // namespace hale::probe
