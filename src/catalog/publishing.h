// From the model to the snapshot that workers route by. Copy-on-write: only touched services are built anew.

#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "catalog/facts.h"
#include "catalog/membership.h"
#include "catalog/routing.h"

namespace hale::catalog {

class Publishing {
public:
    // `wall_offset`: now − utc, to turn a pause's end into the workers' clock.
    Snapshot build(Membership& membership, const std::vector<RouteFacts>& routes, const std::set<SharedText, std::less<>>& touched,
                   const config::Document& document, std::shared_ptr<const TargetPolicy> targets, std::uint64_t revision, Moment at);

private:
    static std::shared_ptr<const RoutedService> routed(Service& service, std::uint64_t revision, Moment at);
};

}  // namespace hale::catalog
