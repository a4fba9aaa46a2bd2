#include "acme/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "acme/encoding.h"
#include "base/reached.h"

namespace hale::acme {

namespace {

Failure unusable(const Error& error) { return {.kind = FailureKind::unreachable, .text = fmt::format("the authority's answer: {}", error.text)}; }

}  // namespace

std::string Order::names() const {
    std::string text;
    for (const std::string& name : plan_.names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

Command Order::begin() {
    if (stage_ != Stage::idle) return command::Nothing{};
    stage_ = Stage::ordering;
    nlohmann::json payload;
    payload["identifiers"] = nlohmann::json::array();
    for (const std::string& name : plan_.names) payload["identifiers"].push_back({{"type", "dns"}, {"value", name}});
    if (!plan_.replaces.empty()) payload["replaces"] = plan_.replaces;
    return command::Post{{.to = Errand::To::new_order, .payload = payload.dump()}};
}

Command Order::on(Event event) {
    if (over() || stage_ == Stage::idle) return command::Nothing{};
    if (auto* stop = std::get_if<event::Stop>(&event)) {
        // Twice: nobody waits for the withdrawal any longer.
        if (stage_ == Stage::withdrawing && failure_) {
            HALE_REACHED("acme: stopped while withdrawing");
            presented_ = false;
        }
        return fail_with(std::move(stop->failure));
    }
    if (auto* failed = std::get_if<event::Failed>(&event)) {
        return this->failed(std::move(failed->failure));
    }
    if (const auto* came = std::get_if<event::Answered>(&event)) return answered(came->answer);
    if (auto* requested = std::get_if<event::Requested>(&event)) {
        if (stage_ != Stage::requesting) return command::Nothing{};
        return post(Stage::finalizing, finalize_, fmt::format(R"({{"csr":"{}"}})", base64url(requested->der)));
    }
    return done();
}

Command Order::failed(Failure failure) {
    if (stage_ == Stage::pausing || stage_ == Stage::waiting || stage_ == Stage::withdrawing) return command::Nothing{};
    const bool looking = stage_ == Stage::checking || stage_ == Stage::polling || stage_ == Stage::downloading;
    if (looking && failure.kind == FailureKind::unreachable && ++hiccups_ <= most_hiccups) {
        HALE_REACHED("acme: looks again after a hiccup");
        ++polls_;
        return pause(stage_ == Stage::checking ? Stage::pausing : Stage::waiting, Answer{.retry_after = failure.retry_after});
    }
    return fail_with(std::move(failure));
}

Command Order::done() {
    switch (stage_) {
        case Stage::presenting: return post(Stage::answering, challenge_url_, "{}");
        case Stage::pausing: return post(Stage::checking, authorizations_.back());
        case Stage::waiting: return post(Stage::polling, url_);
        case Stage::withdrawing:
            presented_ = false;
            if (failure_) return fail_with(*std::exchange(failure_, std::nullopt));
            authorizations_.pop_back();
            return next_authorization();
        default: return command::Nothing{};
    }
}

Command Order::answered(const Answer& answer) {
    switch (stage_) {
        case Stage::ordering: return answer.ok() ? took_order(answer) : refused(answer, "an order");
        case Stage::reading:
        case Stage::checking: return answer.ok() ? took_authorization(answer) : refused(answer, "to tell of the authorization");
        case Stage::answering:
            if (!answer.ok()) return refused(answer, "to validate");
            polls_ = 0;
            return pause(Stage::pausing, answer);
        case Stage::finalizing:
        case Stage::polling: {
            if (!answer.ok()) {
                // Not ready yet (RFC 8555 §7.4): asked again, as while processing.
                if (stage_ == Stage::finalizing && read_problem(answer).type == "orderNotReady") return pause(Stage::waiting, answer);
                return refused(answer, stage_ == Stage::finalizing ? "to finalize the order" : "to tell of the order");
            }
            const auto order = read_order(answer.body);
            if (!order) return fail_with(unusable(order.error()));
            return by_order(*order, answer);
        }
        case Stage::downloading: {
            if (!answer.ok()) return refused(answer, "the certificate");
            if (const auto sound = check_chain(answer.body); !sound) return fail_with(unusable(sound.error()));
            stage_ = Stage::issued;
            return command::Finish{answer.body};
        }
        default: return command::Nothing{};
    }
}

Command Order::took_order(const Answer& answer) {
    auto order = read_order(answer.body);
    if (!order) return fail_with(unusable(order.error()));
    if (answer.location.empty()) return fail_with({.kind = FailureKind::unreachable, .text = "the authority made an order without telling its URL"});
    url_ = answer.location;
    authorizations_ = std::move(order->authorizations);
    std::ranges::reverse(authorizations_);
    if (order->status == OrderStatus::pending) {
        finalize_ = order->finalize;
        return next_authorization();
    }
    authorizations_.clear();
    return by_order(*order, answer);
}

// Where an order stands, once nothing is to be proved any more.
Command Order::by_order(const OrderDocument& order, const Answer& answer) {
    if (!order.finalize.empty()) finalize_ = order.finalize;
    switch (order.status) {
        case OrderStatus::invalid:
            return fail_with({.kind = FailureKind::refused,
                              .text = fmt::format("the authority calls the order for {} invalid: {}", names(), order.error ? order.error->text() : "no reason is given")});
        case OrderStatus::ready:
            // Also after the request was sent, which the authority then did not take.
            if (finalize_.empty()) return fail_with({.kind = FailureKind::unreachable, .text = "the authority's order has no URL to finalize it"});
            if (++polls_ > most_polls) break;
            stage_ = Stage::requesting;
            return command::MakeRequest{};
        case OrderStatus::valid:
            if (order.certificate.empty()) return fail_with({.kind = FailureKind::unreachable, .text = "the authority's order is valid, and no certificate is told"});
            return post(Stage::downloading, order.certificate);
        case OrderStatus::pending:
        case OrderStatus::processing:
            if (++polls_ > most_polls) break;
            return pause(Stage::waiting, answer);
    }
    return fail_with({.kind = FailureKind::timed_out, .text = fmt::format("the authority did not finish the order for {} in {} looks", names(), most_polls)});
}

Command Order::next_authorization() {
    if (!authorizations_.empty()) return post(Stage::reading, authorizations_.back());
    // The order says whether it is ready by now.
    polls_ = 0;
    return post(Stage::polling, url_);
}

Command Order::took_authorization(const Answer& answer) {
    const auto read = read_authorization(answer.body);
    if (!read) return fail_with(unusable(read.error()));
    const auto wanted = std::ranges::find(read->challenges, text(plan_.challenge), &OfferedChallenge::type);
    switch (read->status) {
        case AuthorizationStatus::valid:
            if (presented_) {
                stage_ = Stage::withdrawing;
                return command::Withdraw{};
            }
            authorizations_.pop_back();
            return next_authorization();
        case AuthorizationStatus::invalid: {
            // What the authority saw, in its own words.
            std::string why = "no reason is given";
            for (const OfferedChallenge& one : read->challenges)
                if (one.error) why = one.error->text();
            return fail_with({.kind = FailureKind::invalid,
                              .text = fmt::format("the authority could not verify {} by {}: {}", read->host, text(plan_.challenge), why)});
        }
        case AuthorizationStatus::over:
            return fail_with({.kind = FailureKind::refused, .text = fmt::format("the authority's authorization of {} is over before it was used", read->host)});
        case AuthorizationStatus::pending: break;
    }
    if (stage_ == Stage::checking) {
        if (++polls_ > most_polls)
            return fail_with({.kind = FailureKind::timed_out, .text = fmt::format("the authority did not verify {} in {} looks", read->host, most_polls)});
        return pause(Stage::pausing, answer);
    }
    if (wanted == read->challenges.end() || wanted->url.empty() || wanted->token.empty()) {
        std::string offered;
        for (const OfferedChallenge& one : read->challenges) offered += (offered.empty() ? "" : ", ") + one.type;
        return fail_with({.kind = FailureKind::refused,
                          .text = fmt::format("the authority does not offer {} for {}{}, only: {}", text(plan_.challenge), read->wildcard ? "*." : "", read->host,
                                              offered.empty() ? "nothing" : offered)});
    }
    challenge_url_ = wanted->url;
    presented_ = true;
    stage_ = Stage::presenting;
    return command::Present{.host = read->host, .token = wanted->token, .kind = plan_.challenge};
}

Command Order::post(Stage stage, std::string url, std::string payload) {
    stage_ = stage;
    return command::Post{{.to = Errand::To::url, .url = std::move(url), .payload = std::move(payload)}};
}

Command Order::pause(Stage stage, const Answer& answer) {
    stage_ = stage;
    if (answer.retry_after) return command::Pause{std::clamp(*answer.retry_after, least_pause, most_pause)};
    return command::Pause{std::min(poll_interval * (1 << std::min(polls_, 4)), most_poll_interval)};
}

Command Order::refused(const Answer& answer, std::string_view attempted) {
    const Problem problem = read_problem(answer);
    const bool limited = answer.status == status_too_many_requests || problem.type == "rateLimited";
    return fail_with({.kind = limited ? FailureKind::rate_limited : answer.status == status_service_unavailable ? FailureKind::unreachable : FailureKind::refused,
                      .text = fmt::format("the authority refused {} for {}: {}", attempted, names(), problem.text()),
                      .retry_after = answer.retry_after});
}

Command Order::fail_with(Failure failure) {
    if (presented_) {
        stage_ = Stage::withdrawing;
        failure_ = std::move(failure);
        return command::Withdraw{};
    }
    stage_ = Stage::failed;
    return command::GiveUp{std::move(failure)};
}

}  // namespace hale::acme
