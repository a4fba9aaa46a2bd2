// Whose fault was it? What failed on our side is `error` and never counted against the target. Pure; asked by
// whoever ran the probe, before the judge sees the outcome. A pass is a pass however late, and is not asked.

#pragma once

#include "base/time.h"

namespace hale::verdict {

// A connect, socket or send failed with this errno: is it ours? Without a route at all even "network
// unreachable" is; with a default route it says something about the target.
bool our_fault(int system_error, bool has_default_route);

// A deadline that our own loop noticed this late proves nothing: the answer may have been waiting for us.
bool timer_too_late(Instant due, Instant fired, Duration timeout);

}  // namespace hale::verdict
