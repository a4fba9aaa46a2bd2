#include "proxy/worker.h"

#include <utility>

#include "proxy/core.h"

namespace hale::proxy {

Worker::Worker(io::Loop& loop, io::Net& net, WorkerOptions options, WorkerDoors doors)
    : core_(std::make_unique<Core>(loop, net, std::move(options), std::move(doors))) {}

Worker::~Worker() = default;

catalog::Snapshot Worker::adopt(catalog::Snapshot snapshot) { return core_->adopt(std::move(snapshot)); }
Result<SocketAddress> Worker::listen(const SocketAddress& address) { return core_->listen(address); }
Result<SocketAddress> Worker::listen_secure(const SocketAddress& address) { return core_->listen_secure(address); }
void Worker::drain(Duration at_most, io::Task drained) { core_->drain(at_most, std::move(drained)); }
void Worker::stop() { core_->stop(); }
bool Worker::stopped() const { return core_->stopped(); }
void Worker::set_proof(std::string token, std::string proof) { core_->set_proof(std::move(token), std::move(proof)); }
WorkerStats Worker::stats() const { return core_->stats(); }
std::vector<InstanceTally> Worker::tallies(std::string_view service) const { return core_->tallies(service); }
void Worker::reopen_log() { core_->log().reopen(); }

}  // namespace hale::proxy
