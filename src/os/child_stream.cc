#include "os/child_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "os/descriptor.h"
#include "os/epoll_stream.h"

namespace hale::os {

Result<std::unique_ptr<io::Stream>> connect_child(EpollLoop& loop, const std::vector<std::string>& arguments) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return fail(Code::exhausted, fmt::format("no socket for {}: {}", arguments.front(), system_text(errno)), errno);
    }
    Descriptor ours(pair[0]);
    const Descriptor theirs(pair[1]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail(Code::internal, "fcntl(O_NONBLOCK) failed", errno);

    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    pid_t child = -1;
    const int error = posix_spawn(&child, arguments.front().c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return fail(Code::not_found, fmt::format("{} can't be run: {}", arguments.front(), system_text(error)), error);

    HALE_ASSIGN(auto stream, EpollStream::open(loop, std::move(ours), SocketAddress{.path = arguments.front()},
                                               EpollStream::Begin::connected));
    return std::unique_ptr<io::Stream>(std::move(stream));
}

}  // namespace hale::os
