// Tells a loop when a file, or anything in a directory, changed. Belongs to the loop's thread.
//
// Always the directory is watched, never the file: editors and `write_file_durably` replace files by renaming,
// Kubernetes swaps a symbolic link, and a file may not be there yet. A burst of changes is told once.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "os/descriptor.h"
#include "os/epoll_loop.h"

namespace hale::os {

class FileWatcher final : private Watcher {
public:
    static constexpr Duration quiet = 50ms;      // So long nothing must happen before it is told,
    static constexpr Duration patience = 500ms;  // but a file that never rests is told anyway.

    using Changed = std::move_only_function<void()>;

    // `path` names a directory, or a file whose directory exists. `changed` may destroy the watcher.
    static Result<std::unique_ptr<FileWatcher>> watch_path(EpollLoop& loop, const std::string& path, Changed changed);
    ~FileWatcher();

private:
    FileWatcher(EpollLoop& loop, Descriptor descriptor, std::string name, Changed changed)
        : Watcher(loop),
          descriptor_(std::move(descriptor)),
          name_(std::move(name)),
          changed_(std::move(changed)),
          rest_(loop, io::member_fire<&FileWatcher::tell>, this) {}
    void on_events(std::uint32_t) noexcept override;
    bool concerns(std::string_view name) const;
    void tell() noexcept;

    Descriptor descriptor_;
    std::string name_;  // Of the file in its directory; empty when the whole directory counts.
    Changed changed_;
    io::Timer rest_;
    Instant first_ = never;  // Of the burst not told yet.
    bool* gone_ = nullptr;   // Set while `changed_` runs.
};

}  // namespace hale::os
