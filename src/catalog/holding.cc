// The part of control that stands aside while another process takes the state over, and goes on when that failed.

#include <utility>

#include "base/check.h"
#include "catalog/control.h"

namespace hale::catalog {

void Control::verify(VerifyRequest request, VerifyReply reply) {
    if (held_) return reply({.end = VerifyEnd::upgrading, .instances = {}, .revision = told_});
    gates_.open(std::move(request), std::move(reply));
}

void Control::hold(io::Task still) {
    if (HALE_BUG_IF(held_ || stopped_)) return still();
    held_ = true;
    still_ = std::move(still);
    gates_.stop(VerifyEnd::upgrading);
    // Who waits for its turn was promised nothing yet. What came of names and time stays: it is ours to do, here or there.
    std::deque<Pending> ours;
    for (Pending& pending : std::exchange(waiting_, {})) {
        if (pending.internal) ours.push_back(std::move(pending));
        else if (pending.reply) refuse(pending.reply, upgrading());
    }
    for (Pending& pending : ours) waiting_.push_back(std::move(pending));
    begin_next();
}

void Control::settle(io::Task done) {
    HALE_CHECK(held_ && !under_way_ && !committing_);
    while (auto report = reports_.pop()) take(std::move(*report));
    remember_some(moment(), true, std::move(done));
}

void Control::let_go() {
    if (!std::exchange(held_, false)) return;
    still_ = {};
    house_.arm(parts_.loop.now());
    begin_next();
}

}  // namespace hale::catalog
