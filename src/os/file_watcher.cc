#include "os/file_watcher.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace hale::os {

namespace {
constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB;
}

Result<std::unique_ptr<FileWatcher>> FileWatcher::watch_path(EpollLoop& loop, const std::string& path,
                                                             Changed changed) {
    struct stat found{};
    std::string directory = path, name;
    if (stat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
        const auto slash = path.rfind('/');
        name = slash == std::string::npos ? path : path.substr(slash + 1);
        directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    }
    Descriptor descriptor{inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (!descriptor || inotify_add_watch(descriptor.get(), directory.c_str(), changes) < 0) {
        const int error = errno;
        return fail(error == ENOENT ? Code::not_found : Code::exhausted,
                    fmt::format("can't watch {} for changes: {}", directory, system_text(error)), error);
    }
    const int fd = descriptor.get();
    auto made = std::unique_ptr<FileWatcher>(new FileWatcher(loop, std::move(descriptor), std::move(name), std::move(changed)));
    HALE_TRY(made->watch(fd, EPOLLIN | EPOLLET));
    return made;
}

FileWatcher::~FileWatcher() {
    if (gone_ != nullptr) *gone_ = true;
    unwatch();
}

// Kubernetes mounts a file as a link to ..data/file and swaps the link ..data.
bool FileWatcher::concerns(std::string_view name) const {
    return name_.empty() || name.empty() || name == name_ || name == "..data";
}

void FileWatcher::on_events(std::uint32_t) noexcept {
    alignas(inotify_event) char buffer[16 * 1024];
    bool concerned = false;
    for (;;) {
        const ssize_t got = read(descriptor_.get(), buffer, sizeof buffer);
        if (got <= 0) break;
        for (const char* at = buffer; at < buffer + got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(at);
            // An overflow (without a name) may have hidden anything.
            concerned = concerned || concerns(event->len == 0 ? std::string_view() : std::string_view(event->name));
            at += sizeof(inotify_event) + event->len;
        }
    }
    if (!concerned) return;
    first_ = std::min(first_, loop().now());
    rest_.arm(std::min(loop().now() + quiet, first_ + patience));
}

void FileWatcher::tell() noexcept {
    first_ = never;
    // Moved out, because the callback may destroy this watcher; put back only if it did not.
    bool gone = false;
    gone_ = &gone;
    Changed changed = std::move(changed_);
    changed();
    if (gone) return;
    gone_ = nullptr;
    changed_ = std::move(changed);
}

}  // namespace hale::os
