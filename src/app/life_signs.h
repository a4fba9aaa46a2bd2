// The signs of life that a service manager is given (WatchdogSec=): only while every thread of the daemon goes on. One
// that stands still starves it, and is named before the manager ends the process.
//
//   tick: has everybody answered since the last sign? ─yes▶ a sign, and a new round
//         ask everybody who is not being asked already

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"

namespace hale::app {

// The rule, without threads or clocks.
class Heartbeats {
public:
    explicit Heartbeats(std::size_t members) : answered_(members), asked_(members) {}

    // Everybody who is not `excused` has answered in this round: then the next round begins.
    bool round_over(const std::vector<bool>& excused);
    // Who is to be asked now: each is asked once until it answers, however long that takes.
    std::vector<std::size_t> ask();
    void answered(std::size_t member);
    // Who has not answered in this round.
    std::vector<std::size_t> silent(const std::vector<bool>& excused) const;

private:
    std::vector<bool> answered_, asked_;
};

class LifeSigns {
public:
    struct Member {
        std::string name;
        // Does `back` on its own thread, as soon as it gets to it.
        std::function<void(io::Task back)> ask;
        bool checker = false;
    };

    // `every`: how often the manager wants a sign. `sign` gives it. `checkers_held`: they stand still for an upgrade, by
    // our own will. Everything runs on `loop`.
    LifeSigns(io::Loop& loop, Duration every, std::vector<Member> members, std::function<void()> sign, std::function<bool()> checkers_held);
    void start() { tick(); }
    // No member is asked any more; those that were may answer or not.
    void stop();

private:
    void tick() noexcept;

    io::Loop& loop_;
    const Duration every_;
    const std::vector<Member> members_;
    const std::function<void()> sign_;
    const std::function<bool()> checkers_held_;
    std::shared_ptr<Heartbeats> beats_;  // Answers may come after the end.
    Instant last_sign_{};
    Instant said_at_ = Instant::min();
    io::Timer timer_;
};

}  // namespace hale::app
