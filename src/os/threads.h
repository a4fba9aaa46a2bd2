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

// Asks the kernel for short turns of the calling thread: Linux 6.12 and later let it then go before threads with longer
// ones as soon as it has something to do, and in return take the processor from it sooner (EEVDF; sched_setattr(2),
// sched_runtime). For one that does little at a time and whom others wait for. Older kernels take no notice.
void ask_for_short_turns();

// Cores this process may use (sched_getaffinity, so that container and taskset limits count); at least 1.
int usable_cores();

}  // namespace hale::os
