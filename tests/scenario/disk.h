// A disk that outlives the nodes of a simulation: what was committed, and nothing else. `SlowJournal` is a
// node's way to it: each batch takes a drawn time, in order, and a node that is gone commits nothing more.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/journal.h"
#include "sim/loop.h"
#include "sim/world.h"

namespace hale::scenario {

class Disk {
public:
    void apply(const config::Change& change);
    config::Restored restored() const;

    std::vector<config::AuditEntry> audit;
    std::uint64_t revisions = 0;
    std::uint32_t versions = 0;

private:
    using Pair = std::pair<std::string, std::string>;
    std::map<Pair, config::StoredObject> objects_;
    std::map<Pair, config::Override> overrides_;
    std::map<std::string, config::StoredVerdict> verdicts_;
    std::map<std::string, config::StoredStanding> standings_;
    std::map<std::string, config::StoredTraffic> traffic_;
    std::map<std::string, config::StoredToken> tokens_;
};

class SlowJournal final : public config::Journal {
public:
    SlowJournal(sim::Loop& home, sim::Loop& store, Disk& disk) : home_(home), store_(store), disk_(disk) {}
    void commit(std::vector<config::Change> batch, bool durable, std::move_only_function<void(Result<>)> done) override;

    Duration slowest = 2ms;
    std::uint64_t fail_next = 0;  // So many durable batches are refused.
    std::uint64_t commits = 0;

private:
    sim::Loop& home_;
    sim::Loop& store_;
    Disk& disk_;
    Instant last_{};
};

}  // namespace hale::scenario
