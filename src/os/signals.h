// Signals as events of a loop. Block them first thing in main(), before any thread exists.

#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "base/result.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"

namespace hale::os {

// Blocks them in this thread and those it starts; SIGPIPE is ignored for the whole process.
// Needs: called before other threads exist.
void block_signals(std::initializer_list<int> signals);

class Signals final : private Watcher {
public:
    using Received = std::move_only_function<void(int signal)>;

    // Needs: `signals` are blocked. Several of one kind that come together are told once.
    static Result<std::unique_ptr<Signals>> listen(EpollLoop& loop, std::initializer_list<int> signals,
                                                   Received received);
    ~Signals();

private:
    Signals(EpollLoop& loop, Descriptor descriptor, Received received)
        : Watcher(loop), descriptor_(std::move(descriptor)), received_(std::move(received)) {}
    void on_events(std::uint32_t) noexcept override;

    Descriptor descriptor_;
    Received received_;  // May not destroy this object.
};

}  // namespace hale::os
