#include "probe/smtp_probe.h"

#include <fmt/format.h>

#include "base/text.h"
#include "probe/engine.h"

namespace hale::probe {

using verdict::Reason;
using wire::SmtpReply;
using wire::SmtpStatus;

void SmtpProbe::opened() {
    // The server speaks first; after STARTTLS everything begins anew without a greeting (RFC 3207 section 4.2).
    if (turn_ == Turn::greeting) connection_->stream().acknowledge_now();
    if (turn_ != Turn::starttls) return;
    set_farewell("QUIT\r\n");
    greet(Turn::ehlo_secured);
}

void SmtpProbe::greet(Turn turn) {
    turn_ = turn;
    // Our name is our address (RFC 5321 section 4.1.3): nobody has to look it up.
    const Ip ip = connection_->stream().local().ip;
    say(fmt::format("EHLO [{}{}]\r\n", ip.is_v4() ? "" : "IPv6:", ip.text()));
}

std::string SmtpProbe::awaited() const {
    switch (turn_) {
        case Turn::greeting: return "the greeting";
        case Turn::ehlo: return "the answer to EHLO";
        case Turn::starttls: return "the answer to STARTTLS";
        case Turn::ehlo_secured: return "the answer to EHLO over TLS";
    }
    return {};
}

bool SmtpProbe::hear(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto step = reader_.read(bytes);
        bytes.remove_prefix(step.consumed);
        if (step.status == SmtpStatus::bad) return no_protocol("SMTP", step.why);
        if (step.status == SmtpStatus::more) return true;
        if (!take(reader_.take(), !bytes.empty())) return false;
    }
    return true;
}

bool SmtpProbe::take(const SmtpReply& reply, bool more) {
    const std::uint16_t wanted = turn_ == Turn::greeting || turn_ == Turn::starttls ? 220 : 250;
    if (reply.code != wanted)
        return mismatch(Reason::status_mismatch, fmt::format("{} is {} {}, not {}", awaited(), reply.code, escaped(reply.text()), wanted));
    const auto record = [&] {
        if (!said_.empty()) said_ += '\n';
        said_ += fmt::format("{}", fmt::join(reply.lines, "\n"));
    };
    switch (turn_) {
        case Turn::greeting:
            record();
            set_farewell("QUIT\r\n");
            greet(Turn::ehlo);
            return true;
        case Turn::ehlo:
            if (check().starttls == config::StartTls::none) break;
            if (!reply.offers("STARTTLS")) return mismatch(Reason::tls_failure, "STARTTLS is required, and the server does not offer it");
            record();
            turn_ = Turn::starttls;
            say("STARTTLS\r\n");
            return true;
        case Turn::starttls:
            // What came before TLS must not be taken for something that came over it.
            if (more) return mismatch(Reason::protocol_error, "bytes came behind the answer to STARTTLS");
            set_farewell(std::nullopt);  // None in the middle of a handshake.
            secure();
            return false;
        case Turn::ehlo_secured: break;
    }
    record();
    judge(fmt::format("{} is {}", awaited(), reply.code), said_);
    return false;
}

}  // namespace hale::probe
