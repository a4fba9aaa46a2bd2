// One HTTP/1.1 request and its answer, from looking the name up to the end of the body, by a deadline: to authorities,
// hooks and the ask URL. One connection each; redirects are answers like others. Destroying it ends it unheard.
//
//   resolving ──▶ connecting (one address after the other) ──▶ securing (https) ──▶ asking ──▶ done

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "acme/answers.h"
#include "base/result.h"
#include "base/time.h"
#include "http/client_exchange.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/secure.h"
#include "io/stream.h"
#include "wire/url.h"

namespace hale::acme {

inline constexpr Duration fetch_patience = 30s;
inline constexpr std::size_t most_addresses_tried = 4;

// What every request of this folder goes through.
struct Ways {
    io::Loop& loop;
    io::Net& net;
    io::Resolver& resolver;
    io::TlsDoors& tls;
    http::Scratch& scratch;
    std::string user_agent;  // "hale/0.1.0"
};

struct FetchRequest {
    std::string_view method = "GET";
    std::string url;
    std::string content_type;  // Of the body; without a body none is sent.
    std::string body;
    std::string accept;
    std::shared_ptr<const io::TlsSpec> tls;  // Null: whom this machine believes.
    Duration patience = fetch_patience;
};

class Fetch final : private io::StreamHandler {
public:
    using Answered = std::move_only_function<void(Result<Answer>)>;

    explicit Fetch(Ways& ways);
    ~Fetch() override;
    Fetch(const Fetch&) = delete;
    Fetch& operator=(const Fetch&) = delete;

    // `answered` comes in a later turn, once. It may destroy this.
    void start(FetchRequest request, Answered answered);

private:
    enum class Stage : std::uint8_t { idle, resolving, connecting, securing, asking, over };

    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    void connect_next();
    void try_next(std::string why);
    void secure();
    void ask();
    void advance(bool unread);
    void run_out() noexcept;
    void tell() noexcept;
    void end(Result<Answer> result);
    std::string on_way(std::string_view what) const;
    Answer taken() const;

    Ways& ways_;
    FetchRequest request_;
    Answered answered_;
    Stage stage_ = Stage::idle;
    wire::Url url_;
    std::string text_;  // The request's head and body, until they are sent.
    Result<Answer> result_;
    std::unique_ptr<io::Resolver::Question> question_;
    std::vector<SocketAddress> addresses_;  // Not tried yet, last first.
    std::string why_;                       // The last address failed.
    std::unique_ptr<io::Stream> stream_;
    io::SecureStream* secured_ = nullptr;
    http::ClientExchange exchange_;
    io::Timer deadline_, later_;
};

}  // namespace hale::acme
