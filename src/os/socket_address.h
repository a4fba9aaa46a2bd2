// SocketAddress to sockaddr and back: the only place where the two meet.

#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <vector>

#include "base/address.h"

namespace hale::os {

// Room for each family in use; smaller than sockaddr_storage. The largest comes first, because that is the
// member that {} fills with zeros.
union AnySockaddr {
    sockaddr_un local;
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

struct RawAddress {
    AnySockaddr address{};
    socklen_t size = 0;

    int family() const { return address.any.sa_family; }
};

// Needs: a unix path of at most 107 bytes (SocketAddress::parse refuses longer ones); a longer one gives size 0.
RawAddress raw_address(const SocketAddress& address);

// A unix socket without a name gives an empty address.
SocketAddress socket_address(const RawAddress& raw);

// Of every interface of this machine, now.
std::vector<Ip> local_addresses();

}  // namespace hale::os
