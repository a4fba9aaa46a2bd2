// Checks that ask nobody, because what they judge is known already: heartbeats that came or did not, and the
// members of a composite. Pure: values in, a look's outcome out.
//
//   composite   all      any critical member down: fail; else any not known: error; else any degraded: warn
//               any      one healthy: pass; else one degraded: warn; else any not known: error; else fail
//               quorum   that many healthy: pass; with degraded ones: warn; reachable by unknown ones: error; else fail
//               advisory members that are down or degraded make a pass a warn

#pragma once

#include <span>
#include <string>

#include "base/time.h"
#include "catalog/checking.h"
#include "config/check_spec.h"
#include "verdict/reason.h"
#include "verdict/state.h"

namespace hale::probe {

struct Look {
    verdict::Outcome outcome = verdict::Outcome::error;
    verdict::Reason reason = verdict::Reason::never_checked;
    std::string text;  // The end of a sentence; empty for a pass.
};

struct Beat {
    Instant last{};  // The last one, or when we began to listen.
    bool ever = false;
    verdict::Outcome reported = verdict::Outcome::pass;
    std::string text;  // What came with it, escaped and cut.
};

// When silence becomes a failure.
Instant missed_at(const config::HeartbeatCheck& check, const Beat& beat);
Look look(const config::HeartbeatCheck& check, const Beat& beat, Instant now);
// Members that nobody told of are unknown.
Look look(const config::CompositeCheck& check, std::span<const catalog::MemberState> members);

}  // namespace hale::probe
