#include "app/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"

namespace hale::app {

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& where) {
    auto log = std::unique_ptr<LogFile>(new LogFile(where == "stdout" ? "" : where));
    HALE_TRY(log->open_again());
    return log;
}

Result<> LogFile::open_again() {
    if (path_.empty()) return {};
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return fail(Code::unavailable, fmt::format("opening the access log {}: {}", path_, system_text(errno)), errno);
    file_ = os::Descriptor(fd);
    return {};
}

bool LogFile::write(std::string_view lines) {
    const int fd = path_.empty() ? STDOUT_FILENO : file_.get();
    while (!lines.empty()) {
        const auto written = ::write(fd, lines.data(), lines.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        lines.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

void LogFile::reopen() {
    if (const auto done = open_again(); !done) log(LogLevel::error, fmt::format("{}; the old file stays in use", done.error().text));
}

}  // namespace hale::app
