// Threads for what can't be done without waiting: file reads, YAML, SQLite queries. run() may be called from
// any thread; start() and stop() by the owner.

#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "io/blocking.h"
#include "os/threads.h"

namespace hale::os {

class BlockingPool final : public io::BlockingPool {
public:
    static constexpr std::size_t queue_limit = 1024;  // Waiting; those that run are not counted.

    BlockingPool() = default;
    // Needs: stopped.
    ~BlockingPool() override;

    Result<> start(int threads);
    // Finishes what was accepted (each `done` is posted), then joins. run() fails from here on. The homes must
    // still stand.
    void stop();

    Result<> run(io::Loop& home, io::Task work, io::Task done) override;

private:
    struct Job {
        io::Loop* home;
        io::Task work, done;
    };

    void serve();

    // Guards the queue. Work that blocks is what loops must not do, so its threads can't be posted to.
    std::mutex guard_;
    std::condition_variable changed_;
    std::deque<Job> queue_;
    bool open_ = false;
    std::vector<Thread> threads_;
};

}  // namespace hale::os
