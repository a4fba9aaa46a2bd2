#include "acme/on_demand.h"

#include "base/address.h"
#include "base/text.h"
#include "wire/url.h"

namespace hale::acme {

namespace {
constexpr Duration counted_window = 1h;
}

bool could_be_certified(std::string_view host) {
    wire::HostScratch scratch;
    const auto normal = wire::normal_host(host, scratch);
    if (!normal || *normal != host || host.contains('*') || host.contains('_') || host.contains(':') || host.contains('[')) return false;
    if (Ip::parse(host)) return false;
    const auto labels = split(host, '.');
    if (labels.size() < 2) return false;
    const std::string_view last = labels.back();
    // Names that no public authority knows (RFC 2606, RFC 6761, RFC 8375), and addresses in disguise.
    for (const std::string_view own : {"localhost", "local", "internal", "invalid", "lan", "home", "arpa", "onion"})
        if (last == own) return false;
    return !parse_unsigned(last);
}

OnDemand::Verdict OnDemand::wanted(std::string_view host, Instant now) {
    if (!could_be_certified(host)) return Verdict::refused;
    if (const auto found = refused_.find(host); found != refused_.end()) {
        if (now < found->second) return Verdict::refused;
        refused_.erase(found);
    }
    while (!asked_.empty() && now - asked_.front() >= counted_window) asked_.pop_front();
    if (asked_.size() >= per_hour_) return Verdict::too_many;
    asked_.push_back(now);
    answered(host, false, now);  // Until the answer comes: not asked twice.
    return Verdict::ask;
}

void OnDemand::answered(std::string_view host, bool yes, Instant now) {
    if (yes) {
        if (const auto found = refused_.find(host); found != refused_.end()) refused_.erase(found);
        return;
    }
    if (refused_.size() >= most_remembered) std::erase_if(refused_, [&](const auto& one) { return one.second <= now; });
    if (refused_.size() >= most_remembered) refused_.erase(refused_.begin());
    refused_.insert_or_assign(std::string(host), now + refusal_holds);
}

}  // namespace hale::acme
