// What is asked of a new version through Hale's own listener, before any user comes to it: its service's check, on its
// service's route, with the key that leads to the candidate. Pure.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/deploying.h"
#include "config/check_spec.h"
#include "config/service_spec.h"

namespace hale::deploy {

struct Question {
    std::string target;  // The listener.
    std::shared_ptr<const config::CheckSpec> check;
};

// Nothing: no http check, no route, nobody listens, or clients must show a certificate.
std::optional<Question> question_through(const config::ServiceSpec& service, const std::vector<config::RouteSpec>& routes, const catalog::Front& front, std::string_view key);

// As which host, and for what path, the service's first critical http check asks an instance directly.
struct Asked {
    std::string host, path;  // Empty: there is no such check, or it asks by the address.
};
Asked asked_directly(const config::ServiceSpec& service, const std::vector<config::RouteSpec>& routes);

}  // namespace hale::deploy
