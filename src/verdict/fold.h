// From checks to instance, from instances to service. Pure; the checker folds its instances' checks, control
// folds the services. Overrides never rewrite a verdict: only maintenance takes an instance out of the fold.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "verdict/judge.h"
#include "verdict/ledger.h"
#include "verdict/reason.h"
#include "verdict/state.h"

namespace hale::verdict {

struct CheckView {
    State state = State::pending;
    State kept = State::pending;  // Judge::kept(): what lies under `unknown`.
    bool judged = false;          // Judge::judged()
    bool critical = true;
    Reason reason = Reason::never_checked;
};
CheckView view(const Judge& judge, bool critical);

struct InstanceVerdict {
    State state = State::unknown;
    Reason reason = Reason::never_checked;
    std::optional<std::size_t> check;  // Which one decided; nothing when there is none.
    // Both for the ledger's word. `held`: unknown, but judged before, so it serves as it did (rule 7).
    bool held = false;
    bool was_eligible = false;  // Would it serve by what lies under every `unknown`?
};
// No checks at all: unknown, reason unchecked.
InstanceVerdict fold_checks(std::span<const CheckView> checks);

struct InstanceView {
    Standing standing;  // With the strongest override of instance and service.
    Reason reason = Reason::never_checked;
};

// total = healthy + degraded + unhealthy + pending + unknown + draining: an instance that is draining (or
// retired, if one is still shown) is counted there alone, whatever its state. `eligible` is the router's,
// overrides included.
struct InstanceCounts {
    std::uint32_t total = 0;
    std::uint32_t eligible = 0;
    std::uint32_t healthy = 0;
    std::uint32_t degraded = 0;
    std::uint32_t unhealthy = 0;
    std::uint32_t pending = 0;
    std::uint32_t unknown = 0;
    std::uint32_t draining = 0;
    bool operator==(const InstanceCounts&) const = default;
};

struct ServiceVerdict {
    State state = State::unknown;
    Reason reason = Reason::no_instances;
    std::optional<std::size_t> instance;  // Which one decided: the first whose state gave the service its own.
    std::optional<std::size_t> check;     // Or which service-scope check did.
    InstanceCounts counts;
};
// `checks`: those of `scope: service`. They change the service's verdict alone and never deroute an instance.
ServiceVerdict fold_service(std::span<const InstanceView> instances, std::span<const CheckView> checks);

}  // namespace hale::verdict
