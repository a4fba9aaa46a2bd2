// Reads the configuration again when it changed, on SIGHUP or when asked, and hands it to control: a file with
// problems changes nothing and is told everywhere. Control's thread.

#pragma once

#include <memory>
#include <string>

#include "catalog/control.h"
#include "config/document.h"
#include "config/load.h"
#include "os/blocking_pool.h"
#include "os/epoll_loop.h"
#include "os/file_watcher.h"

namespace hale::app {

// Every value's origin is kept for `config show --effective`, but not for a fleet, where it would cost more than
// the instances themselves.
inline constexpr std::size_t most_instances_with_origins = 1'000;
std::expected<config::Document, config::Problems> load_to_serve(const std::string& source);

class Reloading {
public:
    Reloading(os::EpollLoop& loop, os::BlockingPool& pool, catalog::Control& control, std::string source)
        : loop_(loop), pool_(pool), control_(control), source_(std::move(source)) {}

    // Watches the file or directory; a failure is logged, SIGHUP still works.
    void watch();
    void stop() { watcher_.reset(); }
    // `reply` may be empty. Several that come while one is being read are answered by one more reading.
    // Of those, one `kept` is stored: who repeats another reads once more, which changes nothing.
    void reload(std::string actor, catalog::MutationReply reply, std::optional<catalog::KeptAnswer> kept = {});

private:
    struct Asked {
        std::string actor;
        std::vector<catalog::MutationReply> replies;
        std::optional<catalog::KeptAnswer> kept = {};
    };
    void read(Asked asked);

    os::EpollLoop& loop_;
    os::BlockingPool& pool_;
    catalog::Control& control_;
    std::string source_;
    std::unique_ptr<os::FileWatcher> watcher_;
    bool reading_ = false;
    Asked next_;
    bool again_ = false;
};

}  // namespace hale::app
