// A whole node of Hale in the simulated world: control, checkers, workers and the folded view, each on a loop
// of its own and wired by posts, as the daemon wires its threads; the journal is a Disk that outlives it.
//
// On every delta it holds two rules: no reader is told of a route or verdict that the routers do not have
// (V2), and no revision or version goes back at the reader.

#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/control.h"
#include "catalog/view.h"
#include "probe/checker.h"
#include "proxy/worker.h"
#include "sim/blocking.h"
#include "sim/net.h"
#include "sim/resolver.h"
#include "sim/world.h"
#include "tests/scenario/disk.h"
#include "tls/doors.h"
#include "tls/server_context.h"

namespace hale::scenario {

// The one machine of most scenarios.
struct Site {
    explicit Site(std::uint64_t seed, sim::WorldOptions options = {}) : world(seed, options), network(world) {
        network.add_host("hale", {"10.0.0.2"});
        network.add_host("client", {"10.0.0.1"});
    }
    sim::World world;
    sim::Network network;
    sim::Names names;
    Disk disk;
};

struct NodeOptions {
    std::string host = "hale";
    Ip ip = Ip::v4(10, 0, 0, 2);
    unsigned checkers = 2;
    unsigned workers = 2;
    std::uint16_t port = 8000;  // Worker i listens at port + i,
    bool tls = false;           // and over TLS at port + 1000 + i.
};

std::shared_ptr<const config::Document> document(const std::string& yaml);

class Node final : catalog::Checking, catalog::Routing, catalog::Audience {
public:
    Node(Site& site, NodeOptions options = {});
    ~Node();  // As kill -9 would.

    // In force when it returns; false when it was refused.
    bool start(const std::string& yaml);
    bool start(std::shared_ptr<const config::Document> document);

    // Runs the world until it is answered.
    catalog::MutationResult mutate(catalog::Change change);
    // Only asks: `reply` runs on the api loop, as the daemon's does.
    void ask(catalog::Change change, catalog::MutationReply reply);
    catalog::MutationResult reload(const std::string& yaml) { return mutate(catalog::ApplyDocument{document(yaml)}); }
    catalog::VerifyResult verify(catalog::VerifyRequest request);

    const catalog::View& view() const { return view_; }
    catalog::Control& control() { return *control_; }
    const catalog::OwnHealth& own() const { return own_; }
    verdict::Ledger& ledger() { return ledger_; }
    probe::Checker& checker(unsigned i) { return *checkers_[i].checker; }
    sim::Loop& checker_loop(unsigned i) { return *checkers_[i].loop; }
    sim::Loop& control_loop() { return control_loop_; }
    sim::Loop& worker_loop(unsigned i) { return *workers_[i].loop; }
    proxy::Worker& worker(unsigned i) { return *workers_[i].worker; }
    SocketAddress worker_at(unsigned i) const { return workers_[i].at; }
    SocketAddress worker_secure_at(unsigned i) const { return workers_[i].secure_at; }
    // On every worker, as the daemon hands them out.
    void show(const std::vector<tls::CredentialsPtr>& credentials);
    void seal_with(const std::vector<tls::TicketKey>& keys);
    unsigned workers() const { return static_cast<unsigned>(workers_.size()); }
    SlowJournal& journal() { return journal_; }
    // The newest snapshot that was published, and the oldest that some worker still routes by.
    const catalog::Snapshot& published() const { return published_; }
    std::uint64_t adopted_everywhere() const;
    // The revision of the newest snapshot that whoever knows `revision` knows of.
    std::uint64_t snapshot_at(std::uint64_t revision) const;
    bool mutating() const { return asked_ != 0; }

    std::uint64_t commands = 0;         // Sent to checkers so far,
    std::uint64_t assignments = 0;      // of them assignments.
    std::vector<catalog::Notice> notices;
    // Every change of a verdict's state, as readers were told.
    struct Transition {
        std::string instance;
        verdict::State state;
        verdict::Reason reason;
        Instant at{};
    };
    std::vector<Transition> transitions;

private:
    void send(std::vector<catalog::CheckerCommand> commands, io::Task acknowledged) override;
    void publish(catalog::Snapshot snapshot, io::Task adopted) override;
    void tell(std::vector<catalog::Delta> deltas) override;
    void take(const std::vector<catalog::Delta>& deltas);
    void hold_rules(const catalog::Delta& delta);

    struct CheckerSeat {
        sim::Loop* loop = nullptr;
        std::unique_ptr<sim::Resolver> resolver;
        std::unique_ptr<probe::Checker> checker;
    };
    struct WorkerSeat {
        sim::Loop* loop = nullptr;
        std::shared_ptr<tls::ServerContext> server_tls;
        std::unique_ptr<tls::Doors> client_tls;
        std::unique_ptr<proxy::Worker> worker;
        SocketAddress at, secure_at;
        std::uint64_t revision = 0;
    };

    Site& site_;
    NodeOptions options_;
    sim::Loop& control_loop_;
    sim::Loop& api_loop_;
    sim::Loop& store_loop_;
    SlowJournal journal_;
    verdict::Ledger ledger_{4096};
    catalog::OwnHealth own_;
    sim::Resolver resolver_;
    sim::Spawner spawner_;
    catalog::Snapshot published_;
    std::set<std::uint64_t> snapshots_;  // All that were published.
    catalog::View view_;
    std::unique_ptr<catalog::Control> control_;
    std::vector<CheckerSeat> checkers_;
    std::vector<WorkerSeat> workers_;
    std::map<std::string, std::pair<std::uint16_t, std::uint32_t>> seen_versions_;
    std::uint64_t asked_ = 0;
};

}  // namespace hale::scenario
