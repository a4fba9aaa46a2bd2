// A probe of Redis: AUTH where there is a password, PING, ROLE where a role is asked for, and INFO where a condition looks
// at [BODY]. All of it is sent at once; the answers come in that order.

#pragma once

#include <string>

#include "probe/conversation.h"
#include "wire/resp.h"

namespace hale::probe {

class RedisProbe final : public Conversation {
public:
    explicit RedisProbe(Engine& engine) : Conversation(engine) {}

private:
    enum class Turn : std::uint8_t { auth, ping, role, replication, persistence, over };

    bool begins_with_tls() const override { return check().over_tls; }
    void opened() override;
    bool hear(std::string_view bytes) override;
    std::string awaited() const override;

    const config::RedisCheck& check() const { return *plan().redis(); }
    bool wants(Turn turn) const;
    // Takes one reply; false when the probe ended.
    bool take(const wire::RespValue& reply);
    bool take_role(const wire::RespValue& reply);
    void next_turn();

    wire::RespReader reader_;
    Turn turn_ = Turn::auth;
    std::string info_;
};

// The fields of INFO as a JSON object: {"role":"master","rdb_last_bgsave_status":"ok"}. At most so many.
inline constexpr std::size_t most_info_fields = 256;
std::string info_json(std::string_view info);

}  // namespace hale::probe
