// Times as people read them beside a verdict.

#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "cli/json.h"

namespace hale::cli {

// A duration without false precision: whole seconds from one second on. "–" for nothing.
std::string age_text(std::optional<double> seconds);
// How long ago an RFC 3339 instant in `key` was; "–" when it is absent.
std::string ago(const Json& from, std::string_view key, Utc now);
// The clock part of an RFC 3339 instant, "14:18:21.1" becomes "14:18:21.100"; the text itself when it is none.
std::string clock_text(const std::string& rfc3339_text);

}  // namespace hale::cli
