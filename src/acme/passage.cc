#include "acme/passage.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/reached.h"

namespace hale::acme {

namespace {
constexpr int unauthorized = 401, forbidden = 403;
}

std::string_view text(FailureKind kind) {
    switch (kind) {
        case FailureKind::unreachable: return "unreachable";
        case FailureKind::refused: return "refused";
        case FailureKind::invalid: return "invalid";
        case FailureKind::rate_limited: return "rate_limited";
        case FailureKind::timed_out: return "timed_out";
        case FailureKind::ours: return "ours";
    }
    return "";
}

Passage::Stage Passage::stage() const {
    if (!known_.directory) return Stage::directory;
    if (what_.to == Errand::To::renewal_info) return Stage::send;
    if (known_.nonces.empty()) return Stage::nonce;
    return known_.account.empty() ? Stage::account : Stage::send;
}

std::string Passage::take_nonce() {
    std::string nonce = std::move(known_.nonces.front());
    known_.nonces.pop_front();
    return nonce;
}

Ask Passage::ask() {
    asked_ = stage();
    switch (asked_) {
        case Stage::directory: return {.kind = Ask::Kind::get, .url = known_.directory_url};
        case Stage::nonce: return {.kind = Ask::Kind::head, .url = known_.directory->new_nonce};
        case Stage::account:
            return {.kind = Ask::Kind::post_with_key,
                    .url = known_.directory->new_account,
                    .nonce = take_nonce(),
                    .registers = true,
                    .fresh_key = std::exchange(known_.needs_fresh_key, false)};
        case Stage::send: break;
    }
    if (what_.to == Errand::To::renewal_info) return {.kind = Ask::Kind::get, .url = fmt::format("{}/{}", known_.directory->renewal_info, what_.url)};
    return {.kind = Ask::Kind::post_with_account,
            .url = what_.to == Errand::To::new_order ? known_.directory->new_order : what_.url,
            .nonce = take_nonce(),
            .payload = what_.payload};
}

void Passage::fail_with(FailureKind kind, std::string text, std::optional<Duration> retry_after, bool whole) {
    status_ = Status::failed;
    failure_ = {.kind = kind, .text = std::move(text), .retry_after = retry_after, .whole_authority = whole};
}

void Passage::unreachable(std::string why) {
    if (status_ != Status::asking) return;
    // What was learnt may be out of date: the next passage begins at the beginning.
    known_.directory.reset();
    known_.nonces.clear();
    fail_with(FailureKind::unreachable, fmt::format("the authority {} can't be reached: {}", known_.directory_url, why));
}

void Passage::refused(const Answer& answer, std::string_view attempted) {
    const Problem problem = read_problem(answer);
    const bool limited = answer.status == status_too_many_requests || problem.type == "rateLimited";
    fail_with(limited                                ? FailureKind::rate_limited
              : answer.status == status_service_unavailable ? FailureKind::unreachable
                                                     : FailureKind::refused,
              fmt::format("the authority {} refused {}: {}", known_.directory_url, attempted, problem.text()), answer.retry_after);
}

bool Passage::again_after_bad_nonce(const Problem& problem) {
    if (problem.type != "badNonce") return false;
    // Its fellows are as old; the refusal brought a new one.
    while (known_.nonces.size() > 1) known_.nonces.pop_front();
    if (++bad_nonces_ > most_bad_nonces) {
        HALE_REACHED("acme: too many bad nonces");
        fail_with(FailureKind::refused, fmt::format("the authority {} refused {} nonces in a row that it gave itself: {}", known_.directory_url, bad_nonces_, problem.text()),
                  {}, false);
    }
    return true;
}

// The authority does not take our account any more.
void Passage::account_lost(const Problem& problem) {
    const bool unknown = problem.type == "accountDoesNotExist";
    if (known_.new_accounts >= most_new_accounts) {
        HALE_REACHED("acme: a second account is lost");
        return fail_with(FailureKind::refused, fmt::format("the authority {} does not take our account, nor the new one that replaced it: {}", known_.directory_url, problem.text()));
    }
    ++known_.new_accounts;
    told_ = fmt::format("the authority {} does not take our account {} any more ({}); registering a new one", known_.directory_url, known_.account, problem.text());
    known_.account.clear();
    // A key stays bound to the account that was closed; an authority that lost the account takes it again.
    known_.needs_fresh_key = !unknown;
    if (what_.to == Errand::To::url) {
        HALE_REACHED("acme: the account was lost within an order");
        fail_with(FailureKind::refused, fmt::format("the authority {} does not take our account any more ({}); the order begins again with a new one", known_.directory_url, problem.text()),
                  {}, false);
    }
}

void Passage::answered(Answer answer) {
    if (status_ != Status::asking) return;
    if (!answer.nonce.empty()) known_.nonces.push_back(answer.nonce);
    while (known_.nonces.size() > most_nonces_kept) known_.nonces.pop_front();
    switch (asked_) {
        case Stage::directory: return took_directory(answer);
        case Stage::nonce: return took_nonce(answer);
        case Stage::account: return took_account(answer);
        case Stage::send: return took(std::move(answer));
    }
}

void Passage::took_directory(const Answer& answer) {
    if (!answer.ok()) return refused(answer, "its directory");
    auto read = read_directory(answer.body);
    if (!read) return fail_with(FailureKind::unreachable, fmt::format("the authority {}: {}", known_.directory_url, read.error().text));
    known_.directory = std::move(*read);
    if (what_.to == Errand::To::renewal_info && known_.directory->renewal_info.empty())
        fail_with(FailureKind::refused, fmt::format("the authority {} offers no renewalInfo", known_.directory_url), {}, false);
}

void Passage::took_nonce(const Answer& answer) {
    if (!known_.nonces.empty()) return;
    if (!answer.ok()) return refused(answer, "a nonce");
    fail_with(FailureKind::unreachable, fmt::format("the authority {} answered the request for a nonce without one", known_.directory_url));
}

void Passage::took_account(const Answer& answer) {
    if (answer.ok() && !answer.location.empty()) {
        known_.account = answer.location;
        return;
    }
    if (answer.ok()) return fail_with(FailureKind::unreachable, fmt::format("the authority {} registered an account without telling its URL", known_.directory_url));
    const Problem problem = read_problem(answer);
    if (again_after_bad_nonce(problem)) return;
    // Known by this key, and closed.
    if (problem.type == "unauthorized" && known_.new_accounts < most_new_accounts) return account_lost(problem);
    refused(answer, "to register an account");
}

void Passage::took(Answer answer) {
    if (!answer.ok() && what_.to != Errand::To::renewal_info) {
        const Problem problem = read_problem(answer);
        if (again_after_bad_nonce(problem)) return;
        // Within an order 403 may be about the order; nobody but the account itself is asked for a new one.
        const bool closed = answer.status == unauthorized || (answer.status == forbidden && what_.to == Errand::To::new_order && problem.type == "unauthorized");
        if (problem.type == "accountDoesNotExist" || closed) return account_lost(problem);
    }
    status_ = Status::answered;
    answer_ = std::move(answer);
}

}  // namespace hale::acme
