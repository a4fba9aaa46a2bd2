// TLS as a Stream over a Stream: whoever speaks over it can't tell, and it runs over sockets and in the simulator
// alike. Made by ServerContext and ClientContext; belongs to the inner stream's loop.
//
//   handshaking ──(first notice: writable)──▶ open ──(close_notify)──▶ end
//        └───────────────┬──────────────────────┘
//                      failed: connect_error() and reads say an errno, failure() the sentence
//
// What write() took and the inner stream had no room for is kept (one record, 16 KiB at most) and goes out with
// later notices. An end without close_notify is a failure: a cut answer must not look like a whole one.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/secure.h"
#include "tls/turnstile.h"

namespace hale::tls {

class Stream final : public io::SecureStream, private io::StreamHandler, private Waiting {
public:
    static constexpr std::size_t most_kept = 16 * 1024;  // What one record carries.
    // Tickets wait so long for an answer that they can go out with: a client that has just shaken hands asks at once.
    static constexpr Duration ticket_rest = 20ms;

    struct Session;  // OpenSSL's side of it.
    // For the contexts: a session that has its side, names and certificates set.
    // `turnstile`: where its handshake waits for its turns; null: nowhere.
    Stream(io::Loop& loop, std::unique_ptr<io::Stream> inner, std::unique_ptr<Session> session, std::shared_ptr<Turnstile> turnstile = {});
    ~Stream() override;

    void set_handler(io::StreamHandler* handler) override;
    io::IoResult read(std::span<char> into) override;
    using io::Stream::write;
    io::IoResult write(std::span<const io::Slice> slices) override;
    int connect_error() override;
    void shutdown_write() override;
    void reset() override;
    const SocketAddress& peer() const override { return inner_->peer(); }
    SocketAddress local() const override { return inner_->local(); }

    void begin() override { again_.arm(loop_.now()); }
    bool established() const override { return stage_ == Stage::open; }
    const std::string& failure() const override { return failure_; }
    std::string_view alpn() const override;
    std::string_view version() const override;
    std::string_view server_name() const override;
    bool resumed() const override;
    std::optional<io::PeerCertificate> peer_certificate() const override;
    std::optional<Utc> peer_valid_until() const override;
    bool peer_verified() const override;
    bool met_plain_http() const override { return met_plain_http_; }
    std::unique_ptr<io::Stream> take_inner() override;

private:
    enum class Stage : std::uint8_t { handshaking, open, failed };

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    void tell_again() noexcept;
    void step() noexcept override;
    void shake_hands();
    void fail_with(int error, std::string_view otherwise);
    bool flush();
    bool send_held();
    io::IoResult trouble(int result);

    std::unique_ptr<io::Stream> inner_;
    std::unique_ptr<Session> session_;
    io::Loop& loop_;
    std::shared_ptr<Turnstile> turnstile_;
    io::Timer again_;  // Readiness that no edge of the inner stream will bring.
    io::StreamHandler* handler_ = nullptr;
    Stage stage_ = Stage::handshaking;
    int error_ = 0;
    std::string failure_;
    std::string kept_;         // Plain text that write() took and that is still to be sent.
    bool closing_ = false;     // close_notify goes out after what is kept.
    bool met_plain_http_ = false;
    bool ended_ = false;       // close_notify came.
};

}  // namespace hale::tls
