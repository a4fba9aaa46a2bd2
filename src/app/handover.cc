#include "app/handover.h"

#include <utility>

namespace hale::app {

using enum HandoverPhase;
using Deeds = std::vector<HandoverDeed>;

Deeds Handover::on(HandoverEvent event) {
    if (event == HandoverEvent::asked && phase_ != idle) return {HandoverDeed::refuse};
    if (event == HandoverEvent::stop && (stopping_ || phase_ == gone)) return {};
    if (event == HandoverEvent::died) alive_ = false;
    if (event == HandoverEvent::stop) stopping_ = true;
    const bool step_of_ours = event == HandoverEvent::held && hold_ == Hold::begun;
    if (step_of_ours) hold_ = Hold::whole;

    switch (phase_) {
        case gone: return {};
        case idle:
            if (event == HandoverEvent::stop) return {HandoverDeed::stop};
            if (event != HandoverEvent::asked) return {};
            phase_ = starting;
            alive_ = true;
            return {HandoverDeed::start};
        case undoing: return undone();
        case starting:
            if (event != HandoverEvent::hello) return undo();
            phase_ = preparing;
            return {HandoverDeed::offer};
        case preparing:
            if (event != HandoverEvent::ready) return undo();
            phase_ = holding;
            hold_ = Hold::begun;
            return {HandoverDeed::hold};
        case holding:
            if (!step_of_ours) return undo();
            phase_ = yielding;
            return {HandoverDeed::take};
        case yielding:
            if (event != HandoverEvent::serving) return undo();
            phase_ = gone;
            return {HandoverDeed::leave};
    }
    std::unreachable();
}

Deeds Handover::undo() {
    phase_ = undoing;
    if (!alive_) return undone();
    return {HandoverDeed::kill};
}

// Only over a dead process, and not while half of it is held, is anything let go.
Deeds Handover::undone() {
    if (alive_ || hold_ == Hold::begun) return {};
    Deeds deeds;
    if (std::exchange(hold_, Hold::none) == Hold::whole) deeds.push_back(HandoverDeed::go_on);
    deeds.push_back(HandoverDeed::tell_failed);
    if (std::exchange(stopping_, false)) deeds.push_back(HandoverDeed::stop);
    phase_ = idle;
    return deeds;
}

}  // namespace hale::app
