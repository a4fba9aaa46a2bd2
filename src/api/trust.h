// What handlers that take declarations share: the document they are read against, and who may name which target.

#pragma once

#include "api/desk.h"
#include "config/document.h"
#include "config/load.h"
#include "config/target.h"

namespace hale::api {

const config::Document& document_of(const Desk& desk);
void answer_problems(const CallPtr& call, const config::Problems& problems);
// Where probes go is a matter of trust: admin may name any target, operate only literals within `targets.allow`. False: answered.
bool may_add_target(const Desk& desk, const CallPtr& call, const config::Target& target);

}  // namespace hale::api
