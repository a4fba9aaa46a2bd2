#include "tests/scenario/disk.h"

#include <algorithm>

namespace hale::scenario {

void Disk::apply(const config::Change& change) {
    using namespace config;
    std::visit(
        [this]<class T>(const T& c) {
            if constexpr (std::is_same_v<T, PutObject>) objects_[{c.object.kind, c.object.key}] = c.object;
            else if constexpr (std::is_same_v<T, RemoveObject>) objects_.erase({c.kind, c.key});
            else if constexpr (std::is_same_v<T, PutOverride>) overrides_[{c.override.service, c.override.instance}] = c.override;
            else if constexpr (std::is_same_v<T, RemoveOverride>) overrides_.erase({c.service, c.instance});
            else if constexpr (std::is_same_v<T, PutVerdict>) verdicts_[c.verdict.instance] = c.verdict;
            else if constexpr (std::is_same_v<T, RemoveVerdict>) verdicts_.erase(c.instance);
            else if constexpr (std::is_same_v<T, PutStanding>) standings_[c.standing.service] = c.standing;
            else if constexpr (std::is_same_v<T, RemoveStanding>) standings_.erase(c.service);
            else if constexpr (std::is_same_v<T, PutTraffic>) traffic_[c.traffic.key] = c.traffic;
            else if constexpr (std::is_same_v<T, PutToken>) tokens_[c.token.name] = c.token;
            else if constexpr (std::is_same_v<T, RemoveToken>) tokens_.erase(c.name);
            else if constexpr (std::is_same_v<T, PutAudit>) audit.push_back(c.entry);
            else if constexpr (std::is_same_v<T, ReserveRevisions>) revisions = std::max(revisions, c.up_to);
            else if constexpr (std::is_same_v<T, ReserveVersions>) versions = std::max(versions, c.up_to);
        },
        change);
}

config::Restored Disk::restored() const {
    config::Restored out;
    for (const auto& [key, value] : objects_) out.objects.push_back(value);
    for (const auto& [key, value] : overrides_) out.overrides.push_back(value);
    for (const auto& [key, value] : verdicts_) out.verdicts.push_back(value);
    for (const auto& [key, value] : standings_) out.standings.push_back(value);
    for (const auto& [key, value] : traffic_) out.traffic.push_back(value);
    for (const auto& [key, value] : tokens_) out.tokens.push_back(value);
    out.revisions_reserved = revisions;
    out.versions_reserved = versions;
    return out;
}

void SlowJournal::commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) {
    ++commits;
    const Duration takes{static_cast<std::int64_t>(home_.world().random().below(static_cast<std::uint64_t>(slowest / 1us) + 1)) * 1'000};
    last_ = std::max(last_, home_.now() + takes);
    const bool fails = durable && fail_next > 0;
    if (fails) --fail_next;
    store_.post_at(last_, [this, fails, batch = std::move(batch), done = std::move(done)]() mutable {
        if (!fails)
            for (const auto& change : batch) disk_.apply(change);
        home_.post([fails, done = std::move(done)]() mutable {
            if (fails) done(fail(Code::unavailable, "committing to state.db: no space left on device"));
            else done({});
        });
    });
}

}  // namespace hale::scenario
