// All listening sockets of the daemon by what they are for: those that were handed to it, and who listens on them, so
// that they can be handed on. Main thread.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/takeover_words.h"
#include "base/address.h"
#include "base/result.h"

namespace hale::app {

inline constexpr std::string_view socket_roles[] = {"http", "https", "admin", "health", "socket"};

// Which of `sockets` each of `workers` listens on: every socket has an owner, and none of them waits longer than it must.
std::vector<std::vector<std::size_t>> shared_out(std::size_t sockets, std::size_t workers);

class Sockets {
public:
    explicit Sockets(std::vector<RoleSocket> handed = {}) : handed_(std::move(handed)) {}

    // Code::invalid for a name that is no key of `listen:`: nothing would listen there.
    static Result<> check(const std::vector<RoleSocket>& sockets);

    // Takes those for this role: what a supervisor opened, or what was opened for the same declared address. The rest of
    // the role is closed: it is declared elsewhere now.
    std::vector<RoleSocket> take(std::string_view role, const std::optional<SocketAddress>& declared);
    bool activated(std::string_view role) const;

    // From here on `local` is known by its role.
    void opened(std::string_view role, std::string_view declared, const SocketAddress& local);
    // What listens now, as it is handed on; what nobody called opened() is left out.
    std::vector<RoleSocket> named(std::vector<os::Listening> all) const;

private:
    struct Open {
        std::string role, declared;
        SocketAddress local;
    };
    std::vector<RoleSocket> handed_;
    std::vector<Open> open_;
};

}  // namespace hale::app
