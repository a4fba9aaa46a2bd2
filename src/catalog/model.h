// Control's own picture of services and instances: mutable, and touched by control's thread alone.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "catalog/facts.h"
#include "catalog/routing.h"
#include "config/service_spec.h"
#include "verdict/ledger.h"

namespace hale::catalog {

struct Service;

// One address of an instance, judged on its own row. Generations of an instance count up and wrap at 16 bits;
// a late observation names its generation and row, so a wrap confuses nobody.
struct Generation {
    std::uint16_t number = 0;
    verdict::RowId row = 0;
    verdict::Row* cell = nullptr;
    std::optional<SocketAddress> address;
    std::shared_ptr<const InstanceRecord> record;
    Instant started{};
    Utc observed{};  // Last counted evidence of this generation.

    verdict::Word word() const { return record ? record->word : verdict::Word{.generation = number}; }
};

struct Instance {
    Slot slot = 0;
    Service* service = nullptr;
    SharedText id;
    SharedText name;
    std::shared_ptr<const config::InstanceSpec> spec;
    Generation current;
    std::unique_ptr<Generation> next;  // Probed beside the current one; takes over when eligible, or at replace_by.
    Instant replace_by = never;
    verdict::Lifecycle lifecycle = verdict::Lifecycle::serving;
    std::shared_ptr<const config::Override> override;
    std::optional<std::uint32_t> weight;  // Set at run time, over the declared one.
    std::uint64_t revision = 0;  // Of the last mutation of this object: declaration, weight, drain.
    bool scope_only = false;   // Carries the service's service-scope checks; neither listed nor routed.
    bool each = false;         // One of the addresses of a name (`resolve: each`).
    bool leaving = false;      // Drains, then goes.
    Instant leave_by = never;
    bool eligible = false;
    std::uint8_t rule = 0;  // 0: not said yet.
    std::uint16_t newest = 0;  // The highest generation number given so far: none is given twice.
    bool last_eligible = false;  // As last told to its checker.
    // What the journal has of its verdict, besides evidence, which grows older there: nothing yet, if never given.
    struct Stored {
        std::uint16_t generation = 0;
        verdict::State state = verdict::State::pending;
        verdict::Reason reason = verdict::Reason::never_checked;
        bool operator==(const Stored&) const = default;
    };
    std::optional<Stored> stored;
    Instant stored_at{};  // When it was last given.
    Instant good_until = Instant::min();  // When it was last eligible, as far as it was folded; never: it is.

    // What the journal should have now.
    Stored storable() const { return {current.number, current.word().state, current.record ? current.record->reason : verdict::Reason::never_checked}; }
    bool unchecked() const;
    // Made by the deployment that its service has not switched to.
    bool candidate() const;
    // As the router and the folding see it: a candidate is starting, and an instance that serves is draining with its service.
    verdict::Lifecycle lifecycle_now() const;
    const config::CheckList& checks() const;
};

// The deployment whose instances are `starting`, and how requests ask for them. Empty: there is none.
struct Candidate {
    std::string deployment, key;
    bool operator==(const Candidate&) const = default;
};

struct Service {
    Slot slot = 0;
    SharedText name;
    std::shared_ptr<const config::ServiceSpec> spec;
    std::shared_ptr<verdict::Epoch> epoch = std::make_shared<verdict::Epoch>();
    std::vector<std::unique_ptr<Instance>> instances;
    std::unique_ptr<Instance> scope;  // Where service-scope checks are judged.
    // Only where some check has service scope: what the instances and what `scope` carry of spec->checks.
    std::shared_ptr<const config::CheckList> instance_checks, scope_checks;
    // The list with which containers' own words are judged beside the rest, and the rest that it was made of.
    std::shared_ptr<const config::CheckList> container_checks, container_checks_of;
    std::shared_ptr<const config::Override> override;
    bool draining = false;
    Candidate candidate;
    std::optional<Utc> paused_until;
    std::uint64_t revision = 0;
    CheckRevisions check_revisions;
    Entrance entrance;
    bool routed = false;
    bool panic = false;   // Declared fail-open, as workers were last told, and
    Instant panicked_at{};  // when that began.
    ServiceStanding standing;
    std::uint32_t passing_checks = 0;  // Of its instances, healthy or degraded when it was last folded.
    bool told = false;  // Has a standing been told at all?
    std::shared_ptr<const RoutedService> published;

    // These checks, and after them what the engine says. The same list again for the same list.
    std::shared_ptr<const config::CheckList> with_container(std::shared_ptr<const config::CheckList> checks);
};

// Where an instance's checks and identity key live: by its name when one was given, else by its address.
std::string identity(const config::InstanceSpec& spec);
// Does this target need a look-up before it can be routed?
bool needs_lookup(const config::InstanceSpec& spec);

}  // namespace hale::catalog
