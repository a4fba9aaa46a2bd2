// One probe from this process, by the engine that the daemon uses: the same answer gives the same outcome.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/invocation.h"

namespace hale::cli {

// "http://h/p", "h:80", "h:80/p", "[::1]:80", "tcp://h:5432", "redis://h", "unix:/path": an address, so no name of a service.
bool is_target_url(std::string_view text);

// The observation as JSON. Fails with Code::invalid for a target or expectation that is none.
Result<std::string> probe_here(const Invocation& asked, const Surroundings& around);

}  // namespace hale::cli
