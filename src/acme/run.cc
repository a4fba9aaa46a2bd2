#include "acme/run.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reached.h"

namespace hale::acme {

Run::Run(Ways& ways, Authority& authority, Challenges& challenges, OrderPlan plan, Ended ended)
    : ways_(ways),
      authority_(authority),
      challenges_(challenges),
      order_(plan),
      ended_(std::move(ended)),
      names_(std::move(plan.names)),
      timer_(ways.loop, io::member_fire<&Run::tick>, this),
      deadline_(ways.loop, io::member_fire<&Run::run_out>, this),
      alive_(std::make_shared<bool>(true)) {}

Run::~Run() {
    *alive_ = false;
    authority_.forget(this);
}

void Run::start() {
    deadline_.arm(ways_.loop.now() + order_patience);
    carry_out(order_.begin());
}

void Run::stop(Failure failure) {
    if (order_.over()) return;
    ++asked_;
    authority_.forget(this);
    // The withdrawal gets its own time; what comes after that stands where it stands.
    deadline_.arm(ways_.loop.now() + withdraw_patience);
    later(event::Stop{std::move(failure)});
}

void Run::run_out() noexcept {
    HALE_REACHED("acme: an order ran out of time");
    stop({.kind = FailureKind::timed_out, .text = fmt::format("the order was not over within {}", human(order_patience))});
}

// Events come in turns of their own: an order that fails at every step is a loop, not a nest.
void Run::later(Event event) {
    next_ = std::move(event);
    timer_.arm(ways_.loop.now());
}

void Run::tick() noexcept {
    if (!next_) return;
    Event event = std::move(*next_);
    next_.reset();
    carry_out(order_.on(std::move(event)));
}

void Run::carry_out(Command command) {
    const std::uint64_t asked = ++asked_;
    if (auto* post = std::get_if<command::Post>(&command)) {
        return authority_.send(this, std::move(post->what), [this, alive = alive_, asked](std::expected<Answer, Failure> answer) {
            if (!*alive || asked != asked_) return;
            if (answer) later(event::Answered{std::move(*answer)});
            else later(event::Failed{std::move(answer.error())});
        });
    }
    if (const auto* present = std::get_if<command::Present>(&command)) return this->present(*present);
    if (std::holds_alternative<command::Withdraw>(command)) return withdraw();
    if (const auto* pause = std::get_if<command::Pause>(&command)) {
        next_ = event::Done{};
        return timer_.arm(ways_.loop.now() + pause->time);
    }
    if (std::holds_alternative<command::MakeRequest>(command)) {
        auto made = request_certificate(names_);
        if (!made) return later(event::Failed{{.kind = FailureKind::ours, .text = made.error().text}});
        key_pem_ = std::move(made->key_pem);
        return later(event::Requested{std::move(made->der)});
    }
    if (std::holds_alternative<command::Nothing>(command)) return;
    deadline_.disarm();
    auto ended = std::move(ended_);
    if (auto* finish = std::get_if<command::Finish>(&command)) return ended(Credentials{.chain_pem = std::move(finish->chain_pem), .key_pem = std::move(key_pem_)});
    ended(std::unexpected(std::move(std::get<command::GiveUp>(command).failure)));
}

void Run::present(const command::Present& what) {
    const AccountKey* key = authority_.key();
    if (key == nullptr) return later(event::Failed{{.kind = FailureKind::ours, .text = "there is no account key to prove a host with"}});
    Challenge challenge{.kind = what.kind, .host = what.host, .token = what.token, .key_authorization = key_authorization(*key, what.token)};
    challenge.dns_value = dns_value(challenge.key_authorization);
    if (what.kind == ChallengeKind::tls_alpn_01) {
        auto made = self_signed(what.host, ways_.loop.utc(), challenge.key_authorization);
        if (!made) return later(event::Failed{{.kind = FailureKind::ours, .text = made.error().text}});
        challenge.certificate_pem = std::move(made->certificate_pem);
        challenge.key_pem = std::move(made->key_pem);
    }
    shown_ = challenge;
    challenges_.present(challenge, [this, alive = alive_, asked = asked_](Result<> shown) {
        if (!*alive || asked != asked_) return;
        if (shown) return later(event::Done{});
        later(event::Failed{{.kind = FailureKind::ours, .text = fmt::format("the proof for {} can't be shown: {}", shown_->host, shown.error().text)}});
    });
}

void Run::withdraw() {
    if (!shown_) return later(event::Done{});
    const Challenge challenge = *std::exchange(shown_, std::nullopt);
    challenges_.withdraw(challenge, [this, alive = alive_, asked = asked_, host = challenge.host](Result<> withdrawn) {
        if (!withdrawn) log(LogLevel::warning, fmt::format("the proof for {} can't be withdrawn: {}", host, withdrawn.error().text));
        if (*alive && asked == asked_) later(event::Done{});
    });
}

}  // namespace hale::acme
