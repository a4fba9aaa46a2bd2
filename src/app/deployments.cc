#include "app/deployments.h"

#include <utility>

#include "app/ad_hoc.h"
#include "os/ares_resolver.h"
#include "os/secret_bytes.h"

namespace hale::app {

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
            engine_ = std::make_unique<docker::Engine>(docker::Ways{.loop = thread_->loop(), .net = thread_->net(), .resolver = *resolver_, .scratch = *scratch_, .dial = {}, .user_agent = "hale/" + parts_.version},
                                                       std::move(*place));
        deployer_ = std::make_unique<deploy::Deployer>(
            deploy::Deployer::Parts{.loop = thread_->loop(), .catalog = *this, .secret_bytes = os::secret_bytes, .engine = engine_.get()});
        deployer_->restore(stored);
    });
}

void Deployments::stop() {
    thread_->run_and_wait([this] {
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
        deployer_->deploy(std::move(request), dry, std::move(reply));
    });
}

void Deployments::rollback(std::string service, std::string to, std::string actor, deploy::AcceptedReply reply) {
    thread_->loop().post([this, service = std::move(service), to = std::move(to), actor = std::move(actor), reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        deployer_->rollback(std::move(service), std::move(to), std::move(actor), std::move(reply));
    });
}

void Deployments::abort(std::string id, std::string actor, std::move_only_function<void(Result<>)> reply) {
    thread_->loop().post([this, id = std::move(id), actor = std::move(actor), reply = std::move(reply)]() mutable {
        if (!deployer_) return reply(fail(Code::unavailable, "the daemon is starting or stopping; ask again in a moment"));
        reply(deployer_->abort(id, actor));
    });
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
