// The life of the spawn helper: a process of one thread that does nothing but start, watch and kill children.

#pragma once

#include <sys/types.h>

namespace hale::os {

// Never returns: ends the process when the other end of `socket` closes or `parent` is gone.
[[noreturn]] void serve_spawn_orders(int socket, pid_t parent);

}  // namespace hale::os
