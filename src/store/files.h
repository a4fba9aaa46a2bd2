// The few POSIX calls that state.db's safety rests on: the lock, durable renames, private modes. Plain system calls,
// because `store` does not rest on `os`; for this folder only.

#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace hale::store {

// flock on the state directory, held as long as the object lives. Children that were forked before keep it too.
class DirectoryLock {
public:
    // Code::conflict when another process has it; the text names its pid where /proc/locks tells.
    static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory);
    ~DirectoryLock();
    DirectoryLock(const DirectoryLock&) = delete;
    DirectoryLock& operator=(const DirectoryLock&) = delete;

private:
    explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

// Makes the directory (not its parents) and sets mode 0700.
Result<> private_directory(const std::string& path);
// An empty file of mode 0600 in place of whatever was there.
Result<> private_file(const std::string& path);

Result<bool> exists(const std::string& path);
Result<std::uint64_t> size_of(const std::string& path);
bool may_write(const std::string& path);
Result<> remove_if_there(const std::string& path);
// A second name for the file, replacing what had that name; nothing when `from` does not exist.
Result<> link_if_there(const std::string& from, const std::string& to);
Result<> rename_file(const std::string& from, const std::string& to);

// fsync of a file's content, or of a directory's names.
Result<> sync(const std::string& path);

}  // namespace hale::store
