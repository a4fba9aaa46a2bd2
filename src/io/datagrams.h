// Datagrams exchanged with one peer (UDP): sent whole or not, perhaps lost, perhaps told to be unwanted. What others send
// never comes. Made by Net::datagrams(); belongs to one loop's thread.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/address.h"

namespace hale::io {

class DatagramHandler {
public:
    // One datagram, longer ones cut at Datagrams::most_bytes. May destroy the Datagrams, and the handler itself.
    virtual void on_datagram(std::string_view bytes) noexcept = 0;
    // Nobody listens there, or the way is closed: the errno that the network answered with. Likewise.
    virtual void on_refused(int error) noexcept = 0;

protected:
    ~DatagramHandler() = default;
};

class Datagrams {
public:
    static constexpr std::size_t most_bytes = 64 * 1024;

    virtual ~Datagrams() = default;  // Closes.
    // 0, or the errno: of this machine's (ENOBUFS), or of what the network answered to an earlier datagram.
    virtual int send(std::string_view bytes) = 0;
    virtual const SocketAddress& peer() const = 0;
};

}  // namespace hale::io
