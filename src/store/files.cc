#include "store/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace hale::store {

namespace {

std::unexpected<Error> refused(std::string_view attempted, const std::string& path) {
    const int error = errno;
    return fail(Code::unavailable, fmt::format("{} {}: {}", attempted, path, system_text(error)), error);
}

// "1: FLOCK  ADVISORY  WRITE 1234 fe:01:393217 0 EOF": who holds the flock on this inode. 0: not told (another pid
// namespace, no /proc, or a file system whose device number here differs from stat's).
long holder_of(int descriptor) {
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) return 0;
    const std::string wanted =
        fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number, kind, advisory, access, file;
        long pid = 0;
        if (words >> number >> kind >> advisory >> access >> pid >> file && kind == "FLOCK" && file == wanted)
            return pid;
    }
    return 0;
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::string& directory) {
    const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return refused("open state directory", directory);
    std::unique_ptr<DirectoryLock> lock(new DirectoryLock(descriptor));
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return refused("lock state directory", directory);
    const long pid = holder_of(descriptor);
    return fail(Code::conflict,
                fmt::format("state directory {} is in use by {}; stop it first, or give this one another directory",
                            directory, pid > 0 ? fmt::format("process {}", pid) : "another process"),
                EWOULDBLOCK);
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

Result<> private_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return refused("create directory", path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return refused("look at", path);
    if (!S_ISDIR(status.st_mode)) return fail(Code::unavailable, fmt::format("{} is not a directory", path), ENOTDIR);
    if ((status.st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) != 0) return refused("set mode 0700 on", path);
    return {};
}

Result<> private_file(const std::string& path) {
    HALE_TRY(remove_if_there(path));
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) return refused("create", path);
    ::close(descriptor);
    return {};
}

Result<bool> exists(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT) return false;
    return refused("look at", path);
}

Result<std::uint64_t> size_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return refused("look at", path);
    return static_cast<std::uint64_t>(status.st_size);
}

bool may_write(const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }

Result<> remove_if_there(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return refused("remove", path);
    return {};
}

Result<> link_if_there(const std::string& from, const std::string& to) {
    HALE_TRY(remove_if_there(to));
    if (::link(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return refused("put aside", from);
    return {};
}

Result<> rename_file(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0) return refused("rename to " + to + " the file", from);
    return {};
}

Result<> sync(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return refused("open", path);
    const bool synced = ::fsync(descriptor) == 0;
    const int error = errno;
    ::close(descriptor);
    errno = error;
    if (!synced) return refused("fsync", path);
    return {};
}

}  // namespace hale::store
