// What cannot be done without waiting is done elsewhere: files, YAML, SQLite reads; and child processes.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/loop.h"

namespace hale::io {

class BlockingPool {
public:
    virtual ~BlockingPool() = default;
    // `work` runs on a thread of the pool, then `done` on `home`'s. Fails with Code::exhausted when the
    // queue (its limit has a name in the implementation) is full.
    virtual Result<> run(Loop& home, Task work, Task done) = 0;
};

struct SpawnRequest {
    std::vector<std::string> arguments;  // [0] is an absolute path; no shell, no PATH.
    std::string user;                    // Empty: the daemon's own.
    Duration timeout{};                  // From its start; then the child's process group is killed.
    Duration patience = 30s;             // How long it may wait for its turn; then Code::exhausted.
    std::size_t output_limit = 4096;     // Bytes of stdout kept; the rest is read and dropped.
    std::vector<std::string> environment = {};  // "NAME=value", beside PATH and LANG.
};

struct SpawnResult {
    int exit_code = -1;  // -1: killed by `signal`, or timed out.
    int signal = 0;
    bool timed_out = false;
    Duration waited{};   // For its turn, before it started.
    std::string output;
};

// Child processes through a helper that was forked before threads started.
class Spawner {
public:
    virtual ~Spawner() = default;
    using Done = std::move_only_function<void(Result<SpawnResult>)>;
    // Calls `done` on the asking loop's thread. An executable that is missing or may not run is
    // Code::not_found: our fault, not the target's. Code::exhausted when its turn did not
    // come in time, or too many wait already.
    virtual void spawn(Loop& home, SpawnRequest request, Done done) = 0;
};

}  // namespace hale::io
