// Scripted backends and clients of the scenarios: an HTTP server whose health a test turns, and one request
// through a worker.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "proxy/bed_test.h"
#include "tests/scenario/node.h"

namespace hale::scenario {

// One address. Health requests are those whose path a test calls unhealthy; everything else is traffic and is
// answered with the backend's name.
class Backend {
public:
    Backend(Site& site, std::string name, std::string_view ip, std::uint16_t port = 80)
        : name_(std::move(name)), at_{Ip::parse(ip).value(), port, {}} {
        site.network.add_host(name_, {ip});
        loop_ = &site.world.make_loop("backend");
        server_ = std::make_unique<proxy::Instance>(site.network.net(name_, *loop_), at_);
        server_->script = [this](proxy::Talker& talker, const proxy::Request& request) { answer(talker, request); };
    }
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    const std::string& name() const { return name_; }
    std::string address() const { return at_.text(); }
    proxy::Instance& server() { return *server_; }
    // Soon: on the backend's own thread.
    void up() {
        dead = false;
        loop_->post([this] { server_->start(); });
    }
    void kill() {
        dead = true;
        loop_->post([this] { server_->kill(); });
    }

    // Those that are open now; it goes on listening.
    void drop_connections() {
        loop_->post([this] {
            server_->kill();
            server_->start();
        });
    }

    bool dead = false;
    bool sick = false;                // Health answers 503, at every path,
    std::string sick_at;              // or at this path alone.
    bool sick_once = false;           // The next health answer is 503.
    int stall_health = 0;             // So many health answers never come,
    int reset_health = 0;             // or end in a reset.
    std::uint64_t health = 0, traffic = 0;
    Duration traffic_takes{0};

private:
    void answer(proxy::Talker& talker, const proxy::Request& request) {
        if (request.target != "/up" && request.target != "/health" && request.target != "/api/health") {
            ++traffic;
            const std::string body = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(name_.size()) + "\r\n\r\n" + name_;
            if (traffic_takes == Duration{0}) return talker.send(body);
            loop_->post_at(loop_->now() + traffic_takes, [&talker, body] {
                if (talker.open()) talker.send(body);
            });
            return;
        }
        ++health;
        if (stall_health > 0) {
            --stall_health;
            return;
        }
        if (reset_health > 0) {
            --reset_health;
            return talker.reset();
        }
        if (sick || sick_at == request.target || std::exchange(sick_once, false)) talker.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        else talker.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }

    std::string name_;
    SocketAddress at_;
    sim::Loop* loop_ = nullptr;
    std::unique_ptr<proxy::Instance> server_;
};

// A request under way, or answered.
class Ask {
public:
    Ask(Site& site, sim::Loop& loop, const SocketAddress& worker, const std::string& host, const std::string& path = "/",
        const std::string& method = "GET") {
        auto stream = site.network.net("client", loop).connect(worker);
        HALE_CHECK(stream.has_value());
        talker_ = std::make_unique<proxy::Talker>(std::move(*stream));
        talker_->send(method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    }
    bool done() const { return talker_->over(); }
    const std::string& text() const { return talker_->got; }
    int status() const { return text().size() > 12 ? std::stoi(text().substr(9, 3)) : 0; }
    std::string body() const {
        const auto at = text().find("\r\n\r\n");
        return at == std::string::npos ? "" : text().substr(at + 4);
    }
    bool has(std::string_view part) const { return text().find(part) != std::string::npos; }

private:
    std::unique_ptr<proxy::Talker> talker_;
};

inline std::unique_ptr<Ask> get(Site& site, sim::Loop& loop, const SocketAddress& worker, const std::string& host,
                                const std::string& path = "/", Duration most = 10s) {
    auto asked = std::make_unique<Ask>(site, loop, worker, host, path);
    EXPECT_TRUE(site.world.run_until([&] { return asked->done(); }, most)) << "a request without an answer";
    return asked;
}

}  // namespace hale::scenario
