// The same question, put to an instance itself: what tells a missing route from a missing endpoint.
//
// Made and owned by the probe that went through Hale's own listener; a probe of its own for the engine, on a fresh
// connection and under every limit, whose time is bounded by the owner's.

#pragma once

#include <memory>

#include "probe/engine.h"
#include "probe/flight.h"

namespace hale::probe {

class OpinionAsker {
public:
    // May let go of the opinion at once.
    virtual void on_opinion(verdict::Observation&& direct) noexcept = 0;

protected:
    ~OpinionAsker() = default;
};

class SecondOpinion final : private ProbeSink {
public:
    SecondOpinion(Engine& engine, OpinionAsker& asker, std::shared_ptr<const Plan> plan, const Behind& behind, const Order& first);
    // Asks no longer.
    ~SecondOpinion();
    SecondOpinion(const SecondOpinion&) = delete;
    SecondOpinion& operator=(const SecondOpinion&) = delete;

private:
    void on_probed(verdict::Observation&& seen) noexcept override;

    Engine& engine_;
    OpinionAsker& asker_;
    std::shared_ptr<const Plan> plan_;
    Flight* flight_;
};

}  // namespace hale::probe
