// Prometheus text 0.0.4: what /metrics and /probe say.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "api/backend.h"
#include "http/server_exchange.h"
#include "verdict/observation.h"

namespace hale::api {

struct Desk;

inline constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::size_t most_instances_with_series = 10'000;  // Above: series per service only.

// The names of blackbox_exporter for one probe.
std::string probe_metrics(const verdict::Observation& seen);
// A label value: backslash, quote and line feed escaped.
void append_label_value(std::string& out, std::string_view text);
// Everything, in slices.
std::unique_ptr<http::BodyProducer> metrics_body(Desk& desk, Measurements measured);

}  // namespace hale::api
