// Reads the configuration again when it changed, on SIGHUP or when asked, and hands it to control: a file with
// problems changes nothing and is told everywhere. Control's thread.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

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
    void stop();
    // Runs after a document came into force.
    void when_applied(std::function<void(const config::Document&)> applied) { applied_ = std::move(applied); }
    // Files that the document in force was read from besides its source: certificates. One that changes is read anew.
    void watch_too(const std::vector<std::string>& paths);
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

    // Each costs an inotify instance, of which a machine usually gives a user 128.
    static constexpr std::size_t most_watched_folders = 16;

    os::EpollLoop& loop_;
    os::BlockingPool& pool_;
    catalog::Control& control_;
    std::string source_;
    std::unique_ptr<os::FileWatcher> watcher_;
    std::map<std::string, std::unique_ptr<os::FileWatcher>> folders_;
    std::function<void(const config::Document&)> applied_;
    bool reading_ = false;
    Asked next_;
    bool again_ = false;
};

}  // namespace hale::app
