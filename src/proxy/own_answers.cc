// What Hale answers a client itself, without any instance.

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "proxy/answer.h"
#include "proxy/client.h"
#include "proxy/core.h"

namespace hale::proxy {

// What a route says of TLS, before its service's instances are looked at. True: answered.
bool Client::answered_for_tls(const catalog::Route& route, std::string_view host) {
    const auto& head = core_.request_head;
    const auto& tls = *route.tls;
    if (secure_ != nullptr) {
        x_.hsts = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(tls.hsts).count());
        if (!tls.client_required) return false;
        x_.page = wants_page(head);
        x_.service = core_.service_of(route);
        // A connection made for another host was asked for another host's certificate, or for none (RFC 9110 §15.5.20).
        if (!equal_ignoring_case(secure_->server_name(), host)) return answer(Answered::misdirected), true;
        if (!secure_->peer_verified()) return answer(Answered::client_certificate_missing), true;
        return false;
    }
    // A proxy before us that is believed may have had the TLS.
    const bool had_before = peer_.trusted && head.fields.value(wire::Known::x_forwarded_proto) == "https";
    if (tls.client_required && !had_before && !(tls.redirect != 0 && core_.https_port() != 0)) {
        x_.page = wants_page(head);
        x_.service = core_.service_of(route);
        return answer(Answered::client_certificate_missing), true;
    }
    if (had_before || tls.redirect == 0 || core_.https_port() == 0 || head.form == wire::TargetForm::asterisk) return false;
    x_.location = "https://";
    x_.location += host;
    if (core_.https_port() != 443) x_.location += fmt::format(":{}", core_.https_port());
    x_.location += head.path_and_query;
    x_.service = core_.service_of(route);
    x_.page = wants_page(head);
    answer(Answered::https_redirect, tls.redirect);
    return true;
}

// Whether the connection goes on after an answer that does not wait for the request's end. Left in the middle of one, it
// does not.
bool Client::settle_connection() {
    const bool keep_alive = x_.keep_alive && x_.request_done && !core_.draining();
    close_after_ = close_after_ || !keep_alive;
    unread_request_ = unread_request_ || !x_.request_done;
    return keep_alive;
}

void Client::answer(Answered reason, std::uint16_t status, std::string_view why) {
    if (x_.upstream != nullptr) let_upstream_go(false);
    if (state_ == State::parked) {  // Its head lies in in_ still; the connection can't go on.
        core_.unpark(*this);
        core_.count_exchange(1);
        state_ = State::exchange;
        x_.keep_alive = false;
    }
    const bool keep_alive = settle_connection();
    unread_request_ = unread_request_ || x_.method == wire::Method::other;
    x_.reason = reason;
    x_.status = status != 0 ? status : facts(reason).status;
    std::string details;
    if (x_.details && x_.service != nullptr && x_.service->routed() != nullptr) append_details(details, *x_.service->routed());
    core_.out.clear();
    append_answer(core_.out, {.reason = reason,
                              .status = x_.status,
                              .why = why,
                              .request_id = x_.request_id(),
                              .date = core_.date(),
                              .details = details,
                              .location = x_.location,
                              .hsts = x_.hsts,
                              .page = x_.page,
                              .without_body = x_.method == wire::Method::head,
                              .keep_alive = keep_alive,
                              .client_minor = x_.minor});
    x_.begun = true;
    if (!send(core_.out)) return;
    finish(false);
    after_answer();
}

void Client::answer_health(const catalog::PublicHealth& alias) {
    const bool keep_alive = settle_connection();
    x_.reason = Answered::health;
    core_.out.clear();
    append_health(core_.out, alias, core_.health(),
                  {.reason = Answered::health,
                   .request_id = x_.request_id(),
                   .date = core_.date(),
                   .without_body = x_.method == wire::Method::head,
                   .keep_alive = keep_alive,
                   .client_minor = x_.minor},
                  x_.status);
    if (!send(core_.out)) return;
    finish(false);
    after_answer();
}

void Client::answer_proof(std::string_view proof) {
    const bool keep_alive = settle_connection();
    x_.reason = Answered::health;
    x_.status = 200;
    core_.out.clear();
    append_proof(core_.out, proof,
                 {.reason = Answered::health,
                  .request_id = x_.request_id(),
                  .date = core_.date(),
                  .without_body = x_.method == wire::Method::head,
                  .keep_alive = keep_alive,
                  .client_minor = x_.minor});
    if (!send(core_.out)) return;
    finish(false);
    after_answer();
}

}  // namespace hale::proxy
