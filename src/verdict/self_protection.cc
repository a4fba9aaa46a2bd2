#include "verdict/self_protection.h"

#include <algorithm>

#include "verdict/judge.h"

namespace hale::verdict {

namespace {

void take_one(std::map<std::uint64_t, std::size_t>& counts, std::uint64_t key) {
    const auto found = counts.find(key);
    if (found != counts.end() && --found->second == 0) counts.erase(found);
}

}  // namespace

std::optional<Suspicion> SelfProtection::first_failure(const FirstFailure& failure, std::size_t passing) {
    if (suspecting(failure.at)) return std::nullopt;  // Its judge was told already.
    forget_before(failure.at);
    if (recent_.size() >= most_first_failures) forget_oldest();
    recent_.emplace(failure.at + failure.timeout + suspicion_window_extra,
                    Seen{failure.service, failure.address, failure.confirm_interval + failure.timeout});
    ++services_[failure.service];
    ++addresses_[failure.address];

    // Rounded up: at least a fifth, not about a fifth.
    const std::size_t share = (passing * suspicion_percent + 99) / 100;
    if (recent_.size() < std::max(suspicion_failures_least, share)) return std::nullopt;
    if (services_.size() < suspicion_services_least || addresses_.size() < suspicion_addresses_least)
        return std::nullopt;

    Duration round{0};
    for (const auto& [expires, seen] : recent_) round = std::max(round, seen.round);
    until_ = failure.at + std::min(round, longest_hold);
    const Suspicion suspicion{recent_.size(), passing, services_.size(), addresses_.size(), until_};
    // The same failures don't raise a second one.
    recent_.clear();
    services_.clear();
    addresses_.clear();
    return suspicion;
}

void SelfProtection::forget_before(Instant now) {
    while (!recent_.empty() && recent_.begin()->first < now) forget_oldest();
}

void SelfProtection::forget_oldest() {
    take_one(services_, recent_.begin()->second.service);
    take_one(addresses_, recent_.begin()->second.address);
    recent_.erase(recent_.begin());
}

}  // namespace hale::verdict
