// Calls a function whenever a descriptor may be read. For conversations of a few messages; belongs to the loop's thread.

#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "os/epoll_loop.h"

namespace hale::os {

class Readable final : private Watcher {
public:
    using Told = std::function<void()>;

    // Edge-triggered: `told` reads until nothing is left. It may not destroy this object: post that.
    // Needs: destroyed before the descriptor is closed.
    static Result<std::unique_ptr<Readable>> watch_descriptor(EpollLoop& loop, int descriptor, Told told);
    ~Readable() { unwatch(); }

private:
    Readable(EpollLoop& loop, Told told) : Watcher(loop), told_(std::move(told)) {}
    void on_events(std::uint32_t) noexcept override { told_(); }

    Told told_;
};

}  // namespace hale::os
