#include "sim/loop.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "sim/world.h"

namespace hale::sim {

Loop::Loop(World& world, std::string name, std::uint64_t index)
    : world_(world), name_(std::move(name)), index_(index) {}

Loop::~Loop() = default;

Instant Loop::now() const { return world_.now_; }
Instant Loop::fresh_now() const { return world_.current_ == this ? std::max(world_.now_, busy_until_) : world_.now_; }
Utc Loop::utc() const { return world_.utc() + wall_offset_; }
bool Loop::here() const { return world_.current_ == nullptr || world_.current_ == this; }

void Loop::run(io::Task work) {
    HALE_CHECK(here());
    Loop* const before = std::exchange(world_.current_, this);
    work();
    work = {};  // What the closure owns dies on this loop.
    world_.current_ = before;
}

void Loop::post(io::Task work) {
    const Loop* const from = world_.current_;
    if (from == nullptr || from == this) return post_at(world_.now_, std::move(work));
    const auto most = static_cast<std::uint64_t>(world_.options_.post_delay.count());
    const Duration delay{static_cast<std::int64_t>(world_.random_.below(most + 1))};
    if (last_arrival_.size() <= from->index_) last_arrival_.resize(from->index_ + 1);
    Instant& last = last_arrival_[from->index_];
    last = std::max(last, from->fresh_now() + delay);
    post_at(last, std::move(work));
}

void Loop::post_at(Instant at, io::Task work) {
    queue_.emplace(Key{std::max(at, world_.now_), ++world_.sequence_}, Event{nullptr, std::move(work)});
}

void Loop::stall(Duration d) { busy_until_ = std::max(busy_until_, world_.now_) + d; }

void Loop::arm(io::Timer& timer, Instant at) {
    HALE_CHECK(here());
    if (at == never) return;  // The timer counts itself as not armed then.
    const auto place = queue_.emplace(Key{std::max(at, world_.now_), ++world_.sequence_}, Event{&timer, nullptr}).first;
    // The iterator is the timer's home: disarming needs no search.
    static_assert(sizeof(place) == sizeof(timer.hook.home));
    timer.hook.home = std::bit_cast<std::uint64_t>(place);
    ++timers_;
}

void Loop::disarm(io::Timer& timer) {
    HALE_CHECK(here());
    queue_.erase(std::bit_cast<Queue::iterator>(timer.hook.home));
    --timers_;
}

Instant Loop::next_instant() const { return queue_.empty() ? never : std::max(queue_.begin()->first.at, busy_until_); }

void Loop::run_first() {
    auto node = queue_.extract(queue_.begin());
    Event event = std::move(node.mapped());
    if (event.timer == nullptr) return run(std::move(event.work));
    --timers_;
    Loop* const before = std::exchange(world_.current_, this);
    event.timer->fire_by_loop();
    world_.current_ = before;
}

}  // namespace hale::sim
