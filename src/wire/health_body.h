// What services say about themselves: the common JSON shapes of a health answer, read into one value and
// written from it. The JSON parser stays behind this header.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hale::wire {

enum class HealthShape : std::uint8_t {
    health_json,   // draft-inadarei-api-health-check-06: {"status","checks":{"component:measurement":[...]}}
    spring,        // Spring Boot actuator: {"status","components":{name:{"status","details"}}}
    microprofile,  // {"status","checks":[{"name","status","data"}]}
    xabaril,       // {"status","totalDuration","entries":{name:{"status","description"}}}
    simple,        // {"status","version","services":{name:state},"timestamp"}
};
std::string_view shape_name(HealthShape shape);  // "health+json", "spring", ...

// `unknown` is a word that says nothing about health ("UNKNOWN", "starting"): never taken for a pass.
enum class Health : std::uint8_t { pass, warn, fail, unknown };
std::string_view health_name(Health health);  // "pass", "warn", "fail", "unknown"
// Any of the words the shapes use, in any case: ok, up, healthy; warning, degraded; error, down, unhealthy,
// out_of_service, critical ...
Health health_of_word(std::string_view word);

struct HealthComponent {
    std::string name;  // Nested components: "parent/child". health+json: "component:measurement".
    Health status = Health::unknown;
    std::string output;  // Why; may be empty.
    std::string time;    // As written; only health+json has it.
};

struct HealthBody {
    HealthShape shape = HealthShape::simple;
    Health overall = Health::unknown;
    std::string status;  // The word as it stood in the body; not used for writing.
    std::string version;
    std::string release_id;
    std::string service_id;
    std::string description;
    std::string timestamp;  // RFC 3339; only `simple` has it.
    std::vector<std::string> notes;
    std::vector<HealthComponent> components;
    bool cut = false;  // There were more components, deeper ones or longer texts than the limits.
};

inline constexpr std::size_t max_health_body_bytes = 1024 * 1024;
inline constexpr std::size_t max_health_components = 1000;
inline constexpr std::size_t max_health_depth = 4;            // Of nested components.
inline constexpr std::size_t max_health_output_bytes = 1024;  // Of one component's output.

// Detects the shape by its members, then by its words. Code::invalid when the body is no JSON object or has no
// status.
Result<HealthBody> read_health_body(std::string_view body);

struct HealthText {
    std::string_view content_type;
    std::string body;
};
// `health.shape` is not looked at. What a shape has no word for is written in its nearest one that does not
// claim more health: unknown is `fail` with a note in health+json, DOWN in MicroProfile, Unhealthy in Xabaril;
// warn is UP with a detail in Spring, UP in MicroProfile.
HealthText write_health_body(HealthShape shape, const HealthBody& health);

}  // namespace hale::wire
