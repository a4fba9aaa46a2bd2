#include "os/successor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace hale::os {

namespace {

std::string absolute(const std::string& path) {
    if (path.starts_with('/')) return path;
    std::array<char, 4096> here{};
    return getcwd(here.data(), here.size()) == nullptr ? path : fmt::format("{}/{}", here.data(), path);
}

// glibc 2.36 has no wrapper that every supported system has.
Descriptor watch(pid_t process) { return Descriptor{static_cast<int>(syscall(SYS_pidfd_open, process, 0))}; }

std::vector<char*> inherited_environment() {
    static constexpr std::string_view told_to_us[] = {"LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_PID="};
    std::vector<char*> all;
    for (char** one = environ; *one != nullptr; ++one) {
        bool ours = false;
        for (const auto name : told_to_us) ours = ours || std::string_view(*one).starts_with(name);
        if (!ours) all.push_back(*one);
    }
    all.push_back(nullptr);
    return all;
}

}  // namespace

std::string program_path(const std::string& argv0) {
    if (argv0.find('/') != std::string::npos) return absolute(argv0);
    const char* const path = std::getenv("PATH");
    for (const auto folder : split(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path, ':')) {
        std::string candidate = absolute(fmt::format("{}/{}", folder.empty() ? "." : folder, argv0));
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    std::array<char, 4096> itself{};
    const auto size = readlink("/proc/self/exe", itself.data(), itself.size() - 1);
    std::string found(itself.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view gone = " (deleted)";
    if (found.ends_with(gone)) found.resize(found.size() - gone.size());
    return found;
}

Result<Successor> Successor::start(const std::string& program, const std::vector<std::string>& arguments) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const auto& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
    argv.push_back(nullptr);
    auto environment = inherited_environment();
    pid_t process = -1;
    const int error = posix_spawn(&process, program.c_str(), nullptr, &attributes, argv.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    if (error != 0) return fail(Code::unavailable, fmt::format("start {}: {}", program, system_text(error)), error);
    Successor made;
    made.watched_ = watch(process);
    made.process_ = process;
    made.child_ = true;
    if (made.watched_) return made;
    const int why = errno;
    ::kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
    return fail(Code::exhausted, fmt::format("watch process {}: {}", process, system_text(why)), why);
}

Result<Successor> Successor::of(pid_t process) {
    Successor made;
    made.watched_ = watch(process);
    if (!made.watched_) return fail(Code::unavailable, fmt::format("watch process {}: {}", process, system_text(errno)), errno);
    made.process_ = process;
    return made;
}

void Successor::kill() {
    // By its descriptor: a number may be somebody else's by now.
    if (watched_) syscall(SYS_pidfd_send_signal, watched_.get(), SIGKILL, nullptr, 0);
}

std::optional<std::string> Successor::ended() {
    pollfd one{.fd = watched_.get(), .events = POLLIN};
    if (poll(&one, 1, 0) <= 0) return std::nullopt;
    if (!child_) return "ended";
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) != process_) return "ended";
    if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
    return fmt::format("ended with {}", WEXITSTATUS(status));
}

}  // namespace hale::os
