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

namespace hale::tls {

class Stream final : public io::SecureStream, private io::StreamHandler {
public:
    static constexpr std::size_t most_kept = 16 * 1024;  // What one record carries.

    struct Session;  // OpenSSL's side of it.
    // For the contexts: a session that has its side, names and certificates set.
    Stream(io::Loop& loop, std::unique_ptr<io::Stream> inner, std::unique_ptr<Session> session);
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

    bool established() const override { return stage_ == Stage::open; }
    const std::string& failure() const override { return failure_; }
    std::string_view alpn() const override;
    std::string_view version() const override;
    std::string_view server_name() const override;
    bool resumed() const override;
    std::optional<io::PeerCertificate> peer_certificate() const override;

private:
    enum class Stage : std::uint8_t { handshaking, open, failed };

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    void tell_again() noexcept;
    void shake_hands();
    void fail_with(int error, std::string_view otherwise);
    bool flush();
    io::IoResult trouble(int result);

    std::unique_ptr<io::Stream> inner_;
    std::unique_ptr<Session> session_;
    io::Loop& loop_;
    io::Timer again_;  // Readiness that no edge of the inner stream will bring.
    io::StreamHandler* handler_ = nullptr;
    Stage stage_ = Stage::handshaking;
    int error_ = 0;
    std::string failure_;
    std::string kept_;         // Plain text that write() took and that is still to be sent.
    bool closing_ = false;     // close_notify goes out after what is kept.
    bool ended_ = false;       // close_notify came.
};

}  // namespace hale::tls
