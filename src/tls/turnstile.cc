#include "tls/turnstile.h"

namespace hale::tls {

void Turnstile::enter(Waiting& one) {
    if (one.in_line_) return;
    one.in_line_ = true;
    one.place_ = line_.size();
    line_.push_back(&one);
    open_later();
}

void Turnstile::leave(Waiting& one) {
    if (!one.in_line_) return;
    one.in_line_ = false;
    line_[one.place_] = nullptr;
}

// What is posted runs when the events of the turn are dealt with.
void Turnstile::open_later() {
    if (posted_) return;
    posted_ = true;
    loop_.post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->let_through();
    });
}

void Turnstile::let_through() {
    posted_ = false;
    for (std::size_t steps = 0; steps < most_steps && next_ < line_.size();) {
        Waiting* const one = line_[next_++];
        if (one == nullptr) continue;
        one->in_line_ = false;
        one->step();  // It may be gone now, and others may have come or left.
        ++steps;
    }
    if (next_ < line_.size()) return open_later();
    line_.clear();
    next_ = 0;
}

}  // namespace hale::tls
