#include "os/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace hale::os {

namespace {
sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) sigaddset(&set, signal);
    return set;
}
}  // namespace

void block_signals(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

Result<std::unique_ptr<Signals>> Signals::listen(EpollLoop& loop, std::initializer_list<int> signals,
                                                 Received received) {
    const sigset_t set = set_of(signals);
    Descriptor descriptor{signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!descriptor) return fail(Code::exhausted, fmt::format("can't receive signals: {}", system_text(errno)), errno);
    const int fd = descriptor.get();
    std::unique_ptr<Signals> made(new Signals(loop, std::move(descriptor), std::move(received)));
    HALE_TRY(made->watch(fd, EPOLLIN | EPOLLET));
    return made;
}

Signals::~Signals() { unwatch(); }

void Signals::on_events(std::uint32_t) noexcept {
    signalfd_siginfo one{};
    while (read(descriptor_.get(), &one, sizeof one) == sizeof one) received_(static_cast<int>(one.ssi_signo));
}

}  // namespace hale::os
