// A probe of PostgreSQL: TLS where that is asked for, startup, authentication, the role, one query.
//
//   asking_tls ──▶ (TLS) ──▶ login ──▶ asking_role ──▶ query ──▶ over

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "probe/conversation.h"
#include "wire/postgres.h"
#include "wire/scram.h"

namespace hale::probe {

class PostgresProbe final : public Conversation {
public:
    explicit PostgresProbe(Engine& engine) : Conversation(engine) {}

private:
    enum class Turn : std::uint8_t { asking_tls, login, asking_role, query };

    bool begins_with_tls() const override { return false; }
    void opened() override;
    bool hear(std::string_view bytes) override;
    std::string awaited() const override;

    const config::PostgresCheck& check() const { return *plan().postgres(); }
    std::string_view user() const { return check().user.empty() ? std::string_view("postgres") : std::string_view(check().user); }
    void start();
    // Each: false when the probe ended, or bytes belong to another stream from here on.
    bool take_tls_answer(std::string_view bytes);
    bool take(const wire::PostgresMessage& message);
    bool authenticate(const wire::PostgresAuthentication& asked);
    void say_goodbye_later();
    bool take_sasl(const wire::PostgresAuthentication& asked);
    bool take_error(const wire::PostgresMessage& message);
    bool take_rows(const wire::PostgresMessage& message);
    bool ready();
    bool take_role();
    void ask(Turn turn, std::string_view sql);
    std::string first_row() const;

    wire::PostgresReader reader_;
    Turn turn_ = Turn::asking_tls;
    std::optional<wire::Scram> scram_;
    bool server_proved_ = true;  // That it knows the password, once SCRAM has begun.
    bool logged_in_ = false;
    std::vector<std::string> columns_;
    std::optional<wire::PostgresRow> row_;
};

}  // namespace hale::probe
