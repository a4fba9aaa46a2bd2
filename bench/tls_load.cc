// Load over TLS 1.3, by OpenSSL on bare sockets.
//   bench_tls_load --to 127.0.0.1:8443 --host h.test --mode new|resumed|keep|idle --connections 8 --seconds 2 [--rate 0]
// new: each connection shakes hands in full, asks once, and ends. resumed: the same by a session's ticket. keep: each asks
// again at once on the connection it has. idle: each asks once and waits; "ready" is printed, and the end of stdin ends it.
// rate: connections a second in all (new, resumed), 0: as fast as they go. Prints one JSON object.

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/load_options.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options : LoadOptions {
    std::string mode = "new";
};

struct Counts {
    std::atomic<std::uint64_t> done{0}, errors{0}, resumed{0};
};

int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto** kept = static_cast<SSL_SESSION**>(SSL_get_app_data(ssl));
    if (kept == nullptr) return 0;
    SSL_SESSION_free(*kept);
    *kept = session;
    return 1;
}

// One connection with its handshake over, or null.
struct Secure {
    int fd = -1;
    SSL* ssl = nullptr;
    bool open(const Options& options, SSL_CTX* context, SSL_SESSION** session) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (connect(fd, reinterpret_cast<const sockaddr*>(&options.to), sizeof options.to) != 0) return false;
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        SSL_set_tlsext_host_name(ssl, options.host.c_str());
        SSL_set_app_data(ssl, session);
        if (session != nullptr && *session != nullptr) SSL_set_session(ssl, *session);
        return SSL_connect(ssl) == 1;
    }
    bool ask(const std::string& request) {
        if (SSL_write(ssl, request.data(), static_cast<int>(request.size())) <= 0) return false;
        char buffer[8192];
        std::string got;
        for (;;) {
            const int bytes = SSL_read(ssl, buffer, sizeof buffer);
            if (bytes <= 0) return false;
            got.append(buffer, static_cast<std::size_t>(bytes));
            const auto head = got.find("\r\n\r\n");
            if (head == std::string::npos) continue;
            std::size_t length = 0;
            for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "})
                if (const auto at = got.find(name); at != std::string::npos && at < head) length = std::strtoul(got.data() + at + name.size(), nullptr, 10);
            if (got.size() >= head + 4 + length) return got.starts_with("HTTP/1.1 200");
        }
    }
    void end() {
        if (ssl != nullptr) SSL_shutdown(ssl), SSL_free(ssl);
        if (fd >= 0) close(fd);
        ssl = nullptr, fd = -1;
    }
};

void run(const Options& options, SSL_CTX* context, Clock::time_point end, Counts& counts, std::vector<std::uint32_t>& latencies, int index) {
    const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\nAccept: */*\r\nConnection: close\r\n\r\n", options.host);
    SSL_SESSION* session = nullptr;
    SSL_SESSION** const kept = options.mode == "resumed" ? &session : nullptr;
    Secure connection;
    if (options.mode == "resumed") {  // The first is no part of what is measured.
        if (connection.open(options, context, kept)) connection.ask(request);
        connection.end();
    }
    const double share = options.rate / options.connections;
    const auto gap = share > 0 ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / share)) : Clock::duration{};
    auto due = Clock::now() + gap / options.connections * index;
    while (Clock::now() < end) {
        if (gap > Clock::duration{}) {
            const auto left = std::min(due, end) - Clock::now();
            poll(nullptr, 0, static_cast<int>(std::max<std::int64_t>(0, left / std::chrono::milliseconds(1))));
            due += gap;
        }
        const auto began = Clock::now();
        bool fine = connection.open(options, context, kept);
        if (fine && SSL_session_reused(connection.ssl) == 1) ++counts.resumed;
        fine = fine && connection.ask(request);
        if (!fine) ++counts.errors;
        else ++counts.done, latencies.push_back(static_cast<std::uint32_t>((Clock::now() - began) / std::chrono::microseconds(1)));
        connection.end();
    }
    connection.end();
    SSL_SESSION_free(session);
}

// One thread for all: each connection asks again as soon as it was answered.
void keep_asking(const Options& options, SSL_CTX* context, Counts& counts, std::vector<std::uint32_t>& latencies) {
    const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", options.host);
    std::vector<Secure> all(static_cast<std::size_t>(options.connections));
    std::vector<Clock::time_point> asked(all.size());
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i].open(options, context, nullptr) || !all[i].ask(request)) {
            ++counts.errors;
            return;
        }
        epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = i}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
        fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
    }
    const auto ask = [&](std::size_t i) {
        asked[i] = Clock::now();
        if (SSL_write(all[i].ssl, request.data(), static_cast<int>(request.size())) <= 0) ++counts.errors;
    };
    for (std::size_t i = 0; i < all.size(); ++i) ask(i);
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
    static char buffer[16384];
    epoll_event events[512];
    while (Clock::now() < end && counts.errors == 0) {
        const int count = epoll_wait(epoll, events, 512, 100);
        for (int e = 0; e < count; ++e) {
            const auto i = static_cast<std::size_t>(events[e].data.u64);
            // Answers are small: one comes in one record.
            const int bytes = SSL_read(all[i].ssl, buffer, sizeof buffer);
            if (bytes <= 0) {
                if (SSL_get_error(all[i].ssl, bytes) != SSL_ERROR_WANT_READ) ++counts.errors;
                continue;
            }
            if (!std::string_view(buffer, static_cast<std::size_t>(bytes)).starts_with("HTTP/1.1 200")) ++counts.errors;
            ++counts.done;
            latencies.push_back(static_cast<std::uint32_t>((Clock::now() - asked[i]) / std::chrono::microseconds(1)));
            ask(i);
        }
    }
    for (auto& one : all) one.end();
    close(epoll);
}

int hold_idle(const Options& options, SSL_CTX* context) {
    const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", options.host);
    std::vector<Secure> all(static_cast<std::size_t>(options.connections));
    for (auto& one : all)
        if (!one.open(options, context, nullptr) || !one.ask(request)) {
            fmt::print(stderr, "bench_tls_load: a connection failed\n");
            return 1;
        }
    fmt::print("ready\n");
    std::fflush(stdout);
    while (std::getchar() != EOF) {}
    for (auto& one : all) one.end();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    read_load_options(argc, argv, options, [&](std::string_view key, const std::string& value) {
        if (key == "--mode") options.mode = value;
        return key == "--mode";
    });
    open_as_many_as_allowed();
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    if (options.mode == "idle") return hold_idle(options, context);
    Counts counts;
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
    std::vector<std::thread> threads;
    std::vector<std::vector<std::uint32_t>> latencies(static_cast<std::size_t>(options.connections));
    if (options.mode == "keep") keep_asking(options, context, counts, latencies.front());
    else
        for (int i = 0; i < options.connections; ++i) threads.emplace_back([&, i] { run(options, context, end, counts, latencies[static_cast<std::size_t>(i)], i); });
    for (auto& one : threads) one.join();
    std::vector<std::uint32_t> all;
    for (const auto& one : latencies) all.insert(all.end(), one.begin(), one.end());
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    std::ranges::sort(all);
    const auto quantile = [&](double q) { return all.empty() ? 0 : all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))]; };
    fmt::print("{{\"requests\":{},\"seconds\":{:.3f},\"errors\":{},\"resumed\":{},\"p50_us\":{},\"p99_us\":{}}}\n", counts.done.load(), took, counts.errors.load(), counts.resumed.load(),
               quantile(0.5), quantile(0.99));
    return 0;
}
