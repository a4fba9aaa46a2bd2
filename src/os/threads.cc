#include "os/threads.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

#include "base/check.h"

namespace hale::os {

Thread::~Thread() { HALE_CHECK(!thread_.joinable()); }

Result<> Thread::start(std::string name, std::move_only_function<void()> body) {
    HALE_CHECK(!thread_.joinable());
    // The new thread inherits the mask, so there is no moment in which a signal could choose it.
    sigset_t all, before;
    sigfillset(&all);
    // Faults stay with the thread that made them.
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = 0;
    try {
        thread_ = std::thread(std::move(body));
        pthread_setname_np(thread_.native_handle(), name.substr(0, name_limit).c_str());
    } catch (const std::system_error& e) {
        error = e.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0)
        return fail(Code::exhausted, fmt::format("can't start thread {}: {}", name, system_text(error)), error);
    return {};
}

void Thread::join() {
    if (thread_.joinable()) thread_.join();
}

void ask_for_short_turns() {
    constexpr std::uint64_t shortest_turn_ns = 100'000;  // What the kernel allows at least.
    // As in linux/sched/types.h, which does not go together with sched.h of this C library.
    struct {
        std::uint32_t size = 48, policy = 0;
        std::uint64_t flags = 0;
        std::int32_t nice = 0;
        std::uint32_t priority = 0;
        std::uint64_t runtime = shortest_turn_ns, deadline = 0, period = 0;
    } wanted;
    static_assert(sizeof wanted == 48);
    errno = 0;
    const int nice = getpriority(PRIO_PROCESS, 0);  // As it was started: of the calling thread.
    if (errno == 0) wanted.nice = nice;
    if (sched_getscheduler(0) != SCHED_OTHER) return;  // Somebody decided otherwise.
    syscall(SYS_sched_setattr, 0, &wanted, 0);
}

int usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails only on machines with more than 1,024 CPUs; the library counts those.
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    return std::max(1, CPU_COUNT(&set));
}

}  // namespace hale::os
