#include "catalog/model.h"

#include <algorithm>
#include <variant>

namespace hale::catalog {

bool Instance::unchecked() const {
    const config::CheckList& list = checks();
    return list.size() == 1 && std::holds_alternative<config::Unchecked>(list.front()->what);
}

verdict::Lifecycle Instance::lifecycle_now() const {
    return service->draining && lifecycle == verdict::Lifecycle::serving ? verdict::Lifecycle::draining : lifecycle;
}

const config::CheckList& Instance::checks() const { return service->spec->checks_of(*spec); }

std::string identity(const config::InstanceSpec& spec) {
    return spec.named ? "name " + spec.name.str() : "address " + spec.target.declared.str();
}

bool needs_lookup(const config::InstanceSpec& spec) {
    return !spec.target.literal && !spec.target.host.empty();
}

}  // namespace hale::catalog
