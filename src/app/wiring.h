// The wires between the threads: each implements an interface that one organ calls on its own thread and
// posts to another. Nothing here decides anything.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/loop_thread.h"
#include "catalog/checking.h"
#include "catalog/delta_queue.h"
#include "catalog/facts.h"
#include "catalog/routing.h"
#include "io/loop.h"
#include "io/secure.h"
#include "probe/checker.h"
#include "proxy/access_log.h"
#include "proxy/worker.h"
#include "tls/server_context.h"

namespace hale::app {

// A checker and the thread that runs it.
struct CheckerThread {
    std::unique_ptr<LoopThread> thread;
    std::unique_ptr<io::Resolver> resolver;
    std::unique_ptr<io::TlsDoors> tls;
    std::unique_ptr<probe::Checker> checker;  // Made, used and destroyed on its thread.
};

struct WorkerThread {
    std::unique_ptr<LoopThread> thread;
    std::unique_ptr<proxy::LogSink> log;
    std::shared_ptr<tls::ServerContext> server_tls;  // Null: there is no listener with TLS.
    std::unique_ptr<io::TlsDoors> client_tls;
    std::unique_ptr<proxy::Worker> worker;  // Likewise.
};

// Control → checkers: commands go to the checker that owns the row, in order.
class CheckerWires final : public catalog::Checking {
public:
    CheckerWires(io::Loop& control, std::vector<CheckerThread>& checkers) : control_(control), checkers_(checkers) {}
    void send(std::vector<catalog::CheckerCommand> commands, io::Task acknowledged) override;
    // From a worker: live traffic met trouble.
    void passive(std::vector<catalog::Passive> signals);

private:
    void post(std::size_t checker, std::vector<catalog::CheckerCommand> commands, io::Task after);

    io::Loop& control_;
    std::vector<CheckerThread>& checkers_;
};

// Control → workers: every worker swaps its own pointer; the replaced snapshot comes home to die.
class WorkerWires final : public catalog::Routing {
public:
    WorkerWires(io::Loop& control, std::vector<WorkerThread>& workers) : control_(control), workers_(workers) {}
    void publish(catalog::Snapshot snapshot, io::Task adopted) override;
    // Told of each on control's thread.
    void when_published(std::function<void(const catalog::Snapshot&)> published) { published_ = std::move(published); }

private:
    io::Loop& control_;
    std::vector<WorkerThread>& workers_;
    std::function<void(const catalog::Snapshot&)> published_;
};

// Control → api: folded deltas, in order, and no more of them under way than the queue says.
class AudienceWires final : public catalog::Audience {
public:
    using Take = std::function<void(std::vector<catalog::Delta>)>;
    static constexpr std::ptrdiff_t deltas_at_once = 256;  // And as many more as share the last one's revision.
    static constexpr std::size_t acknowledged_together = 4'096;  // Deltas taken, told to control in one post.
    AudienceWires(io::Loop& control, io::Loop& api, Take take) : control_(control), api_(api), take_(std::move(take)) {}
    void tell(std::vector<catalog::Delta> deltas) override;

private:
    void post(std::vector<catalog::Delta> deltas);

    io::Loop& control_;
    io::Loop& api_;
    Take take_;  // Runs on the api thread.
    catalog::DeltaQueue queue_;  // Control's.
    std::size_t taken_ = 0;      // The api thread's: not yet told to control.
};

}  // namespace hale::app
