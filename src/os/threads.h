// A thread with a name, whose start and join are visible. The only place that starts threads.

#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace hale::os {

class Thread {
public:
    static constexpr std::size_t name_limit = 15;  // What the kernel keeps; longer names are cut.

    Thread() = default;
    Thread(Thread&&) noexcept = default;
    Thread& operator=(Thread&&) = delete;
    // Needs: joined, or never started.
    ~Thread();

    // `body` does not throw. Signals are blocked in it, so that they go to signals.h alone.
    Result<> start(std::string name, std::move_only_function<void()> body);
    void join();
    bool started() const { return thread_.joinable(); }

private:
    std::thread thread_;
};

// Cores this process may use (sched_getaffinity, so that container and taskset limits count); at least 1.
int usable_cores();

}  // namespace hale::os
