#include "os/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "os/clock.h"

namespace hale::os {

struct EpollLoop::Events {
    epoll_event list[events_per_turn];
};

namespace {

constexpr Duration forever = Duration::max();

std::uint64_t event_key(std::uint32_t place, std::uint32_t generation) {
    return std::uint64_t{generation} << 32 | place;
}

timespec to_timespec(Duration d) {
    const auto whole = duration_cast<std::chrono::seconds>(d);
    return {.tv_sec = whole.count(), .tv_nsec = (d - whole).count()};
}

}  // namespace

// ── Watchers ─────────────────────────────────────────────────────────────────────────────────────────────

Watcher::~Watcher() {
    unwatch();
    if (next_ != nullptr && next_ != this) {
        previous_->next_ = next_;
        next_->previous_ = previous_;
    }
}

Result<> Watcher::watch(int fd, std::uint32_t events) {
    HALE_CHECK(place_ == nowhere);
    HALE_ASSIGN(place_, loop_.add(fd, events, *this));
    return {};
}

void Watcher::change(int fd, std::uint32_t events) {
    HALE_CHECK(place_ != nowhere);
    loop_.change(fd, events, place_);
}

void Watcher::unwatch() {
    if (place_ != nowhere) loop_.remove(std::exchange(place_, nowhere));
    put_off_events_ = 0;
}

std::uint32_t Watcher::leave_place() {
    HALE_CHECK(place_ != nowhere);
    put_off_events_ = 0;
    loop_.places_[place_].watcher = nullptr;
    return std::exchange(place_, nowhere);
}

void Watcher::take_place(std::uint32_t place) {
    HALE_CHECK(place_ == nowhere && loop_.places_[place].watcher == nullptr);
    loop_.places_[place].watcher = this;
    place_ = place;
}

void Watcher::put_off(std::uint32_t events) {
    put_off_events_ |= events;
    if (next_ != nullptr) return;
    Watcher& head = loop_.put_off_;
    previous_ = head.previous_;
    next_ = &head;
    previous_->next_ = this;
    head.previous_ = this;
}

Result<std::uint32_t> EpollLoop::add(int fd, std::uint32_t events, Watcher& watcher) {
    std::uint32_t place = free_place_;
    if (place == Watcher::nowhere) {
        place = static_cast<std::uint32_t>(places_.size());
        places_.push_back({.next_free = Watcher::nowhere});
        free_place_ = place;
    }
    epoll_event event{.events = events, .data = {.u64 = event_key(place, places_[place].generation)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        const int error = errno;
        return fail(Code::exhausted, fmt::format("can't watch descriptor {}: {}", fd, system_text(error)), error);
    }
    free_place_ = places_[place].next_free;
    places_[place].watcher = &watcher;
    return place;
}

void EpollLoop::change(int fd, std::uint32_t events, std::uint32_t place) {
    epoll_event event{.events = events, .data = {.u64 = event_key(place, places_[place].generation)}};
    HALE_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void EpollLoop::remove(std::uint32_t place) {
    places_[place].watcher = nullptr;
    ++places_[place].generation;
    places_[place].next_free = free_place_;
    free_place_ = place;
}

// ── Life ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<std::unique_ptr<EpollLoop>> EpollLoop::create() {
    Descriptor epoll{epoll_create1(EPOLL_CLOEXEC)};
    Descriptor wake{epoll ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1};
    // The wake-up's place is one that the table never gives out.
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = event_key(Watcher::nowhere, 0)}};
    if (!wake || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
        const int error = errno;
        return fail(Code::exhausted, fmt::format("can't make an event loop: {}", system_text(error)), error);
    }
    return std::unique_ptr<EpollLoop>(new EpollLoop(std::move(epoll), std::move(wake)));
}

EpollLoop::EpollLoop(Descriptor epoll, Descriptor wake)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      now_(monotonic_now()),
      timers_(now_),
      put_off_(*this),
      events_(std::make_unique_for_overwrite<Events>()) {
    put_off_.reset();
}

EpollLoop::~EpollLoop() {
    // Tasks may own streams and timers of this loop, and their destructors may post: all go while it still stands.
    for (bool any = true; any;) {
        auto own = std::exchange(own_, {});
        auto adopted = std::exchange(adopted_.tasks, {});
        auto own_batch = std::exchange(own_batch_.tasks, {});
        auto foreign_batch = std::exchange(foreign_batch_.tasks, {});
        std::vector<io::Task> foreign;
        {
            const std::scoped_lock lock(foreign_guard_);
            foreign.swap(foreign_);
        }
        any = !adopted.empty() || !own.empty() || !own_batch.empty() || !foreign_batch.empty() || !foreign.empty();
    }
}

void EpollLoop::adopt_thread() {
    if (here()) return;
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    // What waits was posted before what anybody posts from now on, by whichever way: it goes first.
    const std::scoped_lock lock(foreign_guard_);
    adopted_.take(foreign_batch_);
    adopted_.take(foreign_);
    adopted_.take(own_batch_);
    adopted_.take(own_);
}

void EpollLoop::run() {
    adopt_thread();
    while (!stopping_.load(std::memory_order_acquire)) turn(forever);
    stopping_.store(false, std::memory_order_relaxed);
    // Two rounds: the rest of what was taken already, then what had been posted when stop() was called.
    for (int round = 0; round < 2; ++round) {
        do run_posted();
        while (!adopted_.empty() || !own_batch_.empty() || !foreign_batch_.empty());
    }
}

void EpollLoop::stop() {
    stopping_.store(true, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst)) wake();
}

void EpollLoop::run_once(Duration at_most) {
    adopt_thread();
    turn(at_most);
}

bool EpollLoop::run_until(const std::function<bool()>& done, Duration at_most) {
    adopt_thread();
    const Instant end = monotonic_now() + at_most;
    while (!done()) {
        const Instant at = monotonic_now();
        if (at >= end) return false;
        turn(end - at);
    }
    return true;
}

// ── A turn ───────────────────────────────────────────────────────────────────────────────────────────────

void EpollLoop::turn(Duration at_most) {
    const int count = wait(at_most);
    now_ = monotonic_now();
    utc_read_ = false;
    timers_.advance(now_);
    run_put_off();
    run_events(count);
    if (count < events_per_turn) ++settled_;
    run_posted();
}

bool EpollLoop::something_to_do() const {
    return put_off_.next_ != &put_off_ || !adopted_.empty() || !own_.empty() || !own_batch_.empty() ||
           !foreign_batch_.empty();
}

int EpollLoop::wait(Duration at_most) {
    if (at_most > Duration{0} && something_to_do()) at_most = Duration{0};
    if (const Instant next = timers_.next(); at_most > Duration{0} && next != never) {
        // A fresh reading: this turn's own length must not be slept on top of the wait.
        at_most = std::clamp(next - monotonic_now(), Duration{0}, at_most);
    }
    if (at_most == Duration{0}) return wait_for_events(at_most);

    asleep_.store(true, std::memory_order_seq_cst);
    if (foreign_waiting_.load(std::memory_order_seq_cst) || stopping_.load(std::memory_order_seq_cst))
        at_most = Duration{0};
    const int count = wait_for_events(at_most);
    asleep_.store(false, std::memory_order_relaxed);
    return count;
}

// Interrupted by a signal: an empty turn.
int EpollLoop::wait_for_events(Duration at_most) {
    int count = 0;
    if (at_most == Duration{0} || at_most == forever) {
        count = epoll_wait(epoll_.get(), events_->list, events_per_turn, at_most == Duration{0} ? 0 : -1);
    } else {
        if (precise_wait_) {
            const timespec limit = to_timespec(at_most);
            count = epoll_pwait2(epoll_.get(), events_->list, events_per_turn, &limit, nullptr);
            // Kernels before 5.11, and seccomp profiles as old.
            if (count < 0 && (errno == ENOSYS || errno == EPERM)) precise_wait_ = false;
        }
        if (!precise_wait_) {
            constexpr std::int64_t a_day_ms = 86'400'000;
            const auto ms = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
            count = epoll_wait(epoll_.get(), events_->list, events_per_turn, static_cast<int>(std::min(ms, a_day_ms)));
        }
    }
    HALE_CHECK(count >= 0 || errno == EINTR);
    return std::max(count, 0);
}

void EpollLoop::run_put_off() {
    if (put_off_.next_ == &put_off_) return;
    // The ring moves to a head of its own: what is put off from now on belongs to the next turn.
    Ring current(*this);
    current.next_ = std::exchange(put_off_.next_, &put_off_);
    current.previous_ = std::exchange(put_off_.previous_, &put_off_);
    current.next_->previous_ = current.previous_->next_ = &current;
    while (current.next_ != &current) {
        Watcher& watcher = *current.next_;
        current.next_ = watcher.next_;
        current.next_->previous_ = &current;
        watcher.previous_ = watcher.next_ = nullptr;
        if (const std::uint32_t events = std::exchange(watcher.put_off_events_, 0)) watcher.on_events(events);
    }
    current.reset();
}

void EpollLoop::run_events(int count) {
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events_->list[i];
        const auto place = static_cast<std::uint32_t>(event.data.u64);
        if (place == Watcher::nowhere) continue;
        // By index each time: a callback may add watchers and move the table.
        const Place& found = places_[place];
        if (found.watcher != nullptr && found.generation == event.data.u64 >> 32)
            found.watcher->on_events(event.events);
    }
}

void EpollLoop::Batch::run(std::size_t most, Instant until) {
    for (std::size_t done = 0; done < most && !empty(); ++done) {
        if (done != 0 && done % posts_per_look == 0 && monotonic_now() >= until) return;
        // Moved out first: the task's own destructor runs before the next task, as its poster expects.
        io::Task task = std::move(tasks[next++]);
        task();
    }
    if (empty()) tasks.clear(), next = 0;
}

void EpollLoop::Batch::take(std::vector<io::Task>& more) {
    for (io::Task& task : more) tasks.push_back(std::move(task));
    more.clear();
}

void EpollLoop::Batch::take(Batch& more) {
    more.tasks.erase(more.tasks.begin(), more.tasks.begin() + static_cast<std::ptrdiff_t>(std::exchange(more.next, 0)));
    take(more.tasks);
}

void EpollLoop::run_posted() {
    if (!foreign_waiting_.load(std::memory_order_relaxed) && foreign_batch_.empty() && own_batch_.empty() && own_.empty() &&
        adopted_.empty())
        return;
    const Instant until = monotonic_now() + posted_time_per_turn;
    if (!adopted_.empty()) return adopted_.run(posts_per_turn, until);
    if (foreign_batch_.empty() && foreign_waiting_.load(std::memory_order_relaxed)) {
        const std::scoped_lock lock(foreign_guard_);
        foreign_batch_.tasks.swap(foreign_);
        foreign_waiting_.store(false, std::memory_order_relaxed);
    }
    foreign_batch_.run(posts_per_turn, until);
    if (own_batch_.empty()) own_batch_.tasks.swap(own_);
    own_batch_.run(posts_per_turn, until);
}

// ── From anywhere ────────────────────────────────────────────────────────────────────────────────────────

void EpollLoop::post(io::Task work) {
    if (here()) {
        own_.push_back(std::move(work));
        return;
    }
    {
        const std::scoped_lock lock(foreign_guard_);
        foreign_.push_back(std::move(work));
        foreign_waiting_.store(true, std::memory_order_seq_cst);
    }
    // One poster of many wakes.
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false, std::memory_order_seq_cst)) wake();
}

void EpollLoop::wake() {
    const std::uint64_t one = 1;
    // Can only fail when the counter is full, that is after 2^64 wake-ups.
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

Instant EpollLoop::fresh_now() const { return monotonic_now(); }

Utc EpollLoop::utc() const {
    if (!utc_read_) utc_ = wall_now(), utc_read_ = true;
    return utc_;
}

}  // namespace hale::os
