// A probe over HTTP/1.1.
//
//   kept connection ─────────────────────────────┐
//   resolving ──▶ connecting (the next address) ─┴▶ receiving ──▶ judged by the check's expectations
//                                                    │   ▲
//              the kept one had died: once afresh ◀──┘   └── redirect followed on the same host

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/client_exchange.h"
#include "io/resolver.h"
#include "probe/flight.h"
#include "probe/pool.h"

namespace hale::probe {

inline constexpr std::size_t most_addresses_tried = 4;

class HttpProbe final : public Flight, private ConnectionUser {
public:
    explicit HttpProbe(Engine& engine);

private:
    void launch() override;
    bool last_look() override;
    void run_out() override;
    void drop() noexcept override;
    void on_ready(io::Readiness ready) noexcept override;

    void set_out();
    void resolved(Result<io::Resolution> result);
    void connect_to(const SocketAddress& address);
    void connected(bool unread);
    void ask(bool unread);
    void proceed(http::Progress progress);
    void finish_trouble();
    void finish_answer();
    bool redirected(std::string_view location);
    void judge_answer();
    void let_go_of_connection();

    const config::HttpCheck& check() const { return *plan().http(); }
    std::string sentence(std::string_view what) const;

    http::ClientExchange exchange_;
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<io::Resolver::Question> question_;
    std::vector<Ip> further_;  // Addresses of the name not tried yet, last first.
    std::string path_;         // After a redirect; else the check's.
    Instant connecting_since_{};
    Instant asked_at_{};
    std::uint8_t redirects_ = 0;
    bool reused_ = false;  // The connection carried a request before this probe.
};

}  // namespace hale::probe
