// How one certificate is got (RFC 8555 §7.4), as a pure machine: one command out at a time, its outcome in.
//
//   ordering ──▶ reading ──▶ presenting ──▶ answering ──▶ pausing ──▶ checking ──┐
//                   ▲  │ valid already                      ▲   │ still pending  │ valid
//                   │  ▼                                    └───┘                ▼
//                   └─ (next authorization) ◀─────────────────────────────── withdrawing
//                                 │ none left
//                                 ▼
//         requesting ──▶ finalizing ──▶ waiting ◀──▶ polling ──▶ downloading ──▶ issued
//
//   Any failure: what is presented is withdrawn first, then failed. An order that comes back ready, processing or valid
//   goes on from there.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "acme/answers.h"
#include "acme/passage.h"

namespace hale::acme {

inline constexpr Duration poll_interval = 1s;       // Without Retry-After; doubles
inline constexpr Duration most_poll_interval = 15s;  // up to this.
inline constexpr Duration least_pause = 250ms, most_pause = 10min;  // Of Retry-After while polling.
inline constexpr int most_polls = 100;               // Of one authorization, and of the order.
inline constexpr int most_hiccups = 5;               // Looks that reached nobody.

struct OrderPlan {
    std::vector<std::string> names;  // "www.example", "*.example"
    ChallengeKind challenge = ChallengeKind::http_01;
    std::string replaces;  // renewal_id of the certificate that this one follows, where the authority has renewalInfo.
};

namespace command {
struct Post { Errand what; };
struct Present { std::string host, token; ChallengeKind kind; };
struct Withdraw {};        // What was presented.
struct Pause { Duration time; };
struct MakeRequest {};     // A new key, and a certificate request of the plan's names.
struct Finish { std::string chain_pem; };
struct GiveUp { Failure failure; };
struct Nothing {};         // The event was not of this stage.
}  // namespace command
using Command = std::variant<command::Post, command::Present, command::Withdraw, command::Pause, command::MakeRequest, command::Finish,
                             command::GiveUp, command::Nothing>;

namespace event {
struct Answered { Answer answer; };      // To Post.
struct Failed { Failure failure; };      // Of Post, Present, MakeRequest.
struct Done {};                          // Of Present, Withdraw (however it ended) and Pause.
struct Requested { std::string der; };   // Of MakeRequest.
struct Stop { Failure failure; };        // Time ran out, or nobody wants it any more. The command under way is forgotten.
}  // namespace event
using Event = std::variant<event::Answered, event::Failed, event::Done, event::Requested, event::Stop>;

class Order {
public:
    enum class Stage : std::uint8_t {
        idle, ordering, reading, presenting, answering, pausing, checking, withdrawing, requesting, finalizing, waiting, polling, downloading,
        issued, failed,
    };

    explicit Order(OrderPlan plan) : plan_(std::move(plan)) {}
    Command begin();
    Command on(Event event);
    Stage stage() const { return stage_; }
    bool over() const { return stage_ == Stage::issued || stage_ == Stage::failed; }

private:
    Command answered(const Answer& answer);
    Command done();
    Command failed(Failure failure);
    Command fail_with(Failure failure);
    Command refused(const Answer& answer, std::string_view attempted);
    Command post(Stage stage, std::string url, std::string payload = {});
    Command took_order(const Answer& answer);
    Command took_authorization(const Answer& answer);
    Command by_order(const OrderDocument& order, const Answer& answer);
    Command next_authorization();
    Command pause(Stage stage, const Answer& answer);
    std::string names() const;

    OrderPlan plan_;
    Stage stage_ = Stage::idle;
    std::string url_, finalize_, certificate_;
    std::vector<std::string> authorizations_;  // Not yet seen valid, last first.
    std::string challenge_url_;
    bool presented_ = false;
    int polls_ = 0, hiccups_ = 0;
    std::optional<Failure> failure_;  // Told once withdrawn.
};

}  // namespace hale::acme
