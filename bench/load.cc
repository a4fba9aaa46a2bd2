// A load generator that costs little: keep-alive HTTP/1.1 GETs, one thread.
//   bench_load --to 127.0.0.1:8080 --host h.test --connections 64 --seconds 2 [--rate 0] [--path /]
// rate 0: closed loop, each connection asks again at once. rate n: open loop, n requests/s in all, latency from
// the intended send time. Prints one JSON object.

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_options.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
    int fd = -1;
    std::string kept;
    Clock::time_point due;  // Of the request in flight.
    bool busy = false;
};

struct Options : LoadOptions {
    Options() { connections = 64; }
    std::string path = "/", agent = "bench_load";
};

int open_connection(const Options& options, int epoll, std::size_t index) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&options.to), sizeof options.to) != 0) {
        std::perror("bench_load: connect");
        std::exit(1);
    }
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = index}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

// Length of the first whole response in `bytes`, 0 while it is not whole.
std::size_t whole_response(std::string_view bytes, int& status) {
    const auto head = bytes.find("\r\n\r\n");
    if (head == std::string_view::npos || bytes.size() < 12) return 0;
    status = std::atoi(bytes.data() + 9);
    std::size_t length = 0;
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "})
        if (const auto at = bytes.find(name); at != std::string_view::npos && at < head) length = std::strtoul(bytes.data() + at + name.size(), nullptr, 10);
    return bytes.size() >= head + 4 + length ? head + 4 + length : 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    read_load_options(argc, argv, options, [&](std::string_view key, const std::string& value) {
        if (key == "--path") options.path = value;
        return key == "--path";
    });
    open_as_many_as_allowed();

    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: */*\r\n\r\n", options.path, options.host, options.agent);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection> connections(static_cast<std::size_t>(options.connections));
    std::vector<std::size_t> idle;
    for (std::size_t i = 0; i < connections.size(); ++i) {
        connections[i].fd = open_connection(options, epoll, i);
        idle.push_back(i);
    }
    std::uint64_t done = 0, errors = 0, not_ok = 0, reconnects = 0;
    std::vector<std::uint32_t> latencies_us;
    latencies_us.reserve(4'000'000);
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
    auto next_due = begin;
    const auto gap = options.rate > 0 ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options.rate)) : Clock::duration{};
    const auto ask = [&](std::size_t index, Clock::time_point due) {
        Connection& c = connections[index];
        c.due = due;
        c.busy = true;
        if (send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) ++errors;
    };
    if (options.rate == 0) {
        for (const auto index : idle) ask(index, begin);
        idle.clear();
    }
    static char buffer[65536];
    epoll_event events[512];
    for (auto now = begin; now < end; now = Clock::now()) {
        int wait_ms = 100;
        if (options.rate > 0) {
            while (next_due <= now && !idle.empty()) {
                const auto index = idle.back();
                idle.pop_back();
                ask(index, next_due);
                next_due += gap;
            }
            wait_ms = idle.empty() ? 100 : static_cast<int>(std::max<std::int64_t>(0, (next_due - now) / std::chrono::milliseconds(1)));
        }
        const int count = epoll_wait(epoll, events, 512, wait_ms);
        const auto at = Clock::now();
        for (int i = 0; i < count; ++i) {
            const auto index = static_cast<std::size_t>(events[i].data.u64);
            Connection& c = connections[index];
            const auto got = recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                if (c.busy) ++errors;
                close(c.fd);
                c = Connection{.fd = open_connection(options, epoll, index)};
                ++reconnects;
                if (options.rate == 0) ask(index, at);
                else idle.push_back(index);
                continue;
            }
            std::string_view bytes(buffer, static_cast<std::size_t>(got));
            if (!c.kept.empty()) c.kept += bytes, bytes = c.kept;
            int status = 0;
            const auto length = whole_response(bytes, status);
            if (length == 0) {
                if (c.kept.empty()) c.kept = bytes;
                continue;
            }
            c.kept.clear();
            c.busy = false;
            ++done;
            if (status != 200) ++not_ok;
            latencies_us.push_back(static_cast<std::uint32_t>((at - c.due) / std::chrono::microseconds(1)));
            if (options.rate == 0) ask(index, at);
            else idle.push_back(index);
        }
    }
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    std::ranges::sort(latencies_us);
    const auto quantile = [&](double q) { return latencies_us.empty() ? 0 : latencies_us[static_cast<std::size_t>(q * static_cast<double>(latencies_us.size() - 1))]; };
    fmt::print("{{\"requests\":{},\"seconds\":{:.3f},\"errors\":{},\"not_ok\":{},\"reconnects\":{},\"p50_us\":{},\"p90_us\":{},\"p99_us\":{},\"max_us\":{}}}\n", done, took,
               errors, not_ok, reconnects, quantile(0.5), quantile(0.9), quantile(0.99), quantile(1));
    return 0;
}
