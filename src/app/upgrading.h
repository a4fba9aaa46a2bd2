// The old process's side of an upgrade: does what Handover decides, and tells it what happened. Supervisor's loop.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.h"
#include "app/daemon.h"
#include "app/handover.h"
#include "app/takeover_words.h"
#include "os/epoll_loop.h"
#include "os/handing.h"
#include "os/readable.h"
#include "os/successor.h"
#include "os/supervisor.h"

namespace hale::app {

class Upgrading {
public:
    static constexpr Duration step_patience = 30s;   // From the start to `ready`, and from `take` to `serving`.
    static constexpr std::size_t most_callers = 4;  // Of the takeover socket, in one upgrade.

    struct Options {
        std::string program;
        std::string config;
        std::function<void()> stop;   // This daemon is to end as it does without an upgrade.
        std::function<void()> leave;  // It was left: drain and end.
    };
    Upgrading(os::EpollLoop& loop, Daemon& daemon, const os::Supervisor& supervisor, Options options);

    using Reply = std::move_only_function<void(Result<api::Upgraded>)>;
    // `reply` may be empty.
    void ask(std::string actor, Reply reply);
    // SIGTERM: at once, or as soon as what is under way is undone.
    void stop() { happened(HandoverEvent::stop); }

    bool under_way() const { return machine_.under_way(); }
    bool holds() const { return machine_.holds(); }

private:
    void happened(HandoverEvent event);
    void carry_out(HandoverDeed deed);
    void failed(std::string why);
    Result<> start();
    Result<> offer();
    void say(std::string word);
    void accept();
    void hear();
    void obey(const TakeoverWord& word);
    void look_for_ends();
    void kill();
    void tell_failed();
    void leave();
    void late() noexcept;

    os::EpollLoop& loop_;
    Daemon& daemon_;
    const os::Supervisor& supervisor_;
    Options options_;
    Handover machine_;

    Reply reply_;
    std::string actor_;
    Instant since_{};
    std::string why_;      // The first reason to give up.
    std::string version_;  // Of the new one.
    std::size_t callers_ = 0;
    std::optional<os::HandingListener> listener_;
    os::HandingSocket peer_;
    // The one that was started, and the one that called, when that is another (a script that starts it).
    std::optional<os::Successor> started_, caller_;
    std::unique_ptr<os::Readable> on_listener_, on_peer_, on_started_, on_caller_;
    io::Timer late_;
};

}  // namespace hale::app
