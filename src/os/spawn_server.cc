#include "os/spawn_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <utility>

#include "os/clock.h"
#include "os/descriptor.h"
#include "os/spawn_child.h"
#include "os/spawn_helper.h"
#include "os/spawn_protocol.h"

namespace hale::os {

namespace {

// A child that can't be killed (its disk is gone) is reported so long after its deadline, and forgotten.
constexpr Duration kill_patience = 1s;
// A child that nobody speaks with any more has so long to end by itself.
constexpr Duration hang_up_patience = 2s;

struct Child {
    std::uint64_t id;
    io::SpawnRequest request;
    pid_t process;
    Descriptor output;
    Descriptor failure;  // Holds a ChildFailure when it never became the program.
    Instant deadline;
    io::SpawnResult result;
    bool converses = false;
    Descriptor conversation;  // Only looked at: when nobody speaks with the child any more.
};

class SpawnServer {
public:
    SpawnServer(Descriptor socket, pid_t parent) : socket_(std::move(socket)), parent_(parent) {}

    [[noreturn]] void serve();

private:
    void wait();
    void read_orders();
    void write_reports();
    void read_output(Child& child);
    void reap();
    void finish(Child& child, const siginfo_t& end);
    void kill_overdue();
    void obey(const SpawnOrder& order);
    Result<Child> start(const SpawnOrder& order, Descriptor conversation);
    void look_who_hung_up();
    void report(const SpawnReport& report) { outgoing_ += frame(report); }
    [[noreturn]] void end();

    Descriptor socket_;
    pid_t parent_;
    Descriptor signals_;
    std::list<Child> children_;
    std::map<std::string, std::optional<ChildUser>> users_;  // Found once: a directory service may be slow.
    std::string incoming_, outgoing_;
    std::deque<Descriptor> handed_;  // For the orders that converse, in their order.
    std::vector<pollfd> polled_;
};

void SpawnServer::serve() {
    // Orphans of our children come to us, to be reaped.
    // Whoever started us may ignore it, and an ignored SIGCHLD hides how children end.
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    sigset_t heard;
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    sigaddset(&heard, SIGTERM);
    signals_ = Descriptor{signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!signals_) end();
    for (;;) {
        wait();
        read_orders();
        for (Child& child : children_) read_output(child);
        look_who_hung_up();
        reap();
        kill_overdue();
        write_reports();
        if (getppid() != parent_) end();
    }
}

void SpawnServer::wait() {
    polled_.clear();
    polled_.push_back({.fd = socket_.get(), .events = static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT))});
    polled_.push_back({.fd = signals_.get(), .events = POLLIN});
    Instant next = never;
    for (const Child& child : children_) {
        if (child.output) polled_.push_back({.fd = child.output.get(), .events = POLLIN});
        if (child.conversation) polled_.push_back({.fd = child.conversation.get(), .events = 0});
        next = std::min(next, child.deadline);
    }
    timespec limit{};
    if (next != never) {
        const Duration left = std::max(next - monotonic_now(), Duration{0});
        limit.tv_sec = duration_cast<std::chrono::seconds>(left).count();
        limit.tv_nsec = (left % 1s).count();
    }
    ppoll(polled_.data(), polled_.size(), next == never ? nullptr : &limit, nullptr);
    // Which signal it was does not matter: everything is looked at after each wait.
    signalfd_siginfo ignored{};
    while (read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
}

void SpawnServer::read_orders() {
    char buffer[16 * 1024];
    for (;;) {
        iovec bytes{.iov_base = buffer, .iov_len = sizeof buffer};
        alignas(cmsghdr) char beside[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = beside;
        message.msg_controllen = sizeof beside;
        const ssize_t got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
        if (got == 0) end();
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (got < 0) end();
        for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
            if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(one), sizeof descriptor);
            handed_.emplace_back(descriptor);
        }
        incoming_.append(buffer, static_cast<std::size_t>(got));
    }
    std::string body;
    for (;;) {
        const FrameState state = take_frame(incoming_, body);
        if (state == FrameState::partial) return;
        auto order = state == FrameState::whole ? read_order(body) : std::nullopt;
        if (!order) end();
        obey(*order);
    }
}

void SpawnServer::write_reports() {
    while (!outgoing_.empty()) {
        const ssize_t sent = send(socket_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent < 0) end();
        outgoing_.erase(0, static_cast<std::size_t>(sent));
    }
}

void SpawnServer::obey(const SpawnOrder& order) {
    Descriptor conversation;
    if (order.converses) {
        if (handed_.empty()) end();  // It was lost on its way: nothing fits any more.
        conversation = std::move(handed_.front());
        handed_.pop_front();
    }
    const std::size_t most = order.converses ? conversations_at_once : children_at_once;
    if (static_cast<std::size_t>(std::ranges::count(children_, order.converses, &Child::converses)) >= most) {
        report({.id = order.id, .result = fail(Code::exhausted, fmt::format("{} child processes run already", most))});
        return;
    }
    auto child = start(order, std::move(conversation));
    if (child)
        children_.push_back(std::move(*child));
    else
        report({.id = order.id, .result = std::unexpected(std::move(child.error()))});
}

void SpawnServer::look_who_hung_up() {
    for (Child& child : children_) {
        if (!child.conversation) continue;
        pollfd end{.fd = child.conversation.get(), .events = 0};
        if (poll(&end, 1, 0) <= 0 || (end.revents & (POLLHUP | POLLERR)) == 0) continue;
        child.conversation.close();
        child.deadline = std::min(child.deadline, monotonic_now() + hang_up_patience);
    }
}

Result<Child> SpawnServer::start(const SpawnOrder& order, Descriptor conversation) {
    const io::SpawnRequest& request = order.request;
    auto user = users_.find(request.user);
    if (user == users_.end()) {
        HALE_ASSIGN(auto found, find_child_user(request.user));
        user = users_.emplace(request.user, std::move(found)).first;
    }
    int output[2] = {-1, -1}, failure[2] = {-1, -1};
    const bool piped = pipe2(output, O_CLOEXEC) == 0 && pipe2(failure, O_CLOEXEC) == 0;
    Descriptor output_read{output[0]}, output_write{output[1]}, failure_read{failure[0]}, failure_write{failure[1]};
    const pid_t helper = getpid();
    const pid_t process = piped ? fork() : -1;
    if (process < 0)
        return fail(Code::exhausted, fmt::format("can't start {}: {}", request.arguments.front(), system_text(errno)),
                    errno);
    if (process == 0) become_program(request, user->second, output_write.get(), conversation.get(), failure_write.get(), helper);

    // Not waited for: what keeps it from becoming the program may be a disk that never answers.
    fcntl(output_read.get(), F_SETFL, O_NONBLOCK);
    fcntl(failure_read.get(), F_SETFL, O_NONBLOCK);
    return Child{.id = order.id,
                 .request = request,
                 .process = process,
                 .output = std::move(output_read),
                 .failure = std::move(failure_read),
                 .deadline = monotonic_now() + request.timeout,
                 .result = {},
                 .converses = order.converses,
                 .conversation = std::move(conversation)};
}

// What is beyond the limit is read and dropped, so that the child does not stop for it.
void SpawnServer::read_output(Child& child) {
    constexpr int reads_per_turn = 64;  // A child that writes without end must not starve the others.
    char buffer[16 * 1024];
    for (int left = reads_per_turn; child.output && left > 0; --left) {
        const ssize_t got = read(child.output.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            child.output.close();
            return;
        }
        const std::size_t room = child.request.output_limit - child.result.output.size();
        child.result.output.append(buffer, std::min(room, static_cast<std::size_t>(got)));
    }
}

void SpawnServer::reap() {
    for (;;) {
        // Looked at first and reaped afterwards: until then the number of its process group is its own.
        siginfo_t ended{};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
        const auto child = std::ranges::find(children_, ended.si_pid, &Child::process);
        if (child != children_.end()) kill(-child->process, SIGKILL);
        waitpid(ended.si_pid, nullptr, 0);
        if (child == children_.end()) continue;
        finish(*child, ended);
        children_.erase(child);
    }
}

void SpawnServer::finish(Child& child, const siginfo_t& ended) {
    if (ChildFailure why{}; read(child.failure.get(), &why, sizeof why) == sizeof why)
        return report({.id = child.id, .result = std::unexpected(explain(why, child.request))});
    read_output(child);
    io::SpawnResult& result = child.result;
    if (ended.si_code == CLD_EXITED && !result.timed_out)
        result.exit_code = ended.si_status;
    else if (ended.si_code != CLD_EXITED)
        result.signal = ended.si_status;
    report({.id = child.id, .result = std::move(result)});
}

void SpawnServer::kill_overdue() {
    const Instant now = monotonic_now();
    std::erase_if(children_, [&](Child& child) {
        if (child.deadline > now) return false;
        if (std::exchange(child.result.timed_out, true)) {
            report({.id = child.id, .result = std::move(child.result)});
            return true;
        }
        child.deadline = now + kill_patience;
        // By its own number, too: it may not have its group yet.
        kill(-child.process, SIGKILL);
        kill(child.process, SIGKILL);
        return false;
    });
}

void SpawnServer::end() {
    // Not waited for: whoever inherits them reaps them.
    for (const Child& child : children_) kill(-child.process, SIGKILL), kill(child.process, SIGKILL);
    _exit(0);
}

}  // namespace

void serve_spawn_orders(int socket, pid_t parent) { SpawnServer(Descriptor{socket}, parent).serve(); }

}  // namespace hale::os
