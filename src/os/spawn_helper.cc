#include "os/spawn_helper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "os/command_stream.h"
#include "os/epoll_stream.h"
#include "os/spawn_server.h"

namespace hale::os {

namespace {

constexpr int helper_socket = STDERR_FILENO + 1;

void close_from(int first) {
    if (close_range(static_cast<unsigned>(first), ~0u, 0) == 0) return;
    rlimit open_files{};
    getrlimit(RLIMIT_NOFILE, &open_files);
    for (int fd = first; fd < static_cast<int>(open_files.rlim_cur); ++fd) close(fd);
}

// In the new process: nothing of the daemon's stays but one socket.
[[noreturn]] void become_helper(int socket, pid_t parent) {
    // Signals for the daemon's group (Ctrl-C) or control group are none of ours: we end when it does. The death
    // signal only makes the helper look who its parent is.
    setsid();
    prctl(PR_SET_NAME, "hale-spawn", 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    const int null = open("/dev/null", O_RDWR);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, standard);
    if (socket != helper_socket) dup2(socket, helper_socket);
    fcntl(helper_socket, F_SETFD, FD_CLOEXEC);
    close_from(helper_socket + 1);
    if (chdir("/") != 0) _exit(1);
    serve_spawn_orders(helper_socket, parent);
}

}  // namespace

// ── The process ──────────────────────────────────────────────────────────────────────────────────────────

Result<SpawnHelper> SpawnHelper::start() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Code::exhausted, fmt::format("can't start the spawn helper: {}", system_text(errno)), errno);
    Descriptor ours{ends[0]}, theirs{ends[1]};
    const pid_t parent = getpid();
    const pid_t process = fork();
    if (process < 0)
        return fail(Code::exhausted, fmt::format("can't start the spawn helper: {}", system_text(errno)), errno);
    if (process == 0) become_helper(theirs.get(), parent);
    return SpawnHelper(std::move(ours), process);
}

SpawnHelper::SpawnHelper(SpawnHelper&& other) noexcept
    : socket_(std::move(other.socket_)), process_(std::exchange(other.process_, -1)) {}

void SpawnHelper::stop() {
    if (process_ < 0) return;
    // It reads the end, kills its children and ends, which is the end for us; what it still says is dropped.
    shutdown(socket_.get(), SHUT_WR);
    char dropped[4096];
    pollfd end{.fd = socket_.get(), .events = POLLIN};
    const auto limit = static_cast<int>(duration_cast<std::chrono::milliseconds>(stop_patience).count());
    while (poll(&end, 1, limit) > 0 && recv(socket_.get(), dropped, sizeof dropped, 0) > 0) {
    }
    kill(process_, SIGKILL);
    waitpid(std::exchange(process_, -1), nullptr, 0);
    socket_.close();
}

// ── Asking it ────────────────────────────────────────────────────────────────────────────────────────────

Result<std::unique_ptr<Spawner>> Spawner::attach(EpollLoop& loop, SpawnHelper& helper) {
    std::unique_ptr<Spawner> spawner(new Spawner(loop, helper.socket()));
    HALE_TRY(spawner->watch(helper.socket(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
    return spawner;
}

Spawner::Spawner(EpollLoop& loop, int socket)
    : Watcher(loop), socket_(socket), patience_(loop, io::member_fire<&Spawner::give_up>, this) {}

Spawner::~Spawner() {
    *alive_ = false;
    unwatch();
}

void Spawner::spawn(io::Loop& home, io::SpawnRequest request, Done done) {
    loop().post([this, alive = alive_, request = std::move(request),
                 waiting = Waiting{.home = &home, .done = std::move(done)}]() mutable {
        if (*alive) order(std::move(request), std::move(waiting));
    });
}

void Spawner::order(io::SpawnRequest request, Waiting waiting) {
    if (request.arguments.empty() || !request.arguments.front().starts_with('/'))
        return answer(std::move(waiting), fail(Code::invalid, "a program is named by its absolute path"));
    for (const std::string& argument : request.arguments)
        if (argument.contains('\0'))
            return answer(std::move(waiting),
                          fail(Code::invalid, "an argument of a program can't contain a zero byte"));
    if (request.timeout <= Duration{0})
        return answer(std::move(waiting), fail(Code::invalid, "a program needs a timeout"));
    if (lost_)
        return answer(
            std::move(waiting),
            fail(Code::unavailable, "the spawn helper has ended; programs run again after a restart of Hale"));
    if (running_.size() - conversations_ < children_at_once && queue_.empty()) return start(std::move(request), std::move(waiting));
    if (queue_.size() >= most_waiting_children)
        return answer(std::move(waiting),
                      fail(Code::exhausted, fmt::format("{} programs wait for their turn already", most_waiting_children)));
    const Instant now = loop().now();
    const Instant until = now + request.patience;
    queue_.push_back({std::move(request), std::move(waiting), now, until});
    if (!patience_.armed() || patience_.at() > until) patience_.arm(until);
}

void Spawner::start_queued() {
    while (!lost_ && !queue_.empty() && running_.size() - conversations_ < children_at_once) {
        Queued next = std::move(queue_.front());
        queue_.pop_front();
        next.waiting.waited = loop().now() - next.since;
        start(std::move(next.request), std::move(next.waiting));
    }
    if (queue_.empty()) patience_.disarm();
}

void Spawner::give_up() noexcept {
    const Instant now = loop().now();
    Instant next = never;
    std::deque<Queued> left;
    for (Queued& one : queue_) {
        if (one.until > now) {
            next = std::min(next, one.until);
            left.push_back(std::move(one));
        } else {
            answer(std::move(one.waiting),
                   fail(Code::exhausted, fmt::format("its turn did not come within {}: {} programs run at once, and those that run take too long",
                                                     human(one.request.patience), children_at_once)));
        }
    }
    queue_ = std::move(left);
    if (next != never) patience_.arm(next);
}

Result<std::unique_ptr<io::Stream>> Spawner::converse(EpollLoop& home, io::SpawnRequest request) {
    const std::string program = request.arguments.empty() ? std::string() : request.arguments.front();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Code::exhausted, fmt::format("no socket for {}: {}", program, system_text(errno)), errno);
    Descriptor ours(ends[0]), theirs(ends[1]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail(Code::internal, "fcntl(O_NONBLOCK) failed", errno);
    HALE_ASSIGN(auto inner, EpollStream::open(home, std::move(ours), SocketAddress{.path = program}, EpollStream::Begin::connected));
    auto told = std::make_shared<CommandStream::Ending>();
    auto stream = std::make_unique<CommandStream>(std::move(inner), told);
    Done done = [told, program](Result<io::SpawnResult> how) { CommandStream::ended(told, program, std::move(how)); };
    loop().post([this, alive = alive_, request = std::move(request), waiting = Waiting{.home = &home, .done = std::move(done), .converses = true}, theirs = std::move(theirs)]() mutable {
        if (*alive) begin_conversation(std::move(request), std::move(waiting), std::move(theirs));
    });
    return std::unique_ptr<io::Stream>(std::move(stream));
}

void Spawner::begin_conversation(io::SpawnRequest request, Waiting waiting, Descriptor theirs) {
    if (request.arguments.empty() || !request.arguments.front().starts_with('/')) return answer(std::move(waiting), fail(Code::invalid, "a program is named by its absolute path"));
    if (lost_) return answer(std::move(waiting), fail(Code::unavailable, "the spawn helper has ended; programs run again after a restart of Hale"));
    if (conversations_ >= conversations_at_once) return answer(std::move(waiting), fail(Code::exhausted, fmt::format("{} conversations with programs are under way already", conversations_at_once)));
    start(std::move(request), std::move(waiting), std::move(theirs));
}

void Spawner::start(io::SpawnRequest request, Waiting waiting, Descriptor conversation) {
    // The report must fit into a frame, too.
    request.output_limit = std::min(request.output_limit, spawn_frame_limit / 2);
    const auto framed = frame(SpawnOrder{.id = ++last_id_, .request = std::move(request), .converses = waiting.converses});
    if (!framed) return answer(std::move(waiting), fail(Code::invalid, "the arguments of a program are too long"));
    conversations_ += waiting.converses;
    running_.emplace(last_id_, std::move(waiting));
    if (conversation) handing_.push_back({outgoing_.size(), std::move(conversation)});
    outgoing_ += *framed;
    write_orders();
}

void Spawner::answer(Waiting waiting, Result<io::SpawnResult> result) {
    waiting.home->post(
        [done = std::move(waiting.done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void Spawner::on_events(std::uint32_t) noexcept {
    if (lost_) return;
    read_reports();
    if (!lost_) write_orders();
}

void Spawner::read_reports() {
    char buffer[16 * 1024];
    for (;;) {
        const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) return helper_lost();
        incoming_.append(buffer, static_cast<std::size_t>(got));
    }
    std::string body;
    for (;;) {
        const FrameState state = take_frame(incoming_, body);
        if (state == FrameState::partial) return;
        auto report = state == FrameState::whole ? read_report(body) : std::nullopt;
        if (!report) return helper_lost();
        auto found = running_.extract(report->id);
        if (!found) continue;
        conversations_ -= found.mapped().converses;
        if (report->result) report->result->waited = found.mapped().waited;
        answer(std::move(found.mapped()), std::move(report->result));
        start_queued();
    }
}

void Spawner::write_orders() {
    while (!outgoing_.empty()) {
        // A descriptor goes with the first byte of its own order.
        const bool with = !handing_.empty() && handing_.front().at == 0;
        const std::size_t until = !handing_.empty() && !with ? handing_.front().at : with && handing_.size() > 1 ? handing_[1].at : outgoing_.size();
        iovec bytes{.iov_base = outgoing_.data(), .iov_len = until};
        alignas(cmsghdr) char beside[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        if (with) {
            message.msg_control = beside;
            message.msg_controllen = sizeof beside;
            cmsghdr* const one = CMSG_FIRSTHDR(&message);
            one->cmsg_level = SOL_SOCKET;
            one->cmsg_type = SCM_RIGHTS;
            one->cmsg_len = CMSG_LEN(sizeof(int));
            const int descriptor = handing_.front().descriptor.get();
            std::memcpy(CMSG_DATA(one), &descriptor, sizeof descriptor);
        }
        const ssize_t sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return helper_lost();
        outgoing_.erase(0, static_cast<std::size_t>(sent));
        if (with) handing_.pop_front();
        for (Handing& one : handing_) one.at -= static_cast<std::size_t>(sent);
    }
}

void Spawner::helper_lost() {
    lost_ = true;
    handing_.clear();
    conversations_ = 0;
    log(LogLevel::error, "the spawn helper has ended; exec checks can't run until Hale is restarted");
    patience_.disarm();
    for (auto& [id, waiting] : std::exchange(running_, {}))
        answer(std::move(waiting), fail(Code::unavailable, "the spawn helper ended before the program did"));
    for (auto& one : std::exchange(queue_, {}))
        answer(std::move(one.waiting), fail(Code::unavailable, "the spawn helper ended before the program started"));
}

}  // namespace hale::os
