// What /metrics and /probe say.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "api/backend.h"
#include "api/exposition.h"
#include "http/server_exchange.h"
#include "verdict/observation.h"

namespace hale::api {

struct Desk;

inline constexpr std::size_t most_instances_with_series = 10'000;  // Above: series per service only.

// The names of blackbox_exporter for one probe.
std::string probe_metrics(const verdict::Observation& seen, Exposition form);
// Everything, in slices.
std::unique_ptr<http::BodyProducer> metrics_body(Desk& desk, Measurements measured, Exposition form);

}  // namespace hale::api
