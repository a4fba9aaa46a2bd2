// Who is asking, and may they? Pure: what a request and its connection say goes in, an answer comes out.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/time.h"
#include "guard/role.h"
#include "guard/tokens.h"
#include "io/stream.h"
#include "wire/http1.h"

namespace hale::guard {

struct Caller {
    std::string name;  // Token name, "uid:0"; "" for nobody.
    Role role = Role::none;
    bool loopback = false;  // A TCP peer on loopback, or the unix socket.
};

struct UnixRights {
    std::uint32_t daemon_uid = 0;
    std::uint32_t operators_gid = ~0u;  // ~0: there is no such group.
};

// uid 0 and the daemon's uid: admin; group `hale`: operate; others: none.
Caller caller_of(const io::PeerCredentials& peer, const UnixRights& rights);

// "Bearer x" → "x"; "" for anything else.
std::string_view bearer(std::string_view authorization);

struct Asking {
    const wire::RequestHead& head;
    const SocketAddress& peer;
    const std::optional<io::PeerCredentials>& credentials;
};
// A token wins over the socket's credentials: whoever shows one asks to be taken for its owner. `bad_token`: one
// was shown and is not valid.
struct Identified {
    Caller caller;
    bool bad_token = false;
};
Identified identify(const Asking& asking, const Tokens& tokens, const UnixRights& rights, Utc now);

// A web page must not speak to the daemon through a visitor's browser (DNS rebinding, cross-site requests).
// Host: an address literal, localhost, or declared. Over a unix socket anything.
bool host_allowed(const wire::RequestHead& head, std::span<const std::string> declared);
// Origin: absent, or the request's own host.
bool origin_allowed(const wire::RequestHead& head);

}  // namespace hale::guard
