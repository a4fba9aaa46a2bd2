// Health answers: Hale's own and each service's, in every shape that somebody's machine asks for.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/desk.h"
#include "wire/health_body.h"

namespace hale::api {

struct HealthAnswer {
    wire::HealthBody body;
    bool serving = true;  // 200; false: 503 and Retry-After.
    std::string line;     // For nagios and text: "web unhealthy: 0 of 2 eligible".
};

HealthAnswer own_live(const Desk& desk);
HealthAnswer own_ready(const Desk& desk);
HealthAnswer own_health(const Desk& desk, bool detailed);
HealthAnswer health_of(const Desk& desk, const catalog::ServiceView& service);

struct HealthText {
    std::string type;
    std::string body;
};
// "health+json", "spring", "microprofile", "xabaril", "simple", "nagios", "text"; nothing for another word.
std::optional<HealthText> health_text(const HealthAnswer& answer, std::string_view format);

}  // namespace hale::api
