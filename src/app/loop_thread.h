// A thread that runs one loop: what control, api, checkers and workers are made of.

#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/loop.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "os/threads.h"

namespace hale::app {

class LoopThread {
public:
    // `hurried`: others wait for what it says, and it says it quickly.
    static Result<std::unique_ptr<LoopThread>> create(std::string name, bool hurried = false);
    // Needs: joined.
    ~LoopThread() = default;

    Result<> start();
    void stop_and_join();

    // Runs `work` on the loop's thread and waits for it: start-up and shutdown only.
    void run_and_wait(io::Task work);

    os::EpollLoop& loop() { return *loop_; }
    os::EpollNet& net() { return net_; }
    const std::string& name() const { return name_; }

private:
    LoopThread(std::string name, bool hurried, std::unique_ptr<os::EpollLoop> loop)
        : name_(std::move(name)), hurried_(hurried), loop_(std::move(loop)), net_(*loop_) {}

    std::string name_;
    bool hurried_;
    std::unique_ptr<os::EpollLoop> loop_;
    os::EpollNet net_;
    os::Thread thread_;
};

}  // namespace hale::app
