#include "os/spawn_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace hale::os {

Result<std::optional<ChildUser>> find_child_user(const std::string& name) {
    if (name.empty()) return std::nullopt;
    errno = 0;
    const passwd* const found = getpwnam(name.c_str());
    if (found == nullptr)
        return fail(Code::not_found, fmt::format("there is no user {} to run the program as", name), errno);
    ChildUser user{.uid = found->pw_uid, .gid = found->pw_gid};
    int count = 0;
    getgrouplist(name.c_str(), user.gid, nullptr, &count);
    user.groups.resize(static_cast<std::size_t>(count));
    if (count > 0) getgrouplist(name.c_str(), user.gid, user.groups.data(), &count);
    return user;
}

namespace {

bool limit(__rlimit_resource what, rlim_t most) {
    rlimit now{};
    if (getrlimit(what, &now) != 0) return false;
    // Never more than the helper itself has: raising needs a privilege.
    const rlim_t value = now.rlim_max == RLIM_INFINITY ? most : std::min(most, now.rlim_max);
    const rlimit lowered{.rlim_cur = value, .rlim_max = value};
    return setrlimit(what, &lowered) == 0;
}

// The number of processes is limited only for a user of its own: the daemon's may have many already, a
// developer's desktop for one.
bool set_limits(const io::SpawnRequest& request) {
    const auto cpu = std::chrono::ceil<std::chrono::seconds>(request.timeout + child_cpu_margin).count();
    return limit(RLIMIT_CPU, static_cast<rlim_t>(cpu)) && limit(RLIMIT_AS, child_memory_limit) &&
           limit(RLIMIT_NOFILE, child_files_limit) && limit(RLIMIT_FSIZE, child_file_size_limit) &&
           (request.user.empty() || limit(RLIMIT_NPROC, child_processes_limit)) && limit(RLIMIT_CORE, 0);
}

bool become_user(const std::optional<ChildUser>& user) {
    if (user && (user->uid != geteuid() || geteuid() == 0)) {
        if (setgroups(user->groups.size(), user->groups.data()) != 0) return false;
        if (setresgid(user->gid, user->gid, user->gid) != 0) return false;
        if (setresuid(user->uid, user->uid, user->uid) != 0) return false;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool connect_standard_streams(int output, int conversation) {
    if (conversation >= 0) return dup2(conversation, STDIN_FILENO) >= 0 && dup2(conversation, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
           dup2(null, STDERR_FILENO) >= 0;
}

// A program expects the signals of a fresh login, not those of the helper.
void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void become_program(const io::SpawnRequest& request, const std::optional<ChildUser>& user, int output, int conversation,
                    int failure, pid_t helper) {
    using Step = ChildFailure::Step;
    const auto give_up = [failure](Step step) {
        const ChildFailure why{.step = step, .error = errno};
        [[maybe_unused]] const auto written = write(failure, &why, sizeof why);
        _exit(127);
    };
    if (setsid() < 0 || chdir("/") != 0 || !connect_standard_streams(output, conversation)) give_up(Step::session);
    umask(022);
    if (!set_limits(request)) give_up(Step::limits);
    if (!become_user(user)) give_up(Step::user);
    // After the change of user, which clears it. The helper may have died before it was set.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != helper) _exit(127);
    reset_signals();
    // All of them are close-on-exec already; this holds for what a library may have opened, too.
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);

    std::vector<char*> arguments;
    for (const std::string& argument : request.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    char path[] = "PATH=/usr/bin:/bin", language[] = "LANG=C";
    std::vector<char*> environment{path, language};
    for (const std::string& variable : request.environment) environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    execve(arguments.front(), arguments.data(), environment.data());
    give_up(Step::program);
    __builtin_unreachable();
}

Error explain(const ChildFailure& failure, const io::SpawnRequest& request) {
    const std::string& path = request.arguments.front();
    const std::string why = system_text(failure.error);
    switch (failure.step) {
        case ChildFailure::Step::program: {
            const bool missing = failure.error == ENOENT || failure.error == EACCES || failure.error == ENOTDIR ||
                                 failure.error == ENOEXEC || failure.error == EISDIR || failure.error == ELOOP;
            return {.code = missing ? Code::not_found : Code::unavailable,
                    .text = fmt::format("can't run {}{}: {} (or its interpreter is)", path,
                                        request.user.empty() ? "" : " as " + request.user, why),
                    .system = failure.error};
        }
        case ChildFailure::Step::user:
            return {
                .code = Code::denied,
                .text = fmt::format("can't run {} as {}: {}; changing the user needs root", path, request.user, why),
                .system = failure.error};
        case ChildFailure::Step::session:
        case ChildFailure::Step::limits:
            break;
    }
    return {.code = Code::unavailable,
            .text = fmt::format("can't prepare a process for {}: {}", path, why),
            .system = failure.error};
}

}  // namespace hale::os
