// The SSL object and how it reaches the inner stream. For the sources of this folder alone.

#pragma once

#include <memory>

#include "io/stream.h"
#include "tls/openssl.h"
#include "tls/stream.h"

namespace hale::tls {

struct Stream::Session {
    // `context`: whatever must live as long as the session does.
    Session(SslPtr made, std::shared_ptr<const void> context) : context(std::move(context)), ssl(std::move(made)) {}
    void attach(io::Stream& stream);

    std::shared_ptr<const void> context;
    SslPtr ssl;
    io::Stream* inner = nullptr;
    int inner_error = 0;      // errno of the inner stream's failure, once there was one.
    bool inner_ended = false;
    bool dry = false;         // The last read left nothing: until the next notice another would only cost its call.
};

}  // namespace hale::tls
