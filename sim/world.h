// The world of a simulation: virtual time, a wall clock that may misbehave, and any number of loops (the
// "threads" of one or several nodes). Everything that happens is an event of some loop, and all events run
// one after another in the one real thread that calls run_*: earliest instant first; equal instants on
// different loops in an order drawn from the seed; within one loop in the order they were scheduled.
// The same seed and the same program give the same events: see digest().
//
// The world must outlive everything that was made with its loops. Nothing here reads a real clock.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sim/loop.h"

namespace hale::sim {

struct WorldOptions {
    Duration post_delay = 50us;  // A post to another loop takes up to this long, drawn for each.
    Utc wall{1'795'270'000s};    // Wall time at the start: 2026-11-21T14:06:40Z.
    bool keep_notes = false;     // Keep the lines of note(), at most `notes_limit`.
};

class World {
public:
    // Events without any progress of time after which a simulation is taken for a livelock and ended.
    static constexpr std::uint64_t events_at_one_instant_limit = 2'000'000;
    static constexpr std::size_t notes_limit = 100'000;

    explicit World(std::uint64_t seed, WorldOptions options = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Loop& make_loop(std::string name);
    // The loop of tests that need only one.
    Loop& loop();
    // Where networks and pipes move bytes: it never stalls, because a kernel does not wait for a process.
    Loop& wire() { return *wire_; }

    std::uint64_t seed() const { return seed_; }
    Random& random() { return random_; }

    Instant now() const { return now_; }
    Utc utc() const;
    void step_wall(Duration by);  // Forward or back, at once.
    void set_wall_drift(double parts_per_million);

    // Runs everything due up to now + d; then the time is now + d.
    void run_for(Duration d);
    // Stops as soon as `done` holds, which is asked before the first and after every event. Returns whether it
    // held by the deadline; if not, the time is the deadline.
    bool run_until(const std::function<bool()>& done, Instant deadline);
    bool run_until(const std::function<bool()>& done, Duration within) { return run_until(done, now_ + within); }
    // Until nothing is scheduled at all. Returns false when something still was after `most` of virtual time.
    bool run_until_idle(Duration most = 1h);

    // A line of the story: part of the digest, and kept if asked. For tests and for the simulated world itself.
    void note(std::string_view line);
    const std::vector<std::string>& notes() const { return notes_; }
    // Of every event so far (when, on which loop) and of every note. Equal runs have equal digests.
    std::uint64_t digest() const { return digest_; }
    std::uint64_t events() const { return events_; }

    // The loop whose event is running; none between events.
    Loop* current() const { return current_; }

private:
    friend class Loop;
    // The earliest instant at which a loop has something to run; `never` if none has.
    Instant next_instant() const;
    // Runs one event that is due by `limit`; false when there is none.
    bool step(Instant limit);
    Loop* choose(Instant at);
    void mix(std::uint64_t value);

    const std::uint64_t seed_;
    WorldOptions options_;
    Random random_;
    Instant now_{1h};  // Not zero, so that "never happened" and "at the start" differ.
    Instant wall_anchor_ = now_;
    Utc wall_at_anchor_;
    double drift_ = 0;
    std::vector<std::unique_ptr<Loop>> loops_;
    Loop* wire_ = nullptr;
    Loop* first_ = nullptr;
    Loop* current_ = nullptr;
    std::uint64_t sequence_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t events_at_this_instant_ = 0;
    std::uint64_t digest_ = 0;
    std::vector<std::string> notes_;
};

}  // namespace hale::sim
