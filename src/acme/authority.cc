#include "acme/authority.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/log.h"

namespace hale::acme {

Authority::Authority(Ways& ways, Disk& disk, AuthoritySettings settings)
    : ways_(ways), disk_(disk), settings_(std::move(settings)), turn_(ways.loop, io::member_fire<&Authority::take_turn>, this), alive_(std::make_shared<bool>(true)) {
    known_.directory_url = settings_.directory;
}

Authority::~Authority() { *alive_ = false; }

void Authority::restore(const AccountRecord& record) {
    if (record.directory != settings_.directory || passage_) return;
    auto key = AccountKey::parse(record.key_pem);
    if (!key) return log(LogLevel::error, fmt::format("the account key for {} can't be read, a new account will be made: {}", settings_.directory, key.error().text));
    key_ = std::move(*key);
    known_.account = record.account;
    contact_ = record.contact;
}

void Authority::send(const void* who, Errand errand, Answered answered) {
    if (waiting_.size() >= most_waiting) {
        ways_.loop.post([answered = std::move(answered)]() mutable {
            answered(std::unexpected(Failure{.kind = FailureKind::ours, .text = fmt::format("more than {} requests wait for one authority", most_waiting)}));
        });
        return;
    }
    waiting_.push_back({who, std::move(errand), std::move(answered)});
    if (!passage_) turn_.arm(ways_.loop.now());
}

void Authority::forget(const void* who) {
    for (Waiting& one : waiting_)
        if (one.who == who) one.answered = nullptr;
}

void Authority::take_turn() noexcept { next(); }

void Authority::next() {
    if (passage_) return;
    // Nobody is told of these any more.
    while (!waiting_.empty() && !waiting_.front().answered) waiting_.pop_front();
    if (waiting_.empty()) return;
    passage_.emplace(known_, waiting_.front().errand);
    if (key_) return step();
    // The key is on the disk before the authority hears of it: an account that nobody has the key of is lost.
    fresh_key_then([this] { step(); });
}

void Authority::fresh_key_then(io::Task then) {
    auto made = AccountKey::generate();
    if (!made) return over(std::unexpected(Failure{.kind = FailureKind::ours, .text = made.error().text}));
    key_ = std::move(*made);
    keep([this, then = std::move(then)](Result<> kept) mutable {
        if (kept) return then();
        key_.reset();
        over(std::unexpected(Failure{.kind = FailureKind::ours, .text = fmt::format("the account key for {} can't be kept: {}", settings_.directory, kept.error().text)}));
    });
}

void Authority::keep(Done done) {
    disk_.write(account_file_name(settings_.directory), write_account(record()), [alive = alive_, done = std::move(done)](Result<> kept) mutable {
        if (*alive) done(std::move(kept));
    });
}

void Authority::step() {
    if (const std::string told = passage_->told(); !told.empty()) log(LogLevel::warning, told);
    switch (passage_->status()) {
        case Passage::Status::failed: return over(std::unexpected(passage_->failure()));
        case Passage::Status::answered: return over(passage_->answer());
        case Passage::Status::asking: break;
    }
    Ask what = passage_->ask();
    if (what.registers && known_.directory->external_account_required && settings_.external_id.empty())
        return over(std::unexpected(Failure{.kind = FailureKind::ours,
                                            .text = fmt::format("the authority {} registers only accounts that it knows from elsewhere: set acme.eab", settings_.directory),
                                            .whole_authority = true}));
    if (!what.fresh_key) return ask(what);
    fresh_key_then([this, what = std::move(what)] { ask(what); });
}

void Authority::tell_contact() {
    if (known_.account.empty() || contact_ == settings_.email || telling_contact_ || ways_.loop.now() < contact_not_before_) return;
    telling_contact_ = true;
    // RFC 8555 §7.3.2: the whole list, also when it is empty.
    nlohmann::json payload{{"contact", nlohmann::json::array()}};
    if (!settings_.email.empty()) payload["contact"].push_back("mailto:" + settings_.email);
    send(this, {.url = known_.account, .payload = payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)},
         [this](std::expected<Answer, Failure> answer) { contact_answered(answer); });
}

void Authority::contact_answered(const std::expected<Answer, Failure>& answer) {
    telling_contact_ = false;
    if (answer && answer->ok()) {
        contact_ = settings_.email;
        log(LogLevel::info, fmt::format("{} knows {} as the account's contact now", settings_.directory, settings_.email.empty() ? "nobody" : settings_.email));
        return keep([this](Result<> done) {
            if (!done) log(LogLevel::warning, fmt::format("the account at {} can't be kept: {}", settings_.directory, done.error().text));
        });
    }
    const auto wait = answer ? answer->retry_after : answer.error().retry_after;
    contact_not_before_ = ways_.loop.now() + std::max<Duration>(contact_interval, wait.value_or(Duration::zero()));
    log(LogLevel::warning, fmt::format("{} could not be told of the account's new contact {}: {}", settings_.directory, settings_.email.empty() ? "(nobody)" : settings_.email,
                                       answer ? read_problem(*answer).text() : answer.error().text));
}

std::string Authority::registration(const std::string& url) const {
    nlohmann::json payload{{"termsOfServiceAgreed", true}};
    if (!settings_.email.empty()) payload["contact"] = {"mailto:" + settings_.email};
    if (!settings_.external_id.empty())
        payload["externalAccountBinding"] = nlohmann::json::parse(external_binding(*key_, url, settings_.external_id, settings_.external_secret), nullptr, false);
    return payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Authority::ask(const Ask& what) {
    FetchRequest request{.url = what.url, .tls = settings_.tls};
    if (what.kind == Ask::Kind::head) request.method = "HEAD";
    const bool registers = what.registers;
    if (what.kind == Ask::Kind::post_with_key || what.kind == Ask::Kind::post_with_account) {
        request.method = "POST";
        request.content_type = "application/jose+json";
        request.body = signed_letter(*key_, {.url = what.url,
                                             .nonce = what.nonce,
                                             .account = registers ? std::string{} : known_.account,
                                             .payload = registers ? registration(what.url) : what.payload});
        if (request.body.empty()) return over(std::unexpected(Failure{.kind = FailureKind::ours, .text = "a request to the authority can't be signed"}));
    }
    fetch_ = std::make_unique<Fetch>(ways_);
    fetch_->start(std::move(request), [this, registers](Result<Answer> result) { came(registers, std::move(result)); });
}

void Authority::came(bool registers, Result<Answer> result) {
    const auto kept = std::move(fetch_);
    if (!result) {
        passage_->unreachable(result.error().text);
        return step();
    }
    constexpr int created = 201;
    const bool is_new = result->status == created;
    passage_->answered(std::move(*result));
    if (!registers || known_.account.empty()) return step();
    // An account that was found by its key keeps the contacts that it has.
    contact_ = is_new ? std::optional(settings_.email) : std::nullopt;
    log(LogLevel::info, fmt::format("registered with {} as {}", settings_.directory, known_.account));
    // Without its URL on the disk the account is found again by its key.
    keep([this](Result<> done) {
        if (!done) log(LogLevel::warning, fmt::format("the account at {} can't be kept: {}", settings_.directory, done.error().text));
        step();
    });
}

void Authority::over(std::expected<Answer, Failure> result) {
    Waiting done = std::move(waiting_.front());
    waiting_.pop_front();
    passage_.reset();
    turn_.arm(ways_.loop.now());
    if (done.answered) done.answered(std::move(result));
}

}  // namespace hale::acme
