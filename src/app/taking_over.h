// The new process's side of an upgrade: a short conversation on the main thread, before and after the daemon starts.
//
//   begin ─▶ offer: sockets, where the state is ─▶ ready ─▶ waits for `take` ─▶ serving ─▶ waits for `go`

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/takeover_words.h"
#include "base/result.h"
#include "os/handing.h"

namespace hale::app {

class TakingOver {
public:
    static constexpr Duration patience = 45s;  // The old process's own is shorter, and it ends us.
    static constexpr Duration go_patience = 5s;

    // Says hello and takes what is offered.
    static Result<TakingOver> begin(const std::string& path, std::string_view version);

    std::vector<RoleSocket> take_sockets() { return std::move(sockets_); }
    // Where the old process has its state.
    const std::string& state() const { return state_; }
    // Who asked for it; empty when the old process doesn't say.
    const std::string& actor() const { return actor_; }

    // Everything but the state is here: returns when that is ours too.
    Result<> ready();
    // Traffic is served here. Returns when the old process answers for the API no more, or is gone.
    void serving();
    // Why not. The old one goes on.
    void failed(const std::string& why);

private:
    explicit TakingOver(os::HandingSocket socket) : socket_(std::move(socket)) {}
    Result<> say(TakeoverWord word);
    Result<TakeoverWord> hear(Duration at_most, std::vector<os::Descriptor>* descriptors = nullptr);

    os::HandingSocket socket_;
    std::vector<RoleSocket> sockets_;
    std::string state_, actor_;
};

}  // namespace hale::app
