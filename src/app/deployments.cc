#include "app/deployments.h"

#include <utility>

#include "app/ad_hoc.h"
#include "os/ares_resolver.h"
#include "os/secret_bytes.h"

namespace hale::app {

namespace {
constexpr Duration longest_conversation = 12h;  // With an engine behind ssh, logs that are followed among them.
}  // namespace

Result<std::unique_ptr<Deployments>> Deployments::create(Parts parts) {
    auto out = std::unique_ptr<Deployments>(new Deployments(parts));
    HALE_ASSIGN(out->thread_, LoopThread::create("hale-deploy"));
    HALE_ASSIGN(out->resolver_, os::AresResolver::create(out->thread_->loop(), {}));
    return out;
}

Result<> Deployments::start() { return thread_->start(); }

void Deployments::go_on(std::vector<config::StoredDeployment> stored) {
    thread_->loop().post([this, stored = std::move(stored)] {
        scratch_ = std::make_unique<http::Scratch>();
        // Nobody is asked before a deployment needs it: traffic never does.
        if (auto place = docker::parse_place(parts_.engine))
            engine_ = std::make_unique<docker::Engine>(docker::Ways{.loop = thread_->loop(), .net = thread_->net(), .resolver = *resolver_, .scratch = *scratch_, .dial = [this](const std::vector<std::string>& command) { return parts_.spawner.converse(thread_->loop(), {.arguments = command, .user = "", .timeout = longest_conversation}); }, .user_agent = "hale/" + parts_.version},
                                                       std::move(*place));
        deployer_ = std::make_unique<deploy::Deployer>(
            deploy::Deployer::Parts{.loop = thread_->loop(), .catalog = *this, .secret_bytes = os::secret_bytes, .engine = engine_.get(), .home = parts_.home, .spawner = &parts_.spawner, .exec_user = parts_.exec_user});
        deployer_->restore(stored);
        at_hand_ = std::make_unique<deploy::AtHand>(deploy::AtHand::Parts{
            .loop = thread_->loop(), .catalog = *this, .engine = engine_.get(), .deploys = [this](const std::string& service) { return deployer_->deploys(service); }});
    });
}

void Deployments::stop() {
    thread_->run_and_wait([this] {
        at_hand_.reset();
        deployer_.reset();
        engine_.reset();
        resolver_.reset();
    });
}

void Deployments::join() { thread_->stop_and_join(); }

template <class Reply>
auto Deployments::home(Reply reply) {
    return [this, reply = std::move(reply)](auto&&... answer) mutable {
        thread_->loop().post([reply = std::move(reply), ... answer = std::forward<decltype(answer)>(answer)]() mutable { reply(std::move(answer)...); });
    };
}

void Deployments::deploy(deploy::Request request, bool dry, deploy::AcceptedReply reply) {
    thread_->loop().post([this, request = std::move(request), dry, reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        // What it finds would be another thing a moment later.
        if (const std::string other = dry ? "" : at_hand_->busy(request.service); !other.empty()) return reply(fail(Code::conflict, other + ": ask again when it has ended"));
        deployer_->deploy(std::move(request), dry, std::move(reply));
        if (asked_for_) asked_for_();
    });
}

void Deployments::rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) {
    thread_->loop().post([this, service = std::move(service), to = std::move(to), actor = std::move(actor), reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        if (const std::string other = at_hand_->busy(service); !other.empty()) return reply(fail(Code::conflict, other + ": ask again when it has ended"));
        deployer_->rollback(std::move(service), std::move(to), std::move(actor), std::move(reply));
        if (asked_for_) asked_for_();
    });
}

void Deployments::scale(std::string service, std::uint32_t replicas, std::string actor, deploy::AcceptedReply reply) {
    thread_->loop().post([this, service = std::move(service), replicas, actor = std::move(actor), reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        if (const std::string other = at_hand_->busy(service); !other.empty()) return reply(fail(Code::conflict, other + ": ask again when it has ended"));
        deployer_->scale(std::move(service), replicas, std::move(actor), std::move(reply));
    });
}

void Deployments::abort(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) {
    thread_->loop().post([this, id = std::move(id), actor = std::move(actor), reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        reply(deployer_->abort(id, actor));
    });
}

namespace {
std::unexpected<Error> not_now() { return fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"); }
}  // namespace

void Deployments::containers(std::string service, bool all, deploy::ContainersReply reply) {
    thread_->loop().post([this, service = std::move(service), all, reply = std::move(reply)]() mutable {
        if (!at_hand_) return reply(not_now());
        at_hand_->list(std::move(service), all, std::move(reply));
    });
}

void Deployments::run_command(deploy::CommandRequest request, deploy::CommandReply reply) {
    thread_->loop().post([this, request = std::move(request), reply = std::move(reply)]() mutable {
        if (!at_hand_) return reply(not_now());
        at_hand_->run(std::move(request), std::move(reply));
    });
}

void Deployments::act(deploy::HandRequest request, deploy::HandReply reply) {
    thread_->loop().post([this, request = std::move(request), reply = std::move(reply)]() mutable {
        if (!at_hand_) return reply(not_now());
        at_hand_->act(std::move(request), std::move(reply));
    });
}

// The end of a reader on another thread: what it says is posted.
class Deployments::Reader final : public deploy::LogsReader {
public:
    Reader(Deployments& of, std::uint64_t number) : of_(of), number_(number) {}
    ~Reader() override {
        of_.thread_->loop().post([&of = of_, number = number_] {
            if (of.at_hand_) of.at_hand_->close(number);
        });
    }
    void taken(std::size_t bytes) override {
        of_.thread_->loop().post([&of = of_, number = number_, bytes] {
            if (of.at_hand_) of.at_hand_->taken(number, bytes);
        });
    }

private:
    Deployments& of_;
    const std::uint64_t number_;
};

std::unique_ptr<deploy::LogsReader> Deployments::read_logs(deploy::LogsRequest request, deploy::LogsHearing hearing) {
    const std::uint64_t number = ++readers_;
    thread_->loop().post([this, number, request = std::move(request), hearing = std::move(hearing)]() mutable {
        if (!at_hand_) return hearing.begun(not_now());
        at_hand_->read(number, std::move(request), std::move(hearing));
    });
    return std::make_unique<Reader>(*this, number);
}

void Deployments::mutate(catalog::Mutation mutation, catalog::MutationReply reply) {
    parts_.control_loop.post([this, mutation = std::move(mutation), reply = home(std::move(reply))]() mutable {
        parts_.control.mutate(std::move(mutation), std::move(reply));
    });
}

void Deployments::look(std::string service, std::move_only_function<void(catalog::ServiceNow)> reply) {
    parts_.control_loop.post([this, service = std::move(service), reply = home(std::move(reply))]() mutable { reply(parts_.control.look(service)); });
}

void Deployments::verify(catalog::VerifyRequest request, catalog::VerifyReply reply) {
    parts_.control_loop.post([this, request = std::move(request), reply = home(std::move(reply))]() mutable {
        parts_.control.verify(std::move(request), std::move(reply));
    });
}

void Deployments::when_gone(std::vector<std::string> instances, io::Task gone) {
    parts_.control_loop.post([this, instances = std::move(instances), gone = home(std::move(gone))]() mutable {
        parts_.control.when_gone(std::move(instances), std::move(gone));
    });
}

void Deployments::traffic(std::string service, std::move_only_function<void(catalog::TrafficNow)> reply) {
    // Gathered on the deployer's thread; whoever answers last releases the reply.
    struct Gathering {
        catalog::TrafficNow all;
        std::size_t waiting = 0;
        std::move_only_function<void(catalog::TrafficNow)> reply;
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->all.resize(parts_.workers.size());
    gathering->waiting = parts_.workers.size();
    gathering->reply = std::move(reply);
    for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
        WorkerThread& worker = parts_.workers[i];
        worker.thread->loop().post([this, &worker, i, service, gathering]() mutable {
            std::vector<catalog::InstanceTraffic> seen;
            for (auto& one : worker.worker ? worker.worker->tallies(service) : std::vector<proxy::InstanceTally>{}) {
                catalog::InstanceTraffic traffic{.name = std::move(one.name), .requests = one.requests, .failed = one.failed, .took = {}};
                for (std::size_t n = 0; n < one.durations.counts.size(); ++n)
                    traffic.took.emplace_back(n < proxy::Histogram::bounds_us.size() ? Duration{std::chrono::microseconds(proxy::Histogram::bounds_us[n])} : Duration::max(), one.durations.counts[n]);
                seen.push_back(std::move(traffic));
            }
            thread_->loop().post([gathering = std::move(gathering), i, seen = std::move(seen)]() mutable {
                gathering->all[i] = std::move(seen);
                if (--gathering->waiting == 0) gathering->reply(std::move(gathering->all));
            });
        });
    }
}

void Deployments::probe(std::string target, std::shared_ptr<const config::CheckSpec> check, std::move_only_function<void(Result<verdict::Observation>)> reply) {
    // One checker's thread lends its loop and resolver; the probe is nobody's verdict. Its own listener is no target
    // that somebody chose: nothing is denied.
    CheckerThread& lender = parts_.checkers.front();
    lender.thread->loop().post([&lender, target = std::move(target), check = std::move(check), reply = home(std::move(reply))]() mutable {
        if (!lender.checker) return reply(fail(Code::unavailable, "the daemon is stopping"));
        AdHoc::probe(lender.thread->loop(), lender.thread->net(), *lender.resolver, lender.tls.get(), std::make_shared<const catalog::TargetPolicy>(), target, std::move(check), std::move(reply));
    });
}

}  // namespace hale::app
