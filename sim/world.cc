#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace hale::sim {

World::World(std::uint64_t seed, WorldOptions options)
    : seed_(seed), options_(std::move(options)), random_(seed), wall_at_anchor_(options_.wall) {
    set_bugs_fatal(true);  // Every simulation is a test.
    wire_ = &make_loop("wire");
}

World::~World() {
    // What is still scheduled may own streams and timers of any loop, and destroying them may schedule more:
    // all of it goes while the loops live.
    for (bool more = true; more;) {
        more = false;
        for (const auto& loop : loops_) {
            std::vector<io::Task> doomed;
            for (auto at = loop->queue_.begin(); at != loop->queue_.end();) {
                if (at->second.timer != nullptr) {
                    ++at;
                    continue;
                }
                doomed.push_back(std::move(at->second.work));
                at = loop->queue_.erase(at);
            }
            more = more || !doomed.empty();
        }
    }
}

Loop& World::make_loop(std::string name) {
    loops_.push_back(std::make_unique<Loop>(*this, std::move(name), loops_.size()));
    return *loops_.back();
}

Loop& World::loop() {
    if (first_ == nullptr) first_ = &make_loop("loop");
    return *first_;
}

Utc World::utc() const {
    const Duration passed = now_ - wall_anchor_;
    const Duration drifted{static_cast<std::int64_t>(std::llround(static_cast<double>(passed.count()) * drift_ / 1e6))};
    return wall_at_anchor_ + passed + drifted;
}

void World::step_wall(Duration by) { wall_at_anchor_ += by; }

void World::set_wall_drift(double parts_per_million) {
    wall_at_anchor_ = utc();
    wall_anchor_ = now_;
    drift_ = parts_per_million;
}

Instant World::next_instant() const {
    Instant first = never;
    for (const auto& loop : loops_) first = std::min(first, loop->next_instant());
    return first;
}

Loop* World::choose(Instant at) {
    // Reservoir of one: each loop that has something at this instant is as likely as any other.
    Loop* chosen = nullptr;
    std::uint64_t candidates = 0;
    for (const auto& loop : loops_)
        if (loop->next_instant() == at && (++candidates == 1 || random_.one_in(candidates))) chosen = loop.get();
    return chosen;
}

bool World::step(Instant limit) {
    for (;;) {
        const Instant at = next_instant();
        if (at == never || at > limit) return false;
        Loop* const loop = choose(at);
        if (loop->lateness_ > Duration{0} && at > loop->busy_until_) {
            const auto most = static_cast<std::uint64_t>(loop->lateness_.count());
            loop->busy_until_ = at + Duration{static_cast<std::int64_t>(random_.below(most + 1))};
            continue;  // It wakes up later; somebody else may be first now.
        }
        events_at_this_instant_ = at > now_ ? 0 : events_at_this_instant_ + 1;
        if (events_at_this_instant_ > events_at_one_instant_limit)
            check_failed(fmt::format("the simulated world does not advance: loop {} at {}, seed {}", loop->name_,
                                     human(now_.time_since_epoch()), seed_));
        now_ = std::max(now_, at);
        ++events_;
        mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()) ^ (loop->index_ << 56));
        loop->run_first();
        return true;
    }
}

void World::run_for(Duration d) {
    const Instant end = now_ + d;
    while (step(end)) {
    }
    now_ = std::max(now_, end);
}

bool World::run_until(const std::function<bool()>& done, Instant deadline) {
    while (!done()) {
        if (step(deadline)) continue;
        now_ = std::max(now_, deadline);
        return done();
    }
    return true;
}

bool World::run_until_idle(Duration most) {
    const Instant end = now_ + most;
    while (step(end)) {
    }
    if (next_instant() == never) return true;
    now_ = std::max(now_, end);
    return false;
}

void World::note(std::string_view line) {
    mix(hash64(line));
    if (!options_.keep_notes || notes_.size() >= notes_limit) return;
    notes_.push_back(
        fmt::format("{} {}: {}", now_.time_since_epoch().count(), current_ ? current_->name_ : "test", line));
}

void World::mix(std::uint64_t value) {
    // One round of splitmix64 over the running state: cheap, and a difference anywhere stays a difference.
    std::uint64_t z = (digest_ ^ value) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    digest_ = z ^ (z >> 31);
}

}  // namespace hale::sim
