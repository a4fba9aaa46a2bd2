#include "tls/stream.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "tls/parts.h"
#include "tls/session.h"

namespace hale::tls {

using io::IoResult;
using io::IoStatus;

namespace {

// ── The inner stream as an OpenSSL BIO ───────────────────────────────────────────────────────────────────

Stream::Session& session_of(BIO* bio) { return *static_cast<Stream::Session*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* into, int size) {
    auto& session = session_of(bio);
    BIO_clear_retry_flags(bio);
    if (session.dry) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const IoResult got = session.inner->read({into, static_cast<std::size_t>(size)});
    switch (got.status) {
        case IoStatus::ok: session.dry = got.bytes < static_cast<std::size_t>(size); return static_cast<int>(got.bytes);
        case IoStatus::would_block: session.dry = true; BIO_set_retry_read(bio); return -1;
        case IoStatus::end: session.inner_ended = true; return 0;
        case IoStatus::failed: session.inner_error = got.error; return -1;
    }
    std::unreachable();
}

int bio_write(BIO* bio, const char* from, int size) {
    auto& session = session_of(bio);
    BIO_clear_retry_flags(bio);
    if (session.holding) {
        session.held.append(from, static_cast<std::size_t>(size));
        return size;
    }
    if (session.choked && !session.send_held()) {
        if (session.inner_error == 0) BIO_set_retry_write(bio);
        return -1;
    }
    if (!session.held.empty()) {
        session.held.append(from, static_cast<std::size_t>(size));
        return session.send_held() || session.inner_error == 0 ? size : -1;
    }
    // Everything it has room for: a short write is no would_block, and only that brings a notice.
    int sent = 0;
    while (sent < size) {
        const IoResult put = session.inner->write(std::string_view(from + sent, static_cast<std::size_t>(size - sent)));
        if (put.status == IoStatus::ok) {
            sent += static_cast<int>(put.bytes);
            continue;
        }
        if (put.status != IoStatus::would_block) {
            session.inner_error = put.error;
            return -1;
        }
        if (sent > 0) return sent;
        BIO_set_retry_write(bio);
        return -1;
    }
    return sent;
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return session_of(bio).inner_ended ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* stream_method() {
    static const auto method = [] {
        std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>> made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "io::Stream"));
        BIO_meth_set_read(made.get(), bio_read);
        BIO_meth_set_write(made.get(), bio_write);
        BIO_meth_set_ctrl(made.get(), bio_control);
        return made;
    }();
    return method.get();
}

}  // namespace

void Stream::Session::attach(io::Stream& stream) {
    inner = &stream;
    BIO* bio = BIO_new(stream_method());
    HALE_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
}

bool Stream::Session::send_held() {
    while (!held.empty()) {
        const IoResult put = inner->write(held);
        if (put.status == IoStatus::ok) {
            held.erase(0, put.bytes);
            continue;
        }
        choked = put.status == IoStatus::would_block;
        if (!choked) inner_error = put.error;
        return false;
    }
    choked = false;
    std::string().swap(held);  // Few connections ever need it again.
    return true;
}

// ── The stream ───────────────────────────────────────────────────────────────────────────────────────────

Stream::Stream(io::Loop& loop, std::unique_ptr<io::Stream> inner, std::unique_ptr<Session> session, std::shared_ptr<Turnstile> turnstile)
    : inner_(std::move(inner)), session_(std::move(session)), loop_(loop), turnstile_(std::move(turnstile)), again_(loop, io::member_fire<&Stream::tell_again>, this) {
    session_->attach(*inner_);
    inner_->set_handler(this);
}

Stream::~Stream() {
    if (turnstile_) turnstile_->leave(*this);
    if (inner_) inner_->set_handler(nullptr);
    // A last word where it costs no waiting; then the inner stream closes.
    if (stage_ == Stage::open && kept_.empty() && error_ == 0) SSL_shutdown(session_->ssl.get());
    ERR_clear_error();
}

void Stream::set_handler(io::StreamHandler* handler) {
    handler_ = handler;
    if (handler != nullptr && stage_ != Stage::handshaking) again_.arm(loop_.now());
}

void Stream::tell_again() noexcept {
    if (stage_ == Stage::handshaking) return on_ready(*inner_, {.readable = true, .writable = true});
    if (stage_ == Stage::open) send_held();
    if (handler_ != nullptr) handler_->on_ready(*this, {.readable = true, .writable = kept_.empty()});  // `this` may be gone now.
}

void Stream::on_ready(io::Stream&, io::Readiness ready) noexcept {
    session_->dry = session_->dry && !ready.readable;
    if (stage_ == Stage::handshaking && turnstile_) return turnstile_->enter(*this);
    if (stage_ == Stage::handshaking) {
        if (const int error = inner_->connect_error(); error != 0) {
            stage_ = Stage::failed;
            error_ = error;
            failure_ = system_text(error);
        } else {
            shake_hands();
        }
        if (stage_ == Stage::handshaking) return;
        ready = {.readable = true, .writable = true};
    } else if (stage_ == Stage::open && (!kept_.empty() || session_->choked) && !flush()) {
        ready.writable = false;
    }
    if (stage_ == Stage::failed) ready = {.readable = true, .writable = true};
    if (handler_ != nullptr && (ready.readable || ready.writable)) handler_->on_ready(*this, ready);  // `this` may be gone now.
}

void Stream::step() noexcept {
    shake_hands();
    if (stage_ != Stage::handshaking && handler_ != nullptr) handler_->on_ready(*this, {.readable = true, .writable = true});  // `this` may be gone now.
}

void Stream::shake_hands() {
    ERR_clear_error();
    session_->holding = true;
    const int result = SSL_do_handshake(session_->ssl.get());
    session_->holding = false;
    if (result == 1) {
        stage_ = Stage::open;
        // What a server of TLS 1.3 says after the client's last word is but tickets (RFC 8446 §4.6.1).
        if (turnstile_ && SSL_version(session_->ssl.get()) == TLS1_3_VERSION && !session_->held.empty()) again_.arm(loop_.now() + ticket_rest);
        else send_held();
        return;
    }
    // The alert to whom it failed with as well.
    const bool sent = send_held();
    if (!sent && stage_ == Stage::failed) return;
    const int why = SSL_get_error(session_->ssl.get(), result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
    const long verified = SSL_get_verify_result(session_->ssl.get());
    met_plain_http_ = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
    if (session_->inner_error != 0) fail_with(session_->inner_error, system_text(session_->inner_error));
    else if (session_->inner_ended) fail_with(EPROTO, "the other side closed the connection during the handshake");
    else if (verified != X509_V_OK) {
        ERR_clear_error();
        fail_with(EPROTO, fmt::format("certificate verify failed: {}", X509_verify_cert_error_string(verified)));
    } else fail_with(EPROTO, "the handshake failed");
}

// False while some of what is sealed is not sent, or when that failed.
bool Stream::send_held() {
    if (session_->send_held()) return true;
    if (session_->inner_error != 0) fail_with(session_->inner_error, system_text(session_->inner_error));
    return false;
}

void Stream::fail_with(int error, std::string_view otherwise) {
    stage_ = Stage::failed;
    error_ = error;
    failure_ = openssl_sentence(otherwise);
}

// What became of an SSL call that did not do all.
IoResult Stream::trouble(int result) {
    switch (SSL_get_error(session_->ssl.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return {.status = IoStatus::would_block};
        case SSL_ERROR_ZERO_RETURN: ended_ = true; return {.status = IoStatus::end};
        default: break;
    }
    if (session_->inner_error != 0) fail_with(session_->inner_error, system_text(session_->inner_error));
    else if (session_->inner_ended) {
        ERR_clear_error();
        fail_with(ECONNRESET, "the other side closed the connection without saying so (no close_notify)");
    } else fail_with(EPROTO, "TLS failed");
    return {.status = IoStatus::failed, .error = error_};
}

IoResult Stream::read(std::span<char> into) {
    if (stage_ == Stage::failed) return {.status = IoStatus::failed, .error = error_};
    if (stage_ == Stage::handshaking) return {.status = IoStatus::would_block};
    if (ended_) return {.status = IoStatus::end};
    // A short read says that nothing is left, so records are put together until nothing is.
    std::size_t got = 0;
    while (got < into.size()) {
        ERR_clear_error();
        std::size_t bytes = 0;
        const int result = SSL_read_ex(session_->ssl.get(), into.data() + got, into.size() - got, &bytes);
        if (result == 1) {
            got += bytes;
            // The inner stream has nothing more, and neither have we: asking once more would only find that out.
            if (session_->dry && SSL_has_pending(session_->ssl.get()) == 0) break;
            continue;
        }
        const IoResult why = trouble(result);
        if (got == 0) return why;
        // What came first is told first; the reader waits for a notice now, and no edge will bring it.
        if (why.status != IoStatus::would_block) again_.arm(loop_.now());
        break;
    }
    return {.bytes = got};
}

// Sends what is kept; false while some is.
bool Stream::flush() {
    if (session_->choked && !send_held()) return false;
    while (!kept_.empty()) {
        ERR_clear_error();
        std::size_t sent = 0;
        const int result = SSL_write_ex(session_->ssl.get(), kept_.data(), kept_.size(), &sent);
        if (result != 1) {
            trouble(result);
            return false;
        }
        kept_.erase(0, sent);
    }
    // Said once: a second time it would wait for the other side's.
    if (closing_ && !session_->choked && (SSL_get_shutdown(session_->ssl.get()) & SSL_SENT_SHUTDOWN) == 0) SSL_shutdown(session_->ssl.get());
    if (session_->choked) return false;
    if (std::exchange(closing_, false)) inner_->shutdown_write();
    return true;
}

IoResult Stream::write(std::span<const io::Slice> slices) {
    if (stage_ == Stage::failed) return {.status = IoStatus::failed, .error = error_};
    if (stage_ == Stage::handshaking) return {.status = IoStatus::would_block};
    if (!flush()) {
        if (stage_ == Stage::failed) return {.status = IoStatus::failed, .error = error_};
        return {.status = IoStatus::would_block};
    }
    // Gathered into one record: small pieces of their own would cost more in headers and tags than in bytes.
    std::size_t taken = 0;
    for (const io::Slice& slice : slices) {
        const std::size_t size = std::min(slice.size, most_kept - taken);
        kept_.append(slice.data, size);
        taken += size;
        if (taken == most_kept) break;
    }
    if (taken == 0) return {};
    if (!flush() && stage_ == Stage::failed) return {.status = IoStatus::failed, .error = error_};
    return {.bytes = taken};
}

int Stream::connect_error() { return error_; }

void Stream::shutdown_write() {
    closing_ = true;
    if (stage_ == Stage::open) flush();
}

void Stream::reset() {
    inner_->reset();
    stage_ = Stage::failed;
    error_ = EBADF;
}

std::string_view Stream::alpn() const {
    const unsigned char* text = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(session_->ssl.get(), &text, &size);
    return {reinterpret_cast<const char*>(text), size};
}

std::string_view Stream::version() const { return SSL_get_version(session_->ssl.get()); }

std::string_view Stream::server_name() const {
    const char* name = SSL_get_servername(session_->ssl.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? std::string_view(name) : std::string_view{};
}

bool Stream::resumed() const { return SSL_session_reused(session_->ssl.get()) == 1; }

std::optional<io::PeerCertificate> Stream::peer_certificate() const {
    X509* certificate = SSL_get0_peer_certificate(session_->ssl.get());
    if (certificate == nullptr) return std::nullopt;
    return facts_of(certificate);
}

std::unique_ptr<io::Stream> Stream::take_inner() {
    if (turnstile_) turnstile_->leave(*this);
    inner_->set_handler(nullptr);
    stage_ = Stage::failed;
    return std::move(inner_);
}

std::optional<Utc> Stream::peer_valid_until() const {
    X509* certificate = SSL_get0_peer_certificate(session_->ssl.get());
    if (certificate == nullptr) return std::nullopt;
    return time_of(X509_get0_notAfter(certificate));
}

bool Stream::peer_verified() const {
    return SSL_get0_peer_certificate(session_->ssl.get()) != nullptr && SSL_get_verify_result(session_->ssl.get()) == X509_V_OK;
}

}  // namespace hale::tls
