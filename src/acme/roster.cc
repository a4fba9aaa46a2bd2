#include "acme/roster.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "base/text.h"

namespace hale::acme {

std::string_view text(State state) {
    switch (state) {
        case State::pending: return "pending";
        case State::acquiring: return "acquiring";
        case State::active: return "active";
        case State::renewing: return "renewing";
        case State::failed: return "failed";
        case State::expired: return "expired";
    }
    return "";
}

std::uint64_t Roster::seed_of(std::string_view host) const { return hash64(host, settings_.seed); }

void Roster::set(RosterSettings settings) {
    const std::vector<std::string> before = std::move(settings_.authorities);
    settings_ = std::move(settings);
    held_.clear();
    for (auto& [name, host] : hosts_) {
        const std::string& was = host.authority < before.size() ? before[host.authority] : before.front();
        const auto now = std::ranges::find(settings_.authorities, was);
        if (now == settings_.authorities.end()) begin_anew(host);
        host.authority = now == settings_.authorities.end() ? 0 : static_cast<std::size_t>(now - settings_.authorities.begin());
        if (host.facts && host.failures == 0) plan_renewal(name, host);
    }
}

std::vector<std::string> Roster::want(const std::vector<std::string>& hosts, Utc now) {
    std::map<std::string, Host, std::less<>> kept;
    for (const std::string& name : hosts) {
        if (kept.size() == most_hosts) break;
        auto had = hosts_.extract(name);
        if (!had.empty()) kept.insert(std::move(had));
        else kept.emplace(name, Host{.next = now});
    }
    std::vector<std::string> unwanted;
    for (const auto& [name, host] : hosts_)
        if (host.under_way) unwanted.push_back(name);
    hosts_ = std::move(kept);
    return unwanted;
}

void Roster::restore(const HostRecord& record, std::optional<Facts> facts, Utc now) {
    const auto found = hosts_.find(record.host);
    if (found == hosts_.end() || found->second.under_way) return;
    Host& host = found->second;
    host.facts = std::move(facts);
    host.issued_by = record.authority;
    host.failures = record.failures;
    host.failures_here = record.failures_here;
    host.authority = record.authority_index < settings_.authorities.size() ? record.authority_index : 0;
    host.reason = record.reason;
    if (!record.asked.empty() && std::ranges::find(settings_.authorities, record.asked) == settings_.authorities.end()) {
        host.authority = 0;
        begin_anew(host);
    }
    if (host.failures == 0 && host.facts) return plan_renewal(record.host, host);
    // A clock that was ahead when this was written must not hold the host for years.
    host.next = host.failures == 0 ? now : std::clamp(record.next_attempt, now, now + longest_rate_limit);
}

// What went wrong elsewhere is nothing to another authority.
void Roster::begin_anew(Host& host) {
    if (host.failures != 0 && !host.under_way) host.next = Utc{};
    host.failures = host.failures_here = 0;
    host.reason.clear();
}

void Roster::plan_renewal(std::string_view name, Host& host) {
    host.next = renewal_time(host.facts->not_before, host.facts->not_after, settings_.renew_before, seed_of(name));
}

std::vector<Roster::Start> Roster::due(Utc now) {
    std::erase_if(held_, [&](const auto& one) { return one.second <= now; });
    std::vector<std::size_t> busy(settings_.authorities.size());
    std::vector<std::map<std::string, Host, std::less<>>::iterator> waiting;
    for (auto at = hosts_.begin(); at != hosts_.end(); ++at) {
        if (at->second.under_way) ++busy[at->second.authority];
        else if (at->second.next <= now) waiting.push_back(at);
    }
    std::ranges::stable_sort(waiting, {}, [](const auto& at) { return at->second.next; });
    std::vector<Start> starts;
    for (const auto& at : waiting) {
        Host& host = at->second;
        if (held_.contains(host.authority) || busy[host.authority] >= settings_.at_once) continue;
        ++busy[host.authority];
        host.under_way = true;
        starts.push_back({.host = at->first, .authority = host.authority});
    }
    return starts;
}

void Roster::issued(std::string_view name, Facts facts, Utc) {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return;
    Host& host = found->second;
    host.facts = std::move(facts);
    host.issued_by = settings_.authorities[host.authority];
    host.authority = 0;
    host.failures = host.failures_here = 0;
    host.reason.clear();
    host.under_way = false;
    plan_renewal(name, host);
}

void Roster::failed(std::string_view name, const Failure& failure, Utc now) {
    Duration pause{};
    if (failure.retry_after) pause = std::min(*failure.retry_after, longest_rate_limit);
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return;
    Host& host = found->second;
    if (failure.whole_authority && pause > Duration::zero()) held_[host.authority] = now + pause;
    host.under_way = false;
    host.reason = failure.text;
    ++host.failures;
    if (++host.failures_here >= failures_before_next_authority && settings_.authorities.size() > 1) {
        host.failures_here = 0;
        host.authority = (host.authority + 1) % settings_.authorities.size();
        // The other authority asked for no patience.
        pause = Duration::zero();
    }
    host.next = now + std::max(pause, pause_after(host.failures, seed_of(name)));
}

void Roster::stopped(std::string_view name) {
    if (const auto found = hosts_.find(name); found != hosts_.end()) found->second.under_way = false;
}

void Roster::suggest(std::string_view name, const RenewalWindow& window, Utc) {
    const auto found = hosts_.find(name);
    if (found == hosts_.end() || !found->second.facts || found->second.failures != 0 || found->second.under_way) return;
    found->second.next = renewal_time(window, found->second.facts->not_after, seed_of(name));
}

Result<> Roster::renew(std::string_view name, Utc now) {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return fail(Code::not_found, fmt::format("no certificate of {} is got from an authority", escaped(name, 100)));
    // An operator knows better than a pause; an authority that asked to be left alone is.
    if (!found->second.under_way) found->second.next = now;
    return {};
}

std::optional<Utc> Roster::next_due() const {
    std::optional<Utc> next;
    for (const auto& [name, host] : hosts_) {
        if (host.under_way) continue;
        Utc at = host.next;
        if (const auto held = held_.find(host.authority); held != held_.end()) at = std::max(at, held->second);
        if (!next || at < *next) next = at;
    }
    return next;
}

Status Roster::status_of(const std::string& name, const Host& host, Utc now) const {
    Status status{.host = name, .reason = host.reason, .authority = settings_.authorities[host.authority], .failures = host.failures};
    const bool alive = host.facts && now <= host.facts->not_after;
    if (host.facts) {
        status.not_before = host.facts->not_before;
        status.not_after = host.facts->not_after;
        status.issuer = host.facts->issuer;
        status.fingerprint = host.facts->fingerprint;
        if (!host.under_way && !host.issued_by.empty()) status.authority = host.issued_by;
    }
    if (!host.under_way) status.next_attempt = host.next;
    const auto held = held_.find(host.authority);
    if (!host.under_way && held != held_.end()) status.next_attempt = std::max(host.next, held->second);
    if (host.facts && !alive) status.state = State::expired;
    else if (host.under_way) status.state = alive ? State::renewing : State::acquiring;
    else if (alive) status.state = State::active;
    else status.state = host.failures > 0 ? State::failed : State::pending;
    if (!status.reason.empty()) return status;
    if (status.state == State::pending) status.reason = "waits for its turn";
    else if (status.state == State::acquiring) status.reason = "the authority is being asked";
    else if (status.state == State::renewing) status.reason = "the next one is being asked for";
    else if (status.state == State::expired) status.reason = fmt::format("expired {} ago", human(now - *status.not_after));
    return status;
}

std::vector<Status> Roster::list(Utc now) const {
    std::vector<Status> all;
    all.reserve(hosts_.size());
    for (const auto& [name, host] : hosts_) all.push_back(status_of(name, host, now));
    return all;
}

std::optional<Status> Roster::status(std::string_view name, Utc now) const {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return std::nullopt;
    return status_of(found->first, found->second, now);
}

HostRecord Roster::record(std::string_view name) const {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) return {};
    const Host& host = found->second;
    return {.host = found->first,
            .authority = host.issued_by,
            .failures = host.failures,
            .failures_here = host.failures_here,
            .authority_index = host.authority,
            .asked = host.authority < settings_.authorities.size() ? settings_.authorities[host.authority] : std::string{},
            .reason = host.reason,
            .next_attempt = host.next};
}

std::optional<Facts> Roster::facts(std::string_view name) const {
    const auto found = hosts_.find(name);
    return found == hosts_.end() ? std::nullopt : found->second.facts;
}

}  // namespace hale::acme
