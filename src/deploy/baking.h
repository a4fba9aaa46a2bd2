// What users met at the new version while it bakes, and whether that is worse than it may be. Pure.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "catalog/deploying.h"
#include "config/deploy_spec.h"

namespace hale::deploy {

// Since the watch began, whatever the workers had counted before, and though their figures may begin anew.
class Baked {
public:
    // Of these instances; the first time it is what was before.
    void take(const catalog::TrafficNow& now, const std::vector<std::string>& instances);

    std::uint64_t requests() const { return requests_; }
    std::uint64_t failed() const { return failed_; }
    // So long the slowest of `share` of those that were answered well took, between the two bounds that are counted; nothing:
    // there was none.
    std::optional<Duration> quantile(double share) const;
    std::string text() const;  // "180 requests, 31 failed, 95 % within 812 ms"

private:
    using Who = std::pair<std::size_t, std::string>;  // The worker and the instance.
    std::map<Who, catalog::InstanceTraffic> last_;
    bool begun_ = false;
    std::uint64_t requests_ = 0, failed_ = 0;
    std::vector<std::pair<Duration, std::uint64_t>> took_;
};

// What is worse than it may be, in one sentence; nothing: it is good enough, or too little was seen.
std::optional<std::string> worse(const config::Bake& allowed, const Baked& seen);

}  // namespace hale::deploy
