// A probe over HTTP/1.1.
//
//   kept connection ─────────────────────────────┐
//   resolving ──▶ connecting (outbound.h) ───────┴▶ receiving ──▶ judged by the check's expectations
//                                                    │   ▲                 │
//              the kept one had died: once afresh ◀──┘   │   through Hale's own listener, 404: the instance itself
//                                                        │   is asked the same (second_opinion.h), then judged
//                          redirect followed on the same host

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/client_exchange.h"
#include "probe/outbound.h"
#include "probe/second_opinion.h"

namespace hale::probe {

class HttpProbe final : public Outbound, private OpinionAsker {
public:
    explicit HttpProbe(Engine& engine);

private:
    void launch() override;
    bool last_look() override;
    void reached(bool unread) override { ask(unread); }
    void moved_on() override;
    void run_out_later() override;
    void drop() noexcept override;

    void ask(bool unread);
    void proceed(http::Progress progress);
    void finish_trouble();
    void finish_answer();
    bool redirected(std::string_view location);
    void judge_answer();
    // Of a failed answer that came through Hale's own listener. True: it ends elsewhere.
    bool looked_behind(verdict::Outcome outcome, verdict::Reason reason, const std::string& what);
    void on_opinion(verdict::Observation&& direct) noexcept override;
    void end_with_first_answer(std::string_view more);
    void let_go_of_connection();

    // An answer that waits for what the instance says itself.
    struct First {
        verdict::Outcome outcome;
        verdict::Reason reason;
        std::string what;
        std::string evidence;
    };

    const config::HttpCheck& check() const { return *plan().http(); }

    http::ClientExchange exchange_;
    std::string path_;  // After a redirect; else the check's.
    Instant asked_at_{};
    std::uint8_t redirects_ = 0;
    First first_{};
    std::unique_ptr<SecondOpinion> opinion_;
    bool reused_ = false;  // The connection carried a request before this probe.
};

}  // namespace hale::probe
