// One probe of a target that is no instance, by the same engine as every other probe: `hale check URL` and
// /probe?target=. Judges nothing and leaves nothing behind.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/target_policy.h"
#include "config/check_spec.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"
#include "verdict/observation.h"

namespace hale::app {

struct AdHoc {
    using Reply = std::move_only_function<void(Result<verdict::Observation>)>;
    // `target` as an instance's address would be declared. The reply comes on the loop.
    static void probe(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::TlsDoors* tls, std::shared_ptr<const catalog::TargetPolicy> targets, const std::string& target,
                      std::shared_ptr<const config::CheckSpec> check, Reply reply);
};

}  // namespace hale::app
