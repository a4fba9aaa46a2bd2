// The two text forms in which metrics are told: Prometheus text 0.0.4, and OpenMetrics 1.0 for those who ask for it.
// Samples are the same in both. OpenMetrics names a counter's family without "_total" and an info's without "_info",
// says units, writes bounds as floats, and ends with "# EOF".

#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace hale::api {

enum class Exposition : std::uint8_t { prometheus, open_metrics };

// What an Accept field asks for; text 0.0.4 unless OpenMetrics is named and wanted at least as much.
Exposition exposition_for(std::string_view accept);
std::string_view content_type(Exposition form);

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Before a family's samples. `type`: counter (the name ends in _total), gauge, histogram, info (it ends in _info).
void head(std::string& out, Exposition form, std::string_view name, std::string_view type, std::string_view help);
// A label value: backslash, quote and line feed escaped.
void append_label_value(std::string& out, std::string_view text);
void series(std::string& out, std::string_view name, Labels labels, std::string_view value);
void series(std::string& out, std::string_view name, Labels labels, std::uint64_t value);
void series(std::string& out, std::string_view name, Labels labels, double value);
// Needs: one more count than bounds, the last for everything above them.
void histogram(std::string& out, Exposition form, std::string_view name, std::pair<std::string_view, std::string_view> label,
               std::span<const std::uint32_t> bounds_us, std::span<const std::uint64_t> counts, Duration sum);
void end(std::string& out, Exposition form);

}  // namespace hale::api
