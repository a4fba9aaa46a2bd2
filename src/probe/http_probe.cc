#include "probe/http_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/reached.h"
#include "base/text.h"
#include "expect/conditions.h"
#include "probe/engine.h"
#include "probe/words.h"
#include "verdict/error_rule.h"

namespace hale::probe {

using http::Progress;
using http::Trouble;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;
using verdict::Vehicle;
using wire::Known;

namespace {

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Of an address or name and a path given relative to `base`.
struct Place {
    std::string host;  // Empty: the same.
    std::string path;
    bool tls = false;
};

Place place_of(std::string_view location, std::string_view base, bool tls) {
    Place place{.host = {}, .path = {}, .tls = tls};
    location = location.substr(0, location.find('#'));
    std::string_view rest = location;
    if (const auto scheme = location.find("://"); scheme != std::string_view::npos && scheme < location.find('/')) {
        place.tls = equal_ignoring_case(location.substr(0, scheme), "https");
        if (!place.tls && !equal_ignoring_case(location.substr(0, scheme), "http")) place.tls = !tls;  // Some other scheme: away.
        rest = location.substr(scheme + 1);
    }
    if (rest.starts_with("//")) {
        rest.remove_prefix(2);
        const auto end = rest.find_first_of("/?");
        place.host = lower(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
        if (rest.empty() || rest.front() == '?') {
            place.path = '/';
            place.path += rest;
            return place;
        }
    }
    if (rest.starts_with('/')) {
        place.path = rest;
        return place;
    }
    base = base.substr(0, base.find('?'));
    if (rest.starts_with('?') || rest.empty()) {
        place.path = base;
    } else {
        place.path = base.substr(0, base.rfind('/') + 1);
    }
    place.path += rest;
    return place;
}

std::string_view without_usual_port(std::string_view host, bool tls) {
    const std::string_view usual = tls ? ":443" : ":80";
    if (host.ends_with(usual)) host.remove_suffix(usual.size());
    return host;
}

Phase phase_of(Reason reason) {
    switch (reason) {
        case Reason::latency_exceeded:
        case Reason::body_mismatch:
            return Phase::total;
        default:
            return Phase::first_byte;
    }
}

}  // namespace

HttpProbe::HttpProbe(Engine& engine) : Outbound(engine), exchange_(*engine.scratch_) {}

void HttpProbe::launch() {
    path_ = order_.path;
    redirects_ = 0;
    reused_ = false;
    if (!plan().fault.empty()) return end_error(Phase::none, plan().fault);
    if (order_.to.nowhere()) return end_error(Phase::none, "Hale listens for no traffic yet");
    if (Lane* pooled = lane(); pooled != nullptr && !order_.fresh) {
        connection_ = engine_.pool_.take(*pooled, *this);
        if (connection_) {
            reused_ = true;
            ++engine_.stats_.reused;
            seen_.vehicle = Vehicle::pooled;
            seen_.address = connection_->stream().peer();
            seen_.timings.dns = seen_.timings.connect = Duration::zero();
            if (order_.to.tls) seen_.timings.tls = Duration::zero();
            return ask(false);
        }
    }
    set_out();
}

void HttpProbe::moved_on() { proceed(exchange_.advance(connection_->stream())); }

void HttpProbe::ask(bool unread) {
    const bool keep = plan().spec->connection != config::ConnectionMode::fresh;
    std::string& host = engine_.host_text_;
    host.clear();
    order_.to.append_host(host, check());
    http::AnswerPlan answer;
    answer.method = plan().method;
    answer.head_only = check().read == config::ReadMode::headers;
    answer.keep_body = true;
    answer.body_limit = check().body_limit;
    stage_ = Stage::sending;
    connection_->count_request();
    if (path_.empty()) {
        const std::string& after = keep ? plan().after_host : plan().after_host_last;
        const std::array<io::Slice, 3> request{io::Slice{plan().before_host.data(), plan().before_host.size()},
                                               io::Slice{host.data(), host.size()},
                                               io::Slice{after.data(), after.size()}};
        exchange_.begin(request, answer);
        const Progress progress = exchange_.advance(connection_->stream(), unread);
        asked_at_ = engine_.loop_.fresh_now();
        return proceed(progress);
    }
    const std::string whole = request_for(plan(), path_, host, keep);
    if (whole.empty())
        return end(Outcome::fail, Reason::redirect_refused, Phase::first_byte,
                   sentence("redirected to what HTTP can't carry"));
    const io::Slice request{whole.data(), whole.size()};
    exchange_.begin(std::span(&request, 1), answer);
    const Progress progress = exchange_.advance(connection_->stream(), unread);
    asked_at_ = engine_.loop_.fresh_now();
    proceed(progress);
}

void HttpProbe::proceed(Progress progress) {
    stage_ = exchange_.sent() ? Stage::receiving : Stage::sending;
    if (exchange_.any_byte_came() && seen_.timings.first_byte < Duration::zero())
        seen_.timings.first_byte = engine_.loop_.fresh_now() - asked_at_;
    switch (progress) {
        case Progress::waiting:
            return;
        case Progress::answered:
            return finish_answer();
        case Progress::failed:
            return finish_trouble();
    }
}

bool HttpProbe::last_look() {
    if (opinion_) {
        end_with_first_answer("; asked directly, it did not answer in what was left of the time");
        return true;
    }
    if (stage_ != Stage::receiving) return false;
    const Progress progress = exchange_.advance(connection_->stream());
    if (progress != Progress::answered) return false;
    proceed(progress);
    return true;
}

void HttpProbe::run_out_later() {
    const std::string timeout = human(plan().timing.timeout);
    if (!exchange_.any_byte_came())
        return end(Outcome::fail, Reason::first_byte_timeout, Phase::first_byte,
                   sentence(fmt::format("connected, but no answer within {}", timeout)));
    end(Outcome::fail, Reason::total_timeout, Phase::total,
        sentence(fmt::format("the answer began after {} but was not complete within {}",
                             human(seen_.timings.first_byte), timeout)),
        evidence(exchange_.raw()));
}

void HttpProbe::finish_trouble() {
    const Trouble trouble = exchange_.trouble();
    const bool silent_end = !exchange_.any_byte_came() && (trouble == Trouble::closed || trouble == Trouble::reset);
    if (reused_ && silent_end && seen_.vehicle == Vehicle::pooled) {
        // The server closed a connection it had kept, at the moment we asked: that says nothing of its health.
        HALE_REACHED("http probe: a kept connection had died");
        ++engine_.stats_.repeated;
        reused_ = false;
        seen_.timings.dns = seen_.timings.connect = seen_.timings.tls = Duration{-1};
        return set_out();
    }
    const std::string took = human(since_start());
    const Phase phase = exchange_.any_byte_came() ? Phase::total : Phase::first_byte;
    switch (trouble) {
        case Trouble::reset:
            return end(Outcome::fail, Reason::connect_reset, phase,
                       sentence(fmt::format("connection reset after {}", took)), evidence(exchange_.raw()));
        case Trouble::closed:
            return end(Outcome::fail, Reason::connection_closed, phase,
                       sentence(fmt::format("{} after {}", exchange_.why(), took)), evidence(exchange_.raw()));
        case Trouble::early:
        case Trouble::malformed:
            if (met_itself()) return refused();
            return end(Outcome::fail, Reason::protocol_error, phase,
                       sentence(fmt::format("no HTTP/1.1 answer: {}", exchange_.why())), evidence(exchange_.raw()));
        default:
            break;
    }
    const auto fault = engine_.fault_of(exchange_.error(), seen_.address);
    const std::string what = fmt::format("{} after {}", system_text(exchange_.error()), took);
    if (fault.ours) return end_error(phase, what);
    end(Outcome::fail, Reason::connection_closed, phase, sentence(what));
}

void HttpProbe::finish_answer() {
    const wire::ResponseHead& head = exchange_.head();
    seen_.timings.total = since_start();
    seen_.status = head.status;
    if (is_redirect(head.status) && check().redirect != config::RedirectPolicy::accept) {
        if (const wire::Field* location = head.fields.find(Known::location)) {
            if (redirected(location->value)) return;
        }
    }
    judge_answer();
}

// Follows, or ends the probe: true. False when it is to be judged like any other answer.
bool HttpProbe::redirected(std::string_view location) {
    const std::string shown = escaped(redacted_url(location), evidence_limit);
    const auto refuse = [&](std::string_view why) {
        end(Outcome::fail, Reason::redirect_refused, Phase::first_byte,
            sentence(fmt::format("answered {} to {}; {}", seen_.status, shown, why)));
        return true;
    };
    if (check().redirect == config::RedirectPolicy::fail) return refuse("redirects are not followed (redirect: fail)");
    if (redirects_ >= check().max_redirects)
        return refuse(fmt::format("more than {} redirects", check().max_redirects));
    if (plan().method != wire::Method::get && plan().method != wire::Method::head)
        return refuse("only GET and HEAD are followed");
    Place place = place_of(location, path_.empty() ? std::string_view(check().path) : std::string_view(path_), order_.to.tls);
    std::string host;
    order_.to.append_host(host, check());
    if (place.tls != order_.to.tls) return refuse(order_.to.tls ? "it leads away from https" : "it leads away from plain http");
    if (!place.host.empty() && !equal_ignoring_case(without_usual_port(place.host, place.tls), without_usual_port(host, order_.to.tls)))
        return refuse("it leads to another host");
    ++redirects_;
    path_ = std::move(place.path);
    seen_.timings.first_byte = seen_.timings.total = Duration{-1};
    if (exchange_.in_step()) {
        reused_ = false;  // A second silence on it is the server's doing.
        ask(false);
        return true;
    }
    set_out();
    return true;
}

void HttpProbe::judge_answer() {
    const wire::ResponseHead& head = exchange_.head();
    const expect::Conditions* conditions = plan().spec->expect.get();
    expect::Response response;
    response.status = head.status;
    response.connected = true;
    response.body = exchange_.body();
    response.body_truncated = exchange_.body_truncated();
    response.ip = seen_.address.ip;
    response.timings = seen_.timings;
    if (conditions != nullptr && conditions->needs_headers()) {
        std::size_t count = 0;
        for (const wire::Field& field : head.fields) engine_.headers_[count++] = {field.name, field.value};
        response.headers = std::span(engine_.headers_).first(count);
    }
    note_certificate();
    if (conditions != nullptr && conditions->needs_certificate()) response.certificate_left = certificate_left();
    expect::Evaluation found;
    if (conditions != nullptr) {
        found = conditions->evaluate(response);
    } else if (head.status < 200 || head.status > 299) {
        found.outcome = Outcome::fail;
        found.reason = Reason::status_mismatch;
        found.resolved = "a 2xx status was expected";
    }
    if (found.outcome == Outcome::pass) {
        if (const auto soon = expiry_told(); !soon.empty()) {
            const auto what = fmt::format("answered {} after {}, but {}", head.status, human(seen_.timings.total), soon);
            let_go_of_connection();
            return end(Outcome::warn, Reason::certificate_expiring, Phase::tls, sentence(what));
        }
        let_go_of_connection();
        return end_pass();
    }
    const bool missing = order_.first_contact && !order_.behind && found.outcome == Outcome::fail &&
                         found.reason == Reason::status_mismatch && (head.status == 404 || head.status == 405);
    std::string what = fmt::format("answered {} after {}: {}", head.status, human(seen_.timings.total), found.resolved);
    if (missing) what += fmt::format("; is there no such endpoint? It never passed here");
    if (!found.lint.empty()) what += fmt::format("; {}", found.lint);
    if (found.outcome == Outcome::fail && order_.behind && looked_behind(found.outcome, found.reason, what)) return;
    std::string shown = evidence(response.body);
    let_go_of_connection();
    end(found.outcome, missing ? Reason::endpoint_missing : found.reason, phase_of(found.reason), sentence(what),
        std::move(shown));
}

bool HttpProbe::looked_behind(Outcome outcome, Reason reason, const std::string& what) {
    const wire::ResponseHead& head = exchange_.head();
    const std::string own = escaped(head.fields.value(Known::hale_reason), evidence_limit);
    first_ = {outcome, reason, what, evidence(exchange_.body())};
    if (!own.empty()) {
        let_go_of_connection();
        if (own == "no_route") {
            HALE_REACHED("http probe: Hale itself knew no route");
            first_.reason = Reason::route_missing;
        }
        end_with_first_answer(fmt::format("; Hale itself answered: {}", own));
        return true;
    }
    if (head.status != 404 || reason != Reason::status_mismatch || plan().directly == nullptr) return false;
    let_go_of_connection();
    stage_ = Stage::receiving;
    opinion_ = std::make_unique<SecondOpinion>(engine_, static_cast<OpinionAsker&>(*this), plan().directly, *order_.behind, order_);
    return true;
}

void HttpProbe::on_opinion(verdict::Observation&& direct) noexcept {
    const std::string place = order_.behind->to.text();
    if (direct.outcome == Outcome::pass || direct.outcome == Outcome::warn) {
        HALE_REACHED("http probe: fine directly, 404 through the proxy");
        first_.reason = Reason::route_missing;
        return end_with_first_answer(fmt::format("; asked directly, {} answers {}", place, direct.status));
    }
    end_with_first_answer(fmt::format("; asked directly: {}", direct.text));
}

void HttpProbe::end_with_first_answer(std::string_view more) {
    First first = std::exchange(first_, {});
    end(first.outcome, first.reason, phase_of(first.reason), sentence(first.what + std::string(more)), std::move(first.evidence));
}

void HttpProbe::let_go_of_connection() {
    if (!exchange_.in_step() || plan().spec->connection == config::ConnectionMode::fresh) return connection_.reset();
    Lane& home = lane() != nullptr ? *lane() : engine_.pool_.lane(order_.to);
    // A confirmation's connection takes the place of the one that failed; beside one that did not it is one too many.
    if (order_.fresh && !home.idle.empty()) return connection_.reset();
    engine_.pool_.give_back(std::move(connection_), home);
}

void HttpProbe::drop() noexcept {
    opinion_.reset();
    Outbound::drop();
    exchange_.release();
    stage_ = Stage::waiting;
}

}  // namespace hale::probe
