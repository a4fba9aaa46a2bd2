// A probe of a mail server: its greeting, its answer to EHLO, and STARTTLS where that is required. It leaves with QUIT,
// without waiting for the farewell.
//
//   greeting ──▶ ehlo ──▶ starttls ──▶ (TLS) ──▶ ehlo_secured ──▶ over

#pragma once

#include <string>

#include "probe/conversation.h"
#include "wire/smtp.h"

namespace hale::probe {

class SmtpProbe final : public Conversation {
public:
    explicit SmtpProbe(Engine& engine) : Conversation(engine) {}

private:
    enum class Turn : std::uint8_t { greeting, ehlo, starttls, ehlo_secured };

    bool begins_with_tls() const override { return check().over_tls; }
    void opened() override;
    bool hear(std::string_view bytes) override;
    std::string awaited() const override;

    const config::SmtpCheck& check() const { return *plan().smtp(); }
    // `more`: bytes came behind the reply.
    bool take(const wire::SmtpReply& reply, bool more);
    void greet(Turn turn);

    wire::SmtpReader reader_;
    Turn turn_ = Turn::greeting;
    std::string said_;  // Greeting and answer to EHLO, for conditions.
};

}  // namespace hale::probe
