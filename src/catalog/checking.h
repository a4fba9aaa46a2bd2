// What control tells the checkers, and what they tell back. Values only; `app` carries them between the
// threads. All checks of an instance live on one checker, chosen by its row.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "catalog/target_policy.h"
#include "config/check_spec.h"
#include "config/target.h"
#include "io/loop.h"
#include "verdict/judge.h"
#include "verdict/ledger.h"
#include "verdict/observation.h"

namespace hale::catalog {

// What was believed before a restart.
struct LastKnown {
    verdict::State state = verdict::State::pending;
    bool was_eligible = false;
    verdict::Reason reason = verdict::Reason::never_checked;
    std::string text;
    Utc since{};
    Utc observed{};
    Duration age{};  // Of the evidence, at the restore.
};

// How users come to a service, by its first route for a host of its own.
struct Entrance {
    std::string host;      // Checks send it as Host unless they say their own; empty: the target's authority.
    std::string stripped;  // What the route takes off the path.
    bool tls = false;      // Users speak TLS.
    bool operator==(const Entrance&) const = default;
};

// What the engine says of the container that an instance is. A fail is final until the next word; a pass says nothing for
// the instance, only nothing against it.
struct ContainerWord {
    verdict::Outcome outcome = verdict::Outcome::pass;
    verdict::Reason reason = verdict::Reason::ok;
    std::string text;      // "container web-1: exited with code 137 (out of memory)"
    std::string evidence;  // What its own health check wrote.
    bool operator==(const ContainerWord&) const = default;
};

// An instance given to a checker. Assigning a row again with the same generation replaces its checks: equal
// questions keep timers, counters and connections; a changed question keeps the verdict flagged `checking`.
struct Assignment {
    verdict::RowId row = 0;
    verdict::Row* cell = nullptr;
    verdict::Epoch* epoch = nullptr;
    std::uint16_t generation = 0;
    std::uint32_t first_version = 0;  // Versions of this row start above it.
    SharedText id;
    SharedText service;
    SharedText name;
    config::Target target;
    // Set for routed instances: the very address that is routed. Not set: resolved per fresh connection.
    std::optional<SocketAddress> address;
    Entrance entrance;
    bool file_owned = true;  // Targets from the API may not reach link-local and the like.
    std::shared_ptr<const config::CheckList> checks;  // Instance scope and, on an implicit instance, service scope.
    std::shared_ptr<const ContainerWord> container = nullptr;  // Set where one of `checks` is its container's.
    std::optional<LastKnown> last_known;
    std::uint32_t restored_rank = 0;   // Of its first check, among restored_total: spreads the first probes after a restart.
    std::uint32_t restored_total = 0;
    Duration generation_age{};         // How long ago the generation started (start_period counts from there).
};

struct Unassign { verdict::RowId row; std::uint16_t generation; };

// One finished on-demand probe.
struct ProbeAnswer {
    std::string check;
    verdict::Observation observation;
    bool shared = false;  // Joined a probe that was already in flight.
};
// check empty: all of the instance's. The reply runs on the checker's loop: it should only post.
struct ProbeNow {
    verdict::RowId row;
    std::uint16_t generation;
    std::string check;
    std::optional<Duration> max_age;  // Answer from memory when the last observation is fresher.
    std::move_only_function<void(std::vector<ProbeAnswer>)> reply;
};

enum class GateEnd : std::uint8_t { passed, failed, timed_out, gone };
struct GateOutcome {
    verdict::RowId row = 0;
    GateEnd end = GateEnd::gone;
    std::uint32_t passes = 0;
    std::uint32_t needed = 0;
    std::uint32_t fails = 0;
    verdict::State state = verdict::State::unknown;
    std::vector<verdict::Observation> observations;  // The last 5.
};
// Passes when every critical check collected `rise` passes, back to back on fresh connections, that started
// after now; failed as soon as one collected `fall` counted failures.
struct OpenGate {
    verdict::RowId row;
    std::uint16_t generation;
    std::uint64_t gate;
    Duration timeout;
    std::move_only_function<void(GateOutcome)> reply;  // On the checker's loop.
};
struct CloseGate { verdict::RowId row; std::uint64_t gate; };

// Live traffic met trouble: asks for one probe now, counts nothing.
struct Passive { verdict::RowId row; std::uint16_t generation; verdict::Reason reason; };

struct HeartbeatSeen {
    verdict::RowId row;
    std::uint16_t generation;
    std::string check;  // Empty: the instance's only heartbeat.
    verdict::Outcome outcome = verdict::Outcome::pass;
    std::string text;
};

// The folded state of a member of a composite, "service" or "service/check".
struct MemberState {
    std::string member;
    verdict::State state = verdict::State::unknown;
    bool stale = false;
};
struct MembersChanged {
    verdict::RowId row;
    std::uint16_t generation;
    std::vector<MemberState> members;
};

// We may be the sick one: hold new `unhealthy` verdicts for one confirmation round.
struct SuspectSelf { Duration hold; };
// This instance is the last eligible one of its service (flapping must not keep it down).
struct LastEligible { verdict::RowId row; bool last; };

// What the file says to all checkers; the first command they get, and again whenever it changed.
// What Hale itself shows for a host, and when it ends.
struct EndingCertificate {
    std::string host;
    std::string source;  // The chain's path, or "acme".
    Utc until{};
    bool operator==(const EndingCertificate&) const = default;
};
using EndingCertificates = std::map<std::string, EndingCertificate, std::less<>>;  // By service.

// Hale's own traffic listeners, as somebody on this machine reaches them.
struct Front {
    std::optional<SocketAddress> http, https;
    bool operator==(const Front&) const = default;
};

struct CheckerSettings {
    std::shared_ptr<const TargetPolicy> targets;
    unsigned in_flight = 4096;         // Probes, of all checkers together.
    unsigned in_flight_per_host = 8;   // Of one checker, to one address.
    Front front = {};                  // Empty until the listeners are open.
    bool operator==(const CheckerSettings&) const = default;
};

using CheckerCommand = std::variant<Assignment, Unassign, ProbeNow, OpenGate, CloseGate, Passive, HeartbeatSeen,
                                    MembersChanged, SuspectSelf, LastEligible, CheckerSettings>;

// ---- What comes back ----

// A rule that fired: "3 of 3 failures".
struct Decided {
    verdict::Rule rule = verdict::Rule::fails;
    std::uint16_t length = 0, needed = 0;  // Zero for silence.
};

struct CheckStanding {
    SharedText name;
    verdict::State state = verdict::State::pending;
    bool critical = true;
    verdict::Outcome run_outcome = verdict::Outcome::error;  // error with length 0: no run.
    std::uint32_t run_length = 0;
    std::uint32_t run_needed = 0;  // The length at which this outcome decides.
    // What its state rests on; runs grow on after it. Nothing: assumed, or decided before Hale was started again.
    std::optional<Decided> decided;
    verdict::Reason reason = verdict::Reason::never_checked;
};

// Everything a surface may say of an instance's verdict. Immutable once posted.
struct InstanceRecord {
    verdict::Word word;
    std::uint16_t checker = 0;  // Who looks after it.
    verdict::Reason reason = verdict::Reason::never_checked;
    SharedText text;         // One sentence, empty when the reason says it all.
    SharedText decided_by;   // Check name.
    Utc since{};              // When the state began.
    std::optional<verdict::State> before;  // The state before this one, and
    Utc before_since{};                    // when that began.
    std::vector<CheckStanding> checks;
    std::vector<verdict::Observation> deciding;  // At most 5, oldest first; empty for plain health.
};

struct VerdictChanged {
    verdict::RowId row = 0;
    std::uint16_t generation = 0;
    std::shared_ptr<const InstanceRecord> record;
};

// Any finished probe, whether or not it changed anything.
struct Seen {
    verdict::RowId row = 0;
    std::uint16_t generation = 0;
    std::uint8_t check = 0;  // Index into the record's checks.
    verdict::Outcome outcome = verdict::Outcome::error;
    verdict::Reason reason = verdict::Reason::never_checked;
    verdict::Phase phase = verdict::Phase::none;
    verdict::Trigger trigger = verdict::Trigger::scheduled;
    verdict::Vehicle vehicle = verdict::Vehicle::none;
    bool counted = false;
    std::uint16_t status = 0;
    std::uint16_t run_length = 0;
    std::uint16_t run_needed = 0;
    verdict::Outcome run_outcome = verdict::Outcome::error;
    verdict::State check_state = verdict::State::pending;
    std::uint32_t certificate_until = 0;  // Seconds since 1970, UTC; 0: none was shown.
    Utc at{};
    Utc next_probe{};
    verdict::Timings timings;
    // The whole observation; null for a plain pass.
    std::shared_ptr<const verdict::Observation> detail;
};

// A passing check failed for the first time: food for self-protection.
struct FirstFailure {
    verdict::RowId row = 0;
    SocketAddress address;
    Instant at{};
    Duration timeout{};  // Of the check that failed, and
    Duration confirm_interval{};
};

// Posted by a checker at the end of a turn in which anything finished. Changes and Seens are in order.
struct CheckReport {
    unsigned checker = 0;
    std::vector<VerdictChanged> changes;
    std::vector<Seen> seen;
    std::vector<FirstFailure> first_failures;
    std::uint64_t discarded = 0;  // Late observations of older generations since the last report.
};

// Control's door to the checkers. Runs on control's loop; `acknowledged` too, after every checker concerned
// has taken its commands.
class Checking {
public:
    virtual ~Checking() = default;
    virtual void send(std::vector<CheckerCommand> commands, io::Task acknowledged) = 0;
};

}  // namespace hale::catalog
