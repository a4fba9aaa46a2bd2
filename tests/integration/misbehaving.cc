// Twelve kinds of server that do what servers should not, one thread:
//   misbehaving [N]        N addresses (60) of each kind; prints "kind address:port" lines, then "ready"
// `refuse` prints ports on which nobody listens. It counts nothing and keeps nothing: what leaks is the prober's.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

enum Kind { refuse, silence, reset_at_once, close_at_once, reset_mid_head, one_byte_at_a_time, endless_head, endless_body, bad_chunks, short_body, garbage, answer_first, kinds };
constexpr std::array names{"refuse",     "silence",     "reset_at_once", "close_at_once", "reset_mid_head", "one_byte_at_a_time",
                           "endless_head", "endless_body", "bad_chunks",    "short_body",    "garbage",        "answer_first"};

struct Client {
    Kind kind = silence;
    bool open = false;
    std::size_t sent = 0;
};

struct Later {
    Clock::time_point at;
    int fd;
    std::uint32_t serial;
};

std::vector<Client> clients;
std::vector<std::uint32_t> serials;
std::deque<Later> drips;

void end(int fd, bool reset) {
    if (reset) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    clients[static_cast<std::size_t>(fd)].open = false;
    ++serials[static_cast<std::size_t>(fd)];
    close(fd);
}

bool put(int fd, std::string_view bytes) { return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0; }

constexpr std::string_view good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// One byte now and the next a little later: whole answers arrive in pieces.
void drip(int fd) {
    Client& client = clients[static_cast<std::size_t>(fd)];
    if (!put(fd, good.substr(client.sent % good.size(), 1))) return end(fd, true);
    if (++client.sent % good.size() != 0) drips.push_back({Clock::now() + std::chrono::milliseconds(1), fd, serials[static_cast<std::size_t>(fd)]});
}

void misbehave(int fd) {
    static const std::string filler(16384, 'x');
    switch (clients[static_cast<std::size_t>(fd)].kind) {
        case reset_mid_head: put(fd, "HTTP/1.1 200 OK\r\nContent-"); return end(fd, true);
        case one_byte_at_a_time: return drip(fd);
        case endless_head: put(fd, "HTTP/1.1 200 OK\r\n"); for (int i = 0; i < 20; ++i) if (!put(fd, "X-" + filler.substr(0, 8000) + ": 1\r\n")) break; return;
        case endless_body: put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"); for (int i = 0; i < 8; ++i) if (!put(fd, filler)) break; return;
        case bad_chunks: put(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\nzz\r\n"); return;
        case short_body: put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"); return end(fd, false);
        case garbage: put(fd, std::string_view("\x16\x03\x01\x00\xff\x00\x00not http\r\n\r\n", 19)); return;
        case answer_first: return;
        default: return;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int copies = argc > 1 ? std::atoi(argv[1]) : 60;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    clients.resize(limit.rlim_max);
    serials.resize(limit.rlim_max);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<int> listener_kind(limit.rlim_max, -1);
    for (int n = 0; n < kinds * copies; ++n) {
        const int kind = n / copies;
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256 + static_cast<std::uint32_t>(n % copies));
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) return 1;
        socklen_t size = sizeof where;
        getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
        char address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &where.sin_addr, address, sizeof address);
        fmt::print("{} {}:{}\n", names[static_cast<std::size_t>(kind)], address, ntohs(where.sin_port));
        if (kind == refuse) continue;  // Bound, so that nobody else takes it, and never listening.
        if (listen(fd, 65535) != 0) return 1;
        listener_kind[static_cast<std::size_t>(fd)] = kind;
        epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    fmt::print("ready\n");
    std::fflush(stdout);

    static char buffer[65536];
    epoll_event events[512];
    for (;;) {
        const int count = epoll_wait(epoll, events, 512, drips.empty() ? -1 : 1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (const int kind = listener_kind[static_cast<std::size_t>(fd)]; kind >= 0) {
                for (int n = 0; n < 256; ++n) {
                    const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                    if (client < 0) break;
                    clients[static_cast<std::size_t>(client)] = {static_cast<Kind>(kind), true, 0};
                    ++serials[static_cast<std::size_t>(client)];
                    if (kind == reset_at_once || kind == close_at_once) {
                        end(client, kind == reset_at_once);
                        continue;
                    }
                    if (kind == answer_first) put(client, good);
                    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = client}};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
                }
                continue;
            }
            const auto got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) end(fd, false);
            else misbehave(fd);
        }
        const auto now = Clock::now();
        for (std::size_t n = drips.size(); n-- > 0 && !drips.empty() && drips.front().at <= now;) {
            const Later next = drips.front();
            drips.pop_front();
            if (serials[static_cast<std::size_t>(next.fd)] == next.serial && clients[static_cast<std::size_t>(next.fd)].open) drip(next.fd);
        }
    }
}
