#include "probe/tcp_probe.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "expect/conditions.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using io::IoStatus;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

std::string TcpProbe::sentence(std::string_view what) const {
    return fmt::format("{}: {}", asked(plan(), order_.to, seen_.address), what);
}

void TcpProbe::launch() {
    seen_.vehicle = verdict::Vehicle::fresh;
    if (!order_.to.is_name()) {
        seen_.timings.dns = Duration::zero();
        return connect_to(order_.to.address());
    }
    stage_ = Stage::resolving;
    question_ = engine_.resolver_.resolve(order_.to.naming->name, due(),
                                          [this](Result<io::Resolution> result) { resolved(std::move(result)); });
}

void TcpProbe::resolved(Result<io::Resolution> result) {
    question_.reset();
    seen_.timings.dns = since_start();
    if (!result || result->addresses.empty()) {
        const std::string what = fmt::format("the name {} did not resolve: {}", order_.to.naming->name,
                                             result ? "it has no address" : result.error().text);
        if (!result && (result.error().code == Code::exhausted || result.error().code == Code::internal))
            return end_error(Phase::dns, what);
        return end(Outcome::fail, Reason::dns_failure, Phase::dns, sentence(what));
    }
    connect_to(SocketAddress{.ip = result->addresses.front(), .port = order_.to.port});
}

void TcpProbe::connect_to(const SocketAddress& address) {
    seen_.address = address;
    if (const auto refusal = engine_.options_.targets->refusal(address, order_.to.trusted)) {
        ++engine_.stats_.refused_targets;
        return end(Outcome::error, Reason::target_refused, Phase::connect, sentence(*refusal));
    }
    stage_ = Stage::connecting;
    ++engine_.stats_.connects;
    auto stream = engine_.net_.connect(address);
    if (!stream) {
        const auto fault = engine_.fault_of(stream.error().system, address);
        if (fault.ours) return end_error(Phase::connect, stream.error().text);
        return end(Outcome::fail, fault.reason, Phase::connect, sentence(stream.error().text));
    }
    connection_ = engine_.pool_.adopt(std::move(*stream), *this);
}

void TcpProbe::on_ready(io::Readiness) noexcept {
    if (over()) return;
    switch (stage_) {
        case Stage::connecting:
            return connected();
        case Stage::sending:
            return send();
        case Stage::receiving:
            return receive();
        default:
            return;
    }
}

void TcpProbe::connected() {
    io::Stream& stream = connection_->stream();
    const int error = stream.connect_error();
    const Duration took = since_start();
    // A port nobody listens on, that the kernel gave to our own end, answers ourselves.
    const bool ourselves = error == 0 && !stream.peer().is_unix() && stream.local() == stream.peer();
    if (error != 0 || ourselves) {
        const auto fault = engine_.fault_of(ourselves ? ECONNREFUSED : error, seen_.address);
        const std::string what = fault.reason == Reason::connect_refused
                                     ? fmt::format("connect refused after {}", human(took))
                                     : fmt::format("connect failed after {}: {}", human(took), system_text(error));
        if (fault.ours) return end_error(Phase::connect, what);
        return end(Outcome::fail, fault.reason, Phase::connect, sentence(what));
    }
    seen_.timings.connect = seen_.timings.dns >= Duration::zero() ? took - seen_.timings.dns : took;
    stage_ = Stage::sending;
    send();
}

void TcpProbe::send() {
    const std::string& what = plan().tcp()->send;
    while (sent_ < what.size()) {
        const io::IoResult result = connection_->stream().write(std::string_view(what).substr(sent_));
        if (result.status == IoStatus::would_block) return;
        if (result.status != IoStatus::ok)
            return end(
                Outcome::fail, Reason::connect_reset, Phase::first_byte,
                sentence(fmt::format("sending failed after {}: {}", human(since_start()), system_text(result.error))));
        sent_ += result.bytes;
    }
    if (plan().tcp()->expect_bytes.empty()) return judge_answer();
    stage_ = Stage::receiving;
    receive();
}

void TcpProbe::receive() {
    const std::string& wanted = plan().tcp()->expect_bytes;
    std::array<char, 4096> bytes;
    for (;;) {
        const io::IoResult result = connection_->stream().read(bytes);
        if (result.status == IoStatus::would_block) return;
        if (result.status != IoStatus::ok) {
            const bool reset = result.status == IoStatus::failed;
            const std::string what =
                fmt::format("{} after {} and {} bytes", reset ? "connection reset" : "the connection was closed",
                            human(since_start()), received_.size());
            const Reason reason = reset               ? Reason::connect_reset
                                  : received_.empty() ? Reason::connection_closed
                                                      : Reason::bytes_mismatch;
            return end(Outcome::fail, reason, Phase::total, sentence(what), evidence(received_));
        }
        if (seen_.timings.first_byte < Duration::zero())
            seen_.timings.first_byte = since_start() - seen_.timings.dns - seen_.timings.connect;
        const std::size_t from = received_.size() < wanted.size() ? 0 : received_.size() - wanted.size();
        received_.append(bytes.data(), result.bytes);
        if (received_.find(wanted, from) != std::string::npos) return judge_answer();
        if (received_.size() > most_received)
            return end(Outcome::fail, Reason::bytes_mismatch, Phase::total,
                       sentence(fmt::format("\"{}\" is not in the first {} bytes", escaped(wanted), received_.size())),
                       evidence(received_));
        if (result.bytes < bytes.size()) return;
    }
}

void TcpProbe::judge_answer() {
    seen_.timings.total = since_start();
    if (const expect::Conditions* conditions = plan().spec->expect.get();
        conditions != nullptr && !conditions->empty()) {
        expect::Response response;
        response.connected = true;
        response.body = received_;
        response.ip = seen_.address.ip;
        response.timings = seen_.timings;
        const expect::Evaluation found = conditions->evaluate(response);
        if (found.outcome != Outcome::pass)
            return end(found.outcome, found.reason, Phase::total,
                       sentence(fmt::format("connected after {}: {}", human(seen_.timings.connect), found.resolved)),
                       evidence(received_));
    }
    end_pass();
}

void TcpProbe::run_out() {
    const std::string timeout = human(plan().timing.timeout);
    if (stage_ == Stage::resolving)
        return end(Outcome::fail, Reason::dns_failure, Phase::dns,
                   sentence(fmt::format("the name {} did not resolve within {}", order_.to.naming->name, timeout)));
    if (stage_ == Stage::connecting)
        return end(Outcome::fail, Reason::connect_timeout, Phase::connect,
                   sentence(fmt::format("no connection within {}", timeout)));
    if (received_.empty())
        return end(Outcome::fail, Reason::first_byte_timeout, Phase::first_byte,
                   sentence(fmt::format("connected, but no byte came within {}", timeout)));
    end(Outcome::fail, Reason::bytes_mismatch, Phase::total,
        sentence(fmt::format("\"{}\" did not come within {}", escaped(plan().tcp()->expect_bytes), timeout)),
        evidence(received_));
}

void TcpProbe::drop() noexcept {
    question_.reset();
    connection_.reset();
}

}  // namespace hale::probe
