// A loop of the simulated world: io::Loop under virtual time. Made by World::make_loop.
//
// It also plays the thread: what belongs to a loop may only be touched by its own events, or by the test
// between events. A timer touched from another loop's event ends the process: a data race found without TSan.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/loop.h"

namespace hale::sim {

class World;

class Loop final : public io::Loop {
public:
    Loop(World& world, std::string name, std::uint64_t index);
    ~Loop() override;

    Instant now() const override;
    Instant fresh_now() const override;
    Utc utc() const override;
    void post(io::Task work) override;
    // True also between events, where a test may touch everything.
    bool here() const override;

    World& world() { return world_; }
    const std::string& name() const { return name_; }

    // Runs `work` at once as this loop's thread: for tests, between events or inside one of this very loop.
    void run(io::Task work);
    // Runs `work` on this loop at that instant, or at once when it has passed. No delay, no draw.
    void post_at(Instant at, io::Task work);

    // The thread gets no processor until `d` has passed: nothing runs here, and whatever was due runs late. Called
    // inside an event of this loop it means that the event takes so long, and fresh_now() shows it.
    void stall(Duration d);
    // From now on every wake-up comes late by a drawn time of at most this.
    void set_lateness(Duration most) { lateness_ = most; }
    // This loop's wall clock alone (another node's clock is wrong).
    void step_wall(Duration by) { wall_offset_ += by; }

    std::size_t timers_armed() const { return timers_; }

private:
    friend class World;
    struct Key {
        Instant at;
        std::uint64_t sequence;
        auto operator<=>(const Key&) const = default;
    };
    struct Event {
        io::Timer* timer;  // Or `work`.
        io::Task work;
    };
    using Queue = std::map<Key, Event>;

    void arm(io::Timer& timer, Instant at) override;
    void disarm(io::Timer& timer) override;
    // When the first event runs, stalls considered; `never` without one.
    Instant next_instant() const;
    void run_first();

    World& world_;
    const std::string name_;
    const std::uint64_t index_;
    Queue queue_;
    std::size_t timers_ = 0;
    Instant busy_until_{};
    Duration lateness_{0};
    Duration wall_offset_{0};
    // By index of the posting loop: when its last post arrives here, so that posts do not overtake each other.
    std::vector<Instant> last_arrival_;
};

}  // namespace hale::sim
