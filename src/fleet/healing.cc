#include "fleet/healing.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::fleet {

std::string Healing::mass_trouble(std::span<const Patient> patients, Utc utc) const {
    std::optional<Utc> last;
    for (const auto& one : patients)
        if (one.unhealthy && one.serving) last = std::max(last.value_or(one.since), one.since);
    if (!last || utc - *last >= mass_hold) return {};
    std::size_t all = 0, together = 0;
    for (const auto& one : patients) {
        if (!one.serving) continue;
        ++all;
        together += one.unhealthy && *last - one.since <= mass_window;
    }
    if (together < mass_least || together * 2 <= all) return {};
    return fmt::format("{} of {} containers turned bad within {}: that is no illness of each; nothing is restarted for {}", together, all, human(mass_window), human(mass_hold));
}

std::vector<Order> Healing::decide(std::span<const Patient> patients, bool engine_there, Instant now, Utc utc) {
    std::vector<const Patient*> sick;
    std::set<Key> known;
    for (const auto& one : patients) {
        const Key key{one.service, one.name};
        known.insert(key);
        const auto tried = tries_.find(key);
        // Well for longer than it was last waited for: what comes next is another illness.
        if (tried != tries_.end() && !one.unhealthy && now - tried->second.not_before >= tried->second.pause) tries_.erase(tried);
        if (one.heal.policy == config::HealPolicy::none || !one.unhealthy || one.eligible || !one.serving) continue;
        if (one.overridden || one.paused || one.deploying || one.in_hand || utc - one.since < one.heal.after) continue;
        if (const auto again = tries_.find(key); again != tries_.end() && now < again->second.not_before) continue;
        sick.push_back(&one);
    }
    std::erase_if(tries_, [&](const auto& one) { return !known.contains(one.first) && now - one.second.not_before >= mass_hold; });
    held_.clear();
    if (sick.empty()) return {};
    if (!engine_there) return {};
    held_ = mass_trouble(patients, utc);
    if (!held_.empty()) return {};
    std::ranges::stable_sort(sick, {}, &Patient::since);
    std::vector<Order> out;
    for (const Patient* one : sick) {
        if (!acting_.emplace(one->service, one->name).second) continue;
        Tries& tries = tries_[{one->service, one->name}];
        tries.heal = one->heal;
        out.push_back({one->service, one->name, one->heal.policy, tries.count});
    }
    return out;
}

void Healing::ended(const std::string& service, const std::string& name, Instant now) {
    const auto who = acting_.find(service);
    if (who == acting_.end() || who->second != name) return;
    acting_.erase(who);
    Tries& tries = tries_[{service, name}];
    tries.pause = tries.count == 0 ? tries.heal.backoff_first : std::min(tries.pause * 2, tries.heal.backoff_max);
    tries.pause = std::min(tries.pause, std::max(tries.heal.backoff_max, tries.heal.backoff_first));
    tries.not_before = now + tries.pause;
    ++tries.count;
}

}  // namespace hale::fleet
