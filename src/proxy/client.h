// One client connection and the one exchange it has in progress: an explicit state machine.
//
//            ┌──────────────────────────────── keep-alive ───────────────────────────────┐
//            ▼                                                                           │
//   handshake ─▶ (over TLS)
//   idle ─▶ head ─▶ (parked ─▶) exchange ─────────▶ flushing ─▶ (close? linger ─▶ closed) ┘
//                                  │  └─ 101 ─▶ tunnel ─▶ closed
//                                  └─ retry: another instance, same bytes
//
// Requests behind the one in progress stay in the kernel or, at most buffer_bytes of them, in `in_`; they are
// answered in order. The exchange keeps the bytes meant for the upstream (`request`) until they are sent, and as
// long as they may have to be sent again.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "io/loop.h"
#include "io/secure.h"
#include "io/stream.h"
#include "proxy/answered.h"
#include "proxy/chain.h"
#include "proxy/forward.h"
#include "proxy/retry.h"
#include "proxy/service.h"
#include "proxy/worker.h"
#include "verdict/reason.h"
#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::proxy {

class Core;
class Upstream;

// A request in progress. One per connection, reused: its strings keep their memory.
struct Exchange {
    // Towards the upstream.
    Service* service = nullptr;
    Backend* backend = nullptr;  // Entered.
    Upstream* upstream = nullptr;
    std::string request;         // Head as rewritten, and body bytes not sent or not let go yet.
    std::size_t sent = 0;        // Of `request`.
    HostPlace host;
    std::string own_host;        // Host to send to an instance without a name of its own.
    std::uint64_t hash = 0;
    bool dispatched = false;
    bool any_sent = false;       // On the present connection.
    bool replayable = true;      // `request` begins with the request's first byte.
    bool upload_dead = false;    // The upstream takes no more; it may have answered.
    std::array<Backend*, Worker::max_tries> tried{};
    std::uint32_t retries = 0;

    // The request.
    wire::Method method = wire::Method::other;
    std::uint8_t minor = 1;
    bool keep_alive = false;
    bool upgrade = false;
    bool expects_continue = false;
    bool page = false;
    bool candidate = false;      // Goes to what is not switched to yet.
    bool cut = false;            // The upstream left in the middle of its answer.
    bool details = false;        // The client may see what is behind a 503.
    bool request_done = true;    // All of it came from the client.
    wire::BodyReader request_body;
    std::uint64_t bytes_in = 0;
    Instant began{};
    Duration idle{};             // Without progress, towards either side.

    // The response.
    wire::HeadScan scan;
    wire::BodyReader response_body;
    ClientBody form = ClientBody::none;
    std::uint16_t status = 0;
    bool begun = false;          // The final head went to the client.
    bool interim = false;        // Some 1xx came.
    bool upstream_keep_alive = false;
    std::uint64_t bytes_out = 0;
    std::uint32_t interims = 0;

    // For the log and the answer.
    Answered reason = Answered::none;
    std::uint32_t version = 0;
    bool panic = false;
    std::uint32_t hsts = 0;      // Seconds, for the answer.
    std::string location;        // Of a redirect.
    std::uint8_t id_size = 0;
    std::array<char, most_request_id_bytes> id{};
    std::string log_request, log_client, route;

    std::string_view request_id() const { return {id.data(), id_size}; }
    std::size_t unsent() const { return request.size() - sent; }
};

class Client final : public io::StreamHandler {
public:
    explicit Client(Core& core);

    void start(std::unique_ptr<io::Stream> stream);
    void start_secure(std::unique_ptr<io::SecureStream> stream);
    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;

    // For Core: more may be done; the paused service goes on; no more requests after this one; the end.
    void resume();
    void unpause();
    void drain();
    void abort();
    void recycle();

    // For the exchange's Upstream.
    void connected();
    void connect_failed(int error);
    void upstream_writable();
    void read_upstream();

    Link<Client> in_all, in_ready, in_parked;

private:
    enum class State : std::uint8_t { handshake, idle, head, parked, exchange, tunnel, flushing, linger, closed };
    enum class Wait : std::uint8_t { handshake, keep_alive, head, body, connect, first_byte, idle, paused, linger };

    // The connection: client.cc
    void know_peer();
    void begin_with(State state, Wait wait);
    void handshake_over();
    void plain_http_met();
    bool wants_bytes() const;
    void read_client();
    void given(std::string_view bytes);
    void take_buffered();
    std::size_t take(std::string_view bytes);
    std::size_t take_head(std::string_view bytes);
    void client_ended();
    bool send(std::span<const io::Slice> slices);
    bool send(std::string_view bytes);
    void flush_out();
    void after_answer();
    void close(bool by_reset = false);
    void wait_for(Wait what, Instant until);
    void on_deadline() noexcept;

    // The request's beginning: request.cc
    bool begin();  // False: parked; the bytes stay.
    bool answered_for_tls(const catalog::Route& route, std::string_view host);
    bool place(const catalog::Route& route);
    void identify();
    std::uint64_t hash_of(const catalog::RoutedService& service) const;
    bool settle_connection();
    void answer(Answered reason, std::uint16_t status = 0, std::string_view why = {});
    void answer_health(const catalog::PublicHealth& alias);
    void answer_proof(std::string_view proof);

    // The request on its way: request.cc
    std::size_t take_body(std::string_view bytes);
    void send_body(std::string_view raw);
    void dispatch(bool fresh);
    void flush_request();
    void wait_for_progress();
    void lost(Loss loss, verdict::Reason reason);
    bool try_again(const LostTry& try_lost);
    void let_upstream_go(bool reusable);
    void finish(bool aborted);

    // The response: response.cc
    void take_response(std::string_view bytes);
    void begin_response(std::string_view body);
    void relay_body(std::string_view bytes);
    void upstream_ended(bool failed);
    void response_cut();
    void start_tunnel(std::string_view rest);
    void tunnel_to_upstream(std::string_view bytes);
    void tunnel_half_closed();
    void exchange_done(std::size_t left_over);

    Core& core_;
    std::unique_ptr<io::Stream> stream_;
    io::SecureStream* secure_ = nullptr;  // The same, over TLS.
    Peer peer_;
    std::uint64_t trusted_by_ = 0;  // The adoption that decided peer_.trusted.
    State state_ = State::closed;
    Wait wait_ = Wait::keep_alive;
    bool may_read_ = false;
    bool half_closed_ = false;      // The client sends no more.
    bool upstream_half_closed_ = false;  // Of a tunnel.
    bool close_after_ = false;      // After the answer.
    bool unread_request_ = false;   // Closing at once would throw the answer away with a reset.
    std::string in_;                // Received, not dealt with.
    std::string out_;               // To be sent, from out_at_ on.
    std::size_t out_at_ = 0;
    std::size_t lingered_ = 0;
    wire::HeadScan scan_;
    Instant deadline_ = never;
    io::Timer timer_;
    Exchange x_;
};

}  // namespace hale::proxy
