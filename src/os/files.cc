#include "os/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace hale::os {

namespace {

std::unexpected<Error> cannot(std::string_view what, const std::string& path, int error) {
    const Code code = error == ENOENT || error == ENOTDIR  ? Code::not_found
                      : error == EACCES || error == EPERM  ? Code::denied
                      : error == EMFILE || error == ENFILE ? Code::exhausted
                                                           : Code::unavailable;
    return fail(code, fmt::format("can't {} {}: {}", what, path, system_text(error)), error);
}

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

// Fills a file that exists only under its temporary name yet.
Result<> fill(int fd, const std::string& path, std::string_view content, int mode) {
    if (fchmod(fd, static_cast<mode_t>(mode)) != 0) return cannot("set the mode of", path, errno);
    while (!content.empty()) {
        const ssize_t wrote = ::write(fd, content.data(), content.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return cannot("write", path, errno);
        content.remove_prefix(static_cast<std::size_t>(wrote));
    }
    if (fsync(fd) != 0) return cannot("flush", path, errno);
    return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
    const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return cannot("read", path, errno);
    std::string content;
    char buffer[64 * 1024];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot("read", path, errno);
        if (got == 0) return content;
        if (content.size() + static_cast<std::size_t>(got) > most)
            return fail(Code::exhausted, fmt::format("{} is larger than {} bytes, the most that is read", path, most));
        content.append(buffer, static_cast<std::size_t>(got));
    }
}

Result<> write_file_durably(const std::string& path, std::string_view content, int mode) {
    std::string temporary = path + ".XXXXXX";
    Descriptor file{mkostemp(temporary.data(), O_CLOEXEC)};
    if (!file) return cannot("write", path, errno);
    Result<> written = fill(file.get(), path, content, mode);
    file.close();
    if (written && rename(temporary.c_str(), path.c_str()) != 0) written = cannot("replace", path, errno);
    if (!written) {
        unlink(temporary.c_str());
        return written;
    }
    // The new name is on disk only when the directory is.
    const std::string directory = directory_of(path);
    const Descriptor parent{open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!parent || fsync(parent.get()) != 0) return cannot("flush the directory", directory, errno);
    return {};
}

Result<> ensure_private_directory(const std::string& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make the directory", path, errno);
    struct stat found{};
    if (stat(path.c_str(), &found) != 0) return cannot("use the directory", path, errno);
    if (!S_ISDIR(found.st_mode)) return cannot("use the directory", path, ENOTDIR);
    if (found.st_uid != geteuid())
        return fail(Code::denied, fmt::format("the directory {} belongs to uid {}, not to uid {} that runs Hale", path,
                                              found.st_uid, geteuid()));
    if ((found.st_mode & 0777) != 0700 && chmod(path.c_str(), 0700) != 0) return cannot("close to others", path, errno);
    return {};
}

Result<Descriptor> lock_directory(const std::string& path) {
    Descriptor directory{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) return cannot("open the directory", path, errno);
    if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return cannot("lock the directory", path, errno);
        return fail(
            Code::conflict,
            fmt::format("another Hale is using {}; stop it, or give this one a state directory of its own", path));
    }
    return directory;
}

}  // namespace hale::os
