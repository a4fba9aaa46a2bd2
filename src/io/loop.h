// The one door to time and deferred work. `os` implements it with epoll, `sim` with a virtual clock; an
// organ that holds a Loop cannot tell which. One loop belongs to one thread.

#pragma once

#include <functional>

#include "base/time.h"

namespace hale::io {

class Loop;

using Task = std::move_only_function<void()>;

// A timer is a member of whoever waits: arming allocates nothing. It fires at most once per arm, on the
// loop's thread, never inside arm(), and never after disarm() or destruction. It may be re-armed, disarmed
// or destroyed inside its own callback.
class Timer {
public:
    using Fire = void (*)(void* owner) noexcept;

    Timer(Loop& loop, Fire fire, void* owner) : loop_(loop), fire_(fire), owner_(owner) {}
    ~Timer() { disarm(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void arm(Instant at);  // Replaces an earlier arming. An instant in the past fires in the next turn.
    void disarm();
    bool armed() const { return at_ != never; }
    Instant at() const { return at_; }

    // For loops only: where the timer hangs, and how it fires. `home` is the loop's own (a wheel slot, a
    // sequence number).
    struct Hook {
        Timer* previous = nullptr;
        Timer* next = nullptr;
        std::uint64_t home = 0;
    };
    Hook hook;
    void fire_by_loop() noexcept {
        at_ = never;
        fire_(owner_);
    }

private:
    Loop& loop_;
    Fire fire_;
    void* owner_;
    Instant at_ = never;
};

// Timer(loop, member_fire<&Owner::method>, this)
template <auto Method>
struct MemberFire;
template <class Owner, void (Owner::*Method)() noexcept>
struct MemberFire<Method> {
    static void call(void* owner) noexcept { (static_cast<Owner*>(owner)->*Method)(); }
};
template <auto Method>
inline constexpr Timer::Fire member_fire = &MemberFire<Method>::call;

class Loop {
public:
    virtual ~Loop() = default;

    // The instant at which the current turn began: constant within one turn, a load to read.
    virtual Instant now() const = 0;
    // A fresh reading, for measuring a phase inside one turn. Costs a vDSO call.
    virtual Instant fresh_now() const = 0;
    // Wall time of the current turn. May step; decides nothing.
    virtual Utc utc() const = 0;

    // Runs `work` on this loop's thread, after the current event. May be called from any thread; work
    // posted by one thread runs in the order it was posted. Tasks do not throw.
    virtual void post(Task work) = 0;

    // True on the loop's own thread.
    virtual bool here() const = 0;

protected:
    friend class Timer;
    virtual void arm(Timer& timer, Instant at) = 0;
    virtual void disarm(Timer& timer) = 0;
};

inline void Timer::arm(Instant at) {
    if (armed()) loop_.disarm(*this);
    at_ = at;
    loop_.arm(*this, at);
}

inline void Timer::disarm() {
    if (!armed()) return;
    loop_.disarm(*this);
    at_ = never;
}

}  // namespace hale::io
