#include "probe/second_opinion.h"

#include <utility>

namespace hale::probe {

SecondOpinion::SecondOpinion(Engine& engine, OpinionAsker& asker, std::shared_ptr<const Plan> plan, const Behind& behind, const Order& first)
    : engine_(engine),
      asker_(asker),
      plan_(std::move(plan)),
      flight_(engine.start({.plan = plan_.get(), .to = behind.to, .path = behind.path, .trigger = first.trigger, .fresh = true,
                            .generation = first.generation},
                           *this)) {}

SecondOpinion::~SecondOpinion() {
    if (flight_ != nullptr) engine_.cancel(flight_);
}

void SecondOpinion::on_probed(verdict::Observation&& seen) noexcept {
    flight_ = nullptr;
    asker_.on_opinion(std::move(seen));
}

}  // namespace hale::probe
