// How long after the deciding byte of a failing health answer is a request still routed to the instance?
//   bench_turn --pairs 10 --turns 2000 --rate 1000
// Plays both sides: `pairs` services of two instances each (A's health can turn), and the client. Prints the
// addresses ("A B" a line), then "ready"; reads the proxy's address from standard input, and goes. The checks are
// expected to have rise 1 and fall 1, so that one 503 decides. Each turn gets one request at a random moment within
// a millisecond after the deciding byte; the rest of the rate is background. Prints one JSON object: of the requests
// sent x µs after the byte, how many still went to A.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

struct Place {
    enum Role { none, listener, backend, client } role = none;
    std::size_t pair = 0;
    bool is_a = false;
    std::string kept;
    bool busy = false;          // client: a request is in flight.
    double offset_us = -1;      // client: of the deciding byte; negative: background.
};

struct Pair {
    bool sick = false, wants_turn = true;
    Clock::time_point turned;
    bool asked = true;
};

std::vector<Place> places(20'000);
int epoll = -1;

void watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

sockaddr_in loopback(int port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    return where;
}

std::string open_listener(std::size_t pair, bool is_a) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto where = loopback(0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 || listen(fd, 1024) != 0) std::exit(1);
    socklen_t size = sizeof where;
    getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
    places[static_cast<std::size_t>(fd)] = {.role = Place::listener, .pair = pair, .is_a = is_a};
    watch(fd);
    return fmt::format("127.0.0.1:{}", ntohs(where.sin_port));
}

int open_client(const sockaddr_in& to) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) std::exit(1);
    places[static_cast<std::size_t>(fd)] = {.role = Place::client};
    watch(fd);
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t pair_count = 10, turns = 2000;
    double rate = 1000;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view key = argv[i];
        if (key == "--pairs") pair_count = std::strtoul(argv[i + 1], nullptr, 10);
        else if (key == "--turns") turns = std::strtoul(argv[i + 1], nullptr, 10);
        else if (key == "--rate") rate = std::atof(argv[i + 1]);
        else return 2;
    }
    epoll = epoll_create1(0);
    std::vector<Pair> pairs(pair_count);
    for (std::size_t p = 0; p < pair_count; ++p) {
        const std::string a = open_listener(p, true), b = open_listener(p, false);
        fmt::print("{} {}\n", a, b);
    }
    fmt::print("ready\n");
    std::fflush(stdout);
    std::string proxy;
    std::cin >> proxy;
    const auto to = loopback(std::atoi(proxy.substr(proxy.find(':') + 1).c_str()));
    std::vector<int> idle;
    for (int i = 0; i < 32; ++i) idle.push_back(open_client(to));

    std::mt19937_64 random(1);
    using Due = std::pair<Clock::time_point, std::size_t>;  // When to ask, and which pair; pair_count: background.
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    const auto gap = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
    const auto begin = Clock::now();
    due.emplace(begin, pair_count);
    struct Sample {
        double offset_us;
        bool old;
    };
    std::vector<Sample> samples;
    std::size_t errors = 0, background = 0;
    static char buffer[65536];
    epoll_event events[256];
    std::string answer;
    while (samples.size() < turns && Clock::now() < begin + std::chrono::seconds(300)) {
        auto now = Clock::now();
        while (!due.empty() && due.top().first <= now && !idle.empty()) {
            const auto [at, p] = due.top();
            due.pop();
            if (p == pair_count) due.emplace(std::max(at + gap, now - gap), pair_count);
            const std::size_t pair = p == pair_count ? random() % pair_count : p;
            const int fd = idle.back();
            idle.pop_back();
            Place& c = places[static_cast<std::size_t>(fd)];
            c.pair = pair;
            c.busy = true;
            const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: s{}.test\r\n\r\n", pair);
            const auto sent = Clock::now();
            c.offset_us = p == pair_count ? -1 : std::chrono::duration<double, std::micro>(sent - pairs[pair].turned).count();
            if (p == pair_count) ++background;
            if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) ++errors;
        }
        int timeout_ms = 10;
        if (!due.empty()) {
            const auto left = due.top().first - Clock::now();
            timeout_ms = left <= microseconds(1500) ? 0 : 1;
        }
        const int count = epoll_wait(epoll, events, 256, timeout_ms);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            Place& place = places[static_cast<std::size_t>(fd)];
            if (place.role == Place::listener) {
                for (int client; (client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
                    places[static_cast<std::size_t>(client)] = {.role = Place::backend, .pair = place.pair, .is_a = place.is_a};
                    watch(client);
                }
                continue;
            }
            const auto got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {
                close(fd);
                if (place.role == Place::client) {
                    if (place.busy) ++errors;
                    else std::erase(idle, fd);
                    idle.push_back(open_client(to));
                }
                if (place.role == Place::backend) place.role = Place::none;
                continue;
            }
            const std::string_view bytes(buffer, static_cast<std::size_t>(got));
            if (place.role == Place::client) {
                place.kept += bytes;
                const auto head = place.kept.find("\r\n\r\n");
                if (head == std::string::npos || place.kept.size() < head + 5) continue;
                if (!place.kept.starts_with("HTTP/1.1 200")) ++errors;
                if (place.offset_us >= 0) samples.push_back({place.offset_us, place.kept[head + 4] == 'A'});
                place.kept.clear();
                place.busy = false;
                idle.push_back(fd);
                continue;
            }
            const bool health = bytes.starts_with("GET /up");
            Pair& pair = pairs[place.pair];
            if (!health || !place.is_a) {
                answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", place.is_a ? 'A' : 'B');
            } else {
                // Turns at each probe, once the sample of the last turn is on its way.
                pair.sick = !pair.sick;
                answer = fmt::format("HTTP/1.1 {}\r\nContent-Length: 1\r\n\r\nx", pair.sick ? "503 Sick" : "200 OK");
                if (pair.sick) {
                    pair.turned = Clock::now();
                    due.emplace(pair.turned + microseconds(random() % 1000), place.pair);
                }
            }
            if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) ++errors;
        }
    }
    std::ranges::sort(samples, {}, &Sample::offset_us);
    // The lag's p99: the smallest x beyond which at most one sample in a hundred still went to A.
    std::size_t later = 0, later_old = 0;
    double p99 = 0, p50 = 0;
    for (auto it = samples.rbegin(); it != samples.rend(); ++it) {
        ++later;
        later_old += it->old ? 1 : 0;
        if (p99 == 0 && later >= 50 && static_cast<double>(later_old) > 0.01 * static_cast<double>(later)) p99 = it->offset_us;
    }
    std::size_t old = 0;
    double worst = 0;
    for (const auto& sample : samples)
        if (sample.old) ++old, worst = std::max(worst, sample.offset_us);
    std::vector<double> old_offsets;
    for (const auto& sample : samples)
        if (sample.old) old_offsets.push_back(sample.offset_us);
    if (!old_offsets.empty()) p50 = old_offsets[old_offsets.size() / 2];
    fmt::print("{{\"turns\":{},\"background\":{},\"errors\":{},\"still_old\":{},\"p99_us\":{:.0f},\"median_of_old_us\":{:.0f},\"worst_us\":{:.0f}}}\n", samples.size(),
               background, errors, old, p99, p50, worst);
    return 0;
}
