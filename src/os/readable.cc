#include "os/readable.h"

#include <sys/epoll.h>

namespace hale::os {

Result<std::unique_ptr<Readable>> Readable::watch_descriptor(EpollLoop& loop, int descriptor, Told told) {
    std::unique_ptr<Readable> made(new Readable(loop, std::move(told)));
    HALE_TRY(made->watch(descriptor, EPOLLIN | EPOLLET));
    return made;
}

}  // namespace hale::os
