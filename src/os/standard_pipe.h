// Standard input and output as the two halves of a connection: what `hale stdio` is, at the far end of an ssh.

#pragma once

#include "base/address.h"
#include "base/result.h"

namespace hale::os {

// Connects, then carries bytes both ways until the peer ends its side; the end of the input is passed on. Blocks
// the thread. Code::unavailable when nobody answers there.
Result<> pipe_standard(const SocketAddress& to);

}  // namespace hale::os
