// The JSON of verdicts, services, overrides and observations: one shape each, used by lists, single reads,
// explain and events alike.

#pragma once

#include <string>
#include <string_view>

#include "api/json_writer.h"
#include "base/time.h"
#include "catalog/view.h"
#include "config/service_spec.h"
#include "verdict/observation.h"

namespace hale::api {

struct Telling {
    std::string_view node;
    Utc now{};
};

void write_instance(JsonWriter& json, const catalog::View& view, const catalog::InstanceView& instance, const Telling& telling);
// The members alone, so that others may add theirs.
void write_instance_members(JsonWriter& json, const catalog::View& view, const catalog::InstanceView& instance, const Telling& telling);
void write_service(JsonWriter& json, const catalog::ServiceView& service, const Telling& telling);
void write_service_members(JsonWriter& json, const catalog::ServiceView& service, const Telling& telling);
void write_override(JsonWriter& json, std::string_view key, const config::Override* layer);
void write_observation(JsonWriter& json, std::string_view check, const verdict::Observation& seen, std::string_view from);

// Null: the service has no such check.
const config::CheckSpec* check_of(const catalog::ServiceFacts& service, std::string_view name);
std::uint64_t check_revision(const catalog::ServiceFacts& service, const config::CheckSpec& check);
void write_check(JsonWriter& json, const catalog::ServiceFacts& service, const config::CheckSpec& check);

// "host-a/checker-0"
std::string looked_from(const catalog::InstanceView& instance, std::string_view node);
std::string_view reason_text(verdict::Reason reason, std::string_view text);
verdict::Reason reason_of(const catalog::InstanceView& instance);

}  // namespace hale::api
