#include "os/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"

namespace hale::os {

namespace {

constexpr std::int64_t no_tick = std::numeric_limits<std::int64_t>::max();

std::int64_t floor_tick(Instant at) {
    return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}
std::int64_t ceil_tick(Instant at) {
    const std::int64_t whole = floor_tick(at);
    return whole + (std::chrono::milliseconds{whole} < at.time_since_epoch() ? 1 : 0);
}

// Steps forward from `from` to the next set bit of a ring, 1 to the ring's size; 0 when no bit is set.
template <std::size_t Words>
std::size_t distance_to_set(const std::array<std::uint64_t, Words>& ring, std::size_t from) {
    const std::size_t start = (from + 1) % (Words * 64);
    // The word of `start` is met twice: first its upper part, at the end its lower.
    for (std::size_t step = 0; step <= Words; ++step) {
        const std::size_t word = (start / 64 + step) % Words;
        std::uint64_t bits = ring[word];
        if (step == 0) bits &= ~std::uint64_t{0} << (start % 64);
        if (step == Words) bits &= ~(~std::uint64_t{0} << (start % 64));
        if (bits == 0) continue;
        const std::size_t found = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        return (found + Words * 64 - start) % (Words * 64) + 1;
    }
    return 0;
}

}  // namespace

TimerWheel::TimerWheel(Instant now) : now_(now), reached_(floor_tick(now)) {}

void TimerWheel::arm(io::Timer& timer, Instant at) {
    if (at == never) return;
    ++size_;
    if (at <= now_)
        append(due_slot, timer);
    else
        place(timer, ceil_tick(at));
}

void TimerWheel::disarm(io::Timer& timer) {
    --size_;
    unlink(timer);
}

void TimerWheel::append(std::size_t slot, io::Timer& timer) {
    Slot& list = slots_[slot];
    timer.hook = {.previous = list.last, .next = nullptr, .home = slot};
    if (list.last != nullptr)
        list.last->hook.next = &timer;
    else
        list.first = &timer;
    list.last = &timer;
}

void TimerWheel::unlink(io::Timer& timer) {
    const auto slot = static_cast<std::size_t>(timer.hook.home);
    HALE_CHECK(slot <= firing_slot);
    Slot& list = slots_[slot];
    if (timer.hook.previous != nullptr)
        timer.hook.previous->hook.next = timer.hook.next;
    else
        list.first = timer.hook.next;
    if (timer.hook.next != nullptr)
        timer.hook.next->hook.previous = timer.hook.previous;
    else
        list.last = timer.hook.previous;
    if (list.first == nullptr && slot < due_slot)
        occupied_[slot / slots_per_wheel][slot % slots_per_wheel / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

// Needs: at >= reached_.
void TimerWheel::place(io::Timer& timer, Tick at) {
    std::size_t wheel = 0;
    const Tick distance = at - reached_;
    while (wheel + 1 < wheels && distance >> (digit_bits * (wheel + 1)) != 0) ++wheel;
    // Beyond the last wheel: as far as it goes; place() is asked again from there.
    constexpr Tick horizon = (Tick{1} << (digit_bits * wheels)) - 1;
    if (distance > horizon) at = reached_ + horizon;
    const auto digit = static_cast<std::size_t>(at >> (digit_bits * wheel)) % slots_per_wheel;
    append(wheel * slots_per_wheel + digit, timer);
    occupied_[wheel][digit / 64] |= std::uint64_t{1} << (digit % 64);
}

void TimerWheel::move_down(std::size_t wheel, std::size_t digit) {
    // Taken off first: a timer beyond the horizon may return to the very slot it came from.
    const Slot list = std::exchange(slots_[wheel * slots_per_wheel + digit], {});
    occupied_[wheel][digit / 64] &= ~(std::uint64_t{1} << (digit % 64));
    for (io::Timer* timer = list.first; timer != nullptr;) {
        io::Timer* const next = timer->hook.next;
        place(*timer, ceil_tick(timer->at()));
        timer = next;
    }
}

void TimerWheel::fire(std::size_t slot) {
    // Fired from a list of its own, one at a time: a callback may disarm or destroy the ones behind it.
    HALE_CHECK(slots_[firing_slot].first == nullptr);
    slots_[firing_slot] = std::exchange(slots_[slot], {});
    if (slot < due_slot) occupied_[0][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    for (io::Timer* timer = slots_[firing_slot].first; timer != nullptr; timer = timer->hook.next)
        timer->hook.home = firing_slot;
    while (io::Timer* timer = slots_[firing_slot].first) {
        disarm(*timer);
        timer->fire_by_loop();
    }
}

// The next tick at which something fires or moves down.
TimerWheel::Tick TimerWheel::next_tick() const {
    Tick nearest = no_tick;
    for (std::size_t wheel = 0; wheel < wheels; ++wheel) {
        const auto shift = digit_bits * static_cast<int>(wheel);
        const Tick turned = reached_ >> shift;
        const std::size_t steps = distance_to_set(occupied_[wheel], static_cast<std::size_t>(turned) % slots_per_wheel);
        if (steps != 0) nearest = std::min(nearest, (turned + static_cast<Tick>(steps)) << shift);
    }
    return nearest;
}

void TimerWheel::advance(Instant now) {
    // From here on "due already" means the next advance, so that a timer re-armed into the past by its own
    // callback can't keep this one going.
    now_ = now;
    fire(due_slot);
    const Tick target = floor_tick(now);
    for (Tick at = next_tick(); at <= target; at = next_tick()) {
        reached_ = at;
        // Highest first: what leaves wheel 2 may belong in wheel 1's slot that moves down next.
        for (std::size_t wheel = wheels - 1; wheel > 0; --wheel) {
            const auto shift = digit_bits * static_cast<int>(wheel);
            if ((at & ((Tick{1} << shift) - 1)) != 0) continue;
            move_down(wheel, static_cast<std::size_t>(at >> shift) % slots_per_wheel);
        }
        fire(static_cast<std::size_t>(at) % slots_per_wheel);
    }
    reached_ = std::max(reached_, target);
}

Instant TimerWheel::next() const {
    if (slots_[due_slot].first != nullptr) return now_;
    const Tick at = next_tick();
    return at == no_tick ? never : Instant{std::chrono::milliseconds{at}};
}

}  // namespace hale::os
