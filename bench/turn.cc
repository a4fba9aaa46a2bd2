// From the deciding byte of a failing health answer to the first request that is routed differently.
//   bench_turn --pairs 40 --rounds 7 --turns 300 --rate 1000
// Plays both sides: `pairs` services of two instances each (A's health can turn), and the client. Prints the
// addresses ("A B" a line), then "ready"; reads the proxy's address from standard input once all are eligible, goes,
// and prints one JSON object a round.
//
//   restoring ──(a request went to A)──▶ armed ──(A is probed: 503)──▶ turning ──▶ restoring
//
// Services balance by the hash of X-Key, and each pair's key is one that A gets while it is eligible: so the answer's
// letter tells what Hale believed. While turning, requests of that pair leave until one came back from B that was sent
// after the last that still went to A. Its offset from the byte is the turn's lag: never told too low, and too high by
// the gap before it: 25 µs at first (the first leaves within 25 µs, at random), later half of what has passed. A denser
// train would be a load of its own: 40,000 requests a second keep a worker busy that should be nearly idle, and so the
// checker beside it waiting. The rest is background at `rate`, a request at a time.

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
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using std::chrono::microseconds;

constexpr auto step = microseconds(25);
constexpr auto longest_step = microseconds(1000);
constexpr auto longest_run = std::chrono::seconds(110);

enum class Stage { restoring, armed, turning };

struct Pair {
    Stage stage = Stage::restoring;
    int key = 0;
    Instant turned;            // When the byte was about to be sent.
    Instant restored;          // Requests sent before this say nothing about the next turn.
    Instant next;              // Of the train.
    int out = 0;               // Of the train: unanswered.
    double last_old_us = -1;   // Sent so long after the byte, and still to A.
    std::vector<double> news;  // Those that went to B.
};

struct Place {
    enum Role { none, listener, backend, client } role = none;
    std::size_t pair = 0;
    bool is_a = false;
    std::string kept;
    bool busy = false;    // client: a request is in flight,
    bool train = false;   // of a train;
    Instant begun, left;  // around its send().
};

std::vector<Place> places(20'000);
std::vector<Pair> pairs;
std::vector<int> idle;
std::size_t errors = 0;
int epoll = -1;

Place& place_of(int fd) { return places[static_cast<std::size_t>(fd)]; }

void watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void no_delay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
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
    no_delay(fd);
    auto where = loopback(0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 || listen(fd, 1024) != 0) std::exit(1);
    socklen_t size = sizeof where;
    getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
    place_of(fd) = {.role = Place::listener, .pair = pair, .is_a = is_a};
    watch(fd);
    return fmt::format("127.0.0.1:{}", ntohs(where.sin_port));
}

void open_client(const sockaddr_in& to) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    no_delay(fd);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) std::exit(1);
    place_of(fd) = {.role = Place::client};
    watch(fd);
    idle.push_back(fd);
}

double since_us(Instant from, Instant to) { return std::chrono::duration<double, std::micro>(to - from).count(); }

void ask(std::size_t pair, bool train) {
    const int fd = idle.back();
    idle.pop_back();
    Place& c = place_of(fd);
    c.pair = pair;
    c.busy = true;
    c.train = train;
    const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: s{}.test\r\nX-Key: {}\r\n\r\n", pair, pairs[pair].key);
    c.begun = Clock::now();
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) ++errors;
    c.left = Clock::now();
}

// Returns the lag when this answer ends a turn, else a negative number.
double answered(const Place& c, bool to_a) {
    Pair& pair = pairs[c.pair];
    if (!c.train) {
        if (pair.stage == Stage::restoring && to_a && c.begun > pair.restored) pair.stage = Stage::armed;
        return -1;
    }
    --pair.out;
    if (to_a) pair.last_old_us = std::max(pair.last_old_us, since_us(pair.turned, c.begun));
    else pair.news.push_back(since_us(pair.turned, c.left));
    if (pair.out > 0) return -1;
    std::erase_if(pair.news, [&](double at) { return at <= pair.last_old_us; });
    if (pair.news.empty()) return -1;
    pair.stage = Stage::restoring;
    pair.restored = Clock::now();
    return std::ranges::min(pair.news);
}

std::string health_answer(Pair& pair, std::mt19937_64& random) {
    // One at a time: the trains of several at once would be a load.
    const bool another = std::ranges::any_of(pairs, [&](const Pair& one) { return &one != &pair && one.stage == Stage::turning; });
    if (pair.stage == Stage::restoring || another) return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    if (pair.stage == Stage::armed) {
        pair.stage = Stage::turning;
        pair.out = 0;
        pair.last_old_us = -1;
        pair.news.clear();
        pair.turned = Clock::now();
        pair.next = pair.turned + std::chrono::nanoseconds(random() % std::chrono::nanoseconds(step).count());
    }
    return "HTTP/1.1 503 Sick\r\nContent-Length: 1\r\n\r\nx";
}

void tell_round(std::vector<double>& lags, double seconds, std::size_t background) {
    std::ranges::sort(lags);
    const auto quantile = [&](double q) { return lags[static_cast<std::size_t>(q * static_cast<double>(lags.size() - 1))]; };
    fmt::print("{{\"turns\":{},\"p50_us\":{:.0f},\"p90_us\":{:.0f},\"p99_us\":{:.0f},\"worst_us\":{:.0f},\"seconds\":{:.2f},\"background\":{},\"errors\":{}}}\n", lags.size(),
               quantile(0.5), quantile(0.9), quantile(0.99), lags.back(), seconds, background, errors);
    std::fflush(stdout);
    lags.clear();
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t pair_count = 40, rounds = 7, turns = 300;
    double rate = 1000;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view key = argv[i];
        if (key == "--pairs") pair_count = std::strtoul(argv[i + 1], nullptr, 10);
        else if (key == "--rounds") rounds = std::strtoul(argv[i + 1], nullptr, 10);
        else if (key == "--turns") turns = std::strtoul(argv[i + 1], nullptr, 10);
        else if (key == "--rate") rate = std::atof(argv[i + 1]);
        else return 2;
    }
    epoll = epoll_create1(0);
    pairs.resize(pair_count);
    for (std::size_t p = 0; p < pair_count; ++p) {
        const std::string a = open_listener(p, true), b = open_listener(p, false);
        fmt::print("{} {}\n", a, b);
    }
    fmt::print("ready\n");
    std::fflush(stdout);
    // Standard input is watched like everything else: the checks come before the address does.
    watch(STDIN_FILENO);
    std::string proxy;
    sockaddr_in to{};
    bool going = false;

    std::mt19937_64 random(1);
    const auto gap = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
    Instant end = Instant::max(), next_background, round_began;
    std::vector<double> lags;
    std::size_t background = 0, told = 0, looking = 0;  // `looking`: pairs whose key is not found yet.
    static char buffer[65536];
    epoll_event events[256];
    while (told < rounds && Clock::now() < end) {
        if (going) {
            const Instant now = Clock::now();
            for (std::size_t p = 0; p < pairs.size(); ++p) {
                Pair& pair = pairs[p];
                if (pair.stage != Stage::turning || pair.next > now || idle.empty()) continue;
                // One that came back from B after the last from A: no more are needed, those under way are waited for.
                if (std::ranges::any_of(pair.news, [&](double at) { return at > pair.last_old_us; })) continue;
                const auto half = std::chrono::duration_cast<microseconds>(pair.next - pair.turned) / 2;
                pair.next = std::max(pair.next + std::clamp(half, step, longest_step), now);
                ++pair.out;
                ask(p, true);
            }
            if (next_background <= now && !idle.empty()) {
                next_background = std::max(next_background + gap, now - gap);
                ++background;
                ask(random() % pair_count, false);
            }
        }
        const int count = epoll_wait(epoll, events, 256, going ? 0 : 100);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) {
                if (!std::getline(std::cin, proxy)) return 1;
                epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
                to = loopback(std::atoi(proxy.substr(proxy.find(':') + 1).c_str()));
                for (int n = 0; n < 128; ++n) open_client(to);
                looking = pair_count;
                for (std::size_t p = 0; p < pair_count; ++p) ask(p, false);
                end = Clock::now() + longest_run;
                continue;
            }
            Place& place = place_of(fd);
            if (place.role == Place::listener) {
                for (int client; (client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
                    no_delay(client);
                    place_of(client) = {.role = Place::backend, .pair = place.pair, .is_a = place.is_a};
                    watch(client);
                }
                continue;
            }
            const auto got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {
                close(fd);
                if (place.role == Place::client) {
                    if (place.busy) ++errors;  // Kept idle for long, it may be closed.
                    if (place.busy && place.train) --pairs[place.pair].out;
                    std::erase(idle, fd);
                    open_client(to);
                }
                continue;
            }
            const std::string_view bytes(buffer, static_cast<std::size_t>(got));
            if (place.role == Place::client) {
                place.kept += bytes;
                const auto head = place.kept.find("\r\n\r\n");
                if (head == std::string::npos || place.kept.size() < head + 5) continue;
                if (!place.kept.starts_with("HTTP/1.1 200")) ++errors;
                const bool to_a = place.kept[head + 4] == 'A';
                place.kept.clear();
                place.busy = false;
                idle.push_back(fd);
                if (looking > 0) {
                    if (to_a) --looking;
                    else ++pairs[place.pair].key, ask(place.pair, false);
                    if (looking == 0) going = true, next_background = round_began = Clock::now();
                    continue;
                }
                const double lag = answered(place, to_a);
                if (lag < 0) continue;
                lags.push_back(lag);
                if (lags.size() < turns) continue;
                const Instant now = Clock::now();
                tell_round(lags, since_us(round_began, now) / 1e6, background);
                background = 0;
                round_began = now;
                ++told;
                continue;
            }
            const std::string answer = place.is_a && bytes.starts_with("GET /up")
                                           ? health_answer(pairs[place.pair], random)
                                           : fmt::format("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", place.is_a ? 'A' : 'B');
            if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) ++errors;
        }
    }
    if (told < rounds) fmt::print(stderr, "bench_turn: {} of {} rounds, {} turns of the next, when time was over\n", told, rounds, lags.size());
    return told < rounds ? 1 : 0;
}
