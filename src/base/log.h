// The log facade. Organs say a level and a finished sentence; `app` decides where it goes (spdlog) once,
// before threads start. Until then, and in tests, lines of warning and above go to standard error.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace hale {

enum class LogLevel : std::uint8_t { debug, info, warning, error, critical };

void log(LogLevel level, std::string_view sentence);

// Needs: called before other threads exist; the sink may be called from any thread.
void set_log_sink(std::function<void(LogLevel, std::string_view)> sink);

}  // namespace hale
