// Turning a freshly forked copy of the spawn helper into the program that was asked for.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/blocking.h"

namespace hale::os {

// What a child may use at most.
inline constexpr std::size_t child_memory_limit = std::size_t{4} << 30;  // Of address space: runtimes reserve much.
inline constexpr std::size_t child_files_limit = 256;                    // Open descriptors.
inline constexpr std::size_t child_file_size_limit = 64 << 20;
inline constexpr std::size_t child_processes_limit = 256;  // Of its user in total.
inline constexpr Duration child_cpu_margin = 2s;           // Beyond its timeout, in CPU time.

struct ChildUser {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

// Nothing: stays who the helper is. Code::not_found when there is no such user.
Result<std::optional<ChildUser>> find_child_user(const std::string& name);

// Which step before the program failed, and why: what the child writes to `failure` instead of becoming it.
struct ChildFailure {
    enum class Step : int { session, limits, user, program } step;
    int error;
};

// Needs: runs in the child; the descriptors are close-on-exec. `conversation`: its input and output, and `output` takes its
// errors; -1: it has no input, `output` is its output, and its errors go nowhere.
[[noreturn]] void become_program(const io::SpawnRequest& request, const std::optional<ChildUser>& user, int output,
                                 int conversation, int failure, pid_t helper);

Error explain(const ChildFailure& failure, const io::SpawnRequest& request);

}  // namespace hale::os
