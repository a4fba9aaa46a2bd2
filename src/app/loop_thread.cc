#include "app/loop_thread.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace hale::app {

Result<std::unique_ptr<LoopThread>> LoopThread::create(std::string name, bool hurried) {
    HALE_ASSIGN(auto loop, os::EpollLoop::create());
    return std::unique_ptr<LoopThread>(new LoopThread(std::move(name), hurried, std::move(loop)));
}

Result<> LoopThread::start() {
    return thread_.start(name_, [this] {
        if (hurried_) os::ask_for_short_turns();
        loop_->run();
    });
}

void LoopThread::stop_and_join() {
    if (!thread_.started()) return;
    loop_->stop();
    thread_.join();
}

void LoopThread::run_and_wait(io::Task work) {
    // A lock and not a post, because the waiting thread is the supervisor's, which has nothing else to do.
    std::mutex guard;
    std::condition_variable changed;
    bool done = false;
    loop_->post([&] {
        work();
        const std::lock_guard hold(guard);
        done = true;
        changed.notify_one();
    });
    std::unique_lock hold(guard);
    changed.wait(hold, [&] { return done; });
}

}  // namespace hale::app
