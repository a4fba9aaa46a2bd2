// Endpoints of other systems as data (`aliases:` in the configuration): method and path → action and the shape
// of the answer.

#pragma once

#include "api/desk.h"

namespace hale::api {

// False when no alias takes the call. Health, live and ready are open; the others need role read, and those
// that probe need operate.
bool answer_alias(Desk& desk, const CallPtr& call);

}  // namespace hale::api
