// A child process as a stream: what it writes to its output is read, what is written reaches its input. For
// commands that carry a conversation (ssh); the daemon's children go through the spawn helper.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/stream.h"
#include "os/epoll_loop.h"

namespace hale::os {

// `arguments[0]` is an absolute path; no shell, no PATH. Its standard error stays ours. The child sees the end of
// its input when the stream is closed, and is waited for by nobody: the command line that started it ends soon after, and init takes it.
// Code::not_found when it can't be run. Needs: no other thread exists.
Result<std::unique_ptr<io::Stream>> connect_child(EpollLoop& loop, const std::vector<std::string>& arguments);

}  // namespace hale::os
