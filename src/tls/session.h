// The SSL object and how it reaches the inner stream. For the sources of this folder alone.

#pragma once

#include <memory>
#include <string>

#include "io/stream.h"
#include "tls/openssl.h"
#include "tls/stream.h"

namespace hale::tls {

struct Stream::Session {
    // `context`: whatever must live as long as the session does.
    Session(SslPtr made, std::shared_ptr<const void> context) : context(std::move(context)), ssl(std::move(made)) {}
    void attach(io::Stream& stream);
    // Sends what is held; false while the inner stream has no room for all of it, or failed.
    bool send_held();

    std::shared_ptr<const void> context;
    SslPtr ssl;
    io::Stream* inner = nullptr;
    int inner_error = 0;      // errno of the inner stream's failure, once there was one.
    bool inner_ended = false;
    // Sealed and not sent yet: tickets, which go out with whatever is said next, and what the inner stream had no room for.
    std::string held;
    bool holding = false;     // All that is written now is held.
    bool choked = false;      // No room for what is held: its next notice of room comes first.
    bool dry = false;         // The last read left nothing: until the next notice another would only cost its call.
};

}  // namespace hale::tls
