// The server's side of one HTTP/1.1 connection, for cold paths: requests one at a time (pipelined ones wait),
// each read whole up to a limit before it is handled, answers whole or streamed with backpressure.
//
//   idle ─▶ head ─▶ body ─▶ handling ─▶ answering ─▶ idle, or lingering ─▶ closed
//
// Lingering reads on for a moment after the last answer: closing over unread bytes would reset it away.
//
// Every phase but handling has a deadline; handlers bound themselves. Belongs to one loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/server_exchange.h"
#include "io/loop.h"
#include "io/stream.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::http {

struct ServerLimits {
    wire::HeadLimits head{.max_request_line = 8 * 1024, .max_head_bytes = 32 * 1024, .max_fields = 100};
    std::size_t max_body = 1 << 20;
    std::size_t piece = 16 * 1024;  // What a producer is asked for at once.
    Duration idle = 75s;            // Between requests.
    Duration head_time = 10s;       // From a head's first byte to its last.
    Duration body_time = 30s;
    Duration write_stall = 30s;     // Without a byte taken by the client.
    Duration linger = 1s;
};

// Refusals of the connection itself (a malformed head, a body too large) as a body: status and sentence in.
using RefusalBody = std::function<std::string(int status, std::string_view why)>;

class ServerConnection final : public io::StreamHandler, public std::enable_shared_from_this<ServerConnection> {
public:
    using Handle = std::function<void(std::shared_ptr<ServerExchange>)>;
    using Closed = std::function<void(ServerConnection&)>;

    // `closed` runs once, as the last thing; it may drop the last reference.
    ServerConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const ServerLimits& limits, const Handle& handle,
                     const RefusalBody& refusal, Closed closed);
    ~ServerConnection() override;

    void start();
    // At once, whatever is under way.
    void close();
    // After the answer under way; streams that wait for more end now.
    void close_soon();
    // As close_soon(), but a request that has not come yet, or not all of it, may still come within `grace`.
    void finish_soon(Duration grace);

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;

private:
    friend class ServerExchange;
    enum class Stage : std::uint8_t { idle, head, body, handling, answering, lingering, closed };

    void read_more();
    void advance();
    bool take_head();
    bool take_body();
    void begin_handling();
    void refuse(int status, std::string_view why);
    bool begin_answer(int status, const ServerFields& fields, std::optional<std::size_t> length);
    void send();
    bool flush();
    void produce();
    void produce_later();
    void finish_answer();
    void expired() noexcept;
    void enter(Stage stage);

    io::Loop& loop_;
    std::unique_ptr<io::Stream> stream_;
    const ServerLimits& limits_;
    const Handle& handle_;
    const RefusalBody& refusal_;
    Closed closed_;
    io::Timer deadline_;
    std::shared_ptr<ServerExchange> exchange_;
    std::unique_ptr<BodyProducer> producer_;
    std::string in_;
    std::string out_;
    std::size_t sent_ = 0;  // Of out_.
    wire::HeadScan scan_;
    wire::BodyReader body_;
    Stage stage_ = Stage::idle;
    bool readable_ = false;
    bool ended_ = false;       // The client sends nothing more.
    bool keep_alive_ = false;
    bool chunked_ = false;
    bool no_body_ = false;     // HEAD, 204, 304.
    bool waiting_ = false;     // The producer has nothing now.
    bool posted_ = false;      // A turn to produce in is posted.
    bool last_ = false;        // Close after this answer.
};

}  // namespace hale::http
