#include "deploy/baking.h"

#include <fmt/format.h>

#include <algorithm>

namespace hale::deploy {

namespace {

std::string milliseconds(Duration d) { return fmt::format("{:.0f} ms", std::chrono::duration<double, std::milli>(d).count()); }

}  // namespace

void Baked::take(const catalog::TrafficNow& now, const std::vector<std::string>& instances) {
    for (std::size_t worker = 0; worker < now.size(); ++worker)
        for (const auto& one : now[worker]) {
            if (std::ranges::find(instances, one.name) == instances.end()) continue;
            auto& last = last_[{worker, one.name}];
            // What shrank began anew.
            const catalog::InstanceTraffic before = one.requests >= last.requests && one.failed >= last.failed ? std::exchange(last, one) : (last = one, catalog::InstanceTraffic{});
            if (!begun_) continue;
            requests_ += one.requests - before.requests;
            failed_ += one.failed - before.failed;
            took_.resize(std::max(took_.size(), one.took.size()));
            for (std::size_t i = 0; i < one.took.size(); ++i) {
                took_[i].first = one.took[i].first;
                took_[i].second += one.took[i].second - (i < before.took.size() ? before.took[i].second : 0);
            }
        }
    begun_ = true;
}

std::optional<Duration> Baked::quantile(double share) const {
    std::uint64_t all = 0;
    for (const auto& [bound, count] : took_) all += count;
    if (all == 0) return std::nullopt;
    const double wanted = share * static_cast<double>(all);
    double below = 0;
    Duration from{0};
    for (const auto& [bound, count] : took_) {
        const double here = static_cast<double>(count);
        if (here > 0 && below + here >= wanted) {
            if (bound == Duration::max()) return from;  // At least.
            return from + std::chrono::duration_cast<Duration>((bound - from) * ((wanted - below) / here));
        }
        below += here;
        from = bound;
    }
    return from;
}

std::string Baked::text() const {
    const auto slow = quantile(0.95);
    return fmt::format("{} requests, {} failed{}", requests_, failed_, slow ? fmt::format(", 95 % of the answers within {}", milliseconds(*slow)) : "");
}

std::optional<std::string> worse(const config::Bake& allowed, const Baked& seen) {
    if (seen.requests() < allowed.min_requests) return std::nullopt;
    const double ratio = static_cast<double>(seen.failed()) / static_cast<double>(seen.requests());
    if (ratio > allowed.max_error_ratio)
        return fmt::format("of {} requests to the new version {} failed: {:.1f} %, and {:g} % may", seen.requests(), seen.failed(), ratio * 100, allowed.max_error_ratio * 100);
    const auto slow = allowed.max_p95 > Duration{0} ? seen.quantile(0.95) : std::nullopt;
    if (slow && *slow > allowed.max_p95)
        return fmt::format("95 % of {} answers of the new version took up to {}, and {} is allowed", seen.requests() - seen.failed(), milliseconds(*slow), milliseconds(allowed.max_p95));
    return std::nullopt;
}

}  // namespace hale::deploy
