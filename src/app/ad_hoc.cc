#include "app/ad_hoc.h"

#include <utility>

#include "config/target.h"
#include "os/secret_bytes.h"
#include "probe/engine.h"
#include "probe/flight.h"
#include "probe/plan.h"

namespace hale::app {

namespace {

// Owns itself until the probe ended and its engine is closed.
class OneProbe final : public probe::ProbeSink {
public:
    OneProbe(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::TlsDoors* tls, std::shared_ptr<const catalog::TargetPolicy> targets,
             std::shared_ptr<const config::CheckSpec> check, AdHoc::Reply reply)
        : loop_(loop),
          plan_(probe::make_plan(std::move(check))),
          engine_(loop, net, resolver, nullptr, probe::EngineOptions{.targets = std::move(targets), .tls = tls, .secret_bytes = os::secret_bytes}),
          reply_(std::move(reply)) {}

    void start(std::unique_ptr<OneProbe> self, probe::Destination to) {
        self_ = std::move(self);
        engine_.start({.plan = &plan_, .to = to.for_check(*plan_.spec), .trigger = verdict::Trigger::on_demand, .fresh = true}, *this);
    }

    void on_probed(verdict::Observation&& seen) noexcept override {
        reply_(std::move(seen));
        // The engine is still inside this call.
        loop_.post([this] {
            engine_.close();
            self_.reset();
        });
    }

private:
    io::Loop& loop_;
    probe::Plan plan_;
    probe::Engine engine_;
    AdHoc::Reply reply_;
    std::unique_ptr<OneProbe> self_;
};

}  // namespace

void AdHoc::probe(io::Loop& loop, io::Net& net, io::Resolver& resolver, io::TlsDoors* tls, std::shared_ptr<const catalog::TargetPolicy> targets, const std::string& target,
                  std::shared_ptr<const config::CheckSpec> check, Reply reply) {
    const auto parsed = config::Target::parse(target);
    if (!parsed) return reply(std::unexpected(parsed.error()));
    auto one = std::make_unique<OneProbe>(loop, net, resolver, tls, std::move(targets), std::move(check), std::move(reply));
    OneProbe& probe = *one;
    probe.start(std::move(one), hale::probe::destination_of(*parsed, parsed->literal, "", true));
}

}  // namespace hale::app
