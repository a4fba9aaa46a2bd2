// Files and directories of the daemon: reads with a limit, writes that survive a crash, the state directory.
// All of it waits for the disk: start-up, shutdown and the blocking pool only.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "os/descriptor.h"

namespace hale::os {

inline constexpr std::size_t file_limit = 64 * 1024 * 1024;

// Code::not_found when it is not there, Code::denied when it may not be read, Code::exhausted beyond `most`.
Result<std::string> read_file(const std::string& path, std::size_t most = file_limit);

// A crash at any moment leaves the old content or the new, whole: a temporary file beside it, fsync, rename,
// fsync of the directory. `mode` holds from the first byte on, whatever the umask.
Result<> write_file_durably(const std::string& path, std::string_view content, int mode = 0600);

// Makes the directory (its parent must exist) or checks that it is one, ours, and closed to others (0700).
Result<> ensure_private_directory(const std::string& path);

// Held until the descriptor closes, that is also after kill -9. Code::conflict when somebody else holds it.
Result<Descriptor> lock_directory(const std::string& path);

}  // namespace hale::os
