#include "os/threads.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <csignal>
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

int usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails only on machines with more than 1,024 CPUs; the library counts those.
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    return std::max(1, CPU_COUNT(&set));
}

}  // namespace hale::os
