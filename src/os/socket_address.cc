#include "os/socket_address.h"

#include <ifaddrs.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace hale::os {

RawAddress raw_address(const SocketAddress& address) {
    RawAddress raw;
    if (address.is_unix()) {
        if (address.path.size() >= sizeof raw.address.local.sun_path) return raw;
        raw.address.local.sun_family = AF_UNIX;
        std::ranges::copy(address.path.view(), raw.address.local.sun_path);
        raw.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + 1);
    } else if (address.ip.is_v4()) {
        raw.address.v4.sin_family = AF_INET;
        raw.address.v4.sin_port = htons(address.port);
        std::memcpy(&raw.address.v4.sin_addr, address.ip.bytes.data() + 12, 4);
        raw.size = sizeof raw.address.v4;
    } else {
        raw.address.v6.sin6_family = AF_INET6;
        raw.address.v6.sin6_port = htons(address.port);
        std::memcpy(&raw.address.v6.sin6_addr, address.ip.bytes.data(), 16);
        raw.size = sizeof raw.address.v6;
    }
    return raw;
}

SocketAddress socket_address(const RawAddress& raw) {
    SocketAddress address;
    switch (raw.family()) {
        case AF_INET: {
            const auto* four = reinterpret_cast<const std::uint8_t*>(&raw.address.v4.sin_addr);
            address.ip = Ip::v4(four[0], four[1], four[2], four[3]);
            address.port = ntohs(raw.address.v4.sin_port);
            break;
        }
        case AF_INET6:
            std::memcpy(address.ip.bytes.data(), &raw.address.v6.sin6_addr, 16);
            address.port = ntohs(raw.address.v6.sin6_port);
            break;
        case AF_UNIX:
            if (raw.size > offsetof(sockaddr_un, sun_path)) {
                const std::size_t most = raw.size - offsetof(sockaddr_un, sun_path);
                address.path = std::string_view(raw.address.local.sun_path, strnlen(raw.address.local.sun_path, most));
            }
            break;
        default:
            break;
    }
    return address;
}

std::vector<Ip> local_addresses() {
    std::vector<Ip> out;
    ifaddrs* all = nullptr;
    if (getifaddrs(&all) != 0) return out;
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr) continue;
        RawAddress raw;
        if (one->ifa_addr->sa_family == AF_INET) raw.size = sizeof raw.address.v4;
        else if (one->ifa_addr->sa_family == AF_INET6) raw.size = sizeof raw.address.v6;
        else continue;
        std::memcpy(&raw.address, one->ifa_addr, raw.size);
        out.push_back(socket_address(raw).ip);
    }
    freeifaddrs(all);
    return out;
}

}  // namespace hale::os
