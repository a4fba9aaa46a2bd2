#include "proxy/upstream.h"

#include <cerrno>
#include <utility>

#include "proxy/client.h"
#include "proxy/core.h"
#include "proxy/service.h"

namespace hale::proxy {

void Upstream::start(Backend& of, std::unique_ptr<io::Stream> stream, bool is_connecting) {
    backend = &of;
    stream_ = std::move(stream);
    connecting = is_connecting;
    reused = may_read = blocked = false;
    stream_->set_handler(this);
}

void Upstream::on_ready(io::Stream&, io::Readiness ready) noexcept {
    Core::Turn turn(core_);
    if (client == nullptr) {
        if (ready.readable && stream_ != nullptr) look_while_idle();
        return;
    }
    Client& served = *client;
    if (connecting) {
        if (!ready.writable) return;  // The first notice that says writable tells how it went.
        connecting = false;
        if (const int error = backend->tls ? how_it_went_with_tls() : stream_->connect_error(); error != 0) served.connect_failed(error);
        else served.connected();
    } else if (ready.writable) {
        served.upstream_writable();
    }
    if (ready.readable && client == &served) {
        may_read = true;
        served.read_upstream();
    }
}

// 0, or the errno of the failure: a key that is not the pinned one is one.
int Upstream::how_it_went_with_tls() {
    const int error = stream_->connect_error();
    const auto& spec = backend->service.upstream_tls;
    if (error != 0 || !spec || spec->key_pin.empty()) return error;
    const auto shown = static_cast<io::SecureStream&>(*stream_).peer_certificate();
    return shown && shown->key_pin == spec->key_pin ? 0 : EPROTO;
}

// An idle connection has nothing to say: the end, and any byte, mean that it can't be used again.
void Upstream::look_while_idle() {
    char byte = 0;
    const auto seen = stream_->read({&byte, 1});
    if (seen.status == io::IoStatus::would_block) return;
    if (seen.status == io::IoStatus::ok) core_.count_unsolicited();
    core_.close_upstream(*this);
}

void Upstream::end(bool by_reset) {
    if (stream_ == nullptr) return;
    stream_->set_handler(nullptr);
    if (by_reset) stream_->reset();
    stream_.reset();
    in.clear();
}

}  // namespace hale::proxy
