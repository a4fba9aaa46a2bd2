// One connection to an instance: on its way, carrying an exchange, or idle in its instance's stack. It only
// passes readiness on; what the bytes mean is the exchange's business (client.h).

#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "io/secure.h"
#include "proxy/chain.h"

namespace hale::proxy {

struct Backend;
class Client;
class Core;

class Upstream final : public io::StreamHandler {
public:
    explicit Upstream(Core& core) : core_(core) {}

    void start(Backend& of, std::unique_ptr<io::Stream> stream, bool connecting);
    void on_ready(io::Stream& stream, io::Readiness ready) noexcept override;
    io::Stream& stream() { return *stream_; }
    bool open() const { return stream_ != nullptr; }

    // For Core alone: ends the connection.
    void end(bool by_reset);

    Backend* backend = nullptr;
    Client* client = nullptr;  // Null while idle.
    std::string in;            // A response head that is not complete yet.
    Instant idle_since{};
    bool connecting = false;
    bool reused = false;
    bool may_read = false;     // A read now may give something.
    bool blocked = false;      // The last write would have blocked: a notice will come.
    Link<Upstream> all;

private:
    int how_it_went_with_tls();
    void look_while_idle();

    Core& core_;
    std::unique_ptr<io::Stream> stream_;
};

}  // namespace hale::proxy
