#include "sim/connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/reached.h"

namespace hale::sim {

// What the owner holds: a side of the connection.
class End final : public io::Stream {
public:
    End(std::shared_ptr<Connection> connection, Side side, Connection::Identity identity)
        : connection_(std::move(connection)), side_(side), identity_(std::move(identity)) {}
    ~End() override { connection_->close(side_); }

    void set_handler(io::StreamHandler* handler) override { connection_->set_handler(side_, handler); }
    io::IoResult read(std::span<char> into) override { return connection_->read(side_, into); }
    using io::Stream::write;
    io::IoResult write(std::span<const io::Slice> slices) override { return connection_->write(side_, slices); }
    int connect_error() override { return connection_->end(side_).connect_error; }
    void shutdown_write() override { connection_->shutdown_write(side_); }
    void reset() override { connection_->reset(side_); }
    const SocketAddress& peer() const override { return identity_.peer; }
    SocketAddress local() const override { return identity_.local; }
    std::optional<io::PeerCredentials> credentials() const override { return identity_.credentials; }

private:
    const std::shared_ptr<Connection> connection_;
    const Side side_;
    const Connection::Identity identity_;
};

Connection::Connection(Loop& wire, std::unique_ptr<Path> path, std::shared_ptr<Totals> totals)
    : wire_(wire), path_(std::move(path)), totals_(std::move(totals)) {}

std::unique_ptr<io::Stream> Connection::open(Side side, Identity identity) {
    auto stream = std::make_unique<End>(shared_from_this(), side, std::move(identity));
    end(side).stream = stream.get();
    ++totals_->streams_open;
    ++totals_->streams_opened;
    return stream;
}

void Connection::establish(Side side) {
    EndState& e = end(side);
    if (e.closed || e.broken) return;
    e.established = true;
    raise(side, {.writable = true});
}

void Connection::fail_connect(int error) {
    EndState& e = end(Side::client);
    if (e.closed || e.broken) return;
    e.connect_error = error;
    e.broken = true;
    raise(Side::client, {.readable = true, .writable = true});
}

void Connection::send_open(io::Task arrived) { send(Side::client, Kind::open, {}, std::move(arrived)); }

void Connection::refuse_opened() {
    EndState& e = end(Side::server);
    if (!e.broken) break_by(Side::server);
    totals_->dropped_by_close += e.unread.drop();  // It may have been broken while it waited.
    e.closed = true;
}

std::uint64_t Connection::bytes_held() const {
    std::uint64_t bytes = 0;
    for (const EndState& e : ends_) bytes += e.unread.size();
    for (const Flow& f : flows_)
        for (const Packet& packet : f.in_flight) bytes += packet.bytes.size();
    return bytes;
}

void Connection::Unread::take(std::span<char> into) {
    bytes_.copy(into.data(), into.size(), taken_);
    taken_ += into.size();
    if (taken_ * 2 < bytes_.size()) return;
    bytes_.erase(0, taken_);
    taken_ = 0;
}

std::size_t Connection::Unread::drop() {
    const std::size_t dropped = size();
    bytes_.clear();
    taken_ = 0;
    return dropped;
}

// ---- What owners do ----

io::IoResult Connection::read(Side side, std::span<char> into) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    if (e.closed) return {.status = io::IoStatus::failed, .error = EBADF};
    if (e.connect_error != 0) return {.status = io::IoStatus::failed, .error = e.connect_error};
    if (into.empty()) return {};
    const Permit permit = path_->permit_read(side);
    if (permit.error != 0) {
        if (!e.broken) break_by(side);
        e.error = 0;
        return {.status = io::IoStatus::failed, .error = permit.error};
    }
    const std::size_t n = std::min({into.size(), e.unread.size(), static_cast<std::size_t>(permit.most)});
    if (n == 0) {
        if (e.error != 0) return {.status = io::IoStatus::failed, .error = std::exchange(e.error, 0)};
        if (e.ended || e.broken) return {.status = io::IoStatus::end};
        e.latched.readable = false;
        return {.status = io::IoStatus::would_block};
    }
    e.unread.take(into.first(n));
    totals_->read += n;
    acknowledge(side, n, 0);
    if (n < into.size()) {
        // The reader may stop here, so what is still to be learnt deserves a notice of its own.
        e.latched.readable = false;
        if (!e.unread.empty() || e.ended || e.broken) raise(side, {.readable = true});
    }
    return {.status = io::IoStatus::ok, .bytes = n};
}

io::IoResult Connection::write(Side side, std::span<const io::Slice> slices) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    if (e.closed) return {.status = io::IoStatus::failed, .error = EBADF};
    if (e.connect_error != 0) return {.status = io::IoStatus::failed, .error = e.connect_error};
    std::uint64_t wanted = 0;
    for (const io::Slice& slice : slices) wanted += slice.size;
    if (wanted == 0) return {};
    const Permit permit = path_->permit_write(side);
    if (permit.error != 0) {
        if (!e.broken) break_by(side);
        e.error = 0;
        return {.status = io::IoStatus::failed, .error = permit.error};
    }
    if (e.error != 0) return {.status = io::IoStatus::failed, .error = std::exchange(e.error, 0)};
    if (e.broken || e.write_shut) return {.status = io::IoStatus::failed, .error = EPIPE};
    Flow& f = flow(side);
    const std::uint64_t window = path_->window();
    const std::uint64_t room = !e.established || f.occupied >= window ? 0 : window - f.occupied;
    std::uint64_t n = std::min({wanted, room, permit.most});
    if (n == 0) {
        e.latched.writable = false;
        return {.status = io::IoStatus::would_block};
    }
    std::string bytes;
    bytes.reserve(n);
    for (const io::Slice& slice : slices)
        bytes.append(slice.data, std::min<std::uint64_t>(slice.size, n - bytes.size()));
    totals_->written += n;
    f.occupied += n;
    send(side, Kind::bytes, std::move(bytes));
    return {.status = io::IoStatus::ok, .bytes = n};
}

void Connection::set_handler(Side side, io::StreamHandler* handler) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    e.handler = handler;
    e.untold = e.latched;
    if (e.untold.readable || e.untold.writable) schedule_notice(side);
}

void Connection::shutdown_write(Side side) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    if (e.closed || e.broken || e.write_shut || !e.established) return;
    e.write_shut = true;
    send(side, Kind::fin);
}

void Connection::reset(Side side) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    if (e.closed) return;
    if (!e.broken) break_by(side);
    e.closed = true;
    e.handler = nullptr;
}

void Connection::close(Side side) {
    EndState& e = end(side);
    HALE_CHECK(e.loop->here());
    --totals_->streams_open;
    path_->closed(side);
    e.stream = nullptr;
    e.handler = nullptr;
    if (std::exchange(e.closed, true)) return;
    const std::size_t unread = e.unread.drop();
    totals_->dropped_by_close += unread;
    if (e.broken || !e.established) return;
    if (unread > 0) {
        HALE_REACHED("sim: closed with unread bytes");
        break_by(side);
    } else if (!e.write_shut) {
        e.write_shut = true;
        send(side, Kind::fin);
    }
}

// ---- What the wire does ----

void Connection::send(Side from, Kind kind, std::string bytes, io::Task arrived) {
    Flow& f = flow(from);
    f.flying += bytes.size();
    f.in_flight.push_back({kind, std::move(bytes), std::move(arrived), wire_.now() + path_->delay(from)});
    if (f.in_flight.size() == 1) schedule_first(from);
}

void Connection::schedule_first(Side from) {
    Flow& f = flow(from);
    wire_.post_at(f.in_flight.front().due, [self = shared_from_this(), from, epoch = f.epoch] {
        if (self->flow(from).epoch == epoch) self->arrive(from);
    });
}

void Connection::arrive(Side from) {
    Flow& f = flow(from);
    const std::uint64_t size = f.in_flight.front().bytes.size();
    if (size > 0 && f.delivered + size > path_->vanish_at(from)) path_->vanished();
    if (path_->lost(from)) {
        if (f.in_flight.front().kind == Kind::rst) {
            f.in_flight.pop_front();  // Nobody repeats a reset.
        } else if (f.lost_in_a_row++ == retransmit_limit) {
            drop_in_flight(from, totals_->dropped_by_loss);
            break_end(from, ETIMEDOUT);
        } else {
            const Duration wait =
                std::min(retransmit_most, retransmit_first * (std::int64_t{1} << (f.lost_in_a_row - 1)));
            f.in_flight.front().due = wire_.now() + wait;
        }
    } else {
        f.lost_in_a_row = 0;
        Packet packet = std::move(f.in_flight.front());
        f.in_flight.pop_front();
        f.flying -= packet.bytes.size();
        const std::uint64_t epoch = f.epoch;
        const Side to = other(from);
        switch (packet.kind) {
            case Kind::open:
                packet.arrived();
                break;
            case Kind::bytes:
                deliver(from, std::move(packet.bytes));
                break;
            case Kind::fin:
                end(to).ended = true;
                raise(to, {.readable = true});
                break;
            case Kind::rst:
                break_end(to, ECONNRESET);
                break;
        }
        if (f.epoch != epoch) return;  // It dropped all the others, or started anew.
    }
    if (!f.in_flight.empty()) schedule_first(from);
}

void Connection::deliver(Side from, std::string bytes) {
    Flow& f = flow(from);
    const Side to = other(from);
    EndState& e = end(to);
    if (e.broken) {
        totals_->dropped_by_reset += bytes.size();
        return;
    }
    if (e.closed) {
        HALE_REACHED("sim: bytes came after the close");
        totals_->dropped_by_close += bytes.size();
        e.broken = true;  // One reset is enough.
        send(to, Kind::rst);
        return;
    }
    const std::uint64_t limit = path_->break_at(from);
    const bool breaks = f.delivered + bytes.size() >= limit;
    if (breaks) {
        const std::uint64_t arrived = limit - std::min(limit, f.delivered);
        totals_->dropped_by_reset += bytes.size() - arrived;
        bytes.resize(arrived);
    }
    f.delivered += bytes.size();
    const bool told = e.latched.readable;
    if (!bytes.empty()) {
        e.unread.append(bytes);
        raise(to, {.readable = true});
    }
    if (told && path_->spurious_notice()) {
        e.untold.readable = true;
        schedule_notice(to);
    }
    if (!breaks) return;
    HALE_REACHED("sim: broken at a byte");
    for (const Side side : {from, to}) {
        drop_in_flight(side, totals_->dropped_by_reset);
        break_end(side, ECONNRESET);
    }
}

void Connection::acknowledge(Side reader, std::uint64_t bytes, int attempt) {
    const Duration wait = attempt == 0 ? path_->delay(reader)
                                       : std::min(retransmit_most, retransmit_first * (std::int64_t{1} << attempt));
    wire_.post_at(wire_.now() + wait, [self = shared_from_this(), reader, bytes, attempt] {
        const Side writer = other(reader);
        if (self->end(writer).closed || self->end(writer).broken) return;
        if (self->path_->lost(reader) && attempt < retransmit_limit)
            return self->acknowledge(reader, bytes, attempt + 1);
        Flow& f = self->flow(writer);
        f.occupied -= bytes;
        // As the kernel does it: not for every byte, but when a third of the window is free.
        const std::uint64_t window = self->path_->window();
        if (f.occupied == 0 || f.occupied + std::max<std::uint64_t>(1, window / 3) <= window)
            self->raise(writer, {.writable = true});
    });
}

void Connection::drop_in_flight(Side from, std::uint64_t& into) {
    Flow& f = flow(from);
    into += f.flying;
    f.flying = 0;
    f.in_flight.clear();
    ++f.epoch;
}

void Connection::break_end(Side side, int error) {
    EndState& e = end(side);
    if (e.broken) return;
    e.broken = true;
    if (e.closed) return drop_in_flight(side, totals_->dropped_by_reset);
    e.error = error;
    drop_in_flight(side, totals_->dropped_by_reset);
    raise(side, {.readable = true, .writable = true});
}

void Connection::break_by(Side side) {
    EndState& e = end(side);
    e.broken = true;
    totals_->dropped_by_reset += e.unread.drop();
    drop_in_flight(side, totals_->dropped_by_reset);
    if (e.established || side == Side::server) send(side, Kind::rst);
}

// ---- Notices ----

void Connection::raise(Side side, io::Readiness what) {
    EndState& e = end(side);
    if (e.closed) return;
    if (what.readable && !std::exchange(e.latched.readable, true)) e.untold.readable = true;
    if (what.writable && !std::exchange(e.latched.writable, true)) e.untold.writable = true;
    if (e.untold.readable || e.untold.writable) schedule_notice(side);
}

void Connection::schedule_notice(Side side) {
    EndState& e = end(side);
    if (e.handler == nullptr || std::exchange(e.notice_scheduled, true)) return;
    e.loop->post_at(wire_.now(), [self = shared_from_this(), side] { self->notify(side); });
}

void Connection::notify(Side side) {
    EndState& e = end(side);
    e.notice_scheduled = false;
    if (e.handler == nullptr || e.closed) return;
    // What would_block contradicted meanwhile is not told.
    const io::Readiness ready{e.untold.readable && e.latched.readable, e.untold.writable && e.latched.writable};
    e.untold = {};
    if (ready.readable || ready.writable) e.handler->on_ready(*e.stream, ready);
}

}  // namespace hale::sim
