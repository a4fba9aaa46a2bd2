// The process that is to take over from this one: started from a program file, watched, and killed if need be.
//
// Unlike children of the spawn helper it lives on when this process ends: that is what it is for. posix_spawn does not
// run code of ours between fork and exec, so threads may exist.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/descriptor.h"

namespace hale::os {

// Where the running program is found again: `argv0` as it was called, made absolute, found through PATH where it has no
// slash. Not what it links to, for an upgrade moves links. Once, before anybody changes the directory.
std::string program_path(const std::string& argv0);

class Successor {
public:
    Successor() = default;
    // With our standard output and error, working directory and environment, but for what a supervisor told this very
    // process (LISTEN_…, WATCHDOG_PID). Signals are unblocked and at their defaults in it.
    static Result<Successor> start(const std::string& program, const std::vector<std::string>& arguments);
    // Somebody else's child, by its number.
    static Result<Successor> of(pid_t process);

    explicit operator bool() const { return static_cast<bool>(watched_); }
    pid_t process() const { return process_; }
    int get() const { return watched_.get(); }  // Readable once it has ended.

    void kill();
    // How it ended, "ended with 2" or "was killed by signal 9"; nothing: it lives. A child is gone from the table then.
    std::optional<std::string> ended();

private:
    Descriptor watched_;
    pid_t process_ = -1;
    bool child_ = false;
};

}  // namespace hale::os
