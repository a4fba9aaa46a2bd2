// The real loop: edge-triggered epoll, one per thread. Time is read once per turn, events allocate nothing.
//
// One turn:  wait ─▶ read the clock ─▶ timers ─▶ put-off events ─▶ events ─▶ posted tasks
//
// Whoever watches a descriptor holds a place in a table; an event carries the place and its generation, so
// one that was collected before its watcher left (destroyed by an earlier callback of the same turn) finds
// nobody. post() wakes the loop only when it may be asleep.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/loop.h"
#include "os/descriptor.h"
#include "os/spare_sockets.h"
#include "os/timer_wheel.h"

namespace hale::os {

class EpollLoop;

// Who is told about a descriptor. Leaves the loop when destroyed; does not own the descriptor.
class Watcher {
public:
    explicit Watcher(EpollLoop& loop) : loop_(loop) {}
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // `events` are EPOLL… bits. May destroy this watcher and any other.
    virtual void on_events(std::uint32_t events) noexcept = 0;

protected:
    ~Watcher();

    EpollLoop& loop() const { return loop_; }
    // `events` are EPOLL… bits, EPOLLET among them for all but foreign libraries. Needs: watches nothing yet.
    Result<> watch(int fd, std::uint32_t events);
    // For level-triggered ones, which must say when they want to write.
    void change(int fd, std::uint32_t events);
    // Needs: before the descriptor is closed. Closing it takes it out of epoll; no system call is made.
    void unwatch();
    // The descriptor stays in epoll without anybody to be told; whoever gets the place goes on watching it.
    std::uint32_t leave_place();
    void take_place(std::uint32_t place);
    bool watches() const { return place_ != nowhere; }
    // on_events(events) comes again in the next turn, together with what else was put off until then.
    void put_off(std::uint32_t events);

private:
    friend class EpollLoop;
    static constexpr std::uint32_t nowhere = ~std::uint32_t{0};

    EpollLoop& loop_;
    std::uint32_t place_ = nowhere;
    std::uint32_t put_off_events_ = 0;
    Watcher* previous_ = nullptr;  // The loop's ring of put-off watchers.
    Watcher* next_ = nullptr;
};

class EpollLoop final : public io::Loop {
public:
    static constexpr int events_per_turn = 256;
    static constexpr std::size_t posts_per_turn = 512;  // From its own thread, and as many from others.
    // The rest waits for the next turn, behind the events that came meanwhile: a thousand tasks of 10 us each would
    // else keep everybody else waiting. Looked at every few tasks, since reading the clock is not free.
    static constexpr Duration posted_time_per_turn = 250us;
    static constexpr std::size_t posts_per_look = 8;

    // Fails when descriptors are out.
    static Result<std::unique_ptr<EpollLoop>> create();
    ~EpollLoop() override;

    // Runs on the calling thread until stop(). What was posted before stop() still runs.
    void run();
    // From any thread; also before run(), which then returns at once.
    void stop();

    // For tests and short conversations: one turn that waits `at_most` for something to happen.
    void run_once(Duration at_most = {});
    // Turns until `done` says so; false when `at_most` passed first.
    bool run_until(const std::function<bool()>& done, Duration at_most);

    Instant now() const override { return now_; }
    Instant fresh_now() const override;
    Utc utc() const override;
    void post(io::Task work) override;
    // Grows with each turn that told of all there was: see SpareSockets.
    std::uint64_t settled() const { return settled_; }
    SpareSockets& spares() { return spares_; }
    // Of a descriptor that is closed right after.
    void give_place_back(std::uint32_t place) { remove(place); }

    bool here() const override { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

protected:
    void arm(io::Timer& timer, Instant at) override { timers_.arm(timer, at); }
    void disarm(io::Timer& timer) override { timers_.disarm(timer); }

private:
    friend class Watcher;

    // Tasks taken from a queue, run from `next` on; emptied when all have run.
    struct Batch {
        std::vector<io::Task> tasks;
        std::size_t next = 0;

        bool empty() const { return next == tasks.size(); }
        // At least a few, at most `most`, none of them begun much after `until`.
        void run(std::size_t most, Instant until);
        void take(std::vector<io::Task>& more);
        void take(Batch& more);
    };
    struct Place {
        Watcher* watcher = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
    };
    // Head of the ring of put-off watchers.
    struct Ring final : Watcher {
        using Watcher::Watcher;
        void on_events(std::uint32_t) noexcept override {}
        void reset() { previous_ = next_ = this; }
    };

    EpollLoop(Descriptor epoll, Descriptor wake);

    void adopt_thread();
    void turn(Duration at_most);
    bool something_to_do() const;
    int wait(Duration at_most);
    int wait_for_events(Duration at_most);
    void run_put_off();
    void run_events(int count);
    void run_posted();
    void wake();

    Result<std::uint32_t> add(int fd, std::uint32_t events, Watcher& watcher);
    void remove(std::uint32_t place);
    void change(int fd, std::uint32_t events, std::uint32_t place);

    struct Events;  // struct epoll_event[events_per_turn], without the system header.

    Descriptor epoll_;
    Descriptor wake_;  // An eventfd that is never read: each write is a new edge.
    std::atomic<std::thread::id> owner_;
    std::atomic<bool> stopping_ = false;
    bool precise_wait_ = true;  // epoll_pwait2 works here.

    Instant now_;
    mutable Utc utc_{};
    mutable bool utc_read_ = false;
    TimerWheel timers_;

    std::uint64_t settled_ = 0;
    std::vector<Place> places_;
    std::uint32_t free_place_ = Watcher::nowhere;
    Ring put_off_;
    std::unique_ptr<Events> events_;
    SpareSockets spares_{*this, *this};

    // Posted by the loop's own thread: no lock.
    std::vector<io::Task> own_;
    Batch own_batch_;
    Batch adopted_;  // Posted before this thread became the loop's; runs before anything else.

    // Guards `foreign_`. Posting is what every other thread does instead of locking, so here the lock is; it is
    // held for one push or one swap.
    std::mutex foreign_guard_;
    std::vector<io::Task> foreign_;
    Batch foreign_batch_;
    // These two speak for each other, in one total order: the loop says it sleeps, then looks for tasks; a
    // poster says there is a task, then looks for a sleeper. One of them sees the other.
    std::atomic<bool> foreign_waiting_ = false;
    std::atomic<bool> asleep_ = false;
};

}  // namespace hale::os
