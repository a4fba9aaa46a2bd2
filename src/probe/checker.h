// A checker: the part of Hale that looks after a shard of the instances. One per checker thread; everything
// it owns, and every call below, belongs to that thread's loop.
//
//   control ──commands──▶ apply ──▶ Subject (per instance) ──▶ Watch (per check) ──▶ Engine ──▶ the network
//      ▲                              │ word, epoch                │ judge, cadence
//      └───────── report ◀── Outbox ◀─┴────────────────────────────┘
//
// Nothing starts in the constructor; stop() gives up what is under way, tells whoever waits, and hands over the
// last report.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/checking.h"
#include "io/blocking.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"
#include "probe/engine.h"
#include "probe/outbox.h"
#include "probe/subject.h"

namespace hale::probe {

struct CheckerOptions {
    unsigned number = 0;
    unsigned of = 1;   // So many checkers share the limits, and the pace of first probes.
    std::string node;  // For `from`: "host-a/checker-0".
    EngineOptions engine;
    Duration last_known_max_age = verdict::last_known_max_age_default;
};

struct CheckerStats {
    unsigned checker = 0;
    EngineStats engine;
    std::size_t instances = 0;
    std::size_t connections_open = 0;
    std::size_t connections_kept = 0;
    std::uint64_t discarded = 0;
    ScheduleLag lag;  // Since the start.
};

class Checker {
public:
    // First probes of what is new are spread so, over all checkers together; a single one begins at once.
    static constexpr Duration new_probes_apart = 100us;

    Checker(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::Spawner* spawner, CheckerOptions options,
            ReportSink sink);
    ~Checker();
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;

    void start();
    void stop();
    bool running() const { return running_; }

    // In order. Commands for a generation that is not here are discarded and counted; whoever waits for an
    // answer gets an empty one.
    void apply(std::vector<catalog::CheckerCommand> commands);

    std::string from() const;
    const std::shared_ptr<const catalog::TargetPolicy>& targets() const { return engine_.options().targets; }
    CheckerStats stats() const;

private:
    void take(catalog::Assignment& assignment);
    void take(catalog::Unassign& order);
    void take(catalog::ProbeNow& order);
    void take(catalog::OpenGate& order);
    void take(catalog::CloseGate& order);
    void take(catalog::Passive& signal);
    void take(catalog::HeartbeatSeen& seen);
    void take(catalog::MembersChanged& change);
    void take(catalog::SuspectSelf& order);
    void take(catalog::LastEligible& note);
    void take(catalog::CheckerSettings& settings);

    Subject* find(verdict::RowId row);
    // Null, and counted, when another generation is here.
    Subject* find(verdict::RowId row, std::uint16_t generation);
    std::shared_ptr<const PlanList> plans_for(const std::shared_ptr<const config::CheckList>& checks);
    FirstProbes first_probes(const catalog::Assignment& assignment, std::size_t count);
    void remove(verdict::RowId row);

    io::Loop& loop_;
    CheckerOptions options_;
    Outbox outbox_;
    Engine engine_;
    Desk desk_;
    std::vector<std::unique_ptr<Subject>> by_row_;
    std::size_t instances_ = 0;
    // A list of checks is known by its address, which stays taken while the plans made of it live.
    struct Planned {
        std::weak_ptr<const config::CheckList> checks;
        std::weak_ptr<const PlanList> plans;
    };
    std::unordered_map<const config::CheckList*, Planned> plans_;
    std::size_t prune_at_ = 64;
    Instant next_new_{};
    bool running_ = false;
};

}  // namespace hale::probe
