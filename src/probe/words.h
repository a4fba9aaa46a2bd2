// Sentences about probes, for the operator at three in the morning, and evidence with its secrets taken out.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/time.h"
#include "probe/destination.h"
#include "probe/plan.h"
#include "verdict/observation.h"

namespace hale::probe {

inline constexpr std::size_t evidence_limit = 200;

// "GET http://172.23.0.4:3000/api/health", "tcp 10.0.0.5:5432", "exec /usr/lib/nagios/plugins/check_disk -w 10%".
// `met`: where the probe went; unspecified when it did not get that far.
std::string asked(const Plan& plan, const Destination& to, const SocketAddress& met);

// The sentence of a plain pass, which is not kept but follows from the rest: "GET http://10.0.0.4:3000/up: status 200
// in 0.4 ms". What the observation says itself goes first.
std::string told(const Plan& plan, const Destination& to, const verdict::Observation& seen);

// What a stranger sent, as evidence: values of secret-looking names hidden, escaped, at most evidence_limit bytes.
std::string evidence(std::string_view text);

// The command line with everything after `--` hidden.
std::string shown_command(const std::vector<std::string>& arguments);

// What a failed connect means. `ours` when the fault lies with this machine: then it proves nothing.
struct ConnectFault {
    verdict::Reason reason = verdict::Reason::connect_failed;
    bool ours = false;
};
ConnectFault connect_fault(int error, bool has_default_route);

}  // namespace hale::probe
