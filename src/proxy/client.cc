#include "proxy/client.h"

#include <algorithm>
#include <utility>

#include "proxy/core.h"

namespace hale::proxy {

namespace {
// Memory that a connection keeps between requests; more is given back.
constexpr std::size_t kept_bytes = 32 * 1024;
constexpr std::size_t most_lingered_bytes = 1024 * 1024;

constexpr char tls_handshake = 0x16;  // What a ClientHello's record begins with, and no request.

void empty(std::string& buffer) {
    if (buffer.capacity() > kept_bytes) std::string().swap(buffer);
    else buffer.clear();
}
}  // namespace

Client::Client(Core& core) : core_(core), timer_(core.loop(), io::member_fire<&Client::on_deadline>, this) {}

void Client::start(std::unique_ptr<io::Stream> stream) {
    stream_ = std::move(stream);
    begin_with(State::idle, Wait::keep_alive);
}

void Client::start_secure(std::unique_ptr<io::SecureStream> stream) {
    secure_ = stream.get();
    stream_ = std::move(stream);
    begin_with(State::handshake, Wait::handshake);
}

void Client::begin_with(State state, Wait wait) {
    trusted_by_ = core_.adoptions();
    know_peer();
    state_ = state;
    wait_for(wait, core_.now() + core_.options().header_timeout);
    stream_->set_handler(this);
}

void Client::know_peer() {
    peer_ = Peer::of(stream_->peer(), core_.trusted_proxies());
    peer_.tls = secure_ != nullptr;
}

// Its first notice comes when the handshake has ended, one way or the other.
void Client::handshake_over() {
    if (secure_->connect_error() == 0 && !secure_->established()) return;
    core_.count_handshake(secure_->established(), secure_->established() && secure_->resumed());
    if (secure_->established()) {
        state_ = State::idle;
        wait_for(Wait::keep_alive, core_.now() + core_.options().header_timeout);
        return;
    }
    if (secure_->met_plain_http()) return plain_http_met();
    close();  // Not by a reset, which may overtake the alert that says why.
}

// Who forgot the s is told so in the language they speak.
void Client::plain_http_met() {
    auto inner = secure_->take_inner();
    secure_ = nullptr;
    stream_ = std::move(inner);
    know_peer();
    stream_->set_handler(this);
    core_.request_head = {};
    state_ = State::exchange;
    identify();
    answer(Answered::plain_http, 0, "Try https:// with the same host and port.");
}

void Client::recycle() {
    stream_.reset();
    secure_ = nullptr;
    timer_.disarm();
    deadline_ = never;
    may_read_ = half_closed_ = upstream_half_closed_ = close_after_ = unread_request_ = false;
    empty(in_);
    empty(out_);
    empty(x_.request);
    out_at_ = lingered_ = 0;
    scan_ = {};
}

void Client::on_ready(io::Stream&, io::Readiness ready) noexcept {
    Core::Turn turn(core_);
    if (state_ == State::handshake) [[unlikely]] handshake_over();
    if (ready.writable && out_.size() > out_at_) flush_out();
    if (ready.readable && state_ != State::closed) {
        may_read_ = true;
        read_client();
    }
}

void Client::unpause() {
    if (state_ != State::parked) return;
    core_.unpark(*this);
    state_ = State::idle;
    core_.schedule(*this);
}

void Client::resume() {
    if (x_.upstream != nullptr && x_.upstream->may_read) read_upstream();
    if (state_ == State::closed) return;
    if (!in_.empty()) take_buffered();
    read_client();
    if (half_closed_ && (state_ == State::idle || state_ == State::head)) close();
}

bool Client::wants_bytes() const {
    const auto buffer_bytes = core_.options().buffer_bytes;
    switch (state_) {
        case State::idle:
        case State::head:
        case State::linger: return true;
        case State::parked: return in_.size() < core_.options().max_head_bytes + buffer_bytes;
        case State::exchange: return x_.request_done ? in_.size() < buffer_bytes : x_.unsent() < buffer_bytes;
        case State::tunnel: return x_.unsent() < buffer_bytes;
        case State::handshake:
        case State::flushing:
        case State::closed: return false;
    }
    return false;
}

void Client::read_client() {
    while (may_read_ && wants_bytes()) {
        const auto room = core_.scratch();
        const auto got = stream_->read(room);
        switch (got.status) {
            case io::IoStatus::ok:
                may_read_ = got.bytes == room.size();
                given({room.data(), got.bytes});
                break;
            case io::IoStatus::would_block: may_read_ = false; return;
            case io::IoStatus::end:
                may_read_ = false;
                half_closed_ = true;
                client_ended();
                return;
            case io::IoStatus::failed: abort(); return;
        }
    }
}

void Client::given(std::string_view bytes) {
    if (!in_.empty()) {
        in_.append(bytes);
        take_buffered();
        return;
    }
    const auto used = take(bytes);
    if (used < bytes.size() && state_ != State::closed) in_.assign(bytes.substr(used));
}

void Client::take_buffered() {
    const auto used = take(in_);
    if (used >= in_.size()) empty(in_);
    else if (used > 0) in_.erase(0, used);
}

std::size_t Client::take(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto rest = bytes.substr(at);
        switch (state_) {
            case State::idle:
            case State::head: {
                const auto used = take_head(rest);
                if (used == 0) return at;
                at += used;
                break;
            }
            case State::exchange:
                if (x_.request_done) return at;
                at += take_body(rest);
                break;
            case State::tunnel: tunnel_to_upstream(rest); return bytes.size();
            case State::linger:
                lingered_ += rest.size();
                if (lingered_ > most_lingered_bytes) close();
                return bytes.size();
            case State::closed: return bytes.size();
            case State::handshake:
            case State::parked:
            case State::flushing: return at;
        }
    }
    return at;
}

std::size_t Client::take_head(std::string_view bytes) {
    const wire::HeadLimits limits{.max_request_line = core_.options().max_request_line,
                                  .max_head_bytes = core_.options().max_head_bytes};
    auto& head = core_.request_head;
    const auto result = wire::parse_request_head(bytes, limits, scan_, head);
    if (result.status == wire::ParseStatus::need_more) {
        if (state_ == State::idle) {
            state_ = State::head;
            wait_for(Wait::head, core_.now() + core_.options().header_timeout);
        }
        return 0;
    }
    scan_ = {};
    state_ = State::exchange;
    if (result.status == wire::ParseStatus::bad) {
        head.fields.clear();
        head = {};
        identify();
        const bool tls = bytes.front() == tls_handshake;
        const auto reason = tls                    ? Answered::unexpected_tls
                            : result.answer == 414 ? Answered::uri_too_long
                            : result.answer == 431 ? Answered::headers_too_large
                                                   : Answered::bad_request;
        answer(reason, result.answer, tls ? "Try http://, or the port that speaks HTTPS." : result.why);
        return bytes.size();
    }
    if (!begin()) return 0;
    std::size_t used = result.consumed;
    if (state_ == State::exchange && !x_.request_done) used += take_body(bytes.substr(used));
    if (state_ == State::exchange && !x_.dispatched) dispatch(false);
    return used;
}

void Client::client_ended() {
    switch (state_) {
        case State::idle:
        case State::head:
        case State::linger: close(); return;
        case State::exchange:
            // A client may close its sending side and still wait for the answer; but not in the middle of a body.
            if (!x_.request_done) abort();
            return;
        case State::tunnel: tunnel_half_closed(); return;
        case State::handshake:
        case State::parked:
        case State::flushing:
        case State::closed: return;
    }
}

bool Client::send(std::string_view bytes) {
    const io::Slice one{bytes.data(), bytes.size()};
    return send({&one, 1});
}

// True: sent or kept. False: the client is gone, and so is everything that was in progress for it.
bool Client::send(std::span<const io::Slice> slices) {
    std::size_t total = 0;
    for (const auto& slice : slices) total += slice.size;
    x_.bytes_out += total;
    std::size_t written = 0;
    if (out_.size() == out_at_) {
        // What one write does not take is small or has to wait: from the second write on it is sent from one piece.
        const auto result = stream_->write(slices);
        if (result.status == io::IoStatus::failed || result.status == io::IoStatus::end) {
            abort();
            return false;
        }
        written = result.bytes;
        if (written == total) [[likely]] return true;
    }
    std::size_t skip = written;
    for (const auto& slice : slices) {
        const auto skipped = std::min(skip, slice.size);
        skip -= skipped;
        out_.append(slice.data + skipped, slice.size - skipped);
    }
    if (written > 0) flush_out();  // A short write promises no notice.
    return state_ != State::closed;
}

void Client::flush_out() {
    while (out_at_ < out_.size()) {
        const auto result = stream_->write(std::string_view(out_).substr(out_at_));
        if (result.status == io::IoStatus::would_block) return;
        if (result.status != io::IoStatus::ok) {
            abort();
            return;
        }
        out_at_ += result.bytes;
        wait_for_progress();
    }
    empty(out_);
    out_at_ = 0;
    if (state_ == State::flushing) {
        after_answer();
    } else if (state_ == State::exchange) {
        core_.schedule(*this);  // The upstream may be read again.
    } else if (state_ == State::tunnel) {
        core_.schedule(*this);
        if (!upstream_half_closed_) return;
        stream_->shutdown_write();
        if (half_closed_) finish(false), close();
    }
}

// The answer is in the kernel's hands, or waits in out_.
void Client::after_answer() {
    x_.service = nullptr;
    if (out_.size() > out_at_) {
        state_ = State::flushing;
        wait_for(Wait::idle, core_.now() + x_.idle);
        return;
    }
    if (!close_after_ && !core_.draining()) {
        state_ = State::idle;
        wait_for(Wait::keep_alive, core_.now() + core_.options().keep_alive_timeout);
        if (!in_.empty() || may_read_ || half_closed_) core_.schedule(*this);
        return;
    }
    if (half_closed_ || (!unread_request_ && in_.empty() && !may_read_)) {
        close();
        return;
    }
    // Closing on unread bytes sends a reset, which may overtake the answer. So: say that nothing more comes, and
    // read on for a while.
    state_ = State::linger;
    empty(in_);
    stream_->shutdown_write();
    wait_for(Wait::linger, core_.now() + core_.options().linger);
    core_.schedule(*this);
}

void Client::close(bool by_reset) {
    if (state_ == State::closed) return;
    if (x_.upstream != nullptr) let_upstream_go(false);
    core_.unpark(*this);
    state_ = State::closed;
    stream_->set_handler(nullptr);
    if (by_reset) stream_->reset();
    stream_.reset();
    timer_.disarm();
    core_.ended(*this);
}

// The client is gone, or is no longer served: whatever is in progress for it ends.
void Client::abort() {
    if (state_ == State::closed) return;
    if (state_ == State::exchange || state_ == State::tunnel) {
        if (state_ == State::exchange && x_.service != nullptr) ++x_.service->stats.client_aborts;
        finish(state_ == State::exchange);
    }
    close(true);
}

void Client::drain() {
    close_after_ = state_ != State::idle && state_ != State::handshake;  // An idle one is served once more.
    if (state_ == State::idle) wait_for(Wait::keep_alive, core_.now() + Worker::drain_idle_grace);
}

// The wheel is touched only when the timer would come too late; it looks again when it fires early.
void Client::wait_for(Wait what, Instant until) {
    wait_ = what;
    deadline_ = until;
    if (!timer_.armed() || timer_.at() > until) timer_.arm(until);
}

void Client::on_deadline() noexcept {
    Core::Turn turn(core_);
    if (state_ == State::closed) return;
    if (core_.now() < deadline_) {
        timer_.arm(deadline_);
        return;
    }
    switch (wait_) {
        case Wait::handshake:
            core_.count_handshake(false, false);
            close(true);
            return;
        case Wait::keep_alive:
        case Wait::linger: close(); return;
        case Wait::head:
            core_.request_head = {};
            state_ = State::exchange;
            identify();
            answer(Answered::request_timeout);
            return;
        case Wait::body:
            if (x_.begun) abort();
            else answer(Answered::request_timeout);
            return;
        case Wait::connect: lost(Loss::connect, verdict::Reason::connect_timeout); return;
        case Wait::first_byte: lost(Loss::timeout, verdict::Reason::first_byte_timeout); return;
        case Wait::paused: answer(Answered::paused); return;
        case Wait::idle:
            if (state_ == State::flushing || out_.size() > out_at_ || state_ == State::tunnel) abort();
            else if (x_.begun) response_cut();
            else lost(Loss::timeout, verdict::Reason::first_byte_timeout);
            return;
    }
}

}  // namespace hale::proxy
