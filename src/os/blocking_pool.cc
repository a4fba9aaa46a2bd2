#include "os/blocking_pool.h"

#include <fmt/format.h>

#include "base/check.h"

namespace hale::os {

BlockingPool::~BlockingPool() { HALE_CHECK(threads_.empty()); }

Result<> BlockingPool::start(int threads) {
    HALE_CHECK(threads_.empty() && threads > 0);
    open_ = true;
    for (int i = 0; i < threads; ++i) {
        threads_.emplace_back();
        if (auto started = threads_.back().start(fmt::format("blocking-{}", i), [this] { serve(); }); !started) {
            stop();
            return started;
        }
    }
    return {};
}

void BlockingPool::stop() {
    {
        const std::scoped_lock lock(guard_);
        open_ = false;
    }
    changed_.notify_all();
    for (Thread& thread : threads_) thread.join();
    threads_.clear();
}

Result<> BlockingPool::run(io::Loop& home, io::Task work, io::Task done) {
    {
        const std::scoped_lock lock(guard_);
        if (!open_) return fail(Code::unavailable, "the pool for blocking work is stopped");
        if (queue_.size() == queue_limit)
            return fail(Code::exhausted,
                        fmt::format("{} pieces of blocking work are waiting already; is the disk slow?", queue_limit));
        queue_.push_back({.home = &home, .work = std::move(work), .done = std::move(done)});
    }
    changed_.notify_one();
    return {};
}

void BlockingPool::serve() {
    std::unique_lock lock(guard_);
    for (;;) {
        changed_.wait(lock, [this] { return !queue_.empty() || !open_; });
        if (queue_.empty()) return;
        Job job = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        job.work();
        job.work = nullptr;  // What it holds goes before its result is announced.
        job.home->post(std::move(job.done));
        lock.lock();
    }
}

}  // namespace hale::os
