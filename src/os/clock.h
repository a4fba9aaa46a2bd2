// The only place of the daemon that reads a clock. Everything else is told the time by a loop.

#pragma once

#include "base/time.h"

namespace hale::os {

Instant monotonic_now();
Utc wall_now();

}  // namespace hale::os
