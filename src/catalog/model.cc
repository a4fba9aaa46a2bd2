#include "catalog/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "config/load.h"

namespace hale::catalog {

bool Instance::unchecked() const {
    const config::CheckList& list = checks();
    return list.size() == 1 && std::holds_alternative<config::Unchecked>(list.front()->what);
}

bool Instance::candidate() const { return !spec->deployment.empty() && spec->deployment == service->candidate.deployment; }

verdict::Lifecycle Instance::lifecycle_now() const {
    if (candidate() && !leaving) return verdict::Lifecycle::starting;
    return service->draining && lifecycle == verdict::Lifecycle::serving ? verdict::Lifecycle::draining : lifecycle;
}

const config::CheckList& Instance::checks() const { return service->spec->checks_of(*spec); }

std::shared_ptr<const config::CheckList> Service::with_container(std::shared_ptr<const config::CheckList> checks) {
    if (container_checks && container_checks_of == checks) return container_checks;
    if (checks->size() >= config::max_checks_per_service) return checks;
    auto check = std::make_shared<config::CheckSpec>();
    std::string called = "container";
    while (std::ranges::any_of(*checks, [&](const auto& one) { return one->name == called; })) called += '_';
    check->name = called;
    check->what = config::ContainerCheck{};
    // The engine has counted already: each of its words is final.
    check->timing.rise = check->timing.fall = 1;
    auto list = std::make_shared<config::CheckList>(*checks);
    list->push_back(std::move(check));
    container_checks_of = std::move(checks);
    return container_checks = std::move(list);
}

std::string identity(const config::InstanceSpec& spec) {
    return spec.named ? "name " + spec.name.str() : "address " + spec.target.declared.str();
}

bool judged_apart(const config::ServiceSpec& spec) {
    if (spec.instances.size() == 1 && config::is_implicit(spec.instances.front())) return false;
    return std::ranges::any_of(*spec.checks, [](const auto& check) { return check->scope == config::CheckScope::service; });
}

std::string scope_id(std::string_view service) { return fmt::format("{}#scope", service); }

bool needs_lookup(const config::InstanceSpec& spec) {
    return !spec.target.literal && !spec.target.host.empty();
}

}  // namespace hale::catalog
