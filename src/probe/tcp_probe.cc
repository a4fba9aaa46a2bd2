#include "probe/tcp_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using io::IoStatus;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

void TcpProbe::reached(bool) {
    if (met_itself()) return refused();
    stage_ = Stage::sending;
    send();
}

void TcpProbe::moved_on() {
    if (stage_ == Stage::sending) return send();
    receive();
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
    if (plan().tcp()->expect_bytes.empty()) return judge("connected", received_);
    if (what.empty()) connection_->stream().acknowledge_now();
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
            seen_.timings.first_byte = since_start() - seen_.timings.dns - seen_.timings.connect - std::max(seen_.timings.tls, Duration::zero());
        const std::size_t from = received_.size() < wanted.size() ? 0 : received_.size() - wanted.size();
        received_.append(bytes.data(), result.bytes);
        if (received_.find(wanted, from) != std::string::npos) return judge("connected", received_);
        if (received_.size() > most_received)
            return end(Outcome::fail, Reason::bytes_mismatch, Phase::total,
                       sentence(fmt::format("\"{}\" is not in the first {} bytes", escaped(wanted), received_.size())),
                       evidence(received_));
        if (result.bytes < bytes.size()) return;
    }
}

void TcpProbe::run_out_later() {
    const std::string timeout = human(plan().timing.timeout);
    if (received_.empty())
        return end(Outcome::fail, Reason::first_byte_timeout, Phase::first_byte,
                   sentence(fmt::format("connected, but no byte came within {}", timeout)));
    end(Outcome::fail, Reason::bytes_mismatch, Phase::total,
        sentence(fmt::format("\"{}\" did not come within {}", escaped(plan().tcp()->expect_bytes), timeout)),
        evidence(received_));
}

}  // namespace hale::probe
