// The lightest HTTP backend that is still one: answers every request with a fixed 200, keep-alive, one thread.
//   bench_backend --listen 127.0.0.1:0 [--ports 1] [--addresses 1] [--body 14]
// --addresses n listens on n loopback addresses, --ports p on p ports of each; prints one "address:port" a line,
// then "ready".

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Options {
    std::string address = "127.0.0.1";
    int port = 0, ports = 1, addresses = 1, body = 14;
};

int listen_on(std::uint32_t host, int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(host);
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    if (bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 || listen(fd, 65535) != 0) {
        std::perror("bench_backend: listen");
        std::exit(1);
    }
    socklen_t size = sizeof where;
    getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &where.sin_addr, text, sizeof text);
    fmt::print("{}:{}\n", text, ntohs(where.sin_port));
    return fd;
}

// Bytes of a head that has not ended yet, by descriptor. Small: heads of benchmarks arrive whole.
std::vector<std::string> partial(65536);

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view key = argv[i], value = argv[i + 1];
        if (key == "--listen") {
            const auto colon = value.find(':');
            options.address = value.substr(0, colon);
            options.port = std::atoi(std::string(value.substr(colon + 1)).c_str());
        } else if (key == "--ports") options.ports = std::atoi(argv[i + 1]);
        else if (key == "--addresses") options.addresses = std::atoi(argv[i + 1]);
        else if (key == "--body") options.body = std::atoi(argv[i + 1]);
        else {
            fmt::print(stderr, "bench_backend: unknown option {}\n", key);
            return 2;
        }
    }
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    partial.resize(limit.rlim_max < 1'000'000 ? limit.rlim_max : 1'000'000);

    const std::string answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}", options.body,
                                           std::string(static_cast<std::size_t>(options.body), 'x'));
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<bool> is_listener(partial.size());
    in_addr first{};
    inet_pton(AF_INET, options.address.c_str(), &first);
    for (int a = 0; a < options.addresses; ++a)
        for (int p = 0; p < options.ports; ++p) {
            const int fd = listen_on(ntohl(first.s_addr) + static_cast<std::uint32_t>(a), options.port == 0 ? 0 : options.port + p);
            is_listener[static_cast<std::size_t>(fd)] = true;
            epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    fmt::print("ready\n");
    std::fflush(stdout);

    static char buffer[65536];
    epoll_event events[512];
    std::string answers;
    for (;;) {
        const int count = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            const auto place = static_cast<std::size_t>(fd);
            if (is_listener[place]) {
                for (int accepted = 0; accepted < 64; ++accepted) {
                    const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                    if (client < 0) break;
                    partial[static_cast<std::size_t>(client)].clear();
                    epoll_event event{.events = EPOLLIN | EPOLLET | EPOLLRDHUP, .data = {.fd = client}};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
                }
                continue;
            }
            for (;;) {
                const auto got = recv(fd, buffer, sizeof buffer, 0);
                if (got <= 0) {
                    if (got == 0 || errno != EAGAIN) close(fd);
                    break;
                }
                std::string_view bytes(buffer, static_cast<std::size_t>(got));
                std::string& kept = partial[place];
                if (!kept.empty()) kept += bytes, bytes = kept;
                answers.clear();
                bool last = false;  // As every server does: asked to, or by a client of HTTP/1.0, it closes after its answer.
                for (std::size_t end; (end = bytes.find("\r\n\r\n")) != std::string_view::npos;) {
                    const std::string_view head = bytes.substr(0, end + 2);
                    last = last || head.find("Connection: close\r\n") != std::string_view::npos || head.find(" HTTP/1.0\r\n") != std::string_view::npos;
                    answers += answer;
                    bytes.remove_prefix(end + 4);
                }
                const std::string rest(bytes);
                kept = rest;
                if (!answers.empty() && send(fd, answers.data(), answers.size(), MSG_NOSIGNAL) < 0) last = true;
                if (last) {
                    close(fd);
                    break;
                }
                if (static_cast<std::size_t>(got) < sizeof buffer) break;
            }
        }
    }
}
