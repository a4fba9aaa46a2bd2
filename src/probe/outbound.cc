#include "probe/outbound.h"

#include <fmt/format.h>

#include <utility>

#include "base/reached.h"
#include "base/text.h"
#include "expect/conditions.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

void Outbound::set_out() {
    connection_.reset();
    further_.clear();
    seen_.vehicle = verdict::Vehicle::fresh;
    if (!order_.to.is_name()) {
        seen_.timings.dns = Duration::zero();
        return go_to(order_.to.address());
    }
    stage_ = Stage::resolving;
    question_ = engine_.resolver_.resolve(order_.to.naming->name, due(),
                                          [this](Result<io::Resolution> result) { resolved(std::move(result)); });
}

void Outbound::resolved(Result<io::Resolution> result) {
    question_.reset();
    seen_.timings.dns = since_start();
    if (!result) {
        const Error& error = result.error();
        const std::string what = fmt::format("the name {} did not resolve: {}", order_.to.naming->name, error.text);
        if (error.code == Code::exhausted || error.code == Code::internal) return end_error(Phase::dns, what);
        return end(Outcome::fail, Reason::dns_failure, Phase::dns, sentence(what));
    }
    std::vector<Ip>& found = result->addresses;
    if (found.empty())
        return end(Outcome::fail, Reason::dns_failure, Phase::dns,
                   sentence(fmt::format("the name {} has no address", order_.to.naming->name)));
    if (found.size() > most_addresses_tried) found.resize(most_addresses_tried);
    further_.assign(found.rbegin(), found.rend());
    const Ip first = further_.back();
    further_.pop_back();
    go_to(SocketAddress{.ip = first, .port = order_.to.port});
}

bool Outbound::refused_by_policy(const SocketAddress& address) {
    seen_.address = address;
    const auto refusal = engine_.options_.targets->refusal(address, order_.to.trusted);
    if (!refusal) return false;
    ++engine_.stats_.refused_targets;
    end(Outcome::error, Reason::target_refused, Phase::connect, sentence(*refusal));
    return true;
}

std::optional<SocketAddress> Outbound::next_address() {
    if (further_.empty()) return std::nullopt;
    HALE_REACHED("probe: the name's next address");
    const Ip next = further_.back();
    further_.pop_back();
    return SocketAddress{.ip = next, .port = order_.to.port};
}

void Outbound::go_to(const SocketAddress& address) {
    if (refused_by_policy(address)) return;
    stage_ = Stage::connecting;
    connecting_since_ = engine_.loop_.fresh_now();
    ++engine_.stats_.connects;
    auto stream = engine_.net_.connect(address);
    if (!stream) {
        const auto fault = engine_.fault_of(stream.error().system, address);
        if (fault.ours) return end_error(Phase::connect, stream.error().text);
        return end(Outcome::fail, fault.reason, Phase::connect, sentence(stream.error().text));
    }
    connection_ = engine_.pool_.adopt(std::move(*stream), *this);
}

void Outbound::on_ready(io::Readiness ready) noexcept {
    if (over()) return;
    if (stage_ == Stage::connecting) return connected(ready.readable);
    if (stage_ == Stage::securing) return secured();
    moved_on();
}

void Outbound::connected(bool unread) {
    const int error = connection_->stream().connect_error();
    if (error == 0) {
        seen_.timings.connect = engine_.loop_.fresh_now() - connecting_since_;
        if (begins_with_tls()) return met_itself() ? refused() : secure();
        return reached(unread);
    }
    connection_.reset();
    const auto fault = engine_.fault_of(error, seen_.address);
    if (!fault.ours)
        if (const auto next = next_address()) return go_to(*next);
    const std::string what =
        fmt::format("connect {} after {}",
                    fault.reason == Reason::connect_refused   ? "refused"
                    : fault.reason == Reason::connect_reset   ? "reset"
                    : fault.reason == Reason::connect_timeout ? "timed out"
                                                              : fmt::format("failed ({})", system_text(error)),
                    human(since_start()));
    if (fault.ours) return end_error(Phase::connect, what);
    end(Outcome::fail, fault.reason, Phase::connect, sentence(what));
}

void Outbound::secure() {
    if (engine_.options_.tls == nullptr) return end_error(Phase::tls, "there is no TLS here");
    const auto& spec = plan().spec->tls;
    const auto client = engine_.options_.tls->client(spec);
    if (!client) return end_error(Phase::tls, client.error().text);
    // By the name that was meant, also where the address is known: a certificate is a name's.
    std::string name = spec ? spec->name : std::string{};
    if (name.empty()) name = order_.to.tls_name();
    stage_ = Stage::securing;
    securing_since_ = engine_.loop_.fresh_now();
    if (!connection_->secure(engine_.loop_, **client, name)) return end_error(Phase::tls, "no memory for a TLS session");
}

void Outbound::secured() {
    io::SecureStream& stream = *connection_->secured();
    const int error = stream.connect_error();
    if (error == 0 && !stream.established()) return;
    seen_.timings.tls = engine_.loop_.fresh_now() - securing_since_;
    if (error == 0) {
        const auto& spec = plan().spec->tls;
        if (spec && !spec->key_pin.empty()) {
            const auto shown = stream.peer_certificate();
            if (!shown || shown->key_pin != spec->key_pin)
                return end(Outcome::fail, Reason::tls_failure, Phase::tls,
                           sentence(fmt::format("TLS failed after {}: the certificate's key is {}, not the pinned one", human(seen_.timings.tls),
                                                shown ? shown->key_pin : "missing")));
        }
        connection_->set_certificate_until(stream.peer_valid_until());
        return reached(true);
    }
    const auto fault = engine_.fault_of(error, seen_.address);
    const std::string what = fmt::format("TLS failed after {}: {}", human(seen_.timings.tls), stream.failure());
    if (fault.ours) return end_error(Phase::tls, what);
    end(Outcome::fail, Reason::tls_failure, Phase::tls, sentence(what));
}

std::string Outbound::expiry_told() const {
    const auto until = connection_ ? connection_->certificate_until() : std::nullopt;
    if (!until) return {};
    const auto& spec = plan().spec->tls;
    const auto left = *until - engine_.loop_.utc();
    if (left >= (spec ? spec->expiry_warning : io::usual_expiry_warning)) return {};
    const auto length = human(std::chrono::duration_cast<Duration>(left < left.zero() ? -left : left));
    return left < left.zero() ? fmt::format("its certificate ended {} ago, at {}", length, rfc3339(*until))
                              : fmt::format("its certificate ends in {}, at {}", length, rfc3339(*until));
}

std::optional<Duration> Outbound::certificate_left() const {
    const auto until = connection_ ? connection_->certificate_until() : std::nullopt;
    if (!until) return std::nullopt;
    return *until - engine_.loop_.utc();
}

void Outbound::note_certificate() {
    if (const auto until = connection_ ? connection_->certificate_until() : std::nullopt)
        seen_.certificate_until = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(until->time_since_epoch()).count());
}

void Outbound::judge(std::string_view heard, std::string_view body, std::string_view rcode) {
    seen_.timings.total = since_start();
    note_certificate();
    if (const expect::Conditions* conditions = plan().spec->expect.get(); conditions != nullptr && !conditions->empty()) {
        expect::Response response;
        response.connected = true;
        response.body = body;
        response.ip = seen_.address.ip;
        response.rcode = rcode;
        response.timings = seen_.timings;
        if (conditions->needs_certificate()) response.certificate_left = certificate_left();
        const expect::Evaluation found = conditions->evaluate(response);
        if (found.outcome != Outcome::pass)
            return end(found.outcome, found.reason, Phase::total, sentence(fmt::format("{} after {}: {}", heard, human(seen_.timings.total), found.resolved)),
                       evidence(body));
    }
    const std::string soon = expiry_told();
    if (soon.empty()) return end_pass();
    end(Outcome::warn, Reason::certificate_expiring, Phase::tls, sentence(fmt::format("{} after {}, but {}", heard, human(seen_.timings.total), soon)));
}

bool Outbound::met_itself() const {
    io::Stream& stream = connection_->stream();
    return !stream.peer().is_unix() && stream.local() == stream.peer();
}

void Outbound::refused() {
    end(Outcome::fail, Reason::connect_refused, Phase::connect,
        sentence(fmt::format("connect refused after {}", human(since_start()))));
}

void Outbound::run_out() {
    const std::string timeout = human(plan().timing.timeout);
    if (stage_ == Stage::resolving)
        return end(Outcome::fail, Reason::dns_failure, Phase::dns,
                   sentence(fmt::format("the name {} did not resolve within {}", order_.to.naming->name, timeout)));
    if (stage_ == Stage::connecting)
        return end(Outcome::fail, Reason::connect_timeout, Phase::connect,
                   sentence(fmt::format("no connection within {}", timeout)));
    if (stage_ == Stage::securing)
        return end(Outcome::fail, Reason::tls_timeout, Phase::tls,
                   sentence(fmt::format("connected, but the TLS handshake was not over within {}", timeout)));
    run_out_later();
}

void Outbound::drop() noexcept {
    question_.reset();
    connection_.reset();
}

}  // namespace hale::probe
