// Timers by the millisecond: arming and disarming are a few writes, whatever the number of timers.
//
// A pure data structure: it is told the time and fires what is due. Five wheels of 256 slots turn like the
// digits of a counter. A timer hangs in the wheel that just spans its distance:
//
//   wheel 0: 1 ms a slot, up to 256 ms     wheel 2: 65 s a slot, up to 4.6 h
//   wheel 1: 256 ms a slot, up to 65 s     wheel 3, 4: up to 34 years
//
// and moves one wheel down when its slot comes up, so most timers move once or twice, and those disarmed early
// never. A bitmap of occupied slots per wheel lets an idle loop sleep to the next slot that matters.
//
// A timer never fires early, and at most one tick later than asked.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "io/loop.h"

namespace hale::os {

class TimerWheel {
public:
    static constexpr Duration tick = 1ms;

    explicit TimerWheel(Instant now);
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    // Needs: the timer hangs nowhere. What is due already fires in the next advance(), never in this one.
    void arm(io::Timer& timer, Instant at);
    // Needs: the timer was armed here and has not fired.
    void disarm(io::Timer& timer);

    // Fires what is due. Needs: `now` does not go back. Callbacks may arm, disarm and destroy any timer.
    void advance(Instant now);

    // When advance() is worth calling next; may be early for a distant timer; `never` when nothing is armed.
    Instant next() const;

    std::size_t size() const { return size_; }

private:
    using Tick = std::int64_t;
    static constexpr int digit_bits = 8;
    static constexpr std::size_t slots_per_wheel = 1u << digit_bits;
    static constexpr std::size_t wheels = 5;
    static constexpr std::size_t due_slot = wheels * slots_per_wheel;  // Due already when armed.
    static constexpr std::size_t firing_slot = due_slot + 1;           // Being fired by advance().

    struct Slot {
        io::Timer* first = nullptr;
        io::Timer* last = nullptr;
    };
    using Bitmap = std::array<std::uint64_t, slots_per_wheel / 64>;

    void append(std::size_t slot, io::Timer& timer);
    void unlink(io::Timer& timer);
    void place(io::Timer& timer, Tick at);
    void move_down(std::size_t wheel, std::size_t digit);
    void fire(std::size_t slot);
    Tick next_tick() const;

    Instant now_;
    Tick reached_;  // Every tick up to this one has been fired.
    std::size_t size_ = 0;
    std::array<Slot, firing_slot + 1> slots_{};
    std::array<Bitmap, wheels> occupied_{};
};

}  // namespace hale::os
