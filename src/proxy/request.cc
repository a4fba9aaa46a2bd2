// The first half of an exchange: whose request it is, where it goes, and getting it there.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "base/id.h"
#include "proxy/answer.h"
#include "proxy/client.h"
#include "proxy/core.h"
#include "wire/url.h"

namespace hale::proxy {

namespace {

using verdict::Reason;

Reason reason_of_connect(int error) {
    switch (error) {
        case ECONNREFUSED:
        case ENOENT: return Reason::connect_refused;
        case ETIMEDOUT: return Reason::connect_timeout;
        case ECONNRESET: return Reason::connect_reset;
        case EPROTO: return Reason::tls_failure;
        default: return Reason::connect_failed;
    }
}

// "b" of "a=1; b=2".
std::string_view cookie(const wire::RequestHead& head, std::string_view name) {
    for (const auto& field : head.fields) {
        if (field.id != wire::Known::cookie) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const auto end = rest.find(';');
            std::string_view pair = rest.substr(0, end);
            rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
            while (pair.starts_with(' ')) pair.remove_prefix(1);
            if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') return pair.substr(name.size() + 1);
        }
    }
    return {};
}

constexpr std::string_view candidate_field = "Hale-Candidate";

std::string_view shown_key(const wire::RequestHead& head) {
    const auto* field = head.fields.find(candidate_field);
    return field == nullptr ? std::string_view{} : std::string_view(field->value);
}

}  // namespace

// Starts the exchange's books. A head that could not be read counts as a request without facts.
void Client::identify() {
    auto& head = core_.request_head;
    // HTTP/2 in clear text behind our back would carry requests that nobody routed.
    if (head.upgrade && wire::lists(head.fields, wire::Known::upgrade, "h2c")) head.upgrade = false;
    x_.service = nullptr;
    x_.backend = nullptr;
    x_.request.clear();
    x_.sent = 0;
    x_.hash = 0;
    x_.dispatched = x_.any_sent = x_.upload_dead = false;
    x_.replayable = true;
    x_.retries = 0;
    x_.method = head.method;
    x_.minor = head.minor;
    x_.keep_alive = head.keep_alive;
    x_.upgrade = head.upgrade;
    x_.expects_continue = head.expect_continue;
    x_.details = false;
    x_.request_done = head.framing.kind == wire::BodyKind::none;
    if (!x_.request_done) x_.request_body = wire::BodyReader(head.framing);
    x_.bytes_in = x_.bytes_out = 0;
    x_.began = core_.now();
    x_.idle = core_.options().header_timeout;
    x_.scan = {};
    x_.status = 0;
    x_.begun = x_.interim = x_.upstream_keep_alive = false;
    x_.interims = 0;
    x_.reason = Answered::none;
    x_.version = 0;
    x_.panic = false;
    x_.hsts = 0;
    x_.location.clear();
    x_.route.clear();
    core_.count_exchange(1);

    if (core_.adoptions() != trusted_by_) [[unlikely]] {
        trusted_by_ = core_.adoptions();
        know_peer();
    }
    const auto given_id = peer_.trusted ? head.fields.value(wire::Known::x_request_id) : std::string_view{};
    if (valid_request_id(given_id)) {
        x_.id_size = static_cast<std::uint8_t>(given_id.copy(x_.id.data(), x_.id.size()));
    } else {
        write_request_id(core_.random(), x_.id.data());
        x_.id_size = request_id_length;
    }
    if (core_.log().on()) {
        if (head.method_name.empty()) x_.log_request.clear();
        else AccessLog::start_request(x_.log_request, head.method_name, head.authority, head.target);
        if (peer_.trusted) x_.log_client = client_address(head, peer_, core_.trusted_proxies()).spelled;
        else x_.log_client.clear();
    }
}

bool Client::begin() {
    identify();
    const auto& head = core_.request_head;
    const auto* snapshot = core_.snapshot();
    if (snapshot == nullptr) {
        answer(Answered::no_route);
        return true;
    }
    if (head.method == wire::Method::connect) {
        answer(Answered::bad_request, 0, "Hale is no forward proxy: CONNECT is refused.");
        return true;
    }
    wire::HostScratch scratch;
    std::optional<std::string_view> host{std::in_place};
    if (!head.host.empty()) host = wire::normal_host(head.host, scratch);
    if (!host) {
        answer(Answered::bad_request, 0, "Host is malformed.");
        return true;
    }
    wire::MatchPath match{.path = "/", .other_reading = {}};
    if (head.form != wire::TargetForm::asterisk) {
        const auto fault = wire::path_for_match(head.path_and_query, core_.match_path, match);
        if (fault != wire::PathFault::none) {
            answer(Answered::bad_request, 0, wire::path_fault_text(fault));
            return true;
        }
    }
    for (const auto& alias : snapshot->public_health) {
        if (alias.path != match.path) continue;
        if (alias.method != head.method_name && !(alias.method == "GET" && head.method == wire::Method::head)) continue;
        answer_health(alias);
        return true;
    }
    if (const auto* proof = core_.proof(match.path); proof != nullptr && (head.method == wire::Method::get || head.method == wire::Method::head)) {
        answer_proof(*proof);
        return true;
    }
    const std::string_view key = snapshot->table.hides() ? shown_key(head) : std::string_view{};
    const auto* route = snapshot->table.find(*host, match.path, key);
    if (!match.other_reading.empty() && snapshot->table.find(*host, match.other_reading, key) != route) {
        answer(Answered::bad_request, 0, "The path means different things to different readers.");
        return true;
    }
    if (route == nullptr) {
        x_.page = wants_page(head);
        answer(Answered::no_route);
        return true;
    }
    if (route->tls != nullptr && answered_for_tls(*route, *host)) return true;
    const auto most = core_.max_body();
    if (most && head.framing.kind == wire::BodyKind::length && head.framing.length > *most) {
        answer(Answered::body_too_large);
        return true;
    }
    return place(*route);
}

// Finds the instance and writes the head meant for it.
bool Client::place(const catalog::Route& route) {
    const auto& head = core_.request_head;
    const auto& routed = *route.service;
    Service& service = *core_.service_of(route);
    x_.service = &service;
    x_.idle = service.timeouts.idle;
    if (core_.log().on()) x_.route = route.id;

    const auto refuse = [&](Answered reason) {
        x_.page = wants_page(head);
        const auto& who_may = core_.snapshot()->errors_detail_for;
        if (!who_may.empty() && !stream_->peer().is_unix()) {
            const auto client = client_address(head, peer_, core_.trusted_proxies());
            x_.details = std::ranges::any_of(who_may, [&](const Cidr& c) { return c.contains(client.ip); });
        }
        answer(reason);
        return true;
    };
    // What is not switched to is reached by its key, whatever users are answered.
    x_.candidate = !routed.candidate_key.empty() && shown_key(head) == routed.candidate_key;
    if (!x_.candidate && routed.override == verdict::OverrideState::maintenance) return refuse(Answered::maintenance);
    if (!x_.candidate && routed.paused_until && *routed.paused_until > core_.now()) {
        if (!core_.park(*this)) return refuse(Answered::paused);
        core_.count_exchange(-1);
        x_.service = nullptr;
        x_.page = wants_page(head);
        state_ = State::parked;
        wait_for(Wait::paused, *routed.paused_until);
        return false;
    }
    service.refresh();
    if (service.chooses_by_hash()) x_.hash = hash_of(routed);
    Backend* const chosen = x_.candidate ? service.choose_candidate() : service.choose(x_.hash, {});
    if (chosen == nullptr) return refuse(Answered::no_eligible_instance);

    service.budget.count_request(core_.now());
    x_.backend = chosen;
    x_.backend->enter();
    x_.version = chosen->version;
    x_.panic = service.panic();
    std::string_view target = head.path_and_query;
    if (route.strip && head.form != wire::TargetForm::asterisk) {
        core_.out.clear();
        append_stripped(core_.out, target, route.path.ends_with('/') ? route.path.size() - 1 : route.path.size());
        target = core_.out;
    }
    x_.own_host = !head.authority.empty()           ? head.authority
                  : x_.backend->address.is_unix() ? std::string_view("localhost")
                                                  : std::string_view(x_.backend->address_text);
    x_.host = append_request(x_.request, head, peer_,
                             {.target = target,
                              .host = x_.backend->authority.empty() ? std::string_view(x_.own_host) : x_.backend->authority,
                              .request_id = x_.request_id(),
                              .without = x_.candidate ? candidate_field : std::string_view{}});
    return true;
}

std::uint64_t Client::hash_of(const catalog::RoutedService& service) const {
    const auto& head = core_.request_head;
    std::string_view by;
    if (service.balance.kind == config::BalanceKind::hash_header) {
        if (const auto* field = head.fields.find(service.balance.name)) by = field->value;
    } else if (service.balance.kind == config::BalanceKind::hash_cookie) {
        by = cookie(head, service.balance.name);
    }
    // Without the header or cookie the address decides: some stickiness is better than none.
    if (by.empty()) by = client_address(head, peer_, core_.trusted_proxies()).spelled;
    return hash64(by);
}

std::size_t Client::take_body(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !x_.request_body.done()) {
        const auto step = x_.request_body.read(bytes.substr(used));
        if (step.status == wire::BodyStatus::bad) {
            if (x_.begun) abort();
            else answer(Answered::bad_request, 0, step.why);
            return bytes.size();
        }
        used += step.consumed;
        x_.bytes_in += step.payload.size();
    }
    const auto most = core_.max_body();
    if (most && x_.bytes_in > *most) {
        if (x_.begun) abort();
        else answer(Answered::body_too_large);
        return bytes.size();
    }
    x_.request_done = x_.request_body.done();
    send_body(bytes.substr(0, used));
    return used;
}

// `raw` passes with its framing, as it was checked.
void Client::send_body(std::string_view raw) {
    if (x_.upload_dead) return;
    const bool may_write = x_.dispatched && x_.upstream != nullptr && !x_.upstream->connecting;
    const bool fits = x_.request.size() + raw.size() <= core_.options().buffer_bytes;
    if (!fits && x_.sent > 0) {  // Too much to keep for another try: what was sent is let go.
        x_.request.erase(0, x_.sent);
        x_.sent = 0;
        x_.replayable = false;
    }
    if (may_write && x_.unsent() == 0 && !x_.replayable) {
        const auto result = x_.upstream->stream().write(raw);
        if (result.status == io::IoStatus::ok) raw.remove_prefix(result.bytes);
    }
    x_.request.append(raw);
    if (may_write) flush_request();
}

void Client::dispatch(bool fresh) {
    x_.dispatched = true;
    x_.any_sent = x_.upload_dead = false;
    x_.scan = {};
    x_.upstream = core_.acquire(*x_.backend, *this, fresh);
    if (x_.upstream == nullptr) lost(Loss::connect, x_.backend->refused ? Reason::target_refused : Reason::check_error);
    else if (x_.upstream->connecting) wait_for(Wait::connect, core_.now() + x_.service->timeouts.connect);
    else flush_request();
}

void Client::connected() { flush_request(); }

void Client::connect_failed(int error) { lost(Loss::connect, reason_of_connect(error)); }

void Client::upstream_writable() {
    if (x_.unsent() == 0) return;
    flush_request();
    if (may_read_ && !x_.request_done) core_.schedule(*this);
}

void Client::flush_request() {
    Upstream* const up = x_.upstream;
    if (up == nullptr || up->connecting) return;
    while (x_.unsent() > 0 && !x_.upload_dead) {
        const auto result = up->stream().write(std::string_view(x_.request).substr(x_.sent));
        if (result.status == io::IoStatus::would_block) break;
        if (result.status != io::IoStatus::ok) {
            // It may have answered before it stopped listening: reading tells.
            x_.upload_dead = up->may_read = true;
            core_.schedule(*this);
            break;
        }
        x_.sent += result.bytes;
        x_.any_sent = true;
    }
    if (x_.unsent() == 0) {
        if (!x_.replayable) x_.request.clear(), x_.sent = 0;
        if (may_read_ && (!x_.request_done || state_ == State::tunnel)) core_.schedule(*this);
        if (state_ == State::tunnel && half_closed_) up->stream().shutdown_write();
    }
    wait_for_progress();
}

// Whom we wait for now, and for how long.
void Client::wait_for_progress() {
    const auto now = core_.now();
    if (x_.begun || state_ != State::exchange || x_.unsent() > 0) {
        wait_for(Wait::idle, now + x_.idle);
    } else if (!x_.request_done && !(x_.expects_continue && x_.bytes_in == 0 && !x_.interim)) {
        wait_for(Wait::body, now + core_.options().body_timeout);
    } else {
        wait_for(Wait::first_byte, now + x_.service->timeouts.first_byte);
    }
}

// The try at hand came to nothing and the client has seen nothing of an answer.
void Client::lost(Loss loss, Reason reason) {
    Service& service = *x_.service;
    const Upstream* const up = x_.upstream;
    const LostTry lost_try{.loss = loss,
                           .reused = up != nullptr && up->reused,
                           .sent = x_.any_sent,
                           .idempotent = wire::idempotent(x_.method),
                           .replayable = x_.replayable && !x_.interim && (up == nullptr || up->in.empty())};
    switch (loss) {
        case Loss::connect: ++service.stats.connect_failures; break;
        case Loss::closed: ++service.stats.upstream_resets; break;
        case Loss::timeout: ++service.stats.timeouts; break;
    }
    if (reason != Reason::check_error) core_.passive(*x_.backend, reason);
    if (x_.upstream != nullptr) let_upstream_go(false);
    if (try_again(lost_try)) return;
    if (loss == Loss::closed && lost_try.sent && !lost_try.idempotent) ++service.stats.unsafe_not_retried;
    answer(loss == Loss::connect  ? Answered::upstream_connect
           : loss == Loss::closed ? Answered::upstream_reset
                                  : Answered::upstream_timeout);
}

bool Client::try_again(const LostTry& lost_try) {
    // Asking again what took too long would double the load of the slowest moment.
    if (lost_try.loss == Loss::timeout || x_.candidate || !may_send_again(lost_try)) return false;
    Service& service = *x_.service;
    if (x_.retries >= service.retry.max || x_.retries + 1 >= x_.tried.size()) return false;
    service.refresh();
    x_.tried[x_.retries] = x_.backend;
    Backend* chosen = service.choose(x_.hash, {x_.tried.data(), x_.retries + 1});
    // The same instance again only when all it did was to close an old connection.
    if (chosen == nullptr && lost_try.loss == Loss::closed && lost_try.reused) chosen = service.choose(x_.hash, {});
    if (chosen == nullptr) return false;
    if (!service.budget.take(core_.now(), service.retry.budget_percent)) {
        ++service.stats.retries_over_budget;
        return false;
    }
    ++x_.retries;
    ++service.stats.retries;
    x_.backend->lost();
    x_.backend->leave();
    x_.backend = chosen;
    x_.backend->enter();
    x_.version = chosen->version;
    const std::string& host = x_.backend->authority.empty() ? x_.own_host : x_.backend->authority;
    x_.request.replace(x_.host.at, x_.host.size, host);
    x_.host.size = host.size();
    x_.sent = 0;
    dispatch(true);
    return true;
}

void Client::let_upstream_go(bool reusable) {
    Upstream& up = *std::exchange(x_.upstream, nullptr);
    up.client = nullptr;
    if (reusable) core_.give_back(up);
    else core_.close_upstream(up, true);
}

// Closes the books: once per exchange, whatever its end.
void Client::finish(bool aborted) {
    core_.count_exchange(-1);
    if (state_ == State::tunnel) core_.count_tunnel(-1);
    if (x_.upstream != nullptr) let_upstream_go(false);
    const auto took = core_.now() - x_.began;
    auto& stats = x_.service != nullptr ? x_.service->stats : core_.unrouted();
    if (x_.status >= 100 && x_.status < 600) {
        const auto source = x_.reason == Answered::none ? Source::upstream : Source::hale;
        ++stats.requests[x_.status / 100 - 1u][std::to_underlying(source)];
    }
    const auto bucket = Histogram::bucket_of(took);
    stats.durations.add(took, bucket);
    // A client that went away before its answer says nothing of the instance, nor does a check through the proxy.
    if (x_.backend != nullptr && !x_.candidate) {
        const bool lost = x_.cut || x_.reason == Answered::upstream_connect || x_.reason == Answered::upstream_reset || x_.reason == Answered::upstream_timeout;
        if (lost) x_.backend->lost();
        else if (x_.reason == Answered::none && x_.status >= 200) x_.backend->answered(x_.status < 500, took, bucket);
    }
    stats.bytes_in += x_.bytes_in;
    stats.bytes_out += x_.bytes_out;
    if (x_.panic) ++stats.panic_requests;
    if (core_.log().on()) {
        const auto* snapshot = core_.snapshot();
        core_.log().add({.time = core_.loop().utc(),
                         .client = x_.log_client.empty() ? std::string_view(peer_.text) : x_.log_client,
                         .request = x_.log_request,
                         .status = x_.status,
                         .aborted = aborted,
                         .bytes_in = x_.bytes_in,
                         .bytes_out = x_.bytes_out,
                         .duration = took,
                         .service = x_.service != nullptr ? std::string_view(x_.service->name()) : std::string_view{},
                         .route = x_.route,
                         .instance = x_.backend != nullptr ? std::string_view(x_.backend->id) : std::string_view{},
                         .upstream = x_.backend != nullptr ? std::string_view(x_.backend->address_text) : std::string_view{},
                         .version = x_.version,
                         .revision = snapshot != nullptr ? snapshot->revision : 0,
                         .request_id = x_.request_id(),
                         .reason = x_.reason,
                         .retries = x_.retries,
                         .panic = x_.panic});
    }
    if (x_.backend != nullptr) std::exchange(x_.backend, nullptr)->leave();
}

}  // namespace hale::proxy
