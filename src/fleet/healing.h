// Which sick container is restarted or replaced, and when. Pure: facts in, orders out; the caller carries them out and says
// how they ended.
//
// Never: one that is eligible, or whose instance or service is overridden, draining, paused, or under a deployment; two of one
// service at once; anything while the engine is away, starts it again itself, or was told by somebody to stop it; and nothing while more than half of all
// containers turned bad together, for then it is not they who are sick.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "config/service_spec.h"

namespace hale::fleet {

inline constexpr Duration mass_window = 60s;    // Who turned bad within this of the last one turned bad together with it.
inline constexpr std::size_t mass_least = 3;    // Fewer are no mass.
inline constexpr Duration mass_hold = 10min;    // Then healing begins all the same, one by one.

struct Patient {
    std::string service, name;
    config::Heal heal;
    bool unhealthy = false;
    Utc since{};  // Of its state.
    bool eligible = false;
    bool serving = false;  // Not a candidate, not draining, not leaving.
    bool overridden = false;
    bool paused = false;     // Its service is drained or paused.
    bool deploying = false;  // A deployment of its service is under way.
    bool in_hand = false;  // The engine starts it again by itself, somebody stopped or paused it, or it is gone.
};

struct Order {
    std::string service, name;
    config::HealPolicy what = config::HealPolicy::none;
    std::uint32_t tried = 0;  // Before.
    bool operator==(const Order&) const = default;
};

class Healing {
public:
    // What is to be begun now. Each order is begun at once, and ended() comes for each.
    std::vector<Order> decide(std::span<const Patient> patients, bool engine_there, Instant now, Utc utc);
    void ended(const std::string& service, const std::string& name, Instant now);
    // Why nothing is done although something could be: "5 of 8 containers turned bad within 60 s"; empty: nothing holds.
    const std::string& held() const { return held_; }
    bool acting() const { return !acting_.empty(); }

private:
    using Key = std::pair<std::string, std::string>;
    struct Tries {
        std::uint32_t count = 0;
        Instant not_before = Instant::min();
        Duration pause{};  // After the last, and before the next is one of another illness.
        config::Heal heal;
    };
    std::string mass_trouble(std::span<const Patient> patients, Utc utc) const;

    std::map<Key, Tries> tries_;
    std::map<std::string, std::string> acting_;  // By service: whose.
    std::string held_;
};

}  // namespace hale::fleet
