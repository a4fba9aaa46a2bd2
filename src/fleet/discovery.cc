#include "fleet/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/load.h"

namespace hale::fleet {

namespace {

std::string problems_text(const config::Problems& problems) {
    std::string out;
    for (const auto& one : problems) {
        if (!out.empty()) out += "; ";
        out += fmt::format("label {}: {}{}{}", label_of(one.pointer), one.what, one.allowed.empty() ? "" : "; allowed: ", one.allowed);
    }
    return out;
}

std::string owner_of(const config::ServiceSpec& service) {
    return service.owner == config::Owner::file ? fmt::format("the file ({})", service.mark.text()) : std::string("the API");
}

}  // namespace

std::string text(const Refusal& refusal) { return fmt::format("container {}: {}; it is no instance", refusal.container, refusal.why); }

Wanted wanted(const std::string& service, std::vector<Claim> claims, const std::shared_ptr<const config::ServiceSpec>& other, const config::Document& document,
              std::vector<Refusal>& refused) {
    // The older one's word stands, of those that say anything; of the same age, the name decides, so that it is the same each time.
    std::ranges::sort(claims, {}, [](const Claim& one) { return std::tuple{!one.declares(), one.created.value_or(Utc{}), one.container}; });
    Wanted out;
    out.change.name = service;
    std::shared_ptr<const config::ServiceSpec> into = other;
    const Claim* first = nullptr;
    for (auto& claim : claims) {
        const auto refuse = [&](std::string why) { refused.push_back({claim.container, std::move(why)}); };
        if (other && claim.declares()) {
            refuse(fmt::format("service \"{}\" is declared by {}, and so are its routes and checks: the labels of this container can't say them too", service, owner_of(*other)));
            continue;
        }
        if (std::ranges::any_of(out.claims, [&](const Claim& one) { return one.instance == claim.instance; })) {
            refuse(fmt::format("instance \"{}\" of service \"{}\" is another container already", claim.instance, service));
            continue;
        }
        if (!other && first != nullptr && claim.declares() && claim.service_json != first->service_json) {
            refuse(fmt::format("its labels say {} of service \"{}\", those of container {} say {}", claim.service_json, service, first->container, first->service_json));
            continue;
        }
        if (!into) {
            auto loaded = config::load_service(service, claim.service_json, document);
            if (!loaded) {
                refuse(problems_text(loaded.error()));
                continue;
            }
            loaded->service.owner = config::Owner::labels;
            for (auto& route : loaded->routes) route.owner = config::Owner::labels;
            into = std::make_shared<const config::ServiceSpec>(loaded->service);
            out.change.service = catalog::PutApiService{std::move(loaded->service), std::move(loaded->routes), claim.service_json};
        }
        auto instance = config::load_instance(*into, claim.instance_json, document);
        if (!instance) {
            refuse(problems_text(instance.error()));
            if (first == nullptr && !other) into.reset(), out.change.service.reset();
            continue;
        }
        instance->owner = config::Owner::labels;
        instance->named = true;
        out.change.instances.push_back({service, std::move(*instance), claim.instance_json});
        if (first == nullptr) first = &claim;
        out.claims.push_back(claim);
    }
    if (out.change.service) out.in_force = out.change.service->json;
    std::vector<std::pair<std::string, std::string>> by_name;
    for (const auto& one : out.claims) by_name.emplace_back(one.instance, one.instance_json);
    std::ranges::sort(by_name);
    for (const auto& [name, json] : by_name) out.in_force += fmt::format("\n{}", json);
    return out;
}

}  // namespace hale::fleet
