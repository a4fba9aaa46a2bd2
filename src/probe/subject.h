// One instance as its checker sees it: its checks, its word in the ledger, its record. The only writer of
// that word.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "catalog/checking.h"
#include "probe/destination.h"
#include "probe/engine.h"
#include "probe/gate.h"
#include "probe/lag.h"
#include "probe/outbox.h"
#include "probe/plan.h"
#include "probe/watch.h"
#include "verdict/fold.h"
#include "verdict/ledger.h"

namespace hale::probe {

// What subjects share of their checker.
struct Desk {
    io::Loop& loop;
    Engine& engine;
    Outbox& outbox;
    Duration last_known_max_age;
    unsigned checker = 0;
    catalog::Front front = {};  // Hale's own listeners, once they are open.
    ScheduleLag lag{};  // Between a probe's time and its start.
};

// When an instance's first check is asked for the first time, and how much later each further one.
struct FirstProbes {
    Instant at{};
    Duration apart{0};
};

class Subject {
public:
    static constexpr std::size_t most_checks = 64;

    Subject(Desk& desk, const catalog::Assignment& assignment, std::shared_ptr<const PlanList> plans,
            FirstProbes first);
    ~Subject();
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;

    std::uint16_t generation() const { return word_.generation; }
    // The same generation with other checks or another Host.
    void reassign(const catalog::Assignment& assignment, std::shared_ptr<const PlanList> plans);
    // Withdrawn: probes are given up, whoever waits is told.
    void retire();

    void probe_now(catalog::ProbeNow order);
    void open_gate(catalog::OpenGate order);
    void close_gate(std::uint64_t gate);
    void passive();
    void beat(const catalog::HeartbeatSeen& seen);
    void members_changed(const catalog::MembersChanged& change);
    void suspect(Instant until);
    void set_last_eligible(bool last) { last_eligible_ = last; }

    // ---- For its watches and gates ----
    Desk& desk() { return desk_; }
    // Where this check goes: to the instance, or to Hale's own listener.
    Destination destination(const config::CheckSpec& check) const;
    // Of a check via: proxy; else null.
    std::shared_ptr<const Behind> behind(const config::CheckSpec& check) const;
    verdict::RowId row() const { return row_; }
    bool last_eligible() const { return last_eligible_; }
    std::uint32_t next_number() { return ++numbers_; }
    // Folds, and tells the world when something visible moved.
    void settle();
    // Returns whether some gate wants this check probed again at once (after a pass) or soon (after a fail).
    bool gates_take(std::size_t check, std::uint32_t number, const verdict::Observation& seen, bool counted);
    bool gates_want(std::size_t check) const;
    void gate_timed_out(Gate& gate);

private:
    static std::unique_ptr<const catalog::Entrance> entrance_of(const catalog::Assignment& assignment, const PlanList& plans);
    verdict::PhaseKey key_of(const Plan& plan) const;
    verdict::Judge judge_for(const Plan& plan, const catalog::Assignment& assignment, Instant now) const;
    verdict::Judge judge_joining(const Plan& plan, const catalog::Assignment& assignment, bool was_unchecked, Instant now) const;
    // Those that are folded: the engine's word, the last, counts only where it is against the instance.
    std::size_t weighed() const;
    void hear_engine(const catalog::Assignment& assignment);
    bool told(const verdict::InstanceVerdict& folded) const;
    void write(bool state_changed, const verdict::InstanceVerdict& folded);
    std::string text_for(const verdict::InstanceVerdict& folded) const;
    void end_gate(std::size_t at, catalog::GateEnd how);
    void check_gates();
    std::vector<std::size_t> asked_by_gates() const;

    Desk& desk_;
    verdict::Row* cell_;
    verdict::Epoch* epoch_;
    verdict::RowId row_;
    std::uint32_t numbers_ = 0;
    verdict::Word word_;
    bool last_eligible_ = false;
    bool unchecked_ = false;  // Declared so: `check: none`.
    verdict::Reason reason_ = verdict::Reason::never_checked;
    std::uint64_t id_hash_;
    Destination to_;
    std::unique_ptr<const catalog::Entrance> entrance_;  // Only where some check is via: proxy.
    std::shared_ptr<const PlanList> plans_;
    std::vector<std::unique_ptr<Watch>> watches_;
    std::vector<std::unique_ptr<Gate>> gates_;
    std::shared_ptr<const catalog::InstanceRecord> record_;
};

}  // namespace hale::probe
