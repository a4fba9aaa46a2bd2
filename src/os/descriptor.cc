#include "os/descriptor.h"

#include <unistd.h>

namespace hale::os {

// No retry on EINTR: Linux has released the number by then, and it may already be somebody else's.
void Descriptor::close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace hale::os
