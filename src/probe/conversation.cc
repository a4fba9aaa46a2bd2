#include "probe/conversation.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/reached.h"
#include "base/text.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using io::IoStatus;
using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

Conversation::~Conversation() {
    if (ended_ != nullptr) *ended_ = true;
}

void Conversation::reached(bool) {
    if (met_itself()) return refused();
    asked_at_ = engine_.loop_.fresh_now();
    stage_ = Stage::receiving;
    opened();
    // opened() may end nothing, but what it said may have failed already.
    listen();
}

void Conversation::moved_on() {
    pour();
    listen();
}

void Conversation::say(std::string_view bytes) {
    remembered_.clear();
    unsent_ += bytes;
    pour();
}

void Conversation::pour() {
    std::size_t sent = 0;
    while (sent < unsent_.size() && write_error_ == 0) {
        const io::IoResult result = connection_->stream().write(std::string_view(unsent_).substr(sent));
        if (result.status == IoStatus::would_block) break;
        // The peer may have said why before it left: reading tells.
        if (result.status != IoStatus::ok) write_error_ = result.error;
        sent += result.bytes;
    }
    unsent_.erase(0, write_error_ != 0 ? unsent_.size() : sent);
}

void Conversation::listen() {
    std::array<char, 4096> bytes;
    for (;;) {
        const io::IoResult result = connection_->stream().read(bytes);
        if (result.status == IoStatus::would_block) {
            if (write_error_ != 0) lost({.status = IoStatus::failed, .error = write_error_});
            return;
        }
        if (result.status != IoStatus::ok) return lost(result);
        if (seen_.timings.first_byte < Duration::zero()) seen_.timings.first_byte = engine_.loop_.fresh_now() - asked_at_;
        heard_ += result.bytes;
        const std::string_view came(bytes.data(), result.bytes);
        if (remembered_.size() < most_remembered) remembered_ += came.substr(0, most_remembered - remembered_.size());
        if (heard_ > most_heard) {
            HALE_REACHED("conversation: too much was said");
            mismatch(Reason::protocol_error, fmt::format("more than {} came", size_text(most_heard)));
            return;
        }
        if (!hear(came)) return;
    }
}

bool Conversation::mismatch(Reason reason, std::string_view what) {
    const Phase phase = reason == Reason::tls_failure ? Phase::tls : Phase::total;
    end(Outcome::fail, reason, phase, sentence(what), evidence(remembered_));
    return false;
}

bool Conversation::no_protocol(std::string_view protocol, std::string_view why) {
    return mismatch(Reason::protocol_error, fmt::format("{} is not {}: {}", awaited(), protocol, why));
}

void Conversation::lost(const io::IoResult& result) {
    const std::string took = human(since_start());
    const Phase phase = heard_ == 0 ? Phase::first_byte : Phase::total;
    const io::SecureStream* secured = connection_->secured();
    if (result.status == IoStatus::failed && secured != nullptr && !secured->failure().empty())
        return end(Outcome::fail, Reason::tls_failure, Phase::tls, sentence(fmt::format("TLS failed after {}: {}", took, secured->failure())), evidence(remembered_));
    if (result.status == IoStatus::failed) {
        const auto fault = engine_.fault_of(result.error, seen_.address);
        if (fault.ours) return end_error(phase, fmt::format("{} after {}", system_text(result.error), took));
        return end(Outcome::fail, Reason::connect_reset, phase, sentence(fmt::format("connection reset after {}, before {}", took, awaited())), evidence(remembered_));
    }
    end(Outcome::fail, Reason::connection_closed, phase, sentence(fmt::format("the connection was closed after {}, before {}", took, awaited())), evidence(remembered_));
}

bool Conversation::last_look() {
    if (stage_ != Stage::receiving) return false;
    bool ended = false;
    ended_ = &ended;
    listen();
    if (!ended) ended_ = nullptr;
    return ended;
}

void Conversation::drop() noexcept {
    if (connection_ && farewell_) {
        say(*std::exchange(farewell_, std::nullopt));
        connection_->leave();
    }
    Outbound::drop();
}

void Conversation::run_out_later() {
    const std::string timeout = human(plan().timing.timeout);
    if (heard_ == 0)
        return end(Outcome::fail, Reason::first_byte_timeout, Phase::first_byte,
                   sentence(fmt::format("connected, but {} did not begin within {}", awaited(), timeout)));
    end(Outcome::fail, Reason::total_timeout, Phase::total, sentence(fmt::format("{} was not complete within {}", awaited(), timeout)), evidence(remembered_));
}

}  // namespace hale::probe
